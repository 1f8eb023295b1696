"""Room for a client that comes when the table is full: the one that has been idle longest makes way, or has dawdled.

Clients may keep a connection that they do not use, and the server may close it at any moment (RFC 9112 §9.5). So idle
connections, with or without a request before, hold a place only as long as no other client needs it. The same holds for
what has been begun and is not complete after a moment, oldest first: a PROXY preamble, a TLS handshake, a head, and a
body that comes slower than `body_min_rate`. Otherwise a hundred clients that send one byte each would hold a hundred
places for as long as `header_timeout`. Below the limit all of them have the time that the settings give them.

Requests that run hold their places, and so do responses that are being sent: what has been worked for is delivered,
and a slow reader is indistinguishable from a slow link until `channel_timeout` and `body_min_rate` tell.

Which client makes way is found by one look at all of them, which yields many candidates: what a look costs is shared by
the clients let in afterwards, and a look that finds none is not repeated before a client can have become old enough.
"""

import heapq
from collections import deque
from typing import Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.handlers import Client, Eviction
from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")

RETRY: Final = 0.5  # seconds between two looks while none is old enough
SHARE: Final = 8  # a look yields one candidate in so many
LEAST: Final = 16  # but so many if there are
MOST: Final = 256  # and no more than so many
LOG_INTERVAL: Final = 60.0  # seconds between two lines about it in the log

Candidate = tuple[Eviction, int, Client]  # the descriptor makes the order total


class IdleEvictor:
    """Closes the clients that have been idle or unfinished longest; belongs to the leader.

    Attributes:
        next_look: when a client may be old enough to make way, monotonic seconds.
    """

    def __init__(self, loop: Loop) -> None:
        self.next_look = 0.0
        self._loop = loop
        self._oldest: deque[Candidate] = deque()
        self._closed = 0
        self._next_log = 0.0

    def evict_one(self, reason: str) -> bool:
        """Close the client that has been idle longest; False if none can go now. `reason` is for the log."""
        loop = self._loop
        while self.has_candidates():
            found, fd, client = self._oldest.popleft()
            now = client.eviction()
            if client not in loop.connections or now is None or now[:2] != found[:2] or now.safe_until > loop.now:
                continue  # gone, or at work
            if client.has_input() or loop.has_event(fd):
                continue  # something of it has come
            client.evict()
            self.next_look = 0.0  # the look was worth it: another one when its candidates are used up
            self._note(reason)
            return True
        return False

    def has_candidates(self) -> bool:
        """Tell whether a client can probably make way."""
        if not self._oldest and self._loop.now >= self.next_look:
            self._look()
        return bool(self._oldest)

    def _look(self) -> None:
        """Find the clients that have been idle or unfinished longest."""
        now = self._loop.now
        old: list[Candidate] = []
        safe_until = now + RETRY
        for client in list(self._loop.connections):  # at once: threads take theirs out meanwhile
            found = client.eviction()
            if found is None:
                continue
            if found.safe_until <= now:
                old.append((found, client.fd, client))
            else:
                safe_until = min(safe_until, found.safe_until)
        self._oldest.extend(heapq.nsmallest(max(min(len(old) // SHARE, MOST), LEAST), old))
        # Candidates may turn out to be at work, all of them: in that case not again before the next turn of the loop.
        self.next_look = max(now, safe_until) if not old else now + 0.001

    def _note(self, reason: str) -> None:
        self._closed += 1
        if self._loop.now < self._next_log:
            return
        self._next_log = self._loop.now + LOG_INTERVAL
        logger.warning(
            "%s: idle and unfinished connections are closed to make room for new ones (%d so far)", reason, self._closed
        )
