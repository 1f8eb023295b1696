"""Among processes that share listening sockets: one whose threads are all busy lets the others accept first.

The kernel wakes every process for a client, and a process whose lookout leads is the quickest to accept: it runs no
application. Without courtesy it would queue clients while threads of another process wait for work. So it looks away
for a moment; clients that are still there afterwards nobody else has had room for, and it takes them. If nobody is
there, the next one to come is again left to others first.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from wiverno.core.crew import Crew
from wiverno.core.loop import Loop
from wiverno.core.poller import NOTHING, READ, is_readable

PAUSE: Final = 0.005  # seconds: how long it looks away, and then how long it accepts


class Listening(Protocol):
    """A listening socket in the loop."""

    fd: int


class Courtesy:
    """Decides for all acceptors of one process; belongs to the leader."""

    __slots__ = ("_acceptors", "_crew", "_loop", "_open_until", "is_away")

    def __init__(self, loop: Loop, crew: Crew, acceptors: Sequence[Listening]) -> None:
        self._loop = loop
        self._crew = crew
        self._acceptors = acceptors
        self._open_until = 0.0
        self.is_away = False

    def yields(self) -> bool:
        """Tell whether a client is to be left to others for now."""
        loop = self._loop
        if not self._crew.is_saturated or loop.now < self._open_until or not loop.persist:
            return False
        self.is_away = True
        loop.wake_at = loop.now + PAUSE
        self._arm(NOTHING)
        return True

    def look(self) -> None:
        """Come back when it is time, or when a thread has become free (after every wait while it is away)."""
        loop = self._loop
        if self._crew.is_saturated and loop.now < loop.wake_at:
            return
        self.is_away = False
        if any(is_readable(acceptor.fd) for acceptor in self._acceptors):
            self._open_until = loop.now + PAUSE
        if loop.persist:
            loop.wake_at = float("inf")
        if not loop.limit_reached:
            self._arm(READ)

    def _arm(self, interest: int) -> None:
        for acceptor in self._acceptors:
            self._loop.poller.arm(acceptor.fd, interest)
