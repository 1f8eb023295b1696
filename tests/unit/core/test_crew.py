"""The crew at work over real sockets: how it ends, what no request may do to it, and how long one may wait.

The hand-over of the lead itself is proved by tests/property/test_claims.py and tests/integration/test_lead.py.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.rig import POLLERS, PairClient, Rig, rig
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.connection import Connection
from wiverno.core.crew import Crew

HELD = b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n"
HELLO = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"


class Application:
    """Holds /held until told to go on; raises what /raise is to raise; answers anything else at once."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.again = threading.Event()
        self.held = threading.Semaphore(0)
        self.error: BaseException = RuntimeError("meant")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] in ("/held", "/again"):
            self.held.release()
            assert (self.go_on if environ["PATH_INFO"] == "/held" else self.again).wait(PATIENCE)
        elif environ["PATH_INFO"] == "/raise":
            raise self.error
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]


class Working:
    """A crew that runs in a thread, and connections to it."""

    def __init__(self, made: Rig, application: Application, threads: int, **limits: Any) -> None:
        self.rig = made
        self.application = application
        self.crew = Crew(made.loop, threads, **({"queue_size": 0, "queue_timeout": 0.0} | limits))
        self.thread = threading.Thread(target=self.crew.run, daemon=True)

    def connect(self) -> PairClient:
        """Connect while the crew runs: the leader is told by a post."""
        connection, client = self.rig.connect()
        self.rig.loop.post(connection.fd)
        return client

    def hold(self, count: int) -> list[PairClient]:
        """Have `count` threads held up in the application."""
        clients = []
        for _ in range(count):
            client = self.connect()
            client.send(HELD)
            assert self.application.held.acquire(timeout=PATIENCE)
            clients.append(client)
        return clients


@contextmanager
def working(threads: int = 2, poller: str = "epoll", **settings: Any) -> Iterator[Working]:
    limits = {name: settings.pop(name) for name in ("queue_size", "queue_timeout") if name in settings}
    application = Application()
    with rig(application, poller=poller, **settings) as made:
        crew = Working(made, application, threads, **limits)
        crew.thread.start()
        try:
            yield crew
        finally:
            application.go_on.set()
            application.again.set()
            crew.crew.end()
            crew.thread.join(PATIENCE)
            assert crew.crew.join(time.monotonic() + PATIENCE) == 0


@pytest.mark.parametrize("poller", POLLERS)
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_others_are_served_while_threads_are_held_up(poller: str, threads: int) -> None:
    """A held-up request costs the others a moment, as long as a thread is free."""
    with working(threads + 1, poller) as crew:
        crew.hold(threads)
        client = crew.connect()
        for _ in range(3):
            client.send(HELLO)
            assert client.response()[2] == b"/hello"
        wait_until(lambda: crew.crew.busy == threads)


@pytest.mark.parametrize("poller", POLLERS)
def test_requests_wait_while_all_threads_are_held_up(poller: str) -> None:
    """The lookout reads and queues meanwhile; each request is answered when a thread is free."""
    with working(2, poller) as crew:
        held = crew.hold(2)
        clients = [crew.connect() for _ in range(3)]
        for client in clients:
            client.send(HELLO)
        wait_until(lambda: crew.crew.queued == 3)
        assert crew.crew.busy == 2
        crew.application.go_on.set()
        for client in [*held, *clients]:
            assert client.response()[0] == 200
        assert crew.crew.queued == 0


@pytest.mark.parametrize("threads", [0, 2])
def test_an_end_wakes_everybody(threads: int) -> None:
    """`end` makes an idle crew return at once."""
    with working(threads) as crew:
        client = crew.connect()
        client.send(HELLO)
        client.response()
        started = time.monotonic()
        crew.crew.end()
        crew.thread.join(PATIENCE)
        assert crew.crew.join(time.monotonic() + PATIENCE) == 0
        assert time.monotonic() - started < PATIENCE / 2


def test_a_thread_that_finishes_a_queued_request_after_the_end_ends_too() -> None:
    """A thread that had taken a request from the queue does not go to wait for another one."""
    with working(2) as crew:
        held = crew.hold(2)
        again = crew.connect()
        again.send(HELD.replace(b"held", b"again"))
        wait_until(lambda: crew.crew.queued)
        crew.application.go_on.set()
        assert crew.application.held.acquire(timeout=PATIENCE)
        assert {client.response()[0] for client in held} == {200}
        crew.crew.end()
        crew.thread.join(PATIENCE)
        timer = threading.Timer(0.05, crew.application.again.set)
        started = time.monotonic()
        timer.start()
        assert crew.crew.join(started + PATIENCE) == 0
        assert time.monotonic() - started < PATIENCE / 2
        timer.join()


