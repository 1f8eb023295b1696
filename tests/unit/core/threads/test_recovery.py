"""What becomes of an exception that comes out of the engine."""

import signal
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from wiverno.core.loop.descriptors import DescriptorLostError
from wiverno.core.threads.recovery import MAX_ERRORS, Recovery


class Connection:
    """A connection whose methods raise what the test wants."""

    fd = 7
    sock = SimpleNamespace(close=lambda: None)

    def __init__(self, finish: BaseException | None = None, close: BaseException | None = None) -> None:
        self.errors = {"finish": finish, "close": close}
        self.calls: list[str] = []
        self.client = self  # as an exchange of HTTP/1.1, whose connection it is

    def _call(self, name: str) -> None:
        self.calls.append(name)
        error = self.errors[name]
        if error is not None:
            raise error

    def finish_response(self, outcome: int) -> None:
        self._call("finish")

    def close(self) -> None:
        self._call("close")


class Parts:
    """A recovery with the parts that it knows."""

    def __init__(self, *connections: Connection) -> None:
        self.ended = 0
        self.forgotten: list[Connection] = []
        self.woken = 0
        self.loop = SimpleNamespace(
            ready=deque(),
            connections=set(connections),
            forget=self.forgotten.append,
            poller=SimpleNamespace(wake=self._wake),
        )
        loop: Any = self.loop
        self.recovery = Recovery(loop, self._end)

    def _end(self) -> None:
        self.ended += 1

    def _wake(self) -> None:
        self.woken += 1


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def turns() -> NoReturn:
        raise error

    return turns


def test_an_error_in_a_turn_costs_that_turn_until_there_are_too_many(caplog: pytest.LogCaptureFixture) -> None:
    parts = Parts()
    for _ in range(MAX_ERRORS - 1):
        assert parts.recovery.lead(raising(ValueError("bug")))
    assert (parts.recovery.failure, parts.ended, parts.woken) == (None, 0, MAX_ERRORS - 1)
    assert not parts.recovery.lead(raising(last := ValueError("again")))
    assert (parts.recovery.failure, parts.ended) == (last, 1)
    assert caplog.records[-1].getMessage().endswith("it can serve no more requests: again")


def test_a_good_turn_is_no_error() -> None:
    parts = Parts()
    assert not parts.recovery.lead(lambda: None)
    assert parts.recovery.errors == 0


def test_a_lost_descriptor_ends_the_server_at_once() -> None:
    """From a turn, and from a connection's event."""
    lost = DescriptorLostError("the epoll set (descriptor 5) was closed")
    parts = Parts()
    assert not parts.recovery.lead(raising(lost))
    assert (parts.recovery.failure, parts.ended) == (lost, 1)
    parts = Parts()
    parts.recovery.drop(Connection(), lost)
    assert (parts.recovery.failure, parts.ended) == (lost, 1)


def test_the_first_failure_is_the_one_that_is_told() -> None:
    parts = Parts()
    parts.recovery.fail(first := ValueError("first"))
    parts.recovery.fail(ValueError("second"))
    assert (parts.recovery.failure, parts.ended) == (first, 2)


@pytest.mark.parametrize("error", [ValueError("bug"), SystemExit(3), KeyboardInterrupt()])
def test_an_error_after_a_response_closes_its_connection(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one that looks like the end of the program but comes from the application's close()."""
    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # KeyboardInterrupt is then no handler's
    connection: Any = Connection(finish=error)
    parts = Parts(connection)
    parts.recovery.finish_response(connection, 0)
    assert connection.calls == ["finish", "close"]
    assert "internal error, connection closed" in caplog.text
    good: Any = Connection()
    parts.recovery.finish_response(good, 0)
    assert good.calls == ["finish"]


def test_a_listening_socket_stays() -> None:
    """What is no client is not closed by an error."""
    acceptor = Connection()
    Parts().recovery.drop(acceptor, ValueError("bug"))
    assert acceptor.calls == []


def test_an_error_between_two_events_closes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    connection: Any = Connection()
    Parts(connection).recovery.drop(None, ValueError("bug"))
    assert connection.calls == []
    assert caplog.messages == ["internal error"]


def test_a_close_that_was_interrupted_is_finished() -> None:
    """The second call of `close` does nothing, because the state is closed already."""
    connection: Any = Connection()
    closed: list[bool] = []
    connection.sock = SimpleNamespace(close=lambda: closed.append(True))
    parts = Parts(connection)
    parts.recovery.drop(connection, ValueError("bug"))
    assert (connection.calls, parts.forgotten, closed) == (["close"], [connection], [True])


def test_a_connection_that_can_not_be_closed_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection(close=OSError("bad descriptor"))
    parts = Parts(connection)
    parts.recovery.drop(connection, ValueError("bug"))
    assert parts.forgotten == [connection]
    assert "error while closing a connection" in caplog.text


def test_an_exception_of_a_signal_handler_gets_through() -> None:
    """The program wants to end; the connection goes on, and is handled first by the next leader."""

    def handler(number: int, frame: object) -> NoReturn:
        raise SystemExit(3)

    old = signal.signal(signal.SIGUSR1, handler)
    try:
        parts = Parts()
        connection = Connection()
        with pytest.raises(SystemExit) as caught:
            handler(signal.SIGUSR1, None)
        error = caught.value
        for act in (
            lambda: parts.recovery.lead(raising(error)),
            lambda: parts.recovery.log_error(error),
            lambda: parts.recovery.drop(connection, error),
        ):
            with pytest.raises(SystemExit):
                act()
        assert list(parts.loop.ready) == [(7, 0)]
        assert (parts.ended, connection.calls) == (0, [])
        closing = Connection(close=error)
        parts = Parts(closing)
        with pytest.raises(SystemExit):
            parts.recovery.drop(closing, ValueError("bug"))
        assert parts.forgotten == [closing]
    finally:
        signal.signal(signal.SIGUSR1, old)
