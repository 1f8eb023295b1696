"""The applications behind the loads: plain WSGI, nothing that a server could be measured by except itself.

Every server imports these by name (`benchmarks.apps:hello`), so the module takes nothing but the standard library.
"""

import threading
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
TIMES_PATH = "/times"


def _headers(length: int, kind: str = "text/plain; charset=utf-8") -> list[tuple[str, str]]:
    return [("Content-Type", kind), ("Content-Length", str(length))]


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The smallest useful answer."""
    start_response("200 OK", _headers(len(GREETING)))
    return [GREETING]


def blocking(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A database or a remote service that takes ten milliseconds and no CPU."""
    time.sleep(BLOCK_SECONDS)  # the load
    return hello(environ, start_response)


def mixed(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Quick answers, and under /slow one that blocks."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(BLOCK_SECONDS)  # the load
    return hello(environ, start_response)


def shared(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Quick answers, under /slow one that blocks for 50 ms, under /events a stream that never ends."""
    path = environ["PATH_INFO"]
    if path == "/events":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return _events()
    if path == "/slow":
        time.sleep(SLOW_SECONDS)  # the load
    return hello(environ, start_response)


def _events() -> Iterable[bytes]:
    while True:
        yield b"data: tick\n\n"
        time.sleep(EVENT_SECONDS)  # the load


class _Clock(threading.local):
    """The loops of one thread: how many, and their CPU time in seconds."""

    def __init__(self) -> None:
        self.counted: list[float] = [0, 0.0]
        CLOCKS.append(self.counted)


CLOCKS: list[list[float]] = []
_clock = _Clock()


def _compute(turns: int, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Loop in pure Python and time the loop, or under TIMES_PATH say how many loops there were and their seconds."""
    if environ["PATH_INFO"] == TIMES_PATH:
        body = b"%d %.9f\n" % (sum(one[0] for one in CLOCKS), sum(one[1] for one in CLOCKS))
    else:
        begun = time.thread_time()
        total = 0
        for number in range(turns):
            total += number & 7
        counted = _clock.counted
        counted[1] += time.thread_time() - begun
        counted[0] += 1
        body = b"%d\n" % total
    start_response("200 OK", _headers(len(body)))
    return [body]


def cpu_bound(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """About two milliseconds of pure Python."""
    return _compute(40_000, environ, start_response)


def cpu_short(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """About 0.4 ms of pure Python."""
    return _compute(8_000, environ, start_response)


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
