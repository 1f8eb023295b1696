"""The middleware of the development server: Host check, debug mode, log line, live reload.

Works with any WSGI application; an exception that one lets through becomes the same debug page that wiverno's own
framework shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from wiverno.dev import live
from wiverno.dev.hints import find_hint
from wiverno.dev.hosts import AllowedHosts
from wiverno.dev.lines import ACCESS
from wiverno.foreign_code import guarded_logger
from wiverno.wsgi_types import Application, Environ

# The framework's pages are imported when the first one is shown: with Werkzeug, which not every application has, they
# would make each restart half as long again.

logger = guarded_logger("wiverno.dev")


class Guard:
    """A WSGI application around the developer's.

    Args:
        application: The developer's application.
        hosts: Which Host names are answered.
        version: Names this start of the server.
        is_live: Whether HTML answers get the script that reloads the page.
    """

    def __init__(self, application: Application, hosts: AllowedHosts, version: str, *, is_live: bool) -> None:
        self._application = application
        self._hosts = hosts
        self._version = version
        self._tag = live.script_tag(version) if is_live else b""
        self._was_hinted = False

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        if not self._hosts.allows(environ.get("HTTP_HOST")):
            return _refuse(environ, start_response)
        if self._tag and environ.get("PATH_INFO", "").startswith(live.ROOT):
            return self._answer_script(environ, start_response)
        began = time.perf_counter()
        environ["wiverno.debug"] = True
        body = live.ExtendedBody((), self._tag)
        sent = ["-"]

        def starting(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            sent[0] = status[:3]
            changed = live.extend_headers(status, headers, self._tag) if self._tag else None
            # The framework strips the body of HEAD, and so does the server.
            body.is_wanted = changed is not None and environ["REQUEST_METHOD"] != "HEAD"
            return start_response(status, headers if changed is None else changed, *exc_info)

        is_raised = False
        try:
            chunks = self._application(environ, starting)
        except Exception as error:  # every exception becomes a page
            is_raised = True
            logger.exception("%s", _describe(environ))
            from wiverno.web.answers import answer
            from wiverno.web.debug_page import render_debug_page

            status, headers, chunks = answer(render_debug_page(error, environ), environ)
            starting(status, headers, *(((type(error), error, error.__traceback__),) if sent[0] != "-" else ()))
        logger.info(ACCESS, _describe(environ), sent[0], (time.perf_counter() - began) * 1000)
        if sent[0] == "500" and not is_raised and not self._was_hinted and (hint := find_hint(self._application)):
            self._was_hinted = True  # once a start
            logger.warning("%s", hint)
        if not self._tag:
            return chunks
        body.body = chunks
        return body

    def _answer_script(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == live.ROOT + "live.js":
            content, kind = live.SCRIPT, "text/javascript; charset=utf-8"
        else:
            content, kind = self._version, "text/plain; charset=utf-8"
        from wiverno.web.answers import answer

        status, headers, chunks = answer((200, content, {"Content-Type": kind, "Cache-Control": "no-store"}), environ)
        start_response(status, headers)
        return chunks


def _refuse(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    from wiverno.web.answers import answer

    name = environ["HTTP_HOST"]
    logger.warning("refused a request for the foreign host %r", name)
    text = f"{name!r} is not a name of this development server. Allow it with --allow-host if it is yours.\n"
    status, headers, chunks = answer((403, text, {"Content-Type": "text/plain; charset=utf-8"}), environ)
    start_response(status, headers)
    return chunks


def _describe(environ: Environ) -> str:
    path = quote((environ.get("SCRIPT_NAME", "") + (environ.get("PATH_INFO") or "/")).encode("latin-1"))
    return f"{environ['REQUEST_METHOD']} {path}"
