"""Among processes that share listening sockets: one whose threads are all busy lets the others accept first.

The kernel wakes every process for a client, and a process whose lookout leads is the quickest to accept: it runs no
application. Without courtesy it would queue clients while threads of another process wait for work. So it looks away
for a moment; clients that are still there afterwards nobody else has had room for, and it takes them. If nobody is
there, the next one to come is again left to others first.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import NOTHING, READ, is_readable
from wiverno.core.threads.leader import LeaderFollowers

PAUSE: Final = 0.005  # seconds: how long it looks away, and then how long it accepts


class Listening(Protocol):
    """A listening socket in the loop."""

    fd: int


class AcceptBackoff:
    """Decides for all acceptors of one process; belongs to the leader."""

    __slots__ = ("_acceptors", "_leaders", "_loop", "_open_until", "is_paused")

    def __init__(self, loop: Loop, leaders: LeaderFollowers, acceptors: Sequence[Listening]) -> None:
        self._loop = loop
        self._leaders = leaders
        self._acceptors = acceptors
        self._open_until = 0.0
        self.is_paused = False

    def should_defer(self) -> bool:
        """Tell whether a client is to be left to others for now."""
        loop = self._loop
        if not self._leaders.is_saturated or loop.now < self._open_until or not loop.keep_alive:
            return False
        self.is_paused = True
        loop.wake_at = loop.now + PAUSE
        self._arm(NOTHING)
        return True

    def resume_if_due(self) -> None:
        """Come back when it is time, or when a thread has become free (after every wait while it is away)."""
        loop = self._loop
        if self._leaders.is_saturated and loop.now < loop.wake_at:
            return
        self.is_paused = False
        if any(is_readable(acceptor.fd) for acceptor in self._acceptors):
            self._open_until = loop.now + PAUSE
        if loop.keep_alive:
            loop.wake_at = float("inf")
        if not loop.limit_reached:
            self._arm(READ)

    def _arm(self, interest: int) -> None:
        for acceptor in self._acceptors:
            self._loop.poller.arm(acceptor.fd, interest)
