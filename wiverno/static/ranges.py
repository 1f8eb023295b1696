"""Range requests (RFC 9110 §14): which parts of a file, and how several parts are sent in one response.

Many ranges can be used to attack a server (CVE-2011-3192): overlapping and adjacent ranges are joined, so that never
more than the file is sent, and more than ``MOST_RANGES`` are refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wiverno.static.conditions import Version, is_same_version

MOST_RANGES: Final = 16

Part = tuple[int, int]
"""Where a part starts and stops, in bytes; the byte at its stop does not belong to it."""


class RangeNotSatisfiable(Exception):
    """Nothing of what a range asks for exists, or it asks for too many parts: 416."""


def wanted_parts(environ: Mapping[str, Any], version: Version, size: int) -> tuple[Part, ...] | None:
    """Return the parts that a request asks for, or None for the whole.

    Raises:
        RangeNotSatisfiable: see the class.
    """
    text = environ.get("HTTP_RANGE")
    # RFC 9110 §14.2: a Range on any other method is ignored.
    if text is None or environ.get("REQUEST_METHOD") != "GET":
        return None
    if "HTTP_IF_RANGE" in environ and not is_same_version(environ["HTTP_IF_RANGE"], version):
        return None
    return parse_ranges(text, size)


_ONE_RANGE: Final = re.compile(r"[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.ASCII)


def parse_ranges(text: str, size: int) -> tuple[Part, ...] | None:
    """Return the parts that a Range field names on something of ``size`` bytes, or None if it must be ignored.

    Raises:
        RangeNotSatisfiable: see the class.
    """
    unit, equals, spec = text.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes":
        return None
    if spec.count(",") >= MOST_RANGES:
        raise RangeNotSatisfiable
    parts: list[Part] = []
    for item in spec.split(","):
        match = _ONE_RANGE.fullmatch(item)
        if match is None or match[1] == match[2] == "":
            return None
        if not match[1]:
            parts.append((max(size - int(match[2]), 0), size))
        elif match[2] and int(match[2]) < int(match[1]):
            return None
        else:
            parts.append((int(match[1]), min(int(match[2]) + 1, size) if match[2] else size))
    parts = [(start, stop) for start, stop in parts if start < stop]
    if not parts:
        raise RangeNotSatisfiable
    joined = _join(parts)
    # RFC 9110 §15.3.7.2: in the order that the client asked for, unless parts were joined.
    return tuple(parts) if len(joined) == len(parts) else tuple(joined)


def _join(parts: Sequence[Part]) -> list[Part]:
    """Return the parts in the order of the file, overlapping and adjacent ones joined."""
    joined: list[Part] = []
    for start, stop in sorted(parts):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], stop)
        else:
            joined.append((start, stop))
    return joined


def part_heads(parts: Sequence[Part], size: int, content_type: str, boundary: str) -> tuple[list[bytes], bytes]:
    """Return what stands before each part of a multipart/byteranges response, and its end (RFC 9110 §14.6).

    Args:
        parts: the parts.
        size: bytes of the whole.
        content_type: the media type of the whole.
        boundary: the delimiter, which must not occur in the content.
    """
    heads = [
        f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n"
        f"Content-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n".encode("latin-1")
        for start, stop in parts
    ]
    return heads, f"\r\n--{boundary}--\r\n".encode("ascii")
