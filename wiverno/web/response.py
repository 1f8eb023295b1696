"""``Response``, the answer with everything said, and what statuses, header fields and bodies are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from os import PathLike
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, cast

from werkzeug.datastructures import Headers
from werkzeug.http import dump_cookie

from wiverno.web import other_names
from wiverno.web.errors import reason


class ReadableFile(Protocol):
    """What the server needs of a file."""

    def read(self, size: int = ..., /) -> bytes:
        """Return at most ``size`` bytes; empty at the end."""

    def close(self) -> None:
        """Close it."""


Status: TypeAlias = str | int
HeaderItems: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
Answer: TypeAlias = tuple[str, list[tuple[str, str]], Iterable[bytes]]

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
BYTES = "application/octet-stream"

# Wider than a token (RFC 6265 §4.1.1): `cart[1]` and the like are in use; what `request.cookies` has can be deleted.
_NOT_IN_NAMES = re.compile(r"[\x00-\x20\x7f;=]")
_NOT_IN_DOMAINS = re.compile(r"[\x00-\x20,;=\x7f]")

STATUS_LINES: dict[str | int, str] = {}
for _status in HTTPStatus:
    if _status >= 200:  # 1xx are not final answers; the server sends them
        _line = f"{int(_status)} {_status.phrase}"
        STATUS_LINES[int(_status)] = STATUS_LINES[_line] = _line
# RFC 9112 §4: three digits, a space, and a reason phrase of visible characters, spaces and tabs.
_STATUS_LINE = re.compile(r"[2-9][0-9]{2} [\t\x20-\x7e]*", re.ASCII)


class Response:
    """An answer with everything said: body, status, headers, cookies.

    Args:
        body: Text, bytes, a dict, list, dataclass or pydantic model (JSON), an open binary file, a ``Path`` or an
            iterator.
        status: ``200``, ``HTTPStatus.OK`` or ``"200 OK"``.
        headers: Further header fields.
        content_type: The media type; by default that of the kind of body.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: Body = "",
        status: Status = 200,
        headers: HeaderItems | None = None,
        content_type: str | None = None,
    ) -> None:
        self.body = body
        self.status = status_line(status)
        self.headers: Headers = Headers(header_pairs(headers) if headers else None)
        if content_type is not None:
            self.headers["Content-Type"] = content_type

    @property
    def status_code(self) -> int:
        """The status as a number."""
        return int(self.status[:3])

    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: timedelta | int | None = None,
        expires: datetime | str | float | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = True,
        samesite: Literal["Strict", "Lax", "None"] | None = "Lax",
    ) -> None:
        """Add a ``Set-Cookie`` field (RFC 6265 §4.1).

        The defaults are the careful ones: scripts do not see the cookie, other sites' forms do not send it.

        Args:
            name: The cookie's name.
            value: Its value; quoted where the grammar needs it.
            max_age: Its life in seconds; None for the browser's session.
            expires: The same as a moment.
            path: Where it is sent.
            domain: Which hosts it is sent to; None for this host alone.
            secure: Only over https.
            httponly: Not visible to scripts.
            samesite: Which requests from other sites carry it.

        Raises:
            ValueError: name or domain holds a character that is not allowed there (RFC 6265 §4.1.1).
            TypeError: name, value or domain is not text, or the life is not a whole number of seconds.
        """
        check_cookie(name, domain)
        if not isinstance(value, str):
            raise TypeError(f"cookie {name!r}: the value is text, not {type(value).__name__}")
        if max_age is not None and not isinstance(max_age, int | timedelta):
            raise TypeError(f"cookie {name!r}: max_age is a whole number of seconds, not {max_age!r}")
        cookie = dump_cookie(
            name, value, max_age, expires, path, domain, secure, httponly, samesite=samesite, max_size=0
        )
        self.headers.add("Set-Cookie", cookie)

    def add_vary(self, *names: str) -> None:
        """Say that the answer depends on header fields of the request (RFC 9110 §12.5.5); caches keep one for each."""
        present = [name.strip() for line in self.headers.getlist("Vary") for name in line.split(",") if name.strip()]
        known = {name.lower() for name in present}
        if "*" not in known:
            self.headers["Vary"] = ", ".join([*present, *(name for name in names if name.lower() not in known)])

    def delete_cookie(self, name: str, *, path: str | None = "/", domain: str | None = None) -> None:
        """Tell the browser to forget a cookie; path and domain must be those it was set with."""
        self.set_cookie(name, "", max_age=0, expires=0, path=path, domain=domain)


