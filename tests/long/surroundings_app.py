"""The application of surroundings.py: by path or by the variable FAULT it does what real programs do to their server.

It runs in the environments of all servers that are compared, so it needs the standard library alone.
"""

import logging
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.synchronize import Event
from typing import Any

Environ = dict[str, Any]
LOGGERS = ("", "wiverno", "waitress", "gunicorn.error", "gunicorn.access", "_granian", "granian.access")
FAULT = os.environ.get("FAULT", "")
kept: list[Callable[[bytes], object]] = []


class Raising(logging.Filter):
    """A filter with a mistake in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("a mistake in a logging filter")


class Text(str):
    """As lazy translations, markup and the like are."""


class Data(bytes):
    """The same of bytes."""


class Leaving:
    """A body whose `close` ends its thread."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"leaving"

    def close(self) -> None:
        raise SystemExit(3)


def install_filter() -> None:
    """Have the loggers of all servers, and their handlers, raise from now on."""
    for name in LOGGERS:
        found = logging.getLogger(name)
        found.addFilter(Raising())
        for handler in found.handlers:
            handler.addFilter(Raising())


def fork(seconds: float) -> None:
    """Leave a child that sleeps and touches nothing."""
    if os.fork() == 0:
        time.sleep(seconds)  # how long the child stays
        os._exit(0)


def _run(runs: Event) -> None:
    runs.set()
    time.sleep(8)  # until it is ended


def terminated() -> bytes:
    """Start a process, end it, and return its status."""
    context = multiprocessing.get_context("fork")
    runs = context.Event()
    process = context.Process(target=_run, args=(runs,))
    process.start()
    runs.wait(3)
    process.terminate()
    process.join(3)
    return str(process.exitcode).encode()


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by path."""
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise ValueError("a mistake in the application")
    if path == "/filter":
        install_filter()
    if path == "/descriptors":
        os.closerange(3, 1024)
    if path == "/fork":
        fork(6.0)
    if path in ("/return", "/terminate"):
        body = terminated() if path == "/terminate" else b"the parent's" if os.fork() else b"the child's"
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    if path == "/subclasses":
        start_response(Text("200 OK"), [(Text("Content-Type"), Text("text/plain"))])
        return [Data(b"subclasses")]
    if path == "/proc":
        start_response("200 OK", [("Content-Type", "text/plain")])
        file = open("/proc/self/maps", "rb")  # noqa: SIM115 - the server closes it
        wrapper = environ.get("wsgi.file_wrapper", iter)
        wrapped: Iterable[bytes] = wrapper(file, 8192) if wrapper is not iter else file
        return wrapped
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/leave":
        return Leaving()
    if path == "/keep":
        kept.append(write)
        return [b"kept"]
    if path == "/use":
        for old in kept:
            try:
                old(b"<another user's bytes>")
            except Exception as error:  # what servers raise differs
                print("refused:", repr(error), file=sys.stderr)
        return [b"whole"]
    return [b"hello"]


if FAULT == "import":
    open("/no/such/data.csv").close()
elif FAULT == "thread":
    threading.Thread(target=time.sleep, args=(60,), name="an exporter").start()
