"""Room for a client that comes when the table is full: whoever has been idle longest makes way.

Clients may keep a connection that they do not use, and the server may close it at any moment (RFC 9112 §9.5). So idle
connections, with or without a request before, hold a place only as long as nobody needs it. Requests under way hold
theirs.

Who is longest idle is found by one look at all connections, which yields many candidates: what a look costs is shared
by the clients let in afterwards, and a look that finds nobody is not repeated before somebody can have come of age.
"""

import heapq
import logging
from collections import deque
from typing import Any, Final

from wiverno.core.connection import Connection
from wiverno.core.linger import Lingering
from wiverno.core.loop import Loop
from wiverno.core.outgoing import IDLE

logger = logging.getLogger("wiverno")

AGE: Final = 0.1  # seconds for which a connection is safe: its next request may be on the way
GREETING_AGE: Final = 1.0  # seconds that a TLS handshake or a PROXY preamble is safe, which take several journeys
RETRY: Final = 0.5  # seconds between two looks while there is nobody idle
SHARE: Final = 8  # a look yields one idle connection in so many
LEAST: Final = 16  # but so many if there are
MOST: Final = 256  # and no more than so many
LOG_INTERVAL: Final = 60.0  # seconds between two lines about it in the log


class Room:
    """Closes the connections that have been idle longest; belongs to the leader.

    Attributes:
        next_look: when there may be somebody who can make way, monotonic seconds.
    """

    def __init__(self, loop: Loop) -> None:
        self.next_look = 0.0
        self._loop = loop
        self._oldest: deque[tuple[float, int]] = deque()  # since when, and descriptor, of those who may go next
        self._closed = 0
        self._next_log = 0.0

    def make(self, reason: str) -> bool:
        """Close the connection that has been idle longest; False if none can go now. `reason` is for the log."""
        while self.has_candidates():
            since, fd = self._oldest.popleft()
            handler: Any = self._loop.handlers.get(fd)
            if handler is None or _idle_since(handler) != since:
                continue  # gone, or at work
            if isinstance(handler, Connection) and handler.has_input():
                continue  # its request has come
            handler.close()
            self.next_look = 0.0  # the look was worth it: another one when its candidates are used up
            self._note(reason)
            return True
        return False

    def has_candidates(self) -> bool:
        """Tell whether somebody can probably make way."""
        if not self._oldest and self._loop.now >= self.next_look:
            self._look()
        return bool(self._oldest)

    def _look(self) -> None:
        """Find those who have been idle longest."""
        now = self._loop.now
        idle: list[tuple[float, int]] = []
        safe_until = now + RETRY
        for handler in list(self._loop.connections):  # at once: threads take theirs out meanwhile
            since = _idle_since(handler)
            if since is None:
                continue
            ripe = since + (AGE if isinstance(handler, Connection) else GREETING_AGE)
            if ripe <= now:
                idle.append((since, handler.fd))
            else:
                safe_until = min(safe_until, ripe)
        self._oldest.extend(heapq.nsmallest(max(min(len(idle) // SHARE, MOST), LEAST), idle))
        # Candidates may turn out to be at work, all of them: in that case not again before the next turn of the loop.
        self.next_look = max(now, safe_until) if not idle else now + 0.001

    def _note(self, reason: str) -> None:
        self._closed += 1
        if self._loop.now < self._next_log:
            return
        self._next_log = self._loop.now + LOG_INTERVAL
        logger.warning("%s: idle connections are closed to make room for new ones (%d so far)", reason, self._closed)


def _idle_since(handler: Any) -> float | None:
    """Return since when a client has not asked for anything, monotonic seconds; None if something is under way."""
    if isinstance(handler, Connection):
        return handler.since if handler.phase == IDLE else None
    # A handshake or a preamble that has not been completed; one that lingers goes by itself within two seconds.
    return None if isinstance(handler, Lingering) else handler.since
