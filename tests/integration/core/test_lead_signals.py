"""Signals reach a server whose main thread is parked, whichever of its threads the system interrupts."""

import signal

import pytest

from tests.support.engine_child import engine_child
from tests.support.rig import POLLERS


@pytest.mark.parametrize("poller", POLLERS)
@pytest.mark.parametrize("threads", [1, 4])
def test_a_signal_that_another_thread_gets(threads: int, poller: str) -> None:
    """SIGTERM to a thread that is not the main one ends the server as well."""
    with engine_child(threads=threads, poller=poller) as server:
        assert server.ask("/signal") == b"hello"
        assert server.child.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_signal_after_a_freeze(threads: int, number: signal.Signals) -> None:
    """A process that was stopped and goes on hears what was sent to it meanwhile."""
    with engine_child(threads=threads) as server:
        assert server.ask("/hello") == b"hello"
        server.child.send(signal.SIGSTOP)
        server.child.send(number)
        server.child.send(signal.SIGCONT)
        assert server.child.wait() == 0
