"""Conditional and range requests (RFC 9110 §13, §14).

Pure decisions about header fields; ``files`` opens the file. Werkzeug parses entity tags and dates. Range is parsed
here, because many ranges can be used to attack a server: adjacent ranges are joined into one, the whole file is sent if
they are not adjacent, and more than ``MOST_RANGES`` are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from werkzeug.http import parse_date, parse_etags, parse_if_range_header

from wiverno.web.errors import HTTPError

MOST_RANGES = 16


class Verdict(Enum):
    """The result of a request's preconditions."""

    SEND = "send"
    NOT_MODIFIED = "not modified"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a resource.

    Attributes:
        etag: A strong entity tag, without its quotes.
        modified: When it was changed last, in whole seconds and with a time zone.
    """

    etag: str
    modified: datetime


def check_preconditions(environ: Mapping[str, Any], version: Version) -> Verdict:
    """Evaluate If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since in the order of RFC 9110 §13.2.2."""
    is_read = environ.get("REQUEST_METHOD") in ("GET", "HEAD")
    if_match = environ.get("HTTP_IF_MATCH")
    if if_match is not None:
        tags = parse_etags(if_match)
        if not (tags.star_tag or tags.is_strong(version.etag)):
            return Verdict.FAILED
    else:
        moment = parse_date(environ.get("HTTP_IF_UNMODIFIED_SINCE"))
        if moment is not None and version.modified > moment:
            return Verdict.FAILED
    if_none_match = environ.get("HTTP_IF_NONE_MATCH")
    if if_none_match is not None:
        tags = parse_etags(if_none_match)
        if tags.star_tag or tags.contains_weak(version.etag):
            return Verdict.NOT_MODIFIED if is_read else Verdict.FAILED
    elif is_read:
        moment = parse_date(environ.get("HTTP_IF_MODIFIED_SINCE"))
        if moment is not None and version.modified <= moment:
            return Verdict.NOT_MODIFIED
    return Verdict.SEND


def wanted_part(environ: Mapping[str, Any], version: Version, size: int) -> tuple[int, int] | None:
    """Return (start, stop) in bytes of the part a request asks for, or None for the whole.

    Raises:
        HTTPError: 416 when nothing of the range exists, or for more than ``MOST_RANGES`` ranges.
    """
    # RFC 9110 §14.2: a Range on any other method is ignored.
    text = environ.get("HTTP_RANGE")
    if text is None or environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
        return None
    if "HTTP_IF_RANGE" in environ and not _is_same(environ["HTTP_IF_RANGE"], version):
        return None
    return parse_range(text, size)


def _is_same(if_range: str, version: Version) -> bool:
    """Compare If-Range strongly: a tag or date that is exactly this version's (RFC 9110 §13.1.5)."""
    if if_range.lstrip().startswith("W/"):
        return False
    condition = parse_if_range_header(if_range)
    if condition.date is not None:
        return condition.date == version.modified
    return condition.etag == version.etag


_ONE_RANGE = re.compile(r"[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.ASCII)


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """Return (start, stop) for a Range field on something of ``size`` bytes, or None if it must be ignored.

    Raises:
        HTTPError: 416 as ``wanted_part``.
    """
    unit, equals, spec = text.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes":
        return None
    if spec.count(",") >= MOST_RANGES:
        raise _unsatisfiable(size)
    parts: list[tuple[int, int]] = []
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
    parts = sorted((start, stop) for start, stop in parts if start < stop)
    if not parts:
        raise _unsatisfiable(size)
    start, stop = parts[0]
    for next_start, next_stop in parts[1:]:
        if next_start > stop:
            # RFC 9110 §14.2 allows a server to ignore Range; no client needs multipart/byteranges.
            return None
        stop = max(stop, next_stop)
    return start, stop


def _unsatisfiable(size: int) -> HTTPError:
    return HTTPError(416, headers={"Content-Range": f"bytes */{size}"})
