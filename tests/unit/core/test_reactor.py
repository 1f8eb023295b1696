"""Several event loops in one engine: which of them serves a client, and how they end together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.support.descriptors import descriptors
from tests.support.leftovers import engine_threads
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE, wait_until
from wiverno.config.settings import Adjustments
from wiverno.core import reactor
from wiverno.core.engine import Engine
from wiverno.core.net.listeners import open_listeners
from wiverno.core.reactor import count_reactors
from wiverno.core.telemetry.counters import Counters
from wiverno.core.threads.recovery import ServerFailedError

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HOLD = b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"


class Application:
    """Answers with the name of its thread; /hold until the test lets it go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/hold":
            assert self.go_on.wait(PATIENCE)
        start_response("200 OK", [])
        return [b"%d" % threading.get_ident()]


class Running:
    """An engine in a thread, with what it raised."""

    def __init__(self, **settings: Any) -> None:
        values = {"host": LOOPBACK, "port": 0, "threads": 4, "event_loops": 2} | settings
        adjustments = Adjustments.from_keywords(**values)
        listeners = open_listeners(adjustments)
        self.application = Application()
        self.address = (LOOPBACK, listeners[0].port)
        self.counters = Counters()
        self.engine = Engine(self.application, adjustments, listeners)
        self.engine.count(self.counters)
        self.engine.listen()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.engine.run()
        except ServerFailedError as error:
            self.error = error

    def has_ended(self, within: float = PATIENCE) -> bool:
        self.thread.join(within)
        return not self.thread.is_alive()

    def loads(self) -> list[int]:
        """How many clients each event loop has."""
        return [len(one.loop.connections) for one in self.engine.reactors]


@contextmanager
def running(**settings: Any) -> Iterator[Running]:
    before = descriptors()
    made = Running(**settings)
    made.thread.start()
    try:
        yield made
    finally:
        made.application.go_on.set()
        made.engine.close()
        assert made.has_ended()
    wait_until(lambda: not engine_threads())
    wait_until(lambda: descriptors() <= before)


def connect(made: Running, stack: ExitStack, count: int) -> list[RawClient]:
    return [stack.enter_context(RawClient(made.address, PATIENCE)) for _ in range(count)]


def test_clients_are_divided_among_the_event_loops() -> None:
    """Whichever accepts a client, the one with the fewest serves it."""
    with running() as made, ExitStack() as stack:
        clients = connect(made, stack, 10)
        for client in clients:
            client.send(GET)
            assert client.response()[0] == 200
        assert sorted(made.loads()) == [5, 5]
        for client in clients[:4]:
            client.close()
        wait_until(lambda: sum(made.loads()) == 6)
        more = connect(made, stack, 4)
        for client in more:
            client.send(GET)
            assert client.response()[0] == 200
        assert sorted(made.loads()) == [5, 5]


def test_connections_are_divided_and_threads_are_for_each() -> None:
    """A client may use all `threads`, whichever event loop serves it; a limit for clients holds for the process."""
    with running(threads=5, event_loops=3, connection_limit=10) as made:
        assert [one.leaders._count for one in made.engine.reactors] == [5, 5, 5]
        assert [one.limit._setting for one in made.engine.reactors] == [4, 4, 4]
        assert {one.leaders._tasks.tasks._limit for one in made.engine.reactors} == {0}
    with running(threads=2, event_loops=2, max_threads=7) as made:
        assert [one.leaders.thread_pool.most for one in made.engine.reactors] == [7, 7]
    with running(max_requests_per_client=5) as made:
        assert [one.leaders._tasks.tasks._limit for one in made.engine.reactors] == [2, 2]


def test_it_drains_as_one() -> None:
    """A request in progress on any event loop is finished, and until then the first one writes the heartbeat."""
    with running(graceful_timeout=20) as made, ExitStack() as stack:
        wait_until(lambda: made.engine.turns(PATIENCE))
        clients = connect(made, stack, 2)
        for client in clients:
            client.send(GET)
            assert client.response()[0] == 200
        second = made.engine.reactors[1]
        (held,) = [
            client for client in clients
            if client.socket.getsockname() in {one.sock.getpeername() for one in second.loop.connections}
        ]  # fmt: skip
        held.send(HOLD)
        wait_until(lambda: second.leaders._turn == 2 or second.leaders.busy)
        made.engine.stop()
        wait_until(lambda: not made.engine.reactors[0].loop.connections)
        seen = made.counters.get("heartbeat")
        wait_until(lambda: made.counters.get("heartbeat") > seen, what="a heartbeat while the other one drains")
        assert not made.engine.leaders.has_ended
        made.application.go_on.set()
        assert held.response()[0] == 200
        assert made.has_ended()
        assert made.error is None


def test_a_forced_stop_ends_all() -> None:
    with running(graceful_timeout=30) as made, ExitStack() as stack:
        for client in connect(made, stack, 4):
            client.send(HOLD)
        wait_until(lambda: made.counters.get("connections") == 4)
        made.engine.stop(force=True)
        assert made.has_ended()


@pytest.mark.parametrize("number", [0, 1])
def test_a_failure_of_one_ends_all(number: int, caplog: pytest.LogCaptureFixture) -> None:
    """Half a server would answer every second client."""
    with running() as made:
        broken = made.engine.reactors[number]
        wait_until(lambda: made.engine.turns(PATIENCE))
        broken.leaders.recovery.fail(RuntimeError("on purpose"))
        assert made.has_ended()
        assert str(made.error) == "on purpose"
    assert caplog.text.count("the server ends") == 1


def test_a_stuck_event_loop_has_no_heartbeat() -> None:
    """Probes and the supervisor judge the process by the loop that makes no progress."""
    with running(threads=2) as made:
        wait_until(lambda: made.engine.turns(PATIENCE))
        go_on = threading.Event()

        def wait() -> None:
            go_on.wait(PATIENCE)

        made.engine.reactors[1].loop.call_soon_threadsafe(wait)
        since = time.monotonic()
        assert not made.engine.turns(0.2)
        wait_until(lambda: time.monotonic() - since > 2.5, what="two heartbeats")
        assert made.counters.get("heartbeat") < since + 1.5
        go_on.set()
        assert made.engine.turns(PATIENCE)


def test_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with the GIL, one for each processor without it, which workers share; or as many as the setting says."""

    def count(*, gil: bool, **settings: Any) -> int:
        monkeypatch.setattr(reactor, "has_gil", lambda: gil)
        return count_reactors(Adjustments.from_keywords(**settings))

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(4), raising=False)
    assert (count(gil=True), count(gil=False)) == (1, 4)
    assert (count(gil=False, workers=2), count(gil=False, workers=8)) == (2, 1)
    assert (count(gil=True, event_loops=3), count(gil=False, event_loops=3)) == (3, 3)
    assert count(gil=False, max_requests_per_client=3) == 3  # each may run a request of each client
    assert (count(gil=False, mode="simple"), count(gil=False, threads=1, event_loops=4)) == (1, 1)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert count(gil=False) == 1
