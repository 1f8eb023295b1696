"""When connections expire, in buckets of one second: a cost per connection, none per request, no scan.

A connection's real deadline moves with every request. It is not moved here: when the bucket that a connection stands in
comes due, the loop asks the connection, and one that has been active since goes to a later bucket. Ten thousand idle
connections with a timeout of two minutes cost eighty questions a second at most, and an empty table no wake-up at all.

Any thread may call anything: a lock is taken once or twice in a connection's life, not once a request.
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

    __slots__ = ("_buckets", "_lock", "_look_at", "_ticks", "soonest")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[int, dict[int, Expiring]] = {}
        self._ticks: list[int] = []
        self._look_at: float = math.inf
        self.soonest: float = math.inf
        """When `due` may have something, in monotonic seconds; never too late, perhaps too early."""

    def add(self, item: Expiring, when: float) -> None:
        """Make sure that `item` is asked at `when` (monotonic seconds) or within a second after it.

        An item that is to be asked earlier anyhow stays where it is.
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
                self._note_soonest()
            bucket[id(item)] = item

    def schedule_check(self, when: float) -> None:
        """Have `due` called at `when` (monotonic seconds) even if nothing is, once; the earliest such moment counts."""
        with self._lock:
            self._look_at = min(self._look_at, when)
            self._note_soonest()

    def discard(self, item: Expiring) -> None:
        """Forget `item`; harmless if it is not there."""
        with self._lock:
            bucket = self._buckets.get(item.tick)
            item.tick = 0
            if bucket is not None:
                bucket.pop(id(item), None)
                if not bucket:
                    self._drop_empty()

    def due(self, now: float) -> list[Expiring]:
        """Take out and return what stands in buckets up to `now`."""
        items: list[Expiring] = []
        with self._lock:
            if self._look_at <= now:
                self._look_at = math.inf
            while self._ticks and self._ticks[0] <= now:
                for item in self._buckets.pop(heapq.heappop(self._ticks)).values():
                    item.tick = 0
                    items.append(item)
            self._drop_empty()
        return items

    def _drop_empty(self) -> None:
        """Forget the soonest buckets as long as nothing is in them: nobody should wake up for those."""
        while self._ticks and not self._buckets[self._ticks[0]]:
            del self._buckets[heapq.heappop(self._ticks)]
        self._note_soonest()

    def _note_soonest(self) -> None:
        self.soonest = min(self._ticks[0], self._look_at) if self._ticks else self._look_at
