"""Flask, Django, Pyramid, Falcon and Bottle behind wsgiref.validate, and as they are, in both engines.

Each application does the same five things, so that one test drives them all: a page, a form, a file of 200 kB, a stream
and an error.
"""

import importlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from tests.support.serving import MODES, Served, serving

CONTENT = bytes(range(256)) * 800


def flask_application(file: Path) -> Any:
    flask = importlib.import_module("flask")
    app = flask.Flask("served")
    app.add_url_rule("/page", view_func=lambda: "page ä", endpoint="page")
    app.add_url_rule("/form", view_func=lambda: flask.jsonify(flask.request.form), methods=["POST"], endpoint="form")
    app.add_url_rule("/file", view_func=lambda: flask.send_file(file), endpoint="file")
    app.add_url_rule("/stream", view_func=lambda: app.response_class(str(n) for n in range(5)), endpoint="stream")
    app.add_url_rule("/error", view_func=lambda: 1 / 0, endpoint="error")
    app.add_url_rule("/delete", view_func=lambda: ("", 204), methods=["DELETE"], endpoint="delete")
    return app


_DJANGO: dict[str, Any] = {}


def django_application(file: Path) -> Any:
    settings = importlib.import_module("django.conf").settings
    http = importlib.import_module("django.http")
    if not settings.configured:
        settings.configure(
            ROOT_URLCONF=__name__,
            ALLOWED_HOSTS=["*"],
            SECRET_KEY="x",
            USE_TZ=True,
            LOGGING_CONFIG=None,
            MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.gzip.GZipMiddleware"],
        )
    _DJANGO.update(
        {
            "page": lambda request: http.HttpResponse("page ä"),
            "form": lambda request: http.JsonResponse(request.POST.dict()),
            "file": lambda request: http.FileResponse(file.open("rb")),
            "stream": lambda request: http.StreamingHttpResponse(str(n) for n in range(5)),
            "error": lambda request: 1 / 0,
            "delete": lambda request: http.HttpResponse(status=204),
        }
    )
    return importlib.import_module("django.core.wsgi").get_wsgi_application()


def __getattr__(name: str) -> Any:
    """Give Django its URL configuration, which it looks up in this module."""
    if name == "urlpatterns":
        path = importlib.import_module("django.urls").path
        return [path(route, lambda request, route=route: _DJANGO[route](request)) for route in _DJANGO]
    raise AttributeError(name)


def pyramid_application(file: Path) -> Any:
    response = importlib.import_module("pyramid.response")
    config = importlib.import_module("pyramid.config").Configurator()
    views: dict[str, Callable[[Any], Any]] = {
        "page": lambda request: response.Response("page ä"),
        "form": lambda request: response.Response(json=dict(request.POST)),
        "file": lambda request: response.FileResponse(str(file), request=request),
        "stream": lambda request: response.Response(app_iter=(str(n).encode() for n in range(5))),
        "error": lambda request: 1 / 0,
        "delete": lambda request: response.Response(status=204),
    }
    for name, view in views.items():
        config.add_route(name, f"/{name}")
        config.add_view(view, route_name=name)
    return config.make_wsgi_app()


def falcon_application(file: Path) -> Any:
    falcon = importlib.import_module("falcon")

    class Resource:
        def __init__(self, action: Callable[[Any, Any], None]) -> None:
            self.action = action

        def on_get(self, request: Any, response: Any) -> None:
            self.action(request, response)

        on_post = on_delete = on_get

    def form(request: Any, response: Any) -> None:
        response.media = request.get_media()

    def page(request: Any, response: Any) -> None:
        response.text = "page ä"

    def stream(request: Any, response: Any) -> None:
        response.stream = (str(n).encode() for n in range(5))

    def send(request: Any, response: Any) -> None:
        response.set_stream(file.open("rb"), file.stat().st_size)

    def error(request: Any, response: Any) -> None:
        raise ZeroDivisionError

    def delete(request: Any, response: Any) -> None:
        response.status = 204

    app = falcon.App()
    for name, action in (("page", page), ("form", form), ("file", send), ("stream", stream), ("error", error),
                         ("delete", delete)):  # fmt: skip
        app.add_route(f"/{name}", Resource(action))
    return app


