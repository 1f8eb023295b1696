"""What a handler may return, and the one place where it becomes a WSGI answer: ``answer``.

A handler returns text, bytes, JSON (a dict, a list, a dataclass or a pydantic model), a file, a ``Path``, an iterator
of text or bytes, a ``Response``, or a tuple ``(status, body)`` or ``(status, body, headers)`` around one of these.
A status is ``200``, ``HTTPStatus.OK`` or ``"200 OK"``; it may also stand after the body, as in Flask.

An answer is a plain triple ``(status line, header list, body iterable)``. The list is new each time because PEP 3333
lets servers change it; its tuples and strings are shared, so that a server can recognise a head it has seen before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any, cast

from wiverno.web.files import send_file
from wiverno.web.handlers import describe_handler
from wiverno.web.json_text import dump_json, is_json_object
from wiverno.web.request import Request
from wiverno.web.response import (
    BYTES,
    HTML,
    JSON,
    STATUS_LINES,
    Answer,
    ReadableFile,
    Response,
    close_body,
    header_pairs,
    status_line,
)  # fmt: skip
from wiverno.wsgi_types import Environ

_HTML_FIELD = ("Content-Type", HTML)
_JSON_FIELD = ("Content-Type", JSON)
_KNOWN_LENGTHS = 16 * 1024
_LENGTH_FIELDS: dict[int, tuple[str, str]] = {}


def answer(result: object, environ: Mapping[str, Any]) -> Answer:
    """Turn what a handler returned into a WSGI answer.

    Args:
        result: Any of the forms that the module's docstring lists.
        environ: The request's; its ``wsgi.file_wrapper`` serves files.

    Raises:
        ReturnError: the value has none of these forms.
        TypeError, ValueError: its JSON, its status or a header field cannot be sent.
    """
    status: Any = 200
    headers: Any = None
    body: Any = result
    if type(result) is tuple:
        if len(result) == 2:
            status, body = result
        elif len(result) == 3:
            status, body, headers = result
        else:
            raise ReturnError(f"returned a tuple of {len(result)}; return (status, body) or (status, body, headers)")
    elif isinstance(result, Response):
        return _finish(result.status, list(result.headers), result.body, environ)
    try:
        line = STATUS_LINES.get(status) or status_line(status)
    except (TypeError, ValueError):
        # Flask's order: (body, status) and (body, status, headers).
        line, body = _status_after(status, body)
    if headers is None and line not in _BODILESS:
        # The forms that nearly every handler uses take the short way.
        kind = type(body)
        if kind is str:
            data = body.encode()
            return line, [_HTML_FIELD, _LENGTH_FIELDS.get(len(data)) or _length_field(len(data))], [data]
        if kind is dict or kind is list:
            data = dump_json(body)
            return line, [_JSON_FIELD, _LENGTH_FIELDS.get(len(data)) or _length_field(len(data))], [data]
    if isinstance(body, int) and type(result) is tuple:
        line, body = status_line(body), status  # ("404 Not Found", 404), where both may be a status
    return _finish(line, header_pairs(headers) if headers else [], body, environ)


class ReturnError(TypeError):
    """A handler returned what is no response.

    ``name`` puts the handler's name and place into the message, where the caller knows them.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(f"a handler {fault}")
        self._fault: str | None = fault

    def name(self, handler: object) -> None:
        """Name the handler in the message, unless another one is named already."""
        if self._fault is not None:
            self.args = (f"{describe_handler(handler)} {self._fault}",)
            self._fault = None


def _status_after(body: Any, status: Any) -> tuple[str, Any]:
    """Return status and body of a tuple whose first item is no status.

    Raises:
        ValueError: the second item is no status either; the message names the first one.
    """
    try:
        return STATUS_LINES.get(status) or status_line(status), body
    except (TypeError, ValueError):
        raise ValueError(f"{body!r} is not a status; write 200, HTTPStatus.OK or '200 OK'") from None


# These are never paths: looking up a missing attribute would be slow.
_PLAIN = frozenset({str, bytes, dict, list})
# RFC 9110 §15.3.5, §15.3.6, §15.4.5: these have no content.
_BODILESS = frozenset({"204 No Content", "205 Reset Content", "304 Not Modified"})


