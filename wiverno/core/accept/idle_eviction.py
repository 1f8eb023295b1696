"""Evict idle and unfinished connections to admit new clients when the limit of connections is reached.

Clients may keep a connection that they do not use, and the server may close it at any moment (RFC 9112 §9.5). So idle
connections, with or without a request before, are kept only as long as no other client needs their place. The same
holds for what has begun and is incomplete after a moment, oldest first: a PROXY preamble, a TLS handshake, a head, and
a body that arrives slower than `body_min_rate`. Otherwise a hundred clients that send one byte each would occupy a
hundred places for as long as `header_timeout`. Below the limit all of them have the time that the settings give them.

Requests that run are never evicted, and neither are responses in progress: finished work is delivered, and a slow
reader can't be told from a slow link until `channel_timeout` and `body_min_rate` do.

One scan of all connections collects many candidates, so that its cost is shared by the clients admitted afterwards. A
scan that finds none is not repeated before a connection can have reached the minimum age.
"""

import heapq
from collections import deque
from typing import Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.handlers import Client, Eviction
from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")

RETRY: Final = 0.5  # seconds between two scans while no connection is old enough
SHARE: Final = 8  # a scan collects one candidate in so many
LEAST: Final = 16  # but at least so many, if there are
MOST: Final = 256  # and at most so many
LOG_INTERVAL: Final = 60.0  # seconds between two log lines about evictions

Candidate = tuple[Eviction, int, Client]  # the descriptor makes the order total


class IdleEvictor:
    """Closes the clients that have been idle or unfinished longest; belongs to the leader.

    Attributes:
        next_scan: when a connection may have reached the minimum age, monotonic seconds.
    """

    def __init__(self, loop: Loop) -> None:
        self.next_scan = 0.0
        self._loop = loop
        self._oldest: deque[Candidate] = deque()
        self._closed = 0
        self._next_log = 0.0

    def evict_one(self, reason: str) -> bool:
        """Close the connection that has been idle longest; False if none can be closed now. `reason` is for the log."""
        loop = self._loop
        while self.has_candidates():
            found, fd, client = self._oldest.popleft()
            now = client.eviction()
            if client not in loop.connections or now is None or now[:2] != found[:2] or now.safe_until > loop.now:
                continue  # closed, or no longer idle
            if client.has_input() or loop.has_event(fd):
                continue  # a request has arrived
            client.evict()
            self.next_scan = 0.0  # scan again when the candidates are used up
            self._log_eviction(reason)
            return True
        return False

    def has_candidates(self) -> bool:
        """Tell whether a connection can probably be evicted."""
        if not self._oldest and self._loop.now >= self.next_scan:
            self._scan()
        return bool(self._oldest)

    def _scan(self) -> None:
        """Collect the connections that have been idle or unfinished longest."""
        clients = list(self._loop.connections)  # a copy: threads remove theirs meanwhile
        found = [(eviction, client.fd, client) for client in clients if (eviction := client.eviction()) is not None]
        candidates, self.next_scan = choose_candidates(found, self._loop.now)
        self._oldest.extend(candidates)

    def _log_eviction(self, reason: str) -> None:
        self._closed += 1
        if self._loop.now < self._next_log:
            return
        self._next_log = self._loop.now + LOG_INTERVAL
        logger.warning(
            "%s: idle and unfinished connections are closed to make room for new ones (%d so far)", reason, self._closed
        )


def choose_candidates(found: list[Candidate], now: float) -> tuple[list[Candidate], float]:
    """Return the connections to evict, in this order, and when to scan again.

    Args:
        found: the connections that may be evicted at some time.
        now: the present, in monotonic seconds.
    """
    old = [candidate for candidate in found if candidate[0].safe_until <= now]
    if old:
        # All of them may have received a request meanwhile: in that case the next turn of the loop scans again.
        return heapq.nsmallest(max(min(len(old) // SHARE, MOST), LEAST), old), now + 0.001
    return [], min(now + RETRY, *(eviction.safe_until for eviction, _, _ in found), float("inf"))
