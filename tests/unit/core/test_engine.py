"""An engine's life: it runs once, drains on a stop, cuts off on a second one or when the time is over."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.descriptors import descriptors
from tests.support.leftovers import engine_threads
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE, wait_until
from wiverno.config.settings import Adjustments
from wiverno.core.engine import Engine
from wiverno.core.net.listeners import open_listeners

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HOLD = b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"


class Application:
    """Holds /hold until the test lets it go on."""

    def __init__(self) -> None:
        self.held = threading.Semaphore(0)
        self.go_on = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        if environ["PATH_INFO"] == "/hold":
            self.held.release()
            assert self.go_on.wait(PATIENCE)
        start_response("200 OK", [])
        return [b"hello" + body]


class Running:
    """An engine in a thread."""

    def __init__(self, threads: int, **settings: Any) -> None:
        adjustments = Adjustments.from_keywords(host=LOOPBACK, port=0, **settings)
        listeners = open_listeners(adjustments)
        self.application = Application()
        self.engine = Engine(self.application, adjustments, listeners, threads=threads)
        self.address = (LOOPBACK, listeners[0].port)
        self.engine.listen()
        self.thread = threading.Thread(target=self.engine.run, daemon=True)

    def client(self) -> RawClient:
        return RawClient(self.address, PATIENCE)

    def has_ended(self, within: float = PATIENCE) -> bool:
        self.thread.join(within)
        return not self.thread.is_alive()


@contextmanager
def running(threads: int = 4, *, is_started: bool = True, **settings: Any) -> Iterator[Running]:
    made = Running(threads, **settings)
    if is_started:
        made.thread.start()
    try:
        yield made
    finally:
        made.application.go_on.set()
        made.engine.close()
        assert not is_started or made.has_ended()


def is_refused(made: Running) -> bool:
    try:
        made.client().close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture(params=[0, 4], ids=["simple", "threaded"])
def threads(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


def test_an_idle_engine_ends_at_once(threads: int) -> None:
    with running(threads) as made:
        started = time.monotonic()
        made.engine.stop()
        assert made.has_ended()
        assert time.monotonic() - started < PATIENCE / 2


def test_idle_connections_do_not_hold_a_stop_up(threads: int) -> None:
    """They get a moment for a request that is on its way, and are closed then."""
    with running(threads) as made, made.client() as kept, made.client() as mute:
        kept.send(GET)
        assert kept.response()[0] == 200
        made.engine.stop()
        kept.send(GET)
        status, fields, _ = kept.response()
        assert (status, fields["connection"]) == (200, "close")
        assert mute.is_closed()
        assert made.has_ended(PATIENCE / 2)


def test_a_request_under_way_finishes() -> None:
    """Its connection is closed after it, whoever sent the response, and the engine ends then, not later."""
    with running() as made, made.client() as client:
        client.send(HOLD)
        assert made.application.held.acquire(timeout=PATIENCE)
        made.engine.stop()
        wait_until(lambda: is_refused(made))
        assert not made.has_ended(0.3)
        made.application.go_on.set()
        assert client.response()[2] == b"hello"
        assert client.is_closed()
        assert made.has_ended(PATIENCE / 2)


def test_a_body_under_way_is_received_and_served(threads: int) -> None:
    with running(threads) as made, made.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        wait_until(lambda: any(getattr(item, "state", 0) == 2 for item in made.engine.loop.connections))
        made.engine.stop()
        assert not made.has_ended(0.5)
        client.send(b"def")
        assert client.response()[2] == b"helloabcdef"
        assert client.is_closed()
        assert made.has_ended(PATIENCE / 2)


def test_what_is_queued_is_served() -> None:
    with running(2) as made:
        clients = [made.client() for _ in range(5)]
        for client in clients[:2]:
            client.send(HOLD)
            assert made.application.held.acquire(timeout=PATIENCE)
        for client in clients[2:]:
            client.send(GET)
        wait_until(lambda: made.engine.leaders.queued == 3)
        made.engine.stop()
        made.application.go_on.set()
        for client in clients:
            assert client.response()[0] == 200
            client.close()
        assert made.has_ended(PATIENCE / 2)


def test_clients_in_the_backlog_are_served(threads: int) -> None:
    """Who has connected before the stop has been promised a server."""
    with running(threads, is_started=False) as made:
        clients = [made.client() for _ in range(10)]
        for client in clients:
            client.send(GET)
        made.engine.stop()
        made.thread.start()
        for client in clients:
            assert client.response()[2] == b"hello"
            client.close()
        assert made.has_ended()


@pytest.mark.parametrize("how", ["timeout", "force"])
def test_what_does_not_end_is_cut_off(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """After graceful_timeout, or on a second stop, connections close whatever their threads do."""
    before = engine_threads()
    with running(graceful_timeout=0.5 if how == "timeout" else 60) as made, made.client() as client:
        client.send(HOLD)
        assert made.application.held.acquire(timeout=PATIENCE)
        started = time.monotonic()
        made.engine.stop()
        if how == "force":
            made.engine.stop(force=True)
        assert made.has_ended(PATIENCE / 2)
        assert time.monotonic() - started < PATIENCE / 2
        assert client.is_closed()
        assert "1 thread(s) still running" in caplog.text
        made.application.go_on.set()
        wait_until(lambda: engine_threads() <= before)


def test_everything_is_given_back(threads: int) -> None:
    before, threads_before = descriptors(), engine_threads()
    for _ in range(3):
        with running(threads) as made, made.client() as client:
            client.send(GET)
            assert client.response()[0] == 200
    wait_until(lambda: descriptors() <= before)
    wait_until(lambda: engine_threads() <= threads_before)


def test_an_engine_runs_once() -> None:
    """A closed engine does not run, and close() is harmless at any time."""
    with running(is_started=False) as made:
        made.engine.close()
        made.engine.close()
        made.engine.run()
        with pytest.raises(ConnectionRefusedError):
            made.client()


def test_busy_stops_from_many_threads(threads: int) -> None:
    """Whoever stops it how often: it ends, once."""
    with running(threads) as made, made.client() as client:
        client.send(GET)
        client.response()
        stoppers = [threading.Thread(target=made.engine.stop) for _ in range(5)]
        for stopper in stoppers:
            stopper.start()
        assert made.has_ended()
        for stopper in stoppers:
            stopper.join()
