"""From one form of a file and a request's header fields to a response: which status, which fields, which bytes.

Preconditions come before ranges (RFC 9110 §13.2.2, §14.2). A file that is kept in memory is answered from there; any
other one is opened for each response, and must still be the file that was described.
"""

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from wiverno.http.response import Headers
from wiverno.static.bodies import SeveralParts, file_at, read_small
from wiverno.static.conditions import Verdict, check_preconditions
from wiverno.static.opening import open_below, reopen
from wiverno.static.ranges import Part, RangeNotSatisfiable, part_heads, wanted_parts
from wiverno.static.representations import MAX_CONTENT, Entry, Representation, signature_of
from wiverno.wsgi_types import Environ, StartResponse

_CONDITIONS: Final = (
    "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE",
)  # fmt: skip
_WHOLE: Final[tuple[Part, ...]] = ()


class FileChanged(Exception):
    """The file is not the one that was described."""


class Refused(Exception):
    """A response without the file: its status and further fields."""

    def __init__(self, status: int, fields: Headers) -> None:
        """Take status and fields."""
        super().__init__(status)
        self.status = status
        self.fields = fields


def will_open(environ: Mapping[str, Any], chosen: Representation) -> bool:
    """Tell whether a response opens the file in any case, so that a change is noticed without a look before."""
    return (
        chosen.content is None
        and environ["REQUEST_METHOD"] == "GET"
        and not any(name in environ for name in _CONDITIONS)
    )


def select_parts(environ: Mapping[str, Any], chosen: Representation) -> tuple[Part, ...] | None:
    """Return the parts that a request wants, () for the whole; None if the client has this version already.

    Raises:
        Refused: 412 or 416.
    """
    for name in _CONDITIONS:
        if name in environ:
            break
    else:
        return _WHOLE
    verdict = check_preconditions(environ, chosen.version)
    if verdict is Verdict.NOT_MODIFIED:
        return None
    if verdict is Verdict.FAILED:
        raise Refused(412, [])
    try:
        return wanted_parts(environ, chosen.version, chosen.size) or _WHOLE
    except RangeNotSatisfiable:
        raise Refused(416, [("Content-Range", f"bytes */{chosen.size}")]) from None


def respond(entry: Entry, chosen: Representation, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a GET or HEAD request with a file; return the body.

    Raises:
        FileChanged: see there; the response has not been started.
        Refused: as ``select_parts``.
    """
    parts = select_parts(environ, chosen)
    if parts is None:
        start_response("304 Not Modified", chosen.cache_fields)
        return ()
    if environ["REQUEST_METHOD"] == "HEAD":
        start_response("200 OK", chosen.whole_fields)
        return ()
    if chosen.content is not None:
        if not parts:
            start_response("200 OK", chosen.whole_fields)
            return [chosen.content]
        if len(parts) == 1:
            start_response("206 Partial Content", _part_fields(chosen, parts[0]))
            return [chosen.content[slice(*parts[0])]]
    fd = _open(entry, chosen)
    if len(parts) > 1:
        return _send_several(fd, chosen, parts, start_response)
    start, stop = parts[0] if parts else (0, chosen.size)
    if stop - start <= MAX_CONTENT:
        try:
            content = read_small(fd, start, stop)
        finally:
            os.close(fd)
        if content is None:
            raise FileChanged
        body: Iterable[bytes] = [content]
    else:
        body = environ["wsgi.file_wrapper"](file_at(fd, start))
    if parts:
        start_response("206 Partial Content", _part_fields(chosen, parts[0]))
    else:
        start_response("200 OK", chosen.whole_fields)
    return body


def _open(entry: Entry, chosen: Representation) -> int:
    """Open a file that must be the one that was described: then it is the one that was found in the directory."""
    mount = entry.mount
    with suppress(OSError):  # three system calls fewer than the next attempt, which also follows links inside
        fd, status = reopen(chosen.path)
        if signature_of(status) == chosen.signature:
            return fd
        os.close(fd)
    try:
        fd, status = open_below(mount.directory, chosen.names, follow_symlinks=mount.follow_symlinks)
    except OSError as error:
        raise FileChanged from error
    if signature_of(status) != chosen.signature:
        os.close(fd)
        raise FileChanged
    return fd


def _part_fields(chosen: Representation, part: Part) -> Headers:
    start, stop = part
    return [
        *chosen.fields,
        ("Content-Range", f"bytes {start}-{stop - 1}/{chosen.size}"),
        ("Content-Length", str(stop - start)),
    ]


def _send_several(
    fd: int, chosen: Representation, parts: Sequence[Part], start_response: StartResponse
) -> SeveralParts:
    boundary = secrets.token_hex(16)  # it can't be foreseen, so no content has it
    kind = next(value for name, value in chosen.fields if name == "Content-Type")
    body = SeveralParts(fd, parts, *part_heads(parts, chosen.size, kind, boundary))
    start_response(
        "206 Partial Content",
        [
            ("Content-Type", f"multipart/byteranges; boundary={boundary}"),
            ("Content-Length", str(body.length)),
            *(field for field in chosen.fields if field[0] != "Content-Type"),
        ],
    )
    return body
