"""Middleware and hooks see every request and every response, and cost nothing where there are none."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.wsgi import call
from wiverno.web.application import Wiverno
from wiverno.web.cors import CORS
from wiverno.web.errors import abort
from wiverno.web.hooks import CallNext
from wiverno.web.request import Request
from wiverno.web.response import Response
from wiverno.web.testing import TestClient


def make_app() -> tuple[Wiverno, list[str]]:
    app, seen = Wiverno(), list[str]()

    @app.get("/")
    def home(request: Request) -> str:
        seen.append("home")
        return "Hello"

    @app.get("/fails")
    def fails(request: Request) -> str:
        raise ValueError("a bug")

    @app.get("/refused/{id:int}")
    def refused(id: int) -> str:
        abort(403, "Not you.")

    return app, seen


def test_an_application_without_hooks_has_no_chain() -> None:
    """The table of static routes is asked directly until something is added."""
    app, _ = make_app()
    assert app._hooks is None
    assert app._static is app._table.static
    app.before_request(lambda request: None)
    assert app._static == {}
    assert call(app).body == b"Hello"


def test_order() -> None:
    """Middleware added first is outermost; before hooks run in order, after hooks the other way."""
    app, seen = make_app()

    def layer(name: str) -> Callable[[Request, CallNext], Response]:
        def run(request: Request, call_next: CallNext) -> Response:
            seen.append(name)
            response = call_next(request)
            seen.append(name.upper())
            return response

        return run

    app.middleware(layer("outer"))
    app.before_request(lambda request: seen.append("before 1"))
    app.after_request(lambda request, response: seen.append("after 1"))
    app.middleware(layer("inner"))
    app.before_request(lambda request: seen.append("before 2"))
    app.after_request(lambda request, response: seen.append("after 2"))
    assert call(app).body == b"Hello"
    assert seen == ["outer", "inner", "before 1", "before 2", "home", "after 2", "after 1", "INNER", "OUTER"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200), ("HEAD", "/", 200), ("GET", "/nowhere", 404), ("POST", "/", 405), ("OPTIONS", "/", 204),
        ("GET", "/fails", 500), ("GET", "/refused/3", 403), ("GET", "/refused/3/", 308),
    ],
)  # fmt: skip
def test_every_response_passes(method: str, path: str, status: int) -> None:
    """Error pages, redirects and automatic responses too; hooks may add fields and cookies."""
    app, _ = make_app()

    @app.after_request
    def mark(request: Request, response: Response) -> None:
        response.headers["X-Status"] = str(response.status_code)
        response.set_cookie("seen", "yes")

    @app.middleware
    def frame(request: Request, call_next: CallNext) -> Response:
        response = call_next(request)
        response.headers["X-Frame-Options"] = "DENY"
        return response

    got = call(app, method, path)
    assert got.status.startswith(str(status))
    assert (got.headers["x-status"], got.headers["x-frame-options"]) == (str(status), "DENY")
    assert got.headers["set-cookie"].startswith("seen=yes")


def test_a_before_hook_may_answer() -> None:
    """Then neither the handler nor later hooks are asked; what it raises is a page; after hooks see both."""
    app, seen = make_app()
    app.after_request(lambda request, response: seen.append(response.status))

    @app.before_request
    def guard(request: Request) -> Any:
        if "token" not in request.query_params:
            return 401, {"error": "no token"}
        if request.query_params["token"] != "good":
            abort(403)
        request.state.user = "ann"
        return None

    app.before_request(lambda request: seen.append(request.state.user))
    assert call(app).body == b'{"error":"no token"}'
    assert call(app, QUERY_STRING="token=bad").status == "403 Forbidden"
    assert call(app, QUERY_STRING="token=good").body == b"Hello"
    assert seen == ["401 Unauthorized", "403 Forbidden", "ann", "home", "200 OK"]


def test_bodies_can_be_read_and_replaced() -> None:
    """A body in one piece is bytes; a new one gets its own length; the old one is closed."""
    closed: list[str] = []
    app, _ = make_app()

    class File(io.BytesIO):
        def close(self) -> None:
            closed.append("file")
            super().close()

    def stream() -> Iterator[str]:
        try:
            yield "a"
        finally:
            closed.append("stream")

    app.get("/file")(lambda request: File(b"abc"))
    app.get("/stream")(lambda request: stream())

    @app.after_request
    def shout(request: Request, response: Response) -> None:
        if isinstance(response.body, bytes):
            response.body = response.body.upper() + b"!"

    assert (call(app).body, call(app).headers["content-length"]) == (b"HELLO!", "6")
    assert (call(app, path="/file").body, call(app, path="/stream").body) == (b"abc", b"a")
    assert closed == ["file", "stream"]

    @app.middleware
    def other(request: Request, call_next: CallNext) -> Any:
        call_next(request)
        return 299, "other"

    closed.clear()
    assert call(app, path="/file").body == b"other"
    assert closed == ["file"]


def test_an_after_hook_may_return_another_response() -> None:
    """The one that it replaces is closed; later hooks see the new one, also if it is no Response."""
    closed: list[str] = []
    app, _ = make_app()

    class File(io.BytesIO):
        def close(self) -> None:
            closed.append("file")
            super().close()

    app.get("/file")(lambda request: File(b"abc"))
    app.after_request(lambda request, response: response.headers.add("X-Last", str(response.status_code)))
    app.after_request(lambda request, response: (202, {"was": response.status_code}))
    got = call(app, path="/file")
    assert (got.status, got.body, got.headers["x-last"]) == ("202 Accepted", b'{"was":200}', "202")
    assert closed == ["file"]


def test_callables_of_c_are_taken_as_they_are() -> None:
    """Python does not know their parameters."""
    app, _ = make_app()
    app.before_request(dict[str, int]().get)  # type: ignore[type-var]
    assert call(app).body == b"Hello"


def test_a_status_without_content_ends_the_body() -> None:
    app, _ = make_app()

    @app.after_request
    def empty(request: Request, response: Response) -> None:
        response.status = "204 No Content"

    got = call(app)
    assert (got.status, got.body, "content-length" in got.headers) == ("204 No Content", b"", False)


def test_exceptions_of_hooks_are_pages(caplog: pytest.LogCaptureFixture) -> None:
    """Middleware further out sees the page; each exception is logged once."""
    app, _ = make_app()

    @app.middleware
    def outer(request: Request, call_next: CallNext) -> Response:
        response = call_next(request)
        response.headers["X-Outer"] = "yes"
        return response

    @app.middleware
    def inner(request: Request, call_next: CallNext) -> Response:
        if request.path == "/inner":
            raise ValueError("inner")
        return call_next(request)

    @app.after_request
    def after(request: Request, response: Response) -> None:
        if request.path == "/after":
            raise ValueError("after")

    for path in ("/inner", "/after"):
        caplog.clear()
        got = call(app, path=path)
        assert (got.status, got.headers["x-outer"]) == ("500 Internal Server Error", "yes")
        assert len(caplog.records) == 1
    with pytest.raises(ValueError, match="inner"):
        TestClient(app).get("/inner")


@pytest.mark.parametrize("place", ["after_request", "middleware"])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
def test_what_is_no_exception_is_the_servers(place: str, error: type[BaseException]) -> None:
    """It becomes no page, since a signal handler may have raised it; the response that was made is closed."""
    closed: list[str] = []
    app, _ = make_app()

    class File(io.BytesIO):
        def close(self) -> None:
            closed.append("file")
            super().close()

    app.get("/file")(lambda request: File(b"abc"))

    def end(request: Request, call_next: Any) -> Any:
        if place == "middleware":
            call_next(request)
        raise error("on purpose")

    getattr(app, place)(end)
    app.middleware(lambda request, call_next: call_next(request))
    with pytest.raises(error, match="on purpose"):
        call(app, path="/file")
    assert closed == ["file"]


@pytest.mark.parametrize("path", ["/upload", "/upload/7"])
def test_uploads_are_closed_whatever_the_handler_raises(path: str) -> None:
    """A handler that calls sys.exit() leaves no temporary file behind."""
    app, _ = make_app()
    seen: list[Any] = []

    def upload(request: Request) -> str:
        seen.append(request.files["photo"].stream)
        raise SystemExit(3)

    app.post("/upload")(upload)
    app.post("/upload/{id:int}")(upload)
    with pytest.raises(SystemExit):
        TestClient(app).post(path, data={"photo": (io.BytesIO(b"x"), "photo.png")})
    assert seen[0].closed


@pytest.mark.parametrize("kind", ["before_request", "after_request", "middleware"])
def test_what_is_no_response_is_named(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The message names the hook, not the handler."""
    app, _ = make_app()

    def wrong(*args: Any) -> Any:
        return 3.5

    getattr(app, kind)(wrong)
    assert call(app).status == "500 Internal Server Error"
    assert "wrong (" in caplog.text
    assert "returned a float" in caplog.text


