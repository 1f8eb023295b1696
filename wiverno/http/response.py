"""Status and fields → the bytes of a response head (RFC 9110 §15, RFC 9112 §4, §6), and the server's own responses.

What an application gives is checked to the letter, because a control byte in a field splits the response (CWE-113).
Checked heads are kept in a bounded table: applications answer with few combinations of status and fields, and a hit
proves that these very strings have passed. Heads with cookies or other personal fields never enter it.
"""

import re
import time
from collections.abc import MutableMapping
from copy import copy
from typing import Any, Final, NamedTuple

from wiverno.http.grammar import is_digits, is_field_value, is_status, is_token
from wiverno.tables import new_table

MAX_HEADS: Final = 1024
MAX_HEAD_CHARACTERS: Final = 2048  # a head longer than that is rare, and would let the table grow to megabytes

Headers = list[tuple[str, str]]

ANY_LENGTH: Final = -1
NO_LENGTH: Final = -2

STATUS_RULE: Final = "status must be a str such as '200 OK': a final status code, no control characters"
FIELDS_RULE: Final = "headers must be a list of (name, value) tuples"
NAMES_RULE: Final = "header names and values must be str"

# RFC 9110 §7.6.1, and PEP 3333, "Other HTTP Features": hop-by-hop fields are the server's own.
HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    }
)

# Personal fields: a head with one of them is never kept.
PERSONAL: Final = frozenset({"set-cookie", "authorization", "www-authenticate", "authentication-info"})


_declared_length: Final = re.compile(rb"\r\ncontent-length: [0-9]+\r\n", re.IGNORECASE).sub


class ResponseError(Exception):
    """The application's status or headers are not what PEP 3333 and RFC 9110 allow; says which, never the value."""


class ResponseHead:
    """A checked status line with its fields, without the framing that the body decides.

    Attributes:
        prefix: status line and fields, each with CRLF.
        declared: the application's Content-Length in bytes, -1 if it gave none.
        has_body: False for 204, 205 and 304, whose content must not be sent (RFC 9110 §6.4.1, §15.3.6).
        has_date: the application sent Date itself.
        has_server: the application sent Server itself.
        expected: the declared length, ANY_LENGTH without one, NO_LENGTH if more than the length is unusual.
        code: status code.
        status: the status as the application gave it.
        fields: the checked fields, for protocols that encode them in another way.
        block: what such a protocol made of them, kept with the head; None as long as none has.
    """

    __slots__ = (
        "block", "code", "declared", "expected", "fields", "has_body", "has_date", "has_server", "prefix", "status",
    )  # fmt: skip

    def __init__(self, status: str, headers: Headers) -> None:
        """Check a status and fields that are plain objects.

        Raises:
            ResponseError: what must not be sent.
        """
        if not is_status(status):
            raise ResponseError(STATUS_RULE)
        if len(status) == 3:
            status += " "  # RFC 9112 §4: the space is there even if the reason is empty
        self.status = status
        self.code = int(status[:3])
        self.has_body = self.code not in (204, 205, 304)
        self.declared = -1
        self.has_date = self.has_server = False
        self.block: bytes | None = None
        self.fields = [field for field in headers if self._check(*field)]
        if self.code == 205:  # unlike 204 and 304 its end is told by a length (RFC 9112 §6.3)
            self.fields.append(("Content-Length", "0"))
        lines = [f"{name}: {value}\r\n" for name, value in self.fields]
        self.prefix = "".join(("HTTP/1.1 ", status, "\r\n", *lines)).encode("latin-1")
        is_usual = self.has_body and not self.has_date and not self.has_server
        self.expected = self.declared if is_usual else NO_LENGTH

    def shortened(self, length: int) -> "ResponseHead":
        """Return this head with its Content-Length lowered to `length` bytes."""
        head = copy(self)
        head.prefix = _declared_length(b"\r\nContent-Length: %d\r\n" % length, self.prefix, 1)
        head.fields = [
            (name, str(length) if name.lower() == "content-length" else value) for name, value in self.fields
        ]
        head.block = None
        head.declared = length
        head.expected = NO_LENGTH
        return head

    def _check(self, name: str, value: str) -> bool:
        """Check a field and store what it says of the framing; return whether it is sent."""
        if not is_token(name):
            raise ResponseError("header name is not a token")
        if not is_field_value(value):
            raise ResponseError(f"value of header {name} holds a character that is not allowed in a header")
        lower = name.lower()
        if lower == "content-length":
            if self.declared >= 0:
                raise ResponseError("more than one Content-Length header")
            if not is_digits(value) or len(value) > 19:
                raise ResponseError("Content-Length is not a number of bytes")
            self.declared = int(value)
            # RFC 9110 §8.6: no Content-Length in a 204; Django's middleware adds one, so it is dropped, not an error.
            return self.code not in (204, 205)
        elif lower in HOP_BY_HOP:
            raise ResponseError(f"{name} is a hop-by-hop header; it is the server's own (PEP 3333)")
        elif lower == "date":
            self.has_date = True
        elif lower == "server":
            self.has_server = True
        return True


