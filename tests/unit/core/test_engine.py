"""An engine's life: it runs once, drains on a stop, cuts off on a second one or when the time is over."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.descriptors import descriptors
from tests.support.leftovers import engine_threads
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE, wait_until
from wiverno.config.settings import Adjustments
from wiverno.core.engine import Engine
from wiverno.core.net.listeners import open_listeners
from wiverno.core.telemetry.counters import Counters
from wiverno.core.threads.recovery import ServerFailedError

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
        settings = {"event_loops": 1, **settings}
        adjustments = Adjustments.from_keywords(host=LOOPBACK, port=0, threads=threads or 1, **settings)
        listeners = open_listeners(adjustments)
        self.application = Application()
        self.engine = Engine(self.application, adjustments, listeners)
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
    """Its connection is closed after it, whichever thread sent the response, and the engine ends then, not later."""
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
    """However often it is stopped: it ends, once."""
    with running(threads) as made, made.client() as client:
        client.send(GET)
        client.response()
        stoppers = [threading.Thread(target=made.engine.stop) for _ in range(5)]
        for stopper in stoppers:
            stopper.start()
        assert made.has_ended()
        for stopper in stoppers:
            stopper.join()


def test_responses_are_counted_and_gauges_written(threads: int) -> None:
    """Before each wait of the leader; the hook of the heartbeat is called."""
    with running(threads, is_started=False) as made:
        counters, beats = Counters(), list[int]()
        made.engine.count(counters)
        made.engine.on_heartbeat = lambda: beats.append(1)
        made.thread.start()
        with made.client() as client:
            client.send(GET)
            client.response()
            wait_until(lambda: counters.read().totals["requests"] == 1 and counters.get("connections") == 1)
        assert beats
        assert counters.get("threads") == (threads or 1)


def test_a_stuck_request_is_counted_and_told_of(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    """Each check finds it, also while the only thread is in the application; it is logged once."""
    with running(threads, is_started=False, request_timeout=0.05) as made:
        counters, stuck = Counters(), list[str]()
        made.engine.count(counters)
        made.engine.on_stuck = stuck.append
        made.thread.start()
        with made.client() as client:
            client.send(HOLD)
            wait_until(lambda: stuck)
            made.application.go_on.set()
            assert client.response()[0] == 200
        assert (len(stuck), counters.get("stuck")) == (1, 1)
    assert "GET /hold has been running for" in caplog.text


@pytest.mark.parametrize("has_log", [True, False])
def test_a_signal_opens_log_files_again(has_log: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SIGHUP and SIGUSR1 do; with one process SIGHUP is no reload, which is said."""
    caplog.set_level("INFO", "wiverno")
    log = tmp_path / "a.log"
    with running(access_log=str(log) if has_log else None) as made, made.client() as client:
        client.send(GET)
        client.response()
        if has_log:
            wait_until(log.read_text)
            log.rename(tmp_path / "a.log.1")
        made.engine.take_signal(signal.SIGHUP)
        wait_until(lambda: "one process can't reload" in caplog.text)
        client.send(GET)
        client.response()
        if has_log:
            wait_until(lambda: log.exists() and log.read_text())
        assert not made.engine.is_stopping


def test_the_second_stop_signal_forces_the_end() -> None:
    with running(graceful_timeout=60) as made, made.client() as client:
        client.send(HOLD)
        assert made.application.held.acquire(timeout=PATIENCE)
        made.engine.take_signal(signal.SIGTERM)
        assert made.engine.is_stopping
        assert made.engine.stop_by > time.monotonic() + 30
        made.engine.take_signal(signal.SIGTERM)
        assert made.engine.stop_by == 0.0
        assert made.has_ended()


def test_it_serves_for_drain_delay_before_it_drains(caplog: pytest.LogCaptureFixture) -> None:
    """A balancer needs that time to notice that it is not ready any more."""
    caplog.set_level("INFO", "wiverno")
    told: list[int] = []
    with running(drain_delay=0.2) as made:
        made.engine.on_stop = lambda: told.append(1)
        made.engine.stop()
        wait_until(lambda: told)
        with made.client() as client:
            client.send(GET)
            assert client.response()[0] == 200
        assert made.has_ended()
    assert told == [1]
    assert "0.2 s" in caplog.text


