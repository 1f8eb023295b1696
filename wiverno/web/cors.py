"""CORS: which pages of other sites may read answers (Fetch Standard, "HTTP-CORS protocol").

    app.middleware(CORS(["https://shop.example"]))

Browsers ask before they send what a form could not send (a preflight, OPTIONS); this answers. It keeps other sites'
scripts from reading responses. It does not keep requests away: what changes data needs another check, such as a
session's SameSite cookie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from wiverno.web.hooks import CallNext
from wiverno.web.request import Request
from wiverno.web.response import TEXT, Response

_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class CORS:
    """The middleware that answers preflights and marks answers as readable by other origins.

    Args:
        origins: The origins, like ``"https://shop.example"``, exactly as browsers send them; or ``"*"`` for all.
        credentials: Whether pages may send cookies and read the answer; not together with ``"*"``.
        methods: The methods that pages may use.
        headers: The header fields that pages may send, besides those that are always allowed.
        expose: The header fields of answers that scripts may read, besides the usual ones.
        max_age: For how many seconds a browser may remember a preflight's answer.

    Raises:
        ValueError: an origin is none, or ``"*"`` is used with ``credentials``: every site could act as the user.
    """

    def __init__(
        self,
        origins: Iterable[str],
        *,
        credentials: bool = False,
        methods: Iterable[str] = METHODS,
        headers: Iterable[str] = ("Content-Type",),
        expose: Iterable[str] = (),
        max_age: int = 600,
    ) -> None:
        given = (origins,) if isinstance(origins, str) else tuple(origins)
        self._for_all = given == ("*",)
        if self._for_all and credentials:
            raise ValueError("origins='*' with credentials=True would let every site act as the user; name the origins")
        for origin in () if self._for_all else given:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin; write scheme and host, like 'https://shop.example'")
        self._origins = frozenset(given)
        self._credentials = credentials
        self._methods = frozenset(_names("methods", methods))
        self._headers = frozenset(name.lower() for name in _names("headers", headers)) | _ALWAYS
        self._expose = ", ".join(_names("expose", expose))
        self._preflight = {
            "Access-Control-Allow-Methods": ", ".join(sorted(self._methods)),
            "Access-Control-Allow-Headers": ", ".join(sorted(self._headers)),
            "Access-Control-Max-Age": str(max_age),
        }

    def __call__(self, request: Request, call_next: CallNext) -> Response:
        """Answer a preflight, or let the handler answer and mark its answer."""
        environ = request.environ
        origin: str = environ.get("HTTP_ORIGIN", "")
        wanted: str = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "")
        if request.method == "OPTIONS" and origin and wanted:
            response = self._answer_preflight(origin, wanted, environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", ""))
            response.add_vary("Access-Control-Request-Method", "Access-Control-Request-Headers")
        else:
            response = call_next(request)
            if self._allows(origin):
                self._mark(response, origin)
                if self._expose:
                    response.headers["Access-Control-Expose-Headers"] = self._expose
        if not self._for_all:
            # Also without an Origin: a cache must not give that answer to a page of another site.
            response.add_vary("Origin")
        return response

    def _answer_preflight(self, origin: str, method: str, fields: str) -> Response:
        """Answer yes with what is allowed, or 403 with the reason, which the browser shows its developer."""
        refused = [name for name in map(str.strip, fields.split(",")) if name and name.lower() not in self._headers]
        if not self._allows(origin):
            return Response("This origin is not allowed.\n", 403, content_type=TEXT)
        if method not in self._methods:
            return Response("This method is not allowed for other origins.\n", 403, content_type=TEXT)
        if refused:
            return Response("A header field is not allowed for other origins.\n", 403, content_type=TEXT)
        response = Response("", 204, self._preflight)
        self._mark(response, origin)
        return response

    def _allows(self, origin: str) -> bool:
        return bool(origin) and (self._for_all or origin in self._origins)

    def _mark(self, response: Response, origin: str) -> None:
        response.headers["Access-Control-Allow-Origin"] = "*" if self._for_all else origin
        if self._credentials:
            response.headers["Access-Control-Allow-Credentials"] = "true"


# Fetch Standard, CORS-safelisted request-header.
_ALWAYS: Final = frozenset({"accept", "accept-language", "content-language"})


def _names(what: str, names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"{what} is a list of names, like [{names!r}]")
    given = tuple(names)
    for name in given:
        if not _TOKEN.fullmatch(name) or name == "*":
            raise ValueError(f"{what}: {name!r} is not a name; name each one")
    return given
