"""Errors carry their status, a sentence and headers; pages tell them as HTML or JSON."""

from __future__ import annotations

import json

import pytest

from tests.support.wsgi import call
from wiverno.web.application import Wiverno
from wiverno.web.errors import HTTPError, abort, describe, reason
from wiverno.web.request import Request


@pytest.mark.parametrize("status", [200, 399, 600, 0])
def test_only_errors_are_errors(status: int) -> None:
    with pytest.raises(ValueError, match=f"{status} is not an error status"):
        HTTPError(status)
    with pytest.raises(ValueError, match=f"{status} is not an error status"):
        Wiverno().error_page(status)


def test_words() -> None:
    assert str(HTTPError(404)) == "404 Not Found: There is nothing at this address."
    assert (reason(499), describe(499), describe(409)) == ("Unknown", "Unknown.", "Conflict.")
    with pytest.raises(HTTPError, match="503 Service Unavailable: later"):
        abort(503, "later", {"Retry-After": "5"})


def test_json_pages_carry_the_request_id_of_server_errors() -> None:
    app = Wiverno()

    @app.get("/down")
    def down(request: Request) -> str:
        abort(503, "later", {"Retry-After": "5"})

    got = call(app, path="/down", HTTP_ACCEPT="application/json", HTTP_X_REQUEST_ID="r-1")
    assert json.loads(got.body) == {
        "status": 503, "error": "Service Unavailable", "message": "later", "request_id": "r-1",
    }  # fmt: skip
    assert got.headers["retry-after"] == "5"
    page = call(app, path="/down", HTTP_ACCEPT="text/html, application/json", HTTP_X_REQUEST_ID="r-2")
    assert page.headers["content-type"].startswith("text/html")
    assert b"r-2" in page.body


def test_messages_are_escaped() -> None:
    app = Wiverno()

    @app.get("/")
    def handler(request: Request) -> str:
        abort(400, "<script>alert(1)</script>")

    assert b"<script" not in call(app).body


def test_no_redirect_between_slashes_when_switched_off() -> None:
    app = Wiverno(redirect_slashes=False)
    app.get("/a")(lambda request: "")
    assert call(app, path="/a/").status == "404 Not Found"
