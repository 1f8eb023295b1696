"""The thread pool over real sockets: how it ends, what no request may do to it, and how long one may wait.

The hand-over of the lead itself is proved by tests/property/test_claims.py and tests/integration/core/test_lead.py.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.rig import BEST, POLLERS, PairClient, Rig, rig
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.http1.connection import Connection
from wiverno.core.threads import growth
from wiverno.core.threads.leader import LeaderFollowers

HELD = b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n"
HELLO = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"


class Application:
    """Holds /held until told to go on; raises what /raise is to raise; answers anything else at once."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.again = threading.Event()
        self.held = threading.Semaphore(0)
        self.error: BaseException = RuntimeError("meant")
        self.at_once: dict[str, int] = {}
        self.most_at_once: dict[str, int] = {}
        self.lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] in ("/held", "/again"):
            with self.counting(environ["REMOTE_ADDR"]):
                self.held.release()
                assert (self.go_on if environ["PATH_INFO"] == "/held" else self.again).wait(PATIENCE)
        elif environ["PATH_INFO"] == "/raise":
            raise self.error
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    @contextmanager
    def counting(self, client: str) -> Iterator[None]:
        with self.lock:
            count = self.at_once[client] = self.at_once.get(client, 0) + 1
            self.most_at_once[client] = max(self.most_at_once.get(client, 0), count)
        yield
        with self.lock:
            self.at_once[client] -= 1


class Working:
    """A thread pool whose `run` is in a thread, and connections to it."""

    def __init__(self, made: Rig, application: Application, threads: int, **limits: Any) -> None:
        self.rig = made
        self.application = application
        self.leaders = LeaderFollowers(made.loop, threads, **({"queue_size": 0, "queue_timeout": 0.0} | limits))
        self.thread = threading.Thread(target=self.leaders.run, daemon=True)

    def connect(self, address: str = "192.0.2.1") -> PairClient:
        """Connect while the threads run: the leader is woken."""
        connection, client = self.rig.connect()
        connection.base["REMOTE_ADDR"] = address
        self.rig.loop.resume(connection.fd)
        return client

    def hold(self, count: int) -> list[PairClient]:
        """Block `count` threads in the application."""
        clients = []
        for _ in range(count):
            client = self.connect()
            client.send(HELD)
            assert self.application.held.acquire(timeout=PATIENCE)
            clients.append(client)
        return clients


@contextmanager
def working(threads: int = 2, poller: str = BEST, **settings: Any) -> Iterator[Working]:
    names = ("queue_size", "queue_timeout", "max_threads", "max_per_client")
    limits = {name: settings.pop(name) for name in names if name in settings}
    application = Application()
    with rig(application, poller=poller, **settings) as made:
        leaders = Working(made, application, threads, **limits)
        leaders.thread.start()
        try:
            yield leaders
        finally:
            application.go_on.set()
            application.again.set()
            leaders.leaders.end()
            leaders.thread.join(PATIENCE)
            assert leaders.leaders.join(time.monotonic() + PATIENCE) == 0


@pytest.mark.parametrize("poller", POLLERS)
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_others_are_served_while_threads_are_held_up(poller: str, threads: int) -> None:
    """A held-up request costs the others a moment, as long as a thread is free."""
    with working(threads + 1, poller) as leaders:
        leaders.hold(threads)
        client = leaders.connect()
        for _ in range(3):
            client.send(HELLO)
            assert client.response()[2] == b"/hello"
        wait_until(lambda: leaders.leaders.busy == threads)


@pytest.mark.parametrize("poller", POLLERS)
def test_requests_wait_while_all_threads_are_held_up(poller: str) -> None:
    """The monitor thread reads and queues meanwhile; each request is answered when a thread is free."""
    with working(2, poller) as leaders:
        held = leaders.hold(2)
        clients = [leaders.connect() for _ in range(3)]
        for client in clients:
            client.send(HELLO)
        wait_until(lambda: leaders.leaders.queued == 3)
        assert leaders.leaders.busy == 2
        leaders.application.go_on.set()
        for client in [*held, *clients]:
            assert client.response()[0] == 200
        assert leaders.leaders.queued == 0


