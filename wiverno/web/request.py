"""The request as a handler sees it: a lazy view of the environ.

Making a ``Request`` costs three stores. Everything else is read from the environ when a handler uses it; header fields,
query, cookies and bodies are parsed once and cached. A body or query that cannot be parsed is the client's mistake and
raises ``HTTPError`` with 400 or 413; it is never an empty dictionary. A name that is missing from the query, the form,
its files, the cookies, the header fields or the JSON raises 400 as well (``values``).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import IO, Any, Generic, Self, TypeVar, cast, overload
from urllib.parse import quote

from werkzeug.exceptions import ClientDisconnected
from werkzeug.http import parse_cookie, parse_options_header
from werkzeug.wsgi import get_input_stream

from wiverno.web import other_names
from wiverno.web.errors import HTTPError
from wiverno.web.forms import Limits, parse_json, parse_multipart, parse_pairs, parse_urlencoded
from wiverno.web.mount import mount_point
from wiverno.web.values import Cookies, Fields, Files, Form, Query, Session
from wiverno.wsgi_types import Environ

_T = TypeVar("_T")
_DEFAULT_LIMITS = Limits()
_NO_PARAMETERS: Mapping[str, Any] = {}


class _cached(Generic[_T]):  # noqa: N801  # used as a decorator, like property
    """A property computed once per request and kept in its ``_cache``."""

    def __init__(self, compute: Callable[[Any], _T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, request: None, owner: type) -> Self: ...
    @overload
    def __get__(self, request: Request, owner: type) -> _T: ...
    def __get__(self, request: Request | None, owner: type) -> _T | Self:
        if request is None:
            return self
        cache = request._cache
        if cache is None:
            cache = request._cache = {}
        elif self._name in cache:
            return cast("_T", cache[self._name])
        value = cache[self._name] = self._compute(request)
        return value


class Request:
    """One request; made by ``Wiverno`` and handed to the handler.

    Attributes:
        environ: The WSGI environ (PEP 3333).
        path_params: The values of the route's parameters, already converted.
        limits: How much of the body and the query may be read.
    """

    __slots__ = ("_cache", "environ", "limits", "path_params")

    def __init__(
        self, environ: Environ, path_params: Mapping[str, Any] = _NO_PARAMETERS, limits: Limits = _DEFAULT_LIMITS
    ) -> None:
        self.environ = environ
        self.path_params = path_params
        self.limits = limits
        self._cache: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.raw_path}>"

    # The target.

    @property
    def method(self) -> str:
        """The method, ``"GET"``; case as sent."""
        return cast("str", self.environ["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        """The decoded path below the application's mount point, ``"/users/7"``."""
        path: str = self.environ.get("PATH_INFO") or "/"
        return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")

    @property
    def root_path(self) -> str:
        """Where the application is mounted, percent-encoded and without a slash at the end; empty at the top.

        During a request ``url_for`` adds it.
        """
        return mount_point(self.environ)

    @property
    def raw_path(self) -> str:
        """The full path percent-encoded, mount point included; safe in a log line or a header."""
        return quote((self.environ.get("SCRIPT_NAME", "") + (self.environ.get("PATH_INFO") or "/")).encode("latin-1"))

    @property
    def query_string(self) -> str:
        """The text after the question mark, as sent."""
        return cast("str", self.environ.get("QUERY_STRING", ""))

    @_cached
    def query_params(self) -> Query:
        """The query string's parameters; ``["name"]`` is the first value, ``getlist("name")`` all of them.

        Raises:
            HTTPError: 400 for a query that is not UTF-8, 413 for too many parameters.
        """
        try:
            text = self.query_string.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError as error:
            raise HTTPError(400, "The query is not UTF-8.") from error
        return Query(parse_pairs(text, self.limits.query_keys, "query"))

    @property
    def url(self) -> str:
        """The whole address: scheme, host, path and query."""
        query = self.query_string
        return f"{self.scheme}://{self.host}{self.raw_path}" + (f"?{quote(query, safe=_QUERY_SAFE)}" if query else "")

    # The client and its connection.

    @property
    def scheme(self) -> str:
        """``"http"`` or ``"https"``, as the server or a trusted proxy reports it."""
        return cast("str", self.environ.get("wsgi.url_scheme", "http"))

    @property
    def is_secure(self) -> bool:
        """Whether the client's connection is encrypted."""
        return self.scheme == "https"

    @property
    def host(self) -> str:
        """The requested host, with the port unless it is the scheme's default; ``"localhost:8000"``."""
        named = self.environ.get("HTTP_HOST")
        if named:
            return cast("str", named)
        name, port = self.environ.get("SERVER_NAME", "localhost"), str(self.environ.get("SERVER_PORT", ""))
        usual = {"http": "80", "https": "443"}.get(self.scheme)
        return name if port in ("", usual) else f"{name}:{port}"

    @property
    def client_ip(self) -> str | None:
        """The client's address as the server determined it; only trusted proxies' header fields count."""
        return self.environ.get("REMOTE_ADDR") or None

    @_cached
    def headers(self) -> Fields:
        """The header fields, case-insensitive; reading them copies nothing."""
        return Fields(self.environ)

    @_cached
    def cookies(self) -> Cookies:
        """The cookies; malformed ones are left out, and bytes that are not UTF-8 become U+FFFD.

        They are not the client's mistake: another application on the same host may have set them.
        """
        text = self.environ.get("HTTP_COOKIE", "")
        try:
            return Cookies(parse_cookie(text))
        except UnicodeDecodeError:
            readable = text.encode("latin-1").decode("utf-8", "replace")
            return Cookies(parse_cookie(readable.encode().decode("latin-1")))

    @_cached
    def id(self) -> str:
        """The request's id in the log and on error pages: ``X-Request-ID`` if it is harmless, else random."""
        given = self.environ.get("HTTP_X_REQUEST_ID", "")
        return given if _HARMLESS_ID.fullmatch(given) else secrets.token_hex(8)

    # What the application keeps with it.

    @_cached
    def state(self) -> SimpleNamespace:
        """A place for what hooks, middleware and handlers tell each other during this request: ``state.user = …``."""
        return SimpleNamespace()

    @_cached
    def session(self) -> Session:
        """The session of the client's browser; a dictionary that ``Sessions`` keeps in a signed cookie.

        Raises:
            RuntimeError: the application has no ``Sessions``.
        """
        open_session: Callable[[Request], Session] | None = (self._cache or {}).get("open_session")
        if open_session is None:
            raise RuntimeError("sessions are off; switch them on with app.middleware(Sessions(secret))")
        return open_session(self)

    @property
    def opened_session(self) -> Session | None:
        """The session if something has asked for it."""
        return (self._cache or {}).get("session")

    def use_sessions(self, open_session: Callable[[Request], Session]) -> None:
        """Let ``session`` be what ``open_session`` returns when it is asked for."""
        if self._cache is None:
            self._cache = {}
        self._cache["open_session"] = open_session

    # The body.

    @property
    def content_type(self) -> str:
        """The media type without parameters, lower case; empty without one."""
        return self._media_type[0]

    @property
    def is_json(self) -> bool:
        """Whether the body claims to be JSON: ``application/json``, or a type that ends with ``+json`` (RFC 6839)."""
        kind = self.content_type
        return kind == "application/json" or kind.endswith("+json")

    @property
    def content_length(self) -> int | None:
        """The body's length in bytes, if it was announced."""
        text = self.environ.get("CONTENT_LENGTH") or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    @_cached
    def _media_type(self) -> tuple[str, dict[str, str]]:
        kind, options = parse_options_header(self.environ.get("CONTENT_TYPE", ""))
        return kind.lower(), options

    @_cached
    def stream(self) -> IO[bytes]:
        """The body as a file that ends where the body ends; nothing is read ahead and nothing is kept."""
        return get_input_stream(self.environ)

    def iter_body(self, size: int = 64 * 1024) -> Iterator[bytes]:
        """Yield the body in pieces of at most ``size`` bytes, for uploads of any length.

        Raises:
            HTTPError: 400 when the body ends before the announced length.
        """
        while piece := self._read(size):
            yield piece

    def _read(self, size: int) -> bytes:
        try:
            return self.stream.read(size)
        except ClientDisconnected as error:
            raise HTTPError(400, "The body ends too early.") from error

    @_cached
    def body(self) -> bytes:
        """The whole body as bytes.

        Raises:
            HTTPError: 413 above ``limits.body_bytes``; take ``stream`` for more.
        """
        limit = self.limits.body_bytes
        too_large = f"The body is larger than {limit} bytes."
        if (self.content_length or 0) > limit:
            raise HTTPError(413, too_large)
        pieces: list[bytes] = []
        size = 0
        for piece in self.iter_body():
            size += len(piece)
            if size > limit:
                raise HTTPError(413, too_large)
            pieces.append(piece)
        return b"".join(pieces)

    @_cached
    def text(self) -> str:
        """The whole body as text in the charset it names, else UTF-8.

        Raises:
            HTTPError: 400 for other bytes, 413 above ``limits.body_bytes``.
        """
        charset = self._media_type[1].get("charset", "utf-8")
        try:
            return self.body.decode(charset)
        except (LookupError, ValueError) as error:
            raise HTTPError(400, f"The body is not text in {charset[:40]!r}.") from error

    @_cached
    def json(self) -> Any:
        """The body as JSON, whatever its Content-Type says.

        Raises:
            HTTPError: 400 for a body that is not JSON, 413 above the limits.
        """
        return parse_json(self.body, self.limits)

    @property
    def form(self) -> Form:
        """The fields of a submitted form, without its files; empty if the body is not a form.

        Raises:
            HTTPError: 400 for a form that cannot be read, 413 above the limits.
        """
        return self._form_and_files[0]

    @property
    def files(self) -> Files:
        """The files of a submitted form; each has ``filename``, ``content_type``, ``stream``, ``read`` and ``save``.

        A file name is the client's word: never open it as it stands.

        Raises:
            HTTPError: 400 for a form that cannot be read, 413 above the limits.
        """
        return self._form_and_files[1]

    @_cached
    def _form_and_files(self) -> tuple[Form, Files]:
        kind, options = self._media_type
        if kind == "multipart/form-data":
            return parse_multipart(self.stream, options, self.limits)
        if kind == "application/x-www-form-urlencoded":
            files = Files()
            files.note = ": a form with files is sent as multipart/form-data"
            return parse_urlencoded(self.body, self.limits), files
        form, files = Form(), Files()
        form.note = files.note = ": the body is not a form"
        return form, files

    @property
    def data(self) -> Any:
        """The body as its Content-Type says: JSON as a value, a form as its fields, anything else as bytes.

        Raises:
            HTTPError: 400 for a body that is not what it claims to be, 413 above the limits.
        """
        if self.is_json:
            return self.json
        if self.content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
            return self.form
        return self.body

    @property
    def has_files(self) -> bool:
        """Whether files were uploaded and read; they hold temporary files until ``close``."""
        return self._cache is not None and "_form_and_files" in self._cache and bool(self.files)

    def close(self) -> None:
        """Close the uploaded files; ``Wiverno`` does it at the end of the response."""
        if self.has_files:
            for _, storages in self.files.lists():
                for storage in storages:
                    storage.close()


other_names.refuse(Request, other_names.REQUEST)


_HARMLESS_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
# RFC 3986 §3.4; a percent sign is kept because the query arrives encoded.
_QUERY_SAFE = "!$&'()*+,;=:@/?-._~%"