def has_body(line: str) -> bool:
    """Whether a response with this status line has content (RFC 9110 §15.3.5, §15.3.6, §15.4.5)."""
    return line[:3] not in ("204", "205", "304")


def _length_field(size: int) -> tuple[str, str]:
    """Return the Content-Length field; short lengths share one tuple each."""
    known = _LENGTH_FIELDS.get(size)
    if known is None:
        known = ("Content-Length", str(size))
        if size < _KNOWN_LENGTHS:
            _LENGTH_FIELDS[size] = known
    return known


def _finish(line: str, headers: list[tuple[str, str]], body: Any, environ: Mapping[str, Any]) -> Answer:
    """Encode the body and add the fields that describe it, unless the handler set them."""
    if type(body) not in _PLAIN and hasattr(body, "__fspath__"):
        line, headers, body = _file_of(line, headers, body, environ)
    names = {name.lower() for name, _ in headers}
    content_type, chunks, size = encode_body(body, environ)
    if not has_body(line):
        close_body(chunks)
        return line, [field for field in headers if field[0].lower() not in ("content-length", "content-type")], []
    if "content-type" not in names:
        headers.append(("Content-Type", content_type) if content_type is not HTML else _HTML_FIELD)
    if size is not None and "content-length" not in names:
        headers.append(_length_field(size))
    return line, headers, chunks


def _file_of(
    line: str, headers: list[tuple[str, str]], path: PathLike[str], environ: Mapping[str, Any]
) -> tuple[str, list[tuple[str, str]], Any]:
    """Return status, fields and open file for a path; fields that the handler gave win over the file's own.

    Only a 200 may become 206 or 304: a page for an error is sent whole, whatever Range the request has.
    """
    conditional = line.startswith("200")
    found = send_file(Request(cast("Environ", environ)), path, conditional=conditional)
    names = {name.lower() for name, _ in headers}
    headers += [field for field in found.headers if field[0].lower() not in names]
    return (found.status if conditional else line), headers, found.body


def encode_body(body: Any, environ: Mapping[str, Any]) -> tuple[str, Iterable[bytes], int | None]:
    """Return a body's default media type, its chunks, and its length in bytes where that is known.

    Raises:
        ReturnError: the value cannot be a body.
    """
    if isinstance(body, str):
        data = body.encode()
        return HTML, [data], len(data)
    if isinstance(body, bytes | bytearray):
        return BYTES, [bytes(body)], len(body)
    if isinstance(body, Mapping | list) or is_json_object(body):
        data = dump_json(body)
        return JSON, [data], len(data)
    if hasattr(body, "read"):
        wrapper = environ.get("wsgi.file_wrapper") or FileChunks
        return BYTES, wrapper(body, FILE_BLOCK), None
    if isinstance(body, Iterator):
        return HTML, Stream(body), None
    if body is None:
        raise ReturnError(f"returned None; return {_FORMS}")
    if hasattr(body, "__await__"):
        body.close()
        raise ReturnError("returned a coroutine; this is a WSGI framework, write 'def', not 'async def'")
    raise ReturnError(f"returned a {type(body).__name__}; return {_FORMS}")


_FORMS = (
    "text, bytes, a dict, a list, a dataclass, a model, a file, a Path, an iterator, "
    "(status, body), (status, body, headers) or a Response"
)


FILE_BLOCK = 64 * 1024


class FileChunks:
    """A file in blocks, for servers without ``wsgi.file_wrapper``."""

    def __init__(self, file: ReadableFile, block: int = FILE_BLOCK) -> None:
        self._file = file
        self._block = block

    def __iter__(self) -> Iterator[bytes]:
        while block := self._file.read(self._block):
            yield block

    def close(self) -> None:
        """Close the file (PEP 3333: the server calls this at the end, whatever happened)."""
        self._file.close()


class Stream:
    """An iterator of text or bytes as an iterator of bytes; closing it closes the generator underneath."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> bytes:
        item = next(self._items)
        if type(item) is bytes:
            return item
        if isinstance(item, str):
            return item.encode()
        if isinstance(item, bytes | bytearray | memoryview):
            return bytes(item)
        raise TypeError(f"a streaming handler yielded a {type(item).__name__}; yield text or bytes")

    def close(self) -> None:
        """End the generator, so that its ``finally`` runs even if the client has disconnected."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()