@pytest.mark.parametrize("threads", [0, 2])
def test_an_end_wakes_everybody(threads: int) -> None:
    """`end` makes an idle pool return at once."""
    with working(threads) as leaders:
        client = leaders.connect()
        client.send(HELLO)
        client.response()
        started = time.monotonic()
        leaders.leaders.end()
        leaders.thread.join(PATIENCE)
        assert leaders.leaders.join(time.monotonic() + PATIENCE) == 0
        assert time.monotonic() - started < PATIENCE / 2


def test_a_thread_that_finishes_a_queued_request_after_the_end_ends_too() -> None:
    """A thread that had taken a request from the queue does not go to wait for another one."""
    with working(2) as leaders:
        held = leaders.hold(2)
        again = leaders.connect()
        again.send(HELD.replace(b"held", b"again"))
        wait_until(lambda: leaders.leaders.queued)
        leaders.application.go_on.set()
        assert leaders.application.held.acquire(timeout=PATIENCE)
        assert {client.response()[0] for client in held} == {200}
        leaders.leaders.end()
        leaders.thread.join(PATIENCE)
        timer = threading.Timer(0.05, leaders.application.again.set)
        started = time.monotonic()
        timer.start()
        assert leaders.leaders.join(started + PATIENCE) == 0
        assert time.monotonic() - started < PATIENCE / 2
        timer.join()


@pytest.mark.parametrize("held", [1, 2])
def test_a_thread_that_finishes_after_the_end_ends_too(held: int) -> None:
    """`join` waits for a request that still runs, and not a moment longer."""
    with working(2) as leaders:
        leaders.hold(held)
        leaders.leaders.end()
        leaders.thread.join(PATIENCE)
        timer = threading.Timer(0.05, leaders.application.go_on.set)
        started = time.monotonic()
        timer.start()
        assert leaders.leaders.join(started + PATIENCE) == 0
        assert time.monotonic() - started < PATIENCE / 2
        timer.join()


def test_an_end_leaves_what_is_queued(caplog: pytest.LogCaptureFixture) -> None:
    """A forced end does not begin requests that only waited."""
    with working(2) as leaders:
        leaders.hold(2)
        client = leaders.connect()
        client.send(HELLO)
        wait_until(lambda: leaders.leaders.queued)
        leaders.leaders.end()
        leaders.thread.join(PATIENCE)
        leaders.application.go_on.set()
        assert leaders.leaders.join(time.monotonic() + PATIENCE) == 0
        assert leaders.leaders.queued == 1
    assert "Task queue depth is 1: all 2 threads are busy" in caplog.text


def test_join_says_who_still_runs() -> None:
    """A thread that does not come back is counted, not waited for."""
    with working(2) as leaders:
        leaders.hold(1)
        leaders.leaders.end()
        leaders.thread.join(PATIENCE)
        assert leaders.leaders.join(time.monotonic() + 0.05) == 1


