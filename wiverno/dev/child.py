"""The child process: it serves the application, or a page that says why it cannot, on its parent's socket.

``DevServer`` starts it as ``python -m wiverno.dev.child`` with an ``Order`` as JSON. If the import fails, it answers
every request with a page about the error, until the parent sees the next change.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from wiverno.config.environment import read_environment
from wiverno.core.server import BaseWSGIServer, create_server
from wiverno.dev.guard import Guard
from wiverno.dev.handover import take_over
from wiverno.dev.hosts import AllowedHosts
from wiverno.dev.lines import set_up_lines
from wiverno.foreign_code import guarded_logger
from wiverno.importer import ImportTargetError, load_object
from wiverno.standard_streams import is_terminal
from wiverno.workers.process_exit import watch_end
from wiverno.wsgi_types import Application, Environ

# Seconds that requests get to finish before a restart.
GRACE = 2.0

logger = guarded_logger("wiverno.dev")


@dataclass(frozen=True, slots=True)
class Order:
    """The task of a child process.

    Attributes:
        target: The application, ``module:attribute``.
        is_factory: The attribute makes the application.
        descriptors: The listening sockets, where they are inherited (handover.py).
        lifeline: A pipe that ends when the parent does.
        hosts: Allowed Host names.
        is_live: Whether pages reload themselves.
        threads: How many threads serve.
        ended: How the application's process ended; shown instead of the application.
        arguments: The arguments of a factory.
        shown_as: The application's name in messages; ``target`` by default.
        static: Mounts of directories, as their attributes by name.
    """

    target: str
    is_factory: bool
    descriptors: tuple[int, ...]
    lifeline: int
    hosts: tuple[str, ...]
    is_live: bool
    threads: int
    ended: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    shown_as: str = ""
    static: tuple[dict[str, Any], ...] = ()

    @property
    def title(self) -> str:
        """The application's name in messages."""
        return self.shown_as or self.target

    def to_text(self) -> str:
        """Return the order as an argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Order:
        """Read an order."""
        values = json.loads(text)
        lists = {name: tuple(values[name]) for name in ("descriptors", "hosts", "static")}
        return cls(**values | lists)


class ApplicationEnded(Exception):
    """The application's process has ended."""


class FailurePage:
    """Answers every request with the reason why the application is missing."""

    def __init__(self, error: BaseException, title: str) -> None:
        self._error = error
        self._title = title

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Show the error (PEP 3333)."""
        from wiverno.web.answers import answer
        from wiverno.web.debug_page import render_debug_page

        advice = "Save a file when it is fixed, and this address works again."
        page = render_debug_page(self._error, environ, title=self._title, advice=advice)
        status, headers, chunks = answer(page, environ)
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else chunks


def load_application(order: Order) -> Application:
    """Return the application, or a page about the error."""
    if order.ended:
        return FailurePage(ApplicationEnded(order.ended), f"{order.title} is not running")
    try:
        found = load_object(order.target)
        if order.is_factory and callable(found):
            found = found(**order.arguments)
        if not callable(found):
            raise ImportTargetError(f"{order.target!r} is a {type(found).__name__}, which cannot be called")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # sys.exit() in the module is a mistake like any other
        error.__traceback__ = strip_machinery(error.__traceback__)
        report(error, order.title)
        return FailurePage(error, f"{order.title} cannot be imported")
    return found


def serve_files(application: Application, static: Iterable[dict[str, Any]]) -> Application:
    """Return the mounts around an application; the browser asks for each file again, since it may have changed."""
    from wiverno.static.mounts import Mount
    from wiverno.static.site import StaticSite

    always_asked = {"cache_control": "no-cache", "immutable": False}
    return StaticSite(application, [Mount(**{**table, **always_asked}) for table in static], "wiverno")


def report(error: BaseException, target: str) -> None:
    """Log why the application cannot be imported."""
    if isinstance(error, ImportTargetError):
        logger.error("%s", error)
        return
    logger.error("%s cannot be imported\n%s", target, "".join(traceback.format_exception(error)).rstrip())


def strip_machinery(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the first calls, which are wiverno's and the import machinery's."""
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


_OWN = Path(__file__).parents[1]
_MACHINERY = (
    "<frozen", importlib.__file__, str(_OWN / "config") + os.sep, str(_OWN / "dev") + os.sep,
    *map(str, _OWN.glob("*.py")),
)  # fmt: skip


def _is_machinery(file: str) -> bool:
    return file.startswith(_MACHINERY)


def watch_parent(lifeline: int, end: Callable[[], None]) -> None:
    """Call ``end`` when the parent has ended, so that no orphan keeps the port."""

    def wait() -> None:
        while os.read(lifeline, 1):
            pass
        end()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def main(order: Order) -> None:
    """Serve until SIGTERM, or until the lifeline ends."""
    began = time.perf_counter()
    # Ctrl-C reaches parent and child; the parent decides. A second one in the child would abort requests.
    for name in ("SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(signal.Signals[name], signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the parent held it back until now
    sockets, lifeline = take_over(order.descriptors, order.lifeline)
    set_up_lines(is_coloured=is_terminal() and "NO_COLOR" not in read_environment().variables)
    logging.getLogger("wiverno.dev").setLevel(logging.INFO)
    servers: list[BaseWSGIServer] = []
    watch_parent(lifeline, lambda: servers[0].close() if servers else os._exit(1))
    application = load_application(order)
    if order.static:
        application = serve_files(application, order.static)
    guarded = Guard(application, AllowedHosts(order.hosts), secrets.token_hex(6), is_live=order.is_live)
    server = create_server(guarded, sockets=sockets, threads=order.threads, graceful_timeout=GRACE)
    servers.append(server)
    if isinstance(application, FailurePage):
        server.serve(lambda: logger.info("the browser shows the error until a file changes"))
    else:
        server.serve(lambda: logger.info("ready in %.2f s", time.perf_counter() - began))
    watch_end(server.engine.stop_by)


if __name__ == "__main__":
    main(Order.from_text(sys.argv[1]))
