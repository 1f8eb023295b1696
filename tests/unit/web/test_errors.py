"""Errors carry their status, a sentence and headers; pages tell them as HTML or JSON."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest

from tests.support.wsgi import call
from wiverno.web.application import Wiverno
from wiverno.web.errors import HTTPError, Invalid, Problem, abort, describe, reason
from wiverno.web.request import Request
from wiverno.web.testing import TestClient


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


@pytest.mark.parametrize(
    ("accepted", "sent", "form"),
    [
        ("", "", "html"),
        ("*/*", "", "html"),
        ("*/*", "application/json", "json"),
        ("", "application/vnd.shop+json", "json"),
        ("application/json", "", "json"),
        ("application/problem+json", "", "json"),
        ("application/json, text/plain, */*", "", "json"),
        ("application/json, text/html;q=0.5", "", "json"),
        ("text/html, application/json;q=0.9", "application/json", "html"),
        ("text/html, application/json", "application/json", "json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json", "html"),
        ("application/json;q=0, text/html", "application/json", "html"),
        ("image/*", "application/json", "json"),
        ("json", "", "html"),
    ],
)
def test_the_form_of_an_error(accepted: str, sent: str, form: str) -> None:
    """JSON for clients that accept it more than HTML, or that sent JSON and accept both alike."""
    got = call(Wiverno(), HTTP_ACCEPT=accepted, CONTENT_TYPE=sent)
    assert form in got.headers["content-type"]
    assert got.headers["vary"] == "Accept"


def test_values_that_do_not_fit_are_listed() -> None:
    """In JSON under ``details``, in HTML as a list, and names of the client are escaped and bounded."""
    app = Wiverno()

    @app.get("/")
    def handler(request: Request) -> str:
        raise Invalid("The body does not fit.", (Problem(("body", 0, "<b>"), "Field required", "missing"),))

    got = call(app, HTTP_ACCEPT="application/json")
    assert (got.status[:3], json.loads(got.body)["details"]) == (
        "422", [{"loc": ["body", 0, "<b>"], "msg": "Field required", "type": "missing"}],
    )  # fmt: skip
    assert b"<li>body.0.&lt;b&gt;: Field required</li>" in call(app).body


def test_pages_for_classes_of_exceptions(caplog: pytest.LogCaptureFixture) -> None:
    """The nearest class wins; the status is 500 or that of an HTTPError; what has a page is not logged."""
    app = Wiverno(page_404=lambda request: "a page for 404")

    class Closed(Exception):
        pass

    class ClosedForever(Closed):
        pass

    class Away(HTTPError):
        pass

    def raising(error: Exception) -> NoReturn:
        raise error

    app.get("/closed")(lambda request: raising(ClosedForever("for ever")))
    app.get("/away")(lambda request: raising(Away(404, "gone")))
    app.get("/key")(lambda request: raising(KeyError("x")))

    @app.error_page(Closed)
    def closed(request: Request, error: Closed) -> tuple[int, str]:
        return 503, f"closed {error}"

    @app.error_page(LookupError)
    def lookup(request: Request) -> str:
        return "looked up"

    app.error_page(Away)(lambda request, error: f"away: {error.message}")
    assert (call(app, path="/closed").status[:3], call(app, path="/closed").body) == ("503", b"closed for ever")
    assert (call(app, path="/key").status[:3], call(app, path="/key").body) == ("500", b"looked up")
    assert (call(app, path="/away").status[:3], call(app, path="/away").body) == ("404", b"away: gone")
    assert call(app, path="/nowhere").body == b"a page for 404"
    assert not caplog.records
    assert TestClient(app).get("/closed").status_code == 503
    with pytest.raises(ValueError, match=r"'404' is not an error status \(400–599\) or a class of exceptions"):
        app.error_page("404")  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["404", None, 200])
def test_a_status_that_is_no_error(status: Any) -> None:
    with pytest.raises(ValueError, match=f"^{status!r} is not an error status"):
        abort(status)