def plain_fields(headers: Headers) -> Headers:
    """Return the application's fields as plain tuples of plain str, copied: later changes change nothing.

    Raises:
        ResponseError: it is no list of tuples of two str.
    """
    if not issubclass(type(headers), list):
        raise ResponseError(FIELDS_RULE)
    fields: Headers = []
    for item in list(headers):
        pair = tuple(item) if issubclass(type(item), tuple) else ()
        if len(pair) != 2:
            raise ResponseError(FIELDS_RULE)
        fields.append((_plain(pair[0], NAMES_RULE), _plain(pair[1], NAMES_RULE)))
    return fields


def _plain(text: str, rule: str) -> str:
    """Return the characters of a str, or of an instance of a subclass whatever its methods say they are."""
    kind = type(text)  # isinstance() would ask the object
    if kind is str:
        return text
    if not issubclass(kind, str):
        raise ResponseError(rule)
    return str.__str__(text)


class _Text(str):
    """Text in a key of the table. See there."""

    __slots__ = ()


class _Pair(tuple[_Text, _Text]):
    """A field in a key of the table. See there."""

    __slots__ = ()


# (status, *fields) → head. An instance of a subclass of str or tuple may say that it is equal to anything, and Python
# would ask it first, since its type is derived from the other one's. From the types of these keys nothing is derived:
# the interpreter compares characters, and what is found has the characters that were asked for.
_heads: MutableMapping[tuple[object, ...], ResponseHead] = new_table()

# `start_response` reads the table itself, with (status, *headers).
checked_head: Final = _heads.get


def check_head(status: str, headers: Headers) -> ResponseHead:
    """Check and encode a response head; remember it for the next time unless it is personal or long.

    Raises:
        ResponseError: the application broke PEP 3333.
    """
    status, headers = _plain(status, STATUS_RULE), plain_fields(headers)
    key = (_Text(status), *(_Pair((_Text(name), _Text(value))) for name, value in headers))
    known = _heads.get(key)
    if known is not None:
        return known
    head = ResponseHead(status, headers)
    if len(head.prefix) <= MAX_HEAD_CHARACTERS and not any(name.lower() in PERSONAL for name, _ in headers):
        if len(_heads) >= MAX_HEADS:
            _heads.clear()
        _heads[key] = head
    return head


class DateAndServer:
    """The Date and Server lines with the empty line that ends a head, formatted once a second.

    Attributes:
        ident: the Server field's value, with which error responses are signed, too.
        line: what `closing` has returned last; it holds from `since` until before `until`, in seconds of the epoch.

    One object serves all threads: a thread that comes between the assignments formats the same line once more.
    """

    __slots__ = ("_server", "ident", "line", "since", "until")

    def __init__(self, ident: str) -> None:
        """`ident` is the Server field's value; an empty one leaves the field out."""
        self.ident = ident
        self._server = f"Server: {ident}\r\n".encode("latin-1") if ident else b""
        self.since = self.until = 0.0
        self.line = b""

    def closing(self) -> bytes:
        """Return Date, Server and the empty line."""
        if self.since <= time.time() < self.until:
            return self.line
        now = int(time.time())
        self.line = date_line(now) + self._server + b"\r\n"
        self.since = float(now)
        self.until = now + 1.0
        return self.line

    def closing_beside(self, head: ResponseHead) -> bytes:
        """Return the same without what the application set itself."""
        date = b"" if head.has_date else date_line(int(time.time()))
        return date + (b"" if head.has_server else self._server) + b"\r\n"


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date_line(seconds: int) -> bytes:
    """Return the Date field."""
    return f"Date: {http_date(seconds)}\r\n".encode("ascii")


