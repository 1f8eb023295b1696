"""The applications behind the loads: plain WSGI, nothing that a server could be measured by except itself.

Every server imports these by name (`benchmarks.apps:hello`), so the module takes nothing but the standard library.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

GREETING = b"Hello, world!\n"
MEBIBYTE = bytes(1 << 20)
BLOCK_SECONDS = 0.010
SLOW_SECONDS = 0.050
EVENT_SECONDS = 1.0
PIECE = 1 << 16


def _headers(length: int, kind: str = "text/plain; charset=utf-8") -> list[tuple[str, str]]:
    return [("Content-Type", kind), ("Content-Length", str(length))]


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The smallest useful answer."""
    start_response("200 OK", _headers(len(GREETING)))
    return [GREETING]


def blocking(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A database or a remote service that takes ten milliseconds and no CPU."""
    time.sleep(BLOCK_SECONDS)
    return hello(environ, start_response)


def mixed(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Quick answers, and under /slow one that blocks."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(BLOCK_SECONDS)
    return hello(environ, start_response)


def shared(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Quick answers, under /slow one that blocks for 50 ms, under /events a stream that never ends."""
    path = environ["PATH_INFO"]
    if path == "/events":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return _events()
    if path == "/slow":
        time.sleep(SLOW_SECONDS)
    return hello(environ, start_response)


def _events() -> Iterable[bytes]:
    while True:
        yield b"data: tick\n\n"
        time.sleep(EVENT_SECONDS)


def cpu_bound(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """About two milliseconds of pure Python."""
    total = 0
    for number in range(40_000):
        total += number & 7
    body = b"%d\n" % total
    start_response("200 OK", _headers(len(body)))
    return [body]


def download(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """1 MiB from memory."""
    start_response("200 OK", _headers(len(MEBIBYTE), "application/octet-stream"))
    return [MEBIBYTE]


def upload(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Read the body in pieces as a careful application does, and answer how long it was."""
    stream = environ["wsgi.input"]
    remaining = int(environ.get("CONTENT_LENGTH") or 0)
    received = 0
    while remaining > 0:
        piece = stream.read(min(PIECE, remaining))
        if not piece:
            break
        received += len(piece)
        remaining -= len(piece)
    body = b"%d\n" % received
    start_response("200 OK", _headers(len(body)))
    return [body]


def swallow(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Read the body to its end, however long it is, and answer how long it was."""
    stream = environ["wsgi.input"]
    received = 0
    while piece := stream.read(PIECE):
        received += len(piece)
    body = b"%d\n" % received
    start_response("200 OK", _headers(len(body)))
    return [body]
