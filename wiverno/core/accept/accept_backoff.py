"""Accept back-off among processes that share listeners: a saturated process pauses, so that others accept first.

The kernel wakes every process for a new client. A saturated process would win that race, because its leader runs no
application, and its clients would wait in its queue while threads of another process are idle. So it pauses accepting
for 5 ms. It then accepts the clients that no other process has accepted meanwhile, for another 5 ms.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import NOTHING, READ, is_readable
from wiverno.core.threads.leader import LeaderFollowers

PAUSE: Final = 0.005  # seconds: how long it pauses, and then how long it accepts


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
        """Tell whether accepting is paused in favour of other processes."""
        loop = self._loop
        if not self._leaders.is_saturated or loop.now < self._open_until or not loop.keep_alive:
            return False
        self.is_paused = True
        loop.wake_at = loop.now + PAUSE
        self._arm(NOTHING)
        return True

    def resume_if_due(self) -> None:
        """End the pause when it is over or a thread has become free (after every wait while it is paused)."""
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