def test_a_middleware_that_returns_nothing_is_named(caplog: pytest.LogCaptureFixture) -> None:
    app, _ = make_app()
    app.middleware(lambda request, call_next: None)  # type: ignore[type-var]
    assert call(app).status == "500 Internal Server Error"
    assert "returned None" in caplog.text


def no_arguments() -> None: ...


def only_the_response(response: Response) -> Response:
    return response


async def a_coroutine(request: Request) -> None: ...


@pytest.mark.parametrize(
    ("kind", "hook", "message"),
    [
        (
            "before_request",
            no_arguments,
            r"\(.*\): write 'def no_arguments\(request\)' for before_request",
        ),
        ("after_request", only_the_response, r"write 'def only_the_response\(request, response\)' for after_request"),
        ("middleware", only_the_response, r"write 'def only_the_response\(request, call_next\)' for middleware"),
        ("middleware", "http", r"middleware is for a function of \(request, call_next\), not for str"),
        ("before_request", a_coroutine, "a_coroutine is 'async def'"),
    ],
)
def test_hooks_of_other_frameworks_are_refused_with_the_right_form(kind: str, hook: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        getattr(Wiverno(), kind)(hook)


def test_a_class_in_place_of_its_middleware() -> None:
    message = r"^middleware is for a function of \(request, call_next\), not for the class CORS; write CORS\(\.\.\.\)$"
    with pytest.raises(TypeError, match=message):
        Wiverno().middleware(CORS)  # type: ignore[type-var]
