"""A connection on a real socket with its loop, led step by step by the test: no thread pool, no second thread."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE
from wiverno.config.settings import Adjustments
from wiverno.core.context import ServerContext, new_context
from wiverno.core.http1.connection import Connection
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import READ, EpollPoller, Poller, SelectorsPoller
from wiverno.core.threads.exchange import NO_ENVIRON
from wiverno.core.threads.thread_pool import ThreadPool
from wiverno.wsgi.environ import listener_variables
from wiverno.wsgi.gateway import KEEP
from wiverno.wsgi_types import Environ

POLLERS: dict[str, Callable[[], Poller]] = {"selectors": SelectorsPoller}
if hasattr(select, "epoll"):
    POLLERS["epoll"] = EpollPoller
BEST = "epoll" if "epoll" in POLLERS else "selectors"
"""The poller of this system."""

App = Callable[..., Iterable[bytes]]


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the path and the body's length."""
    start_response("200 OK", [])
    return [f"{environ['PATH_INFO']} {len(environ['wsgi.input'].read())}".encode()]


def service_for(application: App = hello, *, threads: bool = True, **settings: Any) -> ServerContext:
    """Return what connections need, from settings as `create_server` takes them."""
    return new_context(application, Adjustments.from_keywords(**settings), is_threaded=threads)


def variables() -> Environ:
    """Return a listener's part of the environ."""
    return listener_variables(
        server_name="a", server_port="80", software="test", scheme="http", prefix="", threads=True, processes=False
    )


class PairClient(RawClient):
    """The far end of a socket pair, or of anything that is connected already."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.socket.settimeout(PATIENCE)
        self.buffer = b""


class Rig:
    """A loop, and connections whose other ends are in the test's hand.

    Attributes:
        held: environs of requests that were not run because `holds` is set, with their connections.
        holds: keep requests back instead of running them.
    """

    def __init__(self, context: ServerContext, poller: Poller) -> None:
        self.context = context
        self.loop = Loop(poller)
        self.loop.thread_pool = ThreadPool(0, lambda _: None, threading.Lock())  # its threads have nothing to do
        self.holds = False
        self.held: list[tuple[Connection, Environ]] = []
        self.clients: list[PairClient] = []

    def connect(
        self,
        *,
        received: bytes = b"",
        buffer: int = 0,
        make: Callable[..., Any] = Connection,
        trusted: bool = False,
        **more: Any,
    ) -> tuple[Connection, PairClient]:
        """Make a connection as the acceptor does.

        Args:
            received: what has been read already.
            buffer: size of the kernel's buffers on the way out.
            make: makes it.
            trusted: whether the peer is a trusted proxy.
            **more: further arguments of `make`.
        """
        ours, theirs = socket.socketpair()
        if buffer:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        ours.setblocking(False)
        connection: Connection = make(
            ours, variables(), self.context, self.loop, trusted=trusted, received=received, **more
        )
        self.loop.handlers[connection.fd] = connection
        self.loop.connections.add(connection)
        self.loop.watch(connection, connection.deadline())
        self.loop.ready.append((connection.fd, 0 if received else READ))
        client = PairClient(theirs)
        self.clients.append(client)
        return connection, client

    def turn(self, timeout: float = 0.0) -> int:
        """Lead for one wait: handle what is ready, waiting up to `timeout` seconds for it and count it."""
        loop = self.loop
        if not loop.ready:
            loop.wake_at = time.monotonic() + timeout
            loop.wait()
        count = 0
        for _ in range(len(loop.ready)):
            fd, events = loop.ready.popleft()
            handler: Any = loop.handlers.get(fd)
            if handler is None:
                continue
            count += 1
            exchange = handler.ready(events)
            if exchange is None:
                continue
            environ, exchange.environ = exchange.environ, NO_ENVIRON
            if self.holds:
                self.held.append((exchange, environ))
                continue
            outcome = exchange.gateway.respond(environ)
            if outcome != KEEP or exchange.needs_finish:
                exchange.finish_response(outcome)
        return count

    def run_until_idle(self) -> None:
        """Lead until nothing is ready any more."""
        while self.turn():
            pass

    def until(self, condition: Callable[[], object], deadline: float = PATIENCE) -> None:
        """Lead until `condition` holds.

        Raises:
            AssertionError: it did not in time.
        """
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, "the condition was not met"
            self.turn(0.02)

    def later(self, seconds: float) -> None:
        """Ask every connection about its deadline as if `seconds` had passed."""
        now = time.monotonic() + seconds
        self.loop.now = now
        for handler in self.loop.deadlines.due(now):
            when = handler.deadline()
            if when <= now:
                handler.expire()
            else:
                self.loop.watch(handler, when)

    def close(self) -> None:
        """Close everything."""
        for connection in list(self.loop.connections):
            connection.close()
        for client in self.clients:
            client.close()
        self.loop.poller.close()


@contextmanager
def rig(application: App = hello, *, poller: str = BEST, threads: bool = True, **settings: Any) -> Iterator[Rig]:
    """Have a loop and connections for the length of the block."""
    made = Rig(service_for(application, threads=threads, **settings), POLLERS[poller]())
    try:
        yield made
    finally:
        made.close()