def bottle_application(file: Path) -> Any:
    bottle = importlib.import_module("bottle")
    app = bottle.Bottle()
    app.route("/page", callback=lambda: "page ä")
    app.route("/form", "POST", callback=lambda: dict(bottle.request.forms))
    app.route("/file", callback=lambda: bottle.static_file(file.name, root=str(file.parent)))
    app.route("/stream", callback=lambda: (str(n) for n in range(5)))
    app.route("/error", callback=lambda: 1 / 0)

    def delete() -> str:
        bottle.response.status = 204
        return ""

    app.route("/delete", "DELETE", callback=delete)
    return app


MAKERS = {
    "flask": flask_application,
    "django": django_application,
    "pyramid": pyramid_application,
    "falcon": falcon_application,
    "bottle": bottle_application,
}


class Readable:
    """wsgi.input with a read() that needs no size."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.readline = stream.readline

    def read(self, size: int = -1) -> bytes:
        found: bytes = self._stream.read(size)
        return found


def outdated_rules_kept(application: Callable[..., Any]) -> Callable[..., Any]:
    """Keep two rules that only wsgiref.validate has: read() has a size, a 204 or 304 no Content-Type."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if status.startswith(("204", "304")):
                headers = [pair for pair in headers if pair[0].lower() != "content-type"]
            return start_response(status, headers, *rest)

        environ["wsgi.input"] = Readable(environ["wsgi.input"])
        found: Iterable[bytes] = application(environ, start)
        return found

    return wrapped


@pytest.fixture(params=MAKERS, scope="module")
def application(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("served") / "content.bin"
    file.write_bytes(CONTENT)
    return MAKERS[request.param](file)


@pytest.fixture(params=[(mode, validated) for mode in MODES for validated in (True, False)],
                ids=lambda value: f"{value[0]}-{'validated' if value[1] else 'plain'}")  # fmt: skip
def served(request: pytest.FixtureRequest, application: Any) -> Iterator[Served]:
    mode, validated = request.param
    with serving(validator(outdated_rules_kept(application)) if validated else application, **MODES[mode]) as found:
        yield found


def test_served(served: Served) -> None:
    """All answers arrive whole on one connection, and the errors are the framework's own or a 500 of ours."""

    def ask(request: bytes, method: str = "GET") -> tuple[int, bytes]:
        client.send(request)
        status, _, body = client.response(method=method)
        return status, body

    with served.client() as client:
        for _ in range(2):
            assert ask(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n") == (200, "page ä".encode())
            form = b"a=1&b=%C3%A4"
            framings = (
                b"Content-Length: %d\r\n\r\n%b" % (len(form), form),
                b"Transfer-Encoding: chunked\r\n\r\n5\r\na=1&b\r\n7\r\n=%C3%A4\r\n0\r\n\r\n",
            )
            for framing in framings:
                head = b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                status, body = ask(head + framing)
                assert status == 200
                assert json.loads(body) in ({"a": "1", "b": "ä"}, {"a": "1", "b": "\xc3\xa4"})  # Bottle leaves latin-1
            assert ask(b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n") == (200, CONTENT)
            assert ask(b"HEAD /page HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD")[1] == b""
            assert ask(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n") == (200, b"01234")
            assert ask(b"DELETE /delete HTTP/1.1\r\nHost: a\r\n\r\n") == (204, b"")
            assert ask(b"GET /missing HTTP/1.1\r\nHost: a\r\n\r\n")[0] == 404
        assert ask(b"GET /error HTTP/1.1\r\nHost: a\r\n\r\n")[0] == 500
