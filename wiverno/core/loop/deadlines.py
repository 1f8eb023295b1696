"""When connections expire, in buckets of one second: a cost per connection, none per request, no scan.

A connection's real deadline moves with every request. It is not moved here: when the bucket of a connection comes due,
the loop reads its deadline, and one that has been active since goes to a later bucket. Ten thousand idle connections
with a timeout of two minutes cost at most eighty checks a second, and an empty table no wake-up at all.

Any thread may call any method: a lock is taken once or twice in a connection's life, not once a request.
"""

import heapq
import math
import threading
from typing import Protocol


class Expiring(Protocol):
    """Something with a deadline: a connection, a timer. The number of its bucket is kept on the object itself."""

    tick: int

    def deadline(self) -> float:
        """Return when it expires if nothing happens, in monotonic seconds."""

    def expire(self) -> None:
        """Act on a deadline that has passed."""


class Deadlines:
    """Buckets of one second, and a heap of the seconds that have one."""

    __slots__ = ("_buckets", "_check_at", "_lock", "_ticks", "soonest")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[int, dict[int, Expiring]] = {}
        self._ticks: list[int] = []
        self._check_at: float = math.inf
        self.soonest: float = math.inf
        """When `due` may return something, in monotonic seconds; never too late, perhaps too early."""

    def add(self, item: Expiring, when: float) -> None:
        """Put `item` into the bucket of `when` (monotonic seconds): it comes due then or within a second.

        An item that is in an earlier bucket stays there.
        """
        tick = math.floor(when) + 1
        with self._lock:
            if item.tick:
                if item.tick <= tick:
                    return
                self._buckets[item.tick].pop(id(item), None)
            item.tick = tick
            bucket = self._buckets.get(tick)
            if bucket is None:
                bucket = self._buckets[tick] = {}
                heapq.heappush(self._ticks, tick)
                self._update_soonest()
            bucket[id(item)] = item

    def schedule_check(self, when: float) -> None:
        """Let `soonest` be `when` (monotonic seconds) at the latest, once; of several times the earliest counts."""
        with self._lock:
            self._check_at = min(self._check_at, when)
            self._update_soonest()

    def discard(self, item: Expiring) -> None:
        """Remove `item`; harmless if it is not there."""
        with self._lock:
            bucket = self._buckets.get(item.tick)
            item.tick = 0
            if bucket is not None:
                bucket.pop(id(item), None)
                if not bucket:
                    self._drop_empty()

    def due(self, now: float) -> list[Expiring]:
        """Remove and return the items of all buckets up to `now`."""
        items: list[Expiring] = []
        with self._lock:
            if self._check_at <= now:
                self._check_at = math.inf
            while self._ticks and self._ticks[0] <= now:
                for item in self._buckets.pop(heapq.heappop(self._ticks)).values():
                    item.tick = 0
                    items.append(item)
            self._drop_empty()
        return items

    def _drop_empty(self) -> None:
        """Remove the soonest buckets while they are empty: the loop should not wake up for those."""
        while self._ticks and not self._buckets[self._ticks[0]]:
            del self._buckets[heapq.heappop(self._ticks)]
        self._update_soonest()

    def _update_soonest(self) -> None:
        self.soonest = min(self._ticks[0], self._check_at) if self._ticks else self._check_at
