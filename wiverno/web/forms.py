"""Parse bodies and queries into values, within limits of memory and time.

Werkzeug's multipart parser and multi-dictionaries do the work; what is here are the limits, the strictness (bad UTF-8
and bad JSON are the client's mistake, not an empty answer) and the seam where Werkzeug's exceptions become
``HTTPError``: 400 if it cannot be parsed, 413 if it exceeds a limit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import parse_qsl

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from wiverno.web.errors import HTTPError
from wiverno.web.values import Files, Form, JSONObject, refuse_members


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may make the application hold in memory; a limit passed is status 413.

    Uploaded files count only in ``form_parts``: they go to temporary files, and the server bounds the whole body.

    Attributes:
        body_bytes: ``request.body`` and text of a body, in bytes. ``request.stream`` has no limit here.
        form_bytes: All form fields that are not files together, in bytes.
        form_parts: Fields and files of one form.
        query_keys: Parameters of one query string.
        json_depth: How deep arrays and objects may stand in each other.
        json_keys: Members of all objects together.
        json_items: Items of all arrays together, in a body that is checked against a handler's annotation.
    """

    body_bytes: int = 16 * 1024 * 1024
    form_bytes: int = 1024 * 1024
    form_parts: int = 1000
    query_keys: int = 1000
    json_depth: int = 64
    json_keys: int = 50_000
    json_items: int = 100_000

    def __post_init__(self) -> None:
        for field in fields(self):
            limit = getattr(self, field.name)
            if type(limit) is not int or limit < 0:
                raise ValueError(f"Limits: {field.name} is a whole number, 0 or more, not {limit!r}")


def parse_pairs(text: str, limit: int, what: str) -> list[tuple[str, str]]:
    """Read ``a=1&b=2`` (URL Standard, application/x-www-form-urlencoded).

    Args:
        text: The encoded pairs.
        limit: How many there may be.
        what: What is being read, for the message.

    Raises:
        HTTPError: 413 for more than ``limit``, 400 for bytes that are not UTF-8.
    """
    if text.count("&") >= limit:
        raise HTTPError(413, f"The {what} has more than {limit} fields.")
    try:
        return parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict")
    except ValueError as error:
        raise HTTPError(400, f"The {what} is not UTF-8.") from error


def parse_json(data: bytes, limits: Limits) -> Any:
    """Read a JSON document (RFC 8259).

    Raises:
        HTTPError: 400 for anything but JSON in UTF-8, or deeper than ``json_depth``; 413 for more than ``json_keys``.
    """
    try:
        # RFC 8259 §8.1 lets a parser ignore a byte order mark; json.loads alone refuses it only for str.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HTTPError(400, "The body is not JSON: it is not UTF-8.") from error
    _require_bounded(text, limits)
    try:
        return refuse_members(json.loads(text, parse_constant=_refuse_constant, object_hook=JSONObject))
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise HTTPError(400, f"The body is not JSON{place}.") from error


def _refuse_constant(name: str) -> float:
    # RFC 8259 §6: NaN and Infinity are not JSON, although Python's parser accepts them.
    raise ValueError(name)


_JSON_MARKS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[{]|[\]}]|:', re.DOTALL)


def _require_bounded(text: str, limits: Limits) -> None:
    """Check depth and number of members before the parser builds anything, in one linear pass."""
    # Counting characters accepts most documents; only the others are scanned.
    if text.count("[") + text.count("{") <= limits.json_depth and text.count(":") <= limits.json_keys:
        return
    depth = keys = 0
    for mark in _JSON_MARKS.finditer(text):
        kind = text[mark.start()]
        if kind in "[{":
            depth += 1
            if depth > limits.json_depth:
                raise HTTPError(400, f"The body's JSON is nested deeper than {limits.json_depth} levels.")
        elif kind in "]}":
            depth -= 1
        elif kind == ":":
            keys += 1
            if keys > limits.json_keys:
                raise HTTPError(413, f"The body's JSON has more than {limits.json_keys} members.")