@pytest.mark.parametrize("where", ["inline", "queued"])
@pytest.mark.parametrize("error", [KeyboardInterrupt("app"), SystemExit(3), RuntimeError("app")])
def test_nothing_an_application_raises_takes_a_thread(
    where: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the application raises ends its own request only; the threads stay."""
    with working(2) as leaders:
        leaders.application.error = error
        if where == "queued":
            leaders.hold(2)
        clients = [leaders.connect() for _ in range(4)]
        for client in clients:
            client.send(HELLO.replace(b"hello", b"raise"))
        leaders.application.go_on.set()
        for client in clients:
            assert b" 200 " not in client.rest()
        leaders.application.go_on.clear()
        leaders.hold(1)
        client = leaders.connect()
        client.send(HELLO)
        assert client.response()[0] == 200
    assert "while serving /raise" in caplog.text


def test_a_bug_in_the_engine_costs_one_connection(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen exception closes the connection it concerns and is logged; the lead is not lost."""
    with working(2) as leaders:
        clients = [leaders.connect() for _ in range(3)]
        for client in clients:
            client.send(HELLO)
            client.response()

        class Broken:
            """A connection's base environ that can't be copied."""

            def copy(self) -> None:
                raise RuntimeError("not foreseen")

            def clear(self) -> None:
                pass

        for connection in leaders.rig.loop.connections:
            assert isinstance(connection, Connection)
            connection.base = Broken()  # type: ignore[assignment]
        for client in clients:
            client.send(HELLO)
            assert client.is_closed()
        client = leaders.connect()
        client.send(HELLO)
        assert client.response()[0] == 200
        wait_until(lambda: leaders.leaders.busy == 0)
    assert "not foreseen" in caplog.text


def test_a_full_queue_refuses() -> None:
    """A request more than queue_size is answered with 503 at once; the others keep their places."""
    with working(2, queue_size=2) as leaders:
        leaders.hold(2)
        clients = [leaders.connect() for _ in range(2)]
        for client in clients:
            client.send(HELLO)
        wait_until(lambda: leaders.leaders.queued == 2)
        refused = leaders.connect()
        refused.send(HELLO)
        status, fields, _ = refused.response()
        assert (status, fields["retry-after"], fields["connection"]) == (503, "1", "close")
        assert refused.is_closed()
        leaders.application.go_on.set()
        for client in clients:
            assert client.response()[0] == 200


def test_a_request_that_waited_too_long_is_refused_while_it_waits() -> None:
    """queue_timeout needs no thread to become free."""
    with working(2, queue_timeout=0.1) as leaders:
        held = leaders.hold(2)
        late = leaders.connect()
        late.send(HELLO)
        status, fields, _ = late.response()
        assert (status, fields["retry-after"], fields["connection"]) == (503, "1", "close")
        assert leaders.leaders.queued == 0
        leaders.application.go_on.set()
        for client in held:
            assert client.response()[0] == 200
        client = leaders.connect()
        client.send(HELLO)
        assert client.response()[0] == 200


def test_the_depth_is_logged_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """A queue that builds up is one warning, not one for each request."""
    with caplog.at_level(logging.WARNING, "wiverno.queue"), working(2) as leaders:
        leaders.hold(2)
        for _ in range(5):
            leaders.connect().send(HELLO)
        wait_until(lambda: leaders.leaders.queued == 5)
    assert [record.name for record in caplog.records].count("wiverno.queue") == 1


def test_a_client_with_many_requests_delays_another_by_one() -> None:
    """While requests wait they are taken in turn by client."""
    with working(2) as leaders:
        leaders.hold(2)
        greedy = [leaders.connect() for _ in range(5)]
        for number, client in enumerate(greedy):
            client.send(HELD.replace(b"held", b"again"))
            wait_until(lambda number=number: leaders.leaders.queued == number + 1)  # type: ignore[misc]
        polite = leaders.connect("192.0.2.2")
        polite.send(HELLO)
        wait_until(lambda: leaders.leaders.queued == 6)
        leaders.application.go_on.set()
        assert polite.response()[2] == b"/hello"
        assert leaders.leaders.queued >= 2
        leaders.application.again.set()
        assert {client.response()[0] for client in greedy} == {200}


def test_a_full_queue_refuses_the_greediest_client() -> None:
    with working(2, queue_size=2) as leaders:
        leaders.hold(2)
        greedy = [leaders.connect() for _ in range(2)]
        for number, client in enumerate(greedy):
            client.send(HELLO)
            wait_until(lambda number=number: leaders.leaders.queued == number + 1)  # type: ignore[misc]
        polite = leaders.connect("192.0.2.2")
        polite.send(HELLO)
        status, fields, _ = greedy[1].response()
        assert (status, fields["retry-after"], fields["connection"]) == (503, "1", "close")
        leaders.application.go_on.set()
        assert polite.response()[0] == greedy[0].response()[0] == 200


@pytest.mark.parametrize("threads", [2, 6])
def test_a_client_has_only_so_many_requests_in_the_application(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    """More of them wait; other clients are served meanwhile, and all are answered in the end."""
    with working(threads, max_per_client=1) as leaders:
        leaders.hold(1)
        waiting = [leaders.connect() for _ in range(3)]
        for number, client in enumerate(waiting):
            client.send(HELD)
            wait_until(lambda number=number: leaders.leaders.queued == number + 1)  # type: ignore[misc]
        for _ in range(3):
            other = leaders.connect("192.0.2.2")
            other.send(HELLO)
            assert other.response()[0] == 200
        leaders.application.go_on.set()
        assert {client.response()[0] for client in waiting} == {200}
        assert leaders.application.most_at_once == {"192.0.2.1": 1}
        client = leaders.connect()
        client.send(HELLO)
        assert client.response()[0] == 200
        wait_until(lambda: not leaders.leaders.busy)
    assert "its client, 192.0.2.1, has max_requests_per_client = 1" in caplog.text


def test_an_exception_in_the_application_gives_the_place_of_its_client_back() -> None:
    with working(3, max_per_client=1) as leaders:
        leaders.application.error = SystemExit(1)
        held = leaders.hold(1)
        failing = [leaders.connect() for _ in range(3)]
        for client in failing:
            client.send(HELLO.replace(b"hello", b"raise"))
        leaders.application.go_on.set()
        assert held[0].response()[0] == 200
        for client in failing:
            assert b" 200 " not in client.rest()
        client = leaders.connect()
        client.send(HELLO)
        assert client.response()[0] == 200


@pytest.mark.parametrize("poller", POLLERS)
@pytest.mark.parametrize("threads", [1, 2])
def test_another_thread_starts_while_requests_wait(poller: str, threads: int) -> None:
    """Up to max_threads are held up, and the next request is still answered; then the next one waits."""
    with working(threads, poller, max_threads=5) as leaders:
        held = leaders.hold(4)
        client = leaders.connect()
        for _ in range(3):
            client.send(HELLO)
            assert client.response()[2] == b"/hello"
        assert leaders.leaders.thread_pool.size == 5
        held += leaders.hold(1)
        late = leaders.connect()
        late.send(HELLO)
        wait_until(lambda: leaders.leaders.queued == 1)
        assert leaders.leaders.thread_pool.size == 5
        leaders.application.go_on.set()
        assert {one.response()[0] for one in [*held, late]} == {200}


def test_the_limit_of_threads_is_logged_once_with_what_they_run(caplog: pytest.LogCaptureFixture) -> None:
    with working(1, max_threads=2) as leaders:
        leaders.leaders.growth.describe_running = lambda: "2 × GET /held"
        leaders.hold(2)
        for _ in range(2):
            leaders.connect().send(HELLO)
        wait_until(lambda: leaders.leaders.queued == 2)
        wait_until(lambda: "max_threads is reached" in caplog.text)
    (message,) = [record.getMessage() for record in caplog.records if "max_threads" in record.getMessage()]
    assert message.startswith("max_threads is reached: all 2 threads are held up and ")
    assert message.endswith("request(s) wait. The threads run 2 × GET /held")


def test_threads_beyond_the_usual_number_end_when_they_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "IDLE_TIME", 0.0)
    monkeypatch.setattr(growth, "CHECK_INTERVAL", 0.05)
    with working(1, max_threads=4) as leaders:
        held = leaders.hold(4)
        assert leaders.leaders.thread_pool.size == 4
        leaders.application.go_on.set()
        for client in held:
            client.response()
        wait_until(lambda: leaders.leaders.thread_pool.size == 1)
        wait_until(lambda: leaders.leaders.thread_pool.alive == 1)
        leaders.application.go_on.clear()
        leaders.hold(3)