def test_another_application_serves_later_connections() -> None:
    with running() as made:
        first = made.engine.application

        def second(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            start_response("200 OK", [])
            return [b"second"]

        made.engine.application = second
        with made.client() as client:
            client.send(GET)
            assert client.response()[2] == b"second"
        assert made.engine.application is second
        assert first is made.application


def test_an_application_that_is_set_while_it_starts_serves_on_every_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first loop's start and the second's, as another thread may do it."""

    def second(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"second"]

    with running(is_started=False, event_loops=2) as made:
        setter = threading.Thread(target=lambda: setattr(made.engine, "application", second))
        last = made.engine.reactors[1]
        enter = last.enter

        def enter_later(*arguments: Any) -> None:
            setter.start()
            setter.join(0.1)  # it may have to wait until all loops have begun
            enter(*arguments)

        monkeypatch.setattr(last, "enter", enter_later)
        made.thread.start()
        wait_until(lambda: last.limit.acceptors, what="the second loop to accept")
        setter.join(PATIENCE)
        served = {
            acceptor.context.application for reactor in made.engine.reactors for acceptor in reactor.limit.acceptors
        }
        assert served == {second}
        made.engine.stop()
        assert made.has_ended()


def test_a_failure_ends_it_and_is_raised(threads: int) -> None:
    """Run() raises what could not be mended; connections are closed."""
    with running(threads, is_started=False) as made:
        raised: list[BaseException] = []

        def run() -> None:
            try:
                made.engine.run()
            except ServerFailedError as error:
                raised.append(error)

        made.thread = threading.Thread(target=run, daemon=True)
        made.thread.start()
        with made.client() as client:
            client.send(GET)
            client.response()
            made.engine.fail(ValueError("the epoll set was closed"))
            assert made.has_ended()
            assert client.is_closed()
        assert [str(error) for error in raised] == ["the epoll set was closed"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError("bug")])
def test_an_exception_of_the_programs_signal_handler_lets_requests_finish(error: BaseException) -> None:
    """It is a stop as by a signal of ours; any other exception comes out of run() after the threads have ended."""
    with running(0, is_started=False) as made:
        run, calls = made.engine.leaders.run, list[int]()

        def raise_once() -> None:
            calls.append(1)
            if len(calls) == 1:
                raise error
            run()

        made.engine.leaders.run = raise_once  # type: ignore[method-assign]
        if isinstance(error, ValueError):
            with pytest.raises(ValueError, match="bug"):
                made.engine.run()
        else:
            made.engine.run()
            assert made.engine.is_stopping
        assert made.engine.wait_ended(0)


def test_listeners_are_closed_if_a_log_can_not_be_opened(tmp_path: Path) -> None:
    settings = Adjustments.from_keywords(host=LOOPBACK, port=0, access_log=str(tmp_path / "missing" / "a.log"))
    listeners = open_listeners(settings)
    with pytest.raises(OSError, match="No such file"):
        Engine(Application(), settings, listeners)
    assert listeners[0].socket.fileno() == -1


def test_a_child_closes_its_copies_and_leaves_the_rest() -> None:
    """Nothing is shut down or unlinked, and the engine counts as ended for a thread that waits."""
    with running(is_started=False) as made:
        made.engine.abandon()
        assert made.engine.wait_ended(0)
        assert not made.engine.loop.connections
        with pytest.raises(ConnectionRefusedError):
            made.client()
        made.engine.leaders.is_abandoned = False


def test_what_can_not_be_closed_keeps_nothing_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    with running(is_started=False) as made:
        listener = made.engine._listeners[0]

        class Broken:
            def close(self) -> None:
                listener.close()
                raise OSError("bad descriptor")

        made.engine._listeners.append(Broken())  # type: ignore[arg-type]
        made.engine.close()
        assert made.engine.wait_ended(0)
    assert "can't be closed: bad descriptor" in caplog.text
