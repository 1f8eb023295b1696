"""Calling an application from a test, without a server: ``TestClient(app).get("/").text``.

The client is Werkzeug's, with cookies, redirects, forms and files; see ``werkzeug.test.Client``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.test import Client


class TestClient(Client):
    """Makes requests and gives back their responses (``status_code``, ``text``, ``json``, ``headers``).

    Args:
        app: Any WSGI application.
        raise_errors: Let an exception in a handler reach the test instead of becoming the 500 page.
    """

    __test__ = False  # pytest would collect it as a class of tests

    def __init__(self, app: Any, *, raise_errors: bool = True) -> None:
        if not callable(app):
            raise TypeError(f"a TestClient needs a WSGI application, not {type(app).__name__}")
        super().__init__(app)
        self.raise_errors = raise_errors

    def run_wsgi_app(self, environ: dict[str, Any], buffered: bool = False) -> tuple[Iterable[bytes], str, Headers]:
        """Call the application; Werkzeug's client calls it for each request."""
        environ["wiverno.raise_errors"] = self.raise_errors
        return super().run_wsgi_app(environ, buffered)
