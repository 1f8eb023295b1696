"""Sessions: a dictionary for each browser, kept by the browser in a signed cookie.

    app.middleware(Sessions(secret))            request.session["user"] = 7

The cookie is read when a handler first asks for ``request.session`` and set only if the dictionary, or anything in it,
has changed. Its user can read the session but not change it; an old cookie stays valid until ``max_age`` is over, also
after ``session.clear()``. What must be secret, large, or revocable belongs into a database with its key in the session.
"""

from __future__ import annotations

from typing import Final, Literal

from wiverno.foreign_code import guarded_logger
from wiverno.http.hosts import split_host
from wiverno.web.hooks import CallNext
from wiverno.web.request import Request
from wiverno.web.response import Response, check_cookie
from wiverno.web.signing import Secrets, Signer, compact_json
from wiverno.web.values import Session

logger = guarded_logger("wiverno.web")

LARGEST_COOKIE: Final = 4096
"""Bytes of name and value together that browsers keep (RFC 6265bis §5.7)."""


class Sessions:
    """The middleware that gives requests their ``session``.

    Args:
        secrets: The secret, or several with the newest first (``Signer``): at least 16 random bytes, the same in every
            worker and after a restart.
        cookie: The cookie's name.
        max_age: For how many seconds after its last change a session is valid; two weeks by default.
        path: Below which path the browser sends it; by default where the application is mounted.
        domain: Which hosts get it; None for this host alone.
        secure: Whether the browser sends it only over https. None: always, except to a request that came by http to
            this machine (localhost), as in development.
        samesite: Which requests from other sites carry it.

    Raises:
        ImportError, TypeError, ValueError: as ``Signer``; or the cookie is one that ``Response.set_cookie`` refuses; or
            ``samesite="None"`` without ``secure``, which browsers refuse.
    """

    def __init__(
        self,
        secrets: Secrets,
        *,
        cookie: str = "session",
        max_age: int = 14 * 24 * 3600,
        path: str | None = None,
        domain: str | None = None,
        secure: bool | None = None,
        samesite: Literal["Strict", "Lax", "None"] = "Lax",
    ) -> None:
        check_cookie(cookie, domain)
        if samesite not in ("Strict", "Lax", "None"):
            raise ValueError(f"samesite is 'Strict', 'Lax' or 'None', not {samesite!r}")
        if not isinstance(max_age, int):
            raise TypeError(f"max_age is a whole number of seconds, not {max_age!r}")
        if max_age <= 0:
            raise ValueError(f"max_age={max_age}: a session is valid for at least a second")
        if samesite == "None" and secure is False:
            raise ValueError("samesite='None' needs secure=True: browsers refuse the cookie otherwise")
        self._signer = Signer(secrets, purpose="wiverno.session")
        self._cookie = cookie
        self._max_age = max_age
        self._path = path
        self._domain = domain
        self._secure = secure
        self._samesite: Literal["Strict", "Lax", "None"] = samesite
        self._has_warned = False

    def __call__(self, request: Request, call_next: CallNext) -> Response:
        """Answer a request whose handler may use ``request.session``."""
        request.use_sessions(self._open)
        response = call_next(request)
        session = request.opened_session
        if session is not None:
            # RFC 9110 §12.5.5: the answer depends on the cookie, even if the session was only read.
            response.add_vary("Cookie")
            self._save(request, session, response)
        return response

    def _open(self, request: Request) -> Session:
        text = request.cookies.get(self._cookie, "")
        found = self._signer.read(text, self._max_age) if len(text) <= LARGEST_COOKIE else None
        session = Session(found if isinstance(found, dict) else {})
        session.original = compact_json(session)
        return session

    def _save(self, request: Request, session: Session, response: Response) -> None:
        text = compact_json(session)
        if text == session.original:
            return
        if not session:
            self._set(request, response, "", 0)
            return
        value = self._signer.sign(session)
        size = len(self._cookie) + len(value)
        if size > LARGEST_COOKIE:
            raise ValueError(
                f"the session has {size} bytes as a cookie, and browsers keep {LARGEST_COOKIE}; "
                "keep the data elsewhere and its key in the session"
            )
        self._set(request, response, value, self._max_age)

    def _set(self, request: Request, response: Response, value: str, max_age: int) -> None:
        secure = self._is_secure(request) if self._secure is None else self._secure
        path = self._path or request.root_path or "/"
        response.set_cookie(
            self._cookie, value, max_age=max_age, path=path, domain=self._domain,
            secure=secure, httponly=True, samesite=self._samesite,
        )  # fmt: skip

    def _is_secure(self, request: Request) -> bool:
        """Return whether the cookie is for https alone; warn once where the browser would then not keep it."""
        if request.is_secure:
            return True
        name, _ = split_host(request.host)
        if name in _LOCAL or name.endswith(".localhost"):
            return False
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "a session's cookie is for https alone, and a request came by http: browsers do not keep it. "
                "If a proxy speaks TLS, set trusted_proxies; for http without TLS write Sessions(..., secure=False)"
            )
        return True


_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
