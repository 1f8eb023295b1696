"""The demonstration's routes; each shows one feature of the server or the framework."""

from __future__ import annotations

import time
from collections.abc import Iterator

from wiverno.demo import facts
from wiverno.demo.page import overview
from wiverno.redaction import mask_value
from wiverno.web.application import Wiverno
from wiverno.web.errors import HTTPError
from wiverno.web.request import Request
from wiverno.web.response import HTML, TEXT, Response, ReturnValue
from wiverno.web.router import Router

MOST_SECONDS = 10.0
MOST_BYTES = 64 * 1024 * 1024
_BLOCK = 64 * 1024

play = Router("/play", name="play")


def create_app(**settings: object) -> Wiverno:
    """Make the demonstration application.

    Args:
        **settings: The application's own settings from the configuration; the page lists them, and ``title`` is its
            heading.
    """
    app = Wiverno()
    started = time.monotonic()
    title = str(settings.get("title") or "wiverno is running")

    @app.get("/")
    def home(request: Request) -> ReturnValue:
        found = facts.Facts(
            server=facts.server_rows(request.environ, time.monotonic() - started),
            settings=facts.setting_rows(),
            application=facts.application_rows(settings),
            source=facts.source_line(),
        )
        # The page names settings and files of this machine: caches and other sites must not keep it.
        return Response(
            overview(title, found, app.url_for),
            headers={"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff"},
            content_type=HTML,
        )

    @app.get("/healthz")
    def healthz(request: Request) -> ReturnValue:
        return {"status": "ok", "uptime_seconds": round(time.monotonic() - started, 3)}

    app.include_router(play)
    return app


@play.get("/hello/{name}")
def hello(request: Request) -> ReturnValue:
    """A route with a parameter."""
    return Response(f"Hello, {request.path_params['name']}!\n", content_type=TEXT)


@play.route("/echo", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def echo(request: Request) -> ReturnValue:
    """Return the request as JSON; the body is read as a stream and only measured."""
    size = sum(len(piece) for piece in request.iter_body())
    return {
        "method": request.method,
        "path": request.path,
        "query": {name: request.query_params.getlist(name) for name in request.query_params},
        "headers": {name: mask_value(name, value) for name, value in request.headers.items()},
        "client": request.client_ip,
        "scheme": request.scheme,
        "body_bytes": size,
    }


@play.get("/slow")
def slow(request: Request) -> ReturnValue:
    """Block this thread, as a slow database would; other requests are served meanwhile."""
    seconds = _number(request, "seconds", 1.0, MOST_SECONDS)
    time.sleep(seconds)  # what this page shows
    return Response(f"slept {seconds:g} s\n", content_type=TEXT)


@play.get("/stream")
def stream(request: Request) -> ReturnValue:
    """Send ten lines a second, each as soon as it is made."""
    count = int(_number(request, "lines", 20, MOST_SECONDS * 10))
    return 200, _lines(count), {"Content-Type": TEXT, "X-Accel-Buffering": "no"}


def _lines(count: int) -> Iterator[str]:
    for number in range(1, count + 1):
        yield f"line {number} of {count}\n"
        if number < count:
            time.sleep(0.1)  # so that the lines are seen to come one by one


@play.get("/bytes")
def zeros(request: Request) -> ReturnValue:
    """Send many bytes without keeping them in memory."""
    size = int(_number(request, "size", 1024 * 1024, MOST_BYTES))
    return 200, _zeros(size), {"Content-Type": "application/octet-stream", "Content-Length": str(size)}


def _zeros(size: int) -> Iterator[bytes]:
    block = bytes(_BLOCK)
    while size > 0:
        yield block[:size]
        size -= _BLOCK


@play.get("/error")
def error(request: Request) -> ReturnValue:
    """Raise: a plain page with a request id here, a page with the traceback under ``wiverno run dev``."""
    raise RuntimeError("this route always fails, to show what happens then")


def _number(request: Request, name: str, usual: float, most: float) -> float:
    """Return a query parameter as a number from 0 to ``most``."""
    text = request.query_params.get(name)
    try:
        number = usual if text is None else float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise HTTPError(400, f"{name} must be a number from 0 to {most:g}.")
    return number