def require_few_items(document: Any, limits: Limits) -> None:
    """Refuse a document whose arrays are long: each item that does not fit a type costs its checker much more memory.

    Raises:
        HTTPError: 413 for more than ``json_items``.
    """
    items, waiting = 0, [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            items += len(value)
            if items > limits.json_items:
                raise HTTPError(413, f"The body's JSON has more than {limits.json_items} items in its arrays.")
            waiting += [item for item in value if isinstance(item, dict | list)]
        elif isinstance(value, dict):
            waiting += [item for item in value.values() if isinstance(item, dict | list)]


def parse_urlencoded(data: bytes, limits: Limits) -> Form:
    """Read an ``application/x-www-form-urlencoded`` body.

    Raises:
        HTTPError: 400 or 413, as ``parse_pairs``.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HTTPError(400, "The form is not UTF-8.") from error
    return Form(parse_pairs(text, limits.form_parts, "form"))


def parse_multipart(stream: IO[bytes], options: Mapping[str, str], limits: Limits) -> tuple[Form, Files]:
    """Read a ``multipart/form-data`` body (RFC 7578) as a stream; large files go to temporary files.

    Args:
        stream: The body.
        options: The parameters of the Content-Type, ``boundary`` among them.
        limits: What the form may hold.

    Raises:
        HTTPError: 400 for a body that is not a multipart form, 413 above the limits.
    """
    try:
        boundary = options.get("boundary", "").encode("ascii")
    except UnicodeEncodeError:
        boundary = b""
    if not boundary or len(boundary) > _LONGEST_BOUNDARY:
        raise HTTPError(400, "The form's Content-Type names no boundary.")
    reader = _MultipartReader(boundary, limits)
    try:
        while data := stream.read(_READ_BYTES):
            reader.feed(data)
        reader.feed(None)
    except (HTTPError, RequestEntityTooLarge, ClientDisconnected, ValueError, LookupError) as error:
        reader.discard()
        raise _as_client_error(error, limits) from error
    except BaseException:
        reader.discard()
        raise
    return Form(reader.fields), Files(reader.files)


def _as_client_error(error: Exception, limits: Limits) -> HTTPError:
    """Return an exception of Werkzeug's decoder as an ``HTTPError``."""
    if isinstance(error, HTTPError):
        return error
    if isinstance(error, RequestEntityTooLarge):
        return HTTPError(413, f"The form has more than {limits.form_parts} parts, or a part's header is too long.")
    if isinstance(error, ClientDisconnected):
        return HTTPError(400, "The form ends too early.")
    return HTTPError(400, "The form cannot be read.")


class _MultipartReader:
    """Collects the decoder's events; all fields together have one limit of bytes."""

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        # The decoder's own memory limit bounds what it holds undecided, a preamble or a part's header.
        self._decoder = MultipartDecoder(boundary, _UNDECIDED_BYTES, max_parts=limits.form_parts)
        self._limits = limits
        self._left = limits.form_bytes
        self._part: Field | File | None = None
        self._text: list[bytes] = []
        self._file: IO[bytes] | None = None
        self.fields: list[tuple[str, str]] = []
        self.files: list[tuple[str, FileStorage]] = []

    def feed(self, data: bytes | None) -> None:
        """Parse the next bytes; None marks the end of the body."""
        self._decoder.receive_data(data)
        event = self._decoder.next_event()
        while not isinstance(event, NeedData | Epilogue):
            if isinstance(event, Field | File):
                self._start(event)
            elif isinstance(event, Data):
                self._take(event)
            event = self._decoder.next_event()

    def discard(self) -> None:
        """Close every temporary file of a form that is not used."""
        if self._file is not None:
            self._file.close()
        for _, storage in self.files:
            storage.close()

    def _start(self, part: Field | File) -> None:
        if part.name is None:
            raise HTTPError(400, "A part of the form has no name.")
        self._part = part
        self._text = []
        # Closed by discard() or, through FileStorage, by the request.
        self._file = SpooledTemporaryFile(_SPOOL_BYTES) if isinstance(part, File) else None  # noqa: SIM115

    def _take(self, event: Data) -> None:
        part = self._part
        if self._file is not None and isinstance(part, File):
            self._file.write(event.data)
            if not event.more_data:
                self._file.seek(0)
                self.files.append((part.name, FileStorage(self._file, part.filename, part.name, headers=part.headers)))
                self._file = None
        elif part is not None:
            self._left -= len(event.data)
            if self._left < 0:
                raise HTTPError(413, f"The form's fields are larger than {self._limits.form_bytes} bytes.")
            self._text.append(event.data)
            if not event.more_data:
                self.fields.append((part.name, b"".join(self._text).decode("utf-8")))


_READ_BYTES = 64 * 1024
_UNDECIDED_BYTES = 512 * 1024
_SPOOL_BYTES = 512 * 1024
# RFC 2046 §5.1.1: a boundary has at most 70 characters; some clients use a few more.
_LONGEST_BOUNDARY = 200