other_names.refuse(Response, other_names.RESPONSE)


def check_cookie(name: str, domain: str | None) -> None:
    """Refuse a name and a domain that would become something else in the field (RFC 6265 §4.1.1).

    Raises:
        ValueError: one of them holds a character that is not allowed.
        TypeError: one of them is not text.
    """
    if not isinstance(name, str):
        raise TypeError(f"a cookie's name is text, not {type(name).__name__}")
    if not name or _NOT_IN_NAMES.search(name):
        raise ValueError(f"{name!r} is not a name for a cookie; write letters, digits, '-', '_' or '.'")
    if domain is None:
        return
    if not isinstance(domain, str):
        raise TypeError(f"cookie {name!r}: a domain is text, not {type(domain).__name__}")
    if _NOT_IN_DOMAINS.search(domain):
        raise ValueError(f"cookie {name!r}: {domain!r} is not a domain; write one like 'shop.example'")


class DataClass(Protocol):
    """An instance of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class Model(Protocol):
    """A pydantic model, or whatever writes itself as one does."""

    def model_dump(self, *, mode: str, by_alias: bool) -> Any:
        """Return the values by name."""


Body: TypeAlias = (
    str
    | bytes
    | bytearray
    | Mapping[str, Any]
    | list[Any]
    | DataClass
    | Model
    | ReadableFile
    | PathLike[str]
    | Iterator[str | bytes]
)
ReturnValue: TypeAlias = (
    Body
    | Response
    | tuple[Status, Body]
    | tuple[Status, Body, HeaderItems]
    | tuple[Body, int]
    | tuple[Body, int, HeaderItems]
)


def redirect(location: str, status: Status = 303) -> Response:
    """Answer with another address.

    Args:
        location: The address; characters that a URI cannot hold are percent-encoded.
        status: 303 by default, which makes every client continue with GET; 307 and 308 keep the method.

    Raises:
        TypeError: the address is not text.
        ValueError: the status is not a redirect.
    """
    from urllib.parse import quote

    if not isinstance(location, str):
        raise TypeError(f"a redirect needs an address, like '/login', not {type(location).__name__}")
    code = int(status_line(status)[:3])
    if code not in (301, 302, 303, 307, 308):
        raise ValueError(f"{code} is not a redirect (301, 302, 303, 307, 308)")
    target = quote(location, safe="!#$%&'()*+,/:;=?@[]~-._")
    return Response(f"See {target}\n", status, {"Location": target}, TEXT)


def status_line(status: Status) -> str:
    """Return ``"200 OK"`` for ``200``, ``HTTPStatus.OK`` or ``"200 OK"``.

    Raises:
        ValueError: the status is not final, or not valid in a status line.
    """
    known = STATUS_LINES.get(status)
    if known is not None:
        return known
    if isinstance(status, int) and not isinstance(status, bool) and 200 <= status <= 999:
        return f"{int(status)} {reason(int(status))}"
    if isinstance(status, str):
        if _STATUS_LINE.fullmatch(status):
            return status
        if len(status) == 3 and status.isascii() and status.isdigit():
            return status_line(int(status))
    raise ValueError(f"{status!r} is not a status; write 200, HTTPStatus.OK or '200 OK'")


def header_pairs(headers: HeaderItems) -> list[tuple[str, str]]:
    """Return header fields as a list of exact ``str`` pairs.

    Raises:
        TypeError: a name or value is not text.
        ValueError: a name or value holds a line break, which would start another field.
    """
    items = headers.items() if isinstance(headers, Mapping) else headers
    pairs: list[tuple[str, str]] = []
    for name, value in cast("Iterable[tuple[Any, Any]]", items):
        if not isinstance(name, str) or not isinstance(value, str | int):
            raise TypeError(f"header {name!r} has a {type(value).__name__} as its value; header fields are text")
        text = str(value)
        if _BREAKS.search(name) or _BREAKS.search(text):
            raise ValueError(f"header {name!r} holds a control character")
        if not text.isascii():
            # PEP 3333, Unicode Issues: a header is text that has an ISO-8859-1 form.
            text.encode("latin-1")
        pairs.append((str(name), text))
    return pairs


_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def close_body(chunks: Iterable[bytes]) -> None:
    """Close a body that is not going to be sent, as a server would (PEP 3333, close())."""
    close = getattr(chunks, "close", None)
    if close is not None:
        close()
