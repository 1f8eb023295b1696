"""Wiverno as a WSGI application: the whole way from environ to answer."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from tests.support.wsgi import call
from wiverno.web.application import Wiverno
from wiverno.web.errors import HTTPError, abort
from wiverno.web.forms import Limits
from wiverno.web.request import Request
from wiverno.web.response import Response


def app_returning(value: Any) -> Wiverno:
    app = Wiverno()
    app.add_route("/", lambda request: value, ("GET", "POST"))
    return app


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ("Hello", "200 OK", "text/html; charset=utf-8", b"Hello"),
        (("200 OK", "Hello"), "200 OK", "text/html; charset=utf-8", b"Hello"),
        ((201, "made"), "201 Created", "text/html; charset=utf-8", b"made"),
        ((HTTPStatus.ACCEPTED, "é"), "202 Accepted", "text/html; charset=utf-8", "é".encode()),
        (("299 Fine by me", "x"), "299 Fine by me", "text/html; charset=utf-8", b"x"),
        ((599, "x"), "599 Unknown", "text/html; charset=utf-8", b"x"),
        ({"a": [1, None]}, "200 OK", "application/json", b'{"a":[1,null]}'),
        ([], "200 OK", "application/json", b"[]"),
        ((404, {"a": "é"}), "404 Not Found", "application/json", '{"a":"é"}'.encode()),
        (b"\x00\x01", "200 OK", "application/octet-stream", b"\x00\x01"),
        (bytearray(b"ab"), "200 OK", "application/octet-stream", b"ab"),
        ((200, "x", {"Content-Type": "text/plain"}), "200 OK", "text/plain", b"x"),
        ((200, "x", [("content-type", "text/css")]), "200 OK", "text/css", b"x"),
        (("made", 201), "201 Created", "text/html; charset=utf-8", b"made"),
        (({"a": 1}, HTTPStatus.CREATED), "201 Created", "application/json", b'{"a":1}'),
        (([1], "202 Accepted"), "202 Accepted", "application/json", b"[1]"),
        (("404 Not Found", 404), "404 Not Found", "text/html; charset=utf-8", b"404 Not Found"),
        (("x", 299, {"Content-Type": "text/plain"}), "299 Unknown", "text/plain", b"x"),
        (Response("x", 418), "418 I'm a Teapot", "text/html; charset=utf-8", b"x"),
        (Response({"a": 1}, content_type="application/problem+json"), "200 OK", "application/problem+json", b'{"a":1}'),
    ],
)
def test_every_return_form(value: object, status: str, content_type: str, body: bytes) -> None:
    got = call(app_returning(value))
    assert (got.status, got.headers["content-type"], got.body) == (status, content_type, body)
    assert got.headers["content-length"] == str(len(body))


def test_iterators_are_streamed_and_closed() -> None:
    """Text and bytes may be mixed; nothing is taken before it is sent; the generator ends when the server closes."""
    seen: list[str] = []

    def items() -> Iterator[str | bytes]:
        try:
            seen.append("first")
            yield "é"
            seen.append("second")
            yield b"!"
        finally:
            seen.append("closed")

    app = Wiverno()
    app.get("/")(lambda request: items())
    got = call(app, consume=False)
    assert seen == []
    assert "content-length" not in got.headers
    assert next(iter(got.chunks)) == "é".encode()
    assert seen == ["first"]
    got.close()
    assert seen == ["first", "closed"]


def test_files_go_through_the_servers_file_wrapper(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"x" * 100)
    wrapped: list[Any] = []

    def wrapper(source: Any, block: int) -> list[bytes]:
        wrapped.append(source)
        data = source.read()
        source.close()
        return [data]

    app = Wiverno()
    app.get("/")(lambda request: file.open("rb"))
    extra: dict[str, Any] = {"wsgi.file_wrapper": wrapper}
    assert call(app, **extra).body == b"x" * 100
    assert len(wrapped) == 1
    assert call(app).body == b"x" * 100


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "returned None"),
        (3, "returned a int"),
        (object(), "returned a object"),
        ((200,), "returned a tuple of 1"),
        ((200, "x", {}, 4), "returned a tuple of 4"),
        (("OK", "x"), "'OK' is not a status"),
        (({"a": 1}, {"X-A": "b"}), "{'a': 1} is not a status"),
        ((200, 201), "returned a int"),
        ((True, "x"), "True is not a status"),
        ((100, "x"), "100 is not a status"),
        (("200 OK\r\nX: y", "x"), "is not a status"),
        ((200, "x", {"X": "a\r\nSet-Cookie: b"}), "header 'X' holds a control character"),
        ((200, "x", {"X\n": "a"}), "holds a control character"),
        ((200, "x", {"X": None}), "header 'X' has a NoneType as its value"),
        ({"a": float("nan")}, "Out of range float values"),
        ({"a": object()}, "not JSON serializable"),
    ],
)
def test_what_cannot_be_sent_is_a_500_and_says_why_in_the_log(
    value: object, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    got = call(app_returning(value))
    assert got.status == "500 Internal Server Error"
    assert message in caplog.text
    assert message.encode() not in got.body


def test_head_has_gets_headers_and_no_body() -> None:
    get, head = call(app_returning("Hello")), call(app_returning("Hello"), "HEAD")
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")


def test_options_and_405_name_the_methods() -> None:
    app = app_returning("x")
    options = call(app, "OPTIONS")
    assert (options.status, options.headers["allow"], options.body) == (
        "204 No Content",
        "GET, HEAD, OPTIONS, POST",
        b"",
    )
    refused = call(app, "DELETE")
    assert (refused.status, refused.headers["allow"]) == ("405 Method Not Allowed", "GET, HEAD, OPTIONS, POST")


def test_404_says_nothing_of_the_request() -> None:
    got = call(Wiverno(), path="/<script>alert(1)</script>")
    assert got.status == "404 Not Found"
    assert b"<script" not in got.body


def test_500_is_logged_under_the_id_on_the_page(caplog: pytest.LogCaptureFixture) -> None:
    app = Wiverno()

    @app.get("/boom/{what}")
    def boom(request: Request) -> str:
        raise RuntimeError("secret words")

    got = call(app, path="/boom/\x1b[31m\n", HTTP_X_REQUEST_ID="req-7")
    assert got.status == "500 Internal Server Error"
    assert b"req-7" in got.body
    assert b"secret" not in got.body
    record = caplog.records[-1]
    assert record.getMessage() == "GET /boom/%1B%5B31m%0A failed, request req-7"
    assert record.name == "wiverno.web"
    assert record.levelno == logging.ERROR
    assert "secret words" in caplog.text


def test_a_harmful_request_id_is_replaced() -> None:
    got = call(app_returning(None), HTTP_X_REQUEST_ID="<script>")
    assert b"<script" not in got.body


def test_errors_are_json_for_who_asks_for_json() -> None:
    got = call(Wiverno(), HTTP_ACCEPT="application/json")
    assert got.headers["content-type"] == "application/json"
    assert b'"status":404' in got.body


def test_own_pages_get_the_status_when_they_name_none(caplog: pytest.LogCaptureFixture) -> None:
    app = Wiverno(
        page_404=lambda request: f"no {request.path}",
        page_405=lambda request, error: ("405 Not That Way", error.message),
        page_500=lambda request, error: Response(type(error).__name__),
    )
    app.get("/boom")(lambda request: str(1 // 0))
    assert call(app, path="/x").status == "404 Not Found"
    assert call(app, path="/x").body == b"no /x"
    refused = call(app, "POST", "/boom")
    assert (refused.status, refused.headers["allow"]) == ("405 Not That Way", "GET, HEAD, OPTIONS")
    assert (call(app, path="/boom").status, call(app, path="/boom").body) == (
        "500 Internal Server Error", b"ZeroDivisionError",
    )  # fmt: skip
    assert "ZeroDivisionError" in caplog.text


def test_a_broken_own_page_falls_back() -> None:
    app = Wiverno(page_404=lambda request: str(1 // 0))
    got = call(app)
    assert got.status == "500 Internal Server Error"


def test_abort_and_httperror_choose_the_status() -> None:
    app = Wiverno()
    app.get("/")(lambda request: abort(403, "Not you."))

    @app.error_page(409)
    def conflict(request: Request, error: HTTPError) -> str:
        return error.message

    @app.get("/conflict")
    def raising(request: Request) -> str:
        raise HTTPError(409, "twice", {"X-Why": "x"})

    assert call(app).status == "403 Forbidden"
    assert b"Not you." in call(app).body
    got = call(app, path="/conflict")
    assert (got.status, got.body, got.headers["x-why"]) == ("409 Conflict", b"twice", "x")


@pytest.mark.parametrize(
    ("registered", "asked", "location"),
    [
        ("/users", "/users/", "/users"),
        ("/users/", "/users", "/users/"),
        ("/u/{id:int}/", "/u/7", "/u/7/"),
        ("/{p:path}/", "//evil.example", "/evil.example/"),
    ],
)
def test_the_other_slash_redirects_within_the_site(registered: str, asked: str, location: str) -> None:
    app = Wiverno()
    app.get(registered)(lambda request: "x")
    got = call(app, path=asked, SCRIPT_NAME="/m", QUERY_STRING="a=b&c=%20")
    assert got.status == "308 Permanent Redirect"
    assert got.headers["location"] == f"/m{location}?a=b&c=%20"
    assert call(Wiverno(), path=asked).status == "404 Not Found"


def test_a_path_that_is_no_utf8_is_400() -> None:
    app = Wiverno()
    app.get("/u/{name}")(lambda request: str(request.path_params["name"]))
    assert call(app, path="/u/\xff").status == "400 Bad Request"
    assert call(app, path="/u/é".encode().decode("latin-1")).body == "é".encode()


def test_static_routes_with_other_letters_are_found() -> None:
    app = Wiverno()
    app.get("/é")(lambda request: request.path)
    assert call(app, path="/é".encode().decode("latin-1")).body == "/é".encode()


def test_an_environ_without_path_is_the_root() -> None:
    app = app_returning("x")
    environ_path: Any = None
    got = call(app, path=environ_path)
    assert got.status == "200 OK"


def test_wsgiref_finds_nothing_to_complain_about() -> None:
    app = Wiverno()
    app.get("/")(lambda request: "Hello")
    app.get("/stream")(lambda request: iter(["a", "b"]))
    app.post("/echo")(lambda request: request.data)
    checked = validator(app)
    assert call(checked).body == b"Hello"
    assert call(checked, path="/stream").body == b"ab"
    assert call(checked, "OPTIONS").status == "204 No Content"
    assert call(checked, path="/nothing").status == "404 Not Found"
    data = b'{"a":1}'
    got = call(
        checked, "POST", "/echo", body=io.BytesIO(data), CONTENT_TYPE="application/json", CONTENT_LENGTH=str(len(data))
    )
    assert got.body == data


def test_servers_may_change_the_header_list() -> None:
    """PEP 3333 lets a server change the list it got; the next answer must not notice."""
    app = app_returning("Hello")
    for _ in range(2):
        got = call(app)
        assert len(got.header_list) == 2
        got.header_list.clear()


def test_exception_in_an_error_page(caplog: pytest.LogCaptureFixture) -> None:
    """Debug mode shows its traceback; production answers a plain 500 and tells nothing; both log it."""

    def broken(request: Request) -> str:
        raise ValueError("a secret of the page")

    for debug in (True, False):
        app = Wiverno(page_404=broken, page_500=broken, debug=debug)
        app.add_route("/fails", lambda request: dict[str, str]()["key"])
        answer = call(app, path="/nowhere", HTTP_ACCEPT="text/html")
        assert answer.status == "500 Internal Server Error"
        assert (b"ValueError" in answer.body, b"a secret of the page" in answer.body) == (debug, debug)
        # The handler's own exception is what the developer looks for; its page is not asked in debug mode.
        answer = call(app, path="/fails", HTTP_ACCEPT="text/html")
        assert answer.status == "500 Internal Server Error"
        assert (b"<h1>KeyError" in answer.body, b"<h1>ValueError" in answer.body) == (debug, False)
    told = [record.message for record in caplog.records if record.exc_info and "the page for" in record.message]
    assert [message.partition(",")[0] for message in told] == [
        "the page for 404 failed", "the page for 404 failed", "the page for 500 failed",
    ]  # fmt: skip


def test_import_path() -> None:
    """`from wiverno.main import Wiverno` gives the same class."""
    from wiverno.main import Wiverno as imported

    assert imported is Wiverno


@pytest.mark.parametrize("debug", ["false", "0", 1])
def test_debug_is_no_text(debug: Any) -> None:
    """The text "false", as a variable of the environment holds it, would show tracebacks."""
    with pytest.raises(TypeError, match=rf"^debug is True, False or None \(the server decides\), not {debug!r}$"):
        Wiverno(debug=debug)


@pytest.mark.parametrize("limits", [5, {"body_bytes": 5}])
def test_limits_are_an_object(limits: Any) -> None:
    with pytest.raises(TypeError, match=r"^limits are written as Limits\(body_bytes=\.\.\.\), not as "):
        Wiverno(limits=limits)


@pytest.mark.parametrize(
    ("name", "value"), [("body_bytes", "1"), ("form_parts", -1), ("query_keys", None), ("json_depth", 1.5)]
)
def test_limits_are_numbers(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^Limits: {name} is a whole number, 0 or more, not {value!r}$"):
        Limits(**{name: value})


def test_an_error_page_that_cannot_be_called() -> None:
    """It is refused where it is registered, not at the first error."""
    app = Wiverno()
    with pytest.raises(TypeError, match=r"write 'def <lambda>\(request, error\)' for error_page$"):
        app.error_page(404)(lambda: "x")  # type: ignore[type-var]
    with pytest.raises(TypeError, match=r"^error_page is for a function of \(request, error\), not for str$"):
        app.error_page(404)("x")  # type: ignore[type-var]

    async def page(request: Any, error: Any) -> str:
        return "x"

    with pytest.raises(TypeError, match="async def"):
        app.error_page(404)(page)  # type: ignore[type-var]