@pytest.mark.parametrize("held", [1, 2])
def test_a_thread_that_finishes_after_the_end_ends_too(held: int) -> None:
    """`join` waits for a request that still runs, and not a moment longer."""
    with working(2) as crew:
        crew.hold(held)
        crew.crew.end()
        crew.thread.join(PATIENCE)
        timer = threading.Timer(0.05, crew.application.go_on.set)
        started = time.monotonic()
        timer.start()
        assert crew.crew.join(started + PATIENCE) == 0
        assert time.monotonic() - started < PATIENCE / 2
        timer.join()


def test_an_end_leaves_what_is_queued(caplog: pytest.LogCaptureFixture) -> None:
    """A forced end does not begin requests that only waited."""
    with working(2) as crew:
        crew.hold(2)
        client = crew.connect()
        client.send(HELLO)
        wait_until(lambda: crew.crew.queued)
        crew.crew.end()
        crew.thread.join(PATIENCE)
        crew.application.go_on.set()
        assert crew.crew.join(time.monotonic() + PATIENCE) == 0
        assert crew.crew.queued == 1
    assert "Task queue depth is 1: all 2 threads are busy" in caplog.text


def test_join_says_who_still_runs() -> None:
    """A thread that does not come back is counted, not waited for."""
    with working(2) as crew:
        crew.hold(1)
        crew.crew.end()
        crew.thread.join(PATIENCE)
        assert crew.crew.join(time.monotonic() + 0.05) == 1


@pytest.mark.parametrize("where", ["inline", "queued"])
@pytest.mark.parametrize("error", [KeyboardInterrupt("app"), SystemExit(3), RuntimeError("app")])
def test_nothing_an_application_raises_takes_a_thread(
    where: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the application raises ends its own request only; the threads stay."""
    with working(2) as crew:
        crew.application.error = error
        if where == "queued":
            crew.hold(2)
        clients = [crew.connect() for _ in range(4)]
        for client in clients:
            client.send(HELLO.replace(b"hello", b"raise"))
        crew.application.go_on.set()
        for client in clients:
            assert b" 200 " not in client.rest()
        crew.application.go_on.clear()
        crew.hold(1)
        client = crew.connect()
        client.send(HELLO)
        assert client.response()[0] == 200
    assert "while serving /raise" in caplog.text


def test_a_bug_in_the_engine_costs_one_connection(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody foresaw closes the connection it concerns and is logged; the lead is not lost."""
    with working(2) as crew:
        clients = [crew.connect() for _ in range(3)]
        for client in clients:
            client.send(HELLO)
            client.response()

        class Broken:
            """A connection's base environ that can't be copied."""

            def copy(self) -> None:
                raise RuntimeError("not foreseen")

            def clear(self) -> None:
                pass

        for connection in crew.rig.loop.connections:
            assert isinstance(connection, Connection)
            connection.base = Broken()  # type: ignore[assignment]
        for client in clients:
            client.send(HELLO)
            assert client.is_closed()
        client = crew.connect()
        client.send(HELLO)
        assert client.response()[0] == 200
        wait_until(lambda: crew.crew.busy == 0)
    assert "not foreseen" in caplog.text


def test_a_full_queue_refuses() -> None:
    """A request more than queue_size is answered with 503 at once; the others keep their places."""
    with working(2, queue_size=2) as crew:
        crew.hold(2)
        clients = [crew.connect() for _ in range(2)]
        for client in clients:
            client.send(HELLO)
        wait_until(lambda: crew.crew.queued == 2)
        refused = crew.connect()
        refused.send(HELLO)
        status, fields, _ = refused.response()
        assert (status, fields["retry-after"], fields["connection"]) == (503, "1", "close")
        assert refused.is_closed()
        crew.application.go_on.set()
        for client in clients:
            assert client.response()[0] == 200


def test_a_request_that_waited_too_long_is_refused_while_it_waits() -> None:
    """queue_timeout needs no thread to become free."""
    with working(2, queue_timeout=0.1) as crew:
        held = crew.hold(2)
        late = crew.connect()
        late.send(HELLO)
        status, fields, _ = late.response()
        assert (status, fields["retry-after"], fields["connection"]) == (503, "1", "close")
        assert crew.crew.queued == 0
        crew.application.go_on.set()
        for client in held:
            assert client.response()[0] == 200
        client = crew.connect()
        client.send(HELLO)
        assert client.response()[0] == 200


def test_the_depth_is_logged_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """A queue that builds up is one warning, not one for each request."""
    with caplog.at_level(logging.WARNING, "wiverno.queue"), working(2) as crew:
        crew.hold(2)
        for _ in range(5):
            crew.connect().send(HELLO)
        wait_until(lambda: crew.crew.queued == 5)
    assert [record.name for record in caplog.records].count("wiverno.queue") == 1
