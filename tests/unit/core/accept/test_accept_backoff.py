"""A process without a free thread pauses accepting for a moment, and then accepts those that no other process took."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.sockets import LOOPBACK
from wiverno.core.accept.accept_backoff import PAUSE, AcceptBackoff
from wiverno.core.loop.poller import NOTHING, READ


@dataclass
class Poller:
    """Remembers what is armed."""

    armed: dict[int, int] = field(default_factory=dict)

    def arm(self, fd: int, interest: int) -> None:
        self.armed[fd] = interest


@dataclass
class Loop:
    """As much of a loop as matters here."""

    now: float = 100.0
    wake_at: float = float("inf")
    keep_alive: bool = True
    limit_reached: bool = False
    poller: Poller = field(default_factory=Poller)


@dataclass
class LeaderFollowers:
    """Full, until told otherwise."""

    is_saturated: bool = True


@dataclass
class Listening:
    """A listening socket."""

    fd: int


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((LOOPBACK, 0)) as made:
        yield made


def made(listener: socket.socket) -> tuple[AcceptBackoff, Any, Any]:
    loop: Any = Loop()
    leaders: Any = LeaderFollowers()
    return AcceptBackoff(loop, leaders, [Listening(listener.fileno())]), loop, leaders


def test_who_is_still_there_is_taken(listener: socket.socket) -> None:
    """For as long as it looked away, so that a full service still accepts."""
    backoff, loop, _ = made(listener)
    with socket.create_connection(listener.getsockname()):
        assert backoff.should_defer()
        assert loop.poller.armed == {listener.fileno(): NOTHING}
        backoff.resume_if_due()
        assert backoff.is_paused
        loop.now += PAUSE
        backoff.resume_if_due()
        assert not backoff.is_paused
        assert loop.poller.armed == {listener.fileno(): READ}
        assert not backoff.should_defer()
        loop.now += PAUSE
        assert backoff.should_defer()


def test_if_another_process_took_it_the_next_one_is_left_too(listener: socket.socket) -> None:
    backoff, loop, _ = made(listener)
    assert backoff.should_defer()
    loop.now += PAUSE
    backoff.resume_if_due()
    assert loop.poller.armed == {listener.fileno(): READ}
    assert backoff.should_defer()


def test_with_a_free_thread_no_client_is_left_to_others(listener: socket.socket) -> None:
    """A thread that becomes free ends the pause, too."""
    backoff, _, leaders = made(listener)
    assert backoff.should_defer()
    leaders.is_saturated = False
    backoff.resume_if_due()
    assert not backoff.is_paused
    assert not backoff.should_defer()