def http_date(seconds: int) -> str:
    """Return a time in IMF-fixdate (RFC 9110 §5.6.7), whatever the locale."""
    t = time.gmtime(seconds)
    day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
    return f"{day}, {t.tm_mday:02} {month} {t.tm_year} {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"


class ErrorResponse(NamedTuple):
    """One of the server's own responses, whole, and how many bytes of it are content."""

    data: bytes
    content_length: int


def error_response(
    status: int,
    detail: str,
    signature: DateAndServer,
    *,
    method: str = "",
    retry_after: int = 0,
    minor: int = 1,
) -> ErrorResponse:
    """Return one of the server's own responses: text, exact framing, and the connection closes after it.

    Args:
        status: the status code.
        detail: what was wrong, in one or more lines of text.
        signature: gives Date and Server, and signs the text.
        method: the request's, if it is known; the response to HEAD has no content (RFC 9110 §9.3.2).
        retry_after: seconds for a Retry-After field, 0 for none (RFC 9110 §10.2.3).
        minor: the version of HTTP/1 to answer in.
    """
    fields, content = error_fields(status, detail, signature.ident, retry_after=retry_after)
    if method == "HEAD":
        content = b""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    head = f"HTTP/1.1 {status} {reason_of(status)}\r\nConnection: close\r\n{lines}".encode("latin-1")
    prefix = head if minor else as_http10(head)
    return ErrorResponse(prefix + signature.closing() + content, len(content))


def as_http10(prefix: bytes) -> bytes:
    """Return the beginning of a head in the version of a client that speaks HTTP/1.0.

    waitress and wsgiref do the same. RFC 9110 §6.2 would have the highest version that the server knows, but such a
    client may not know it.
    """
    return b"HTTP/1.0" + prefix[8:]


def error_fields(status: int, detail: str, ident: str, *, retry_after: int = 0) -> tuple[Headers, bytes]:
    """Return fields and content of one of the server's own responses; `ident` signs it."""
    signed = f"\r\n\r\n(generated by {ident or 'server'})"
    content = f"{reason_of(status)}\r\n\r\n{detail}{signed}".encode("utf-8", "replace")
    fields = [("Content-Length", str(len(content))), ("Content-Type", "text/plain; charset=utf-8")]
    if retry_after:
        fields.insert(0, ("Retry-After", str(retry_after)))
    return fields, content


def reason_of(status: int) -> str:
    """Return the reason phrase of a status."""
    from http import HTTPStatus  # the first error loads it, not each start

    return _REASONS.get(status) or HTTPStatus(status).phrase


# RFC 9110 §15.5.14, §15.5.15 and RFC 6585 §5; the standard library's phrases changed between Python versions.
_REASONS: Final = {413: "Request Entity Too Large", 414: "URI Too Long", 431: "Request Header Fields Too Large"}


def hint_fields(headers: Headers) -> Headers:
    """Return the checked fields of a 103 response (RFC 8297).

    Raises:
        ResponseError: a field that is not allowed.
    """
    fields: list[Any] = [tuple(field) for field in headers]
    checked = plain_fields(fields)
    for name, value in checked:
        if not is_token(name) or not is_field_value(value):
            raise ResponseError("early hints must be (name, value) pairs of str with valid header characters")
        if name.lower() in HOP_BY_HOP or name.lower() == "content-length":
            raise ResponseError(f"{name} can't be sent early")
    return checked


def early_hints(fields: Headers) -> bytes:
    """Return a 103 response with checked fields (RFC 8297)."""
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    return "".join(("HTTP/1.1 103 Early Hints\r\n", *lines, "\r\n")).encode("latin-1")


CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
