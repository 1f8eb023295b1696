"""A process without a free thread looks away from new clients for a moment, and takes those whom nobody else took."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.sockets import LOOPBACK
from wiverno.core.courtesy import PAUSE, Courtesy
from wiverno.core.poller import NOTHING, READ


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
    persist: bool = True
    limit_reached: bool = False
    poller: Poller = field(default_factory=Poller)


@dataclass
class Crew:
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


def made(listener: socket.socket) -> tuple[Courtesy, Any, Any]:
    loop: Any = Loop()
    crew: Any = Crew()
    return Courtesy(loop, crew, [Listening(listener.fileno())]), loop, crew


def test_who_is_still_there_is_taken(listener: socket.socket) -> None:
    """For as long as it looked away, so that a full service still accepts."""
    courtesy, loop, _ = made(listener)
    with socket.create_connection(listener.getsockname()):
        assert courtesy.yields()
        assert loop.poller.armed == {listener.fileno(): NOTHING}
        courtesy.look()
        assert courtesy.is_away
        loop.now += PAUSE
        courtesy.look()
        assert not courtesy.is_away
        assert loop.poller.armed == {listener.fileno(): READ}
        assert not courtesy.yields()
        loop.now += PAUSE
        assert courtesy.yields()


def test_if_somebody_else_took_it_the_next_one_is_left_too(listener: socket.socket) -> None:
    courtesy, loop, _ = made(listener)
    assert courtesy.yields()
    loop.now += PAUSE
    courtesy.look()
    assert loop.poller.armed == {listener.fileno(): READ}
    assert courtesy.yields()


def test_with_a_free_thread_nobody_is_left_to_others(listener: socket.socket) -> None:
    """A thread that becomes free ends the pause, too."""
    courtesy, _, crew = made(listener)
    assert courtesy.yields()
    crew.is_saturated = False
    courtesy.look()
    assert not courtesy.is_away
    assert not courtesy.yields()
