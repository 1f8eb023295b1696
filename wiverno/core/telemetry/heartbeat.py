"""The signs of life of a process that is looked at from outside: gauges and a heartbeat, written by the leader.

The gauges are written whenever the leader is about to wait for events, so what they say is never older than that; the
beat once a second. A process whose beat is old has no leader that gets anywhere.
"""

import time
from collections.abc import Callable
from typing import Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.telemetry.counters import Counters, resident_bytes
from wiverno.core.threads.leader import LeaderFollowers

# Seconds; deadlines come due with whole seconds of the clock, so this is once a second.
INTERVAL: Final = 0.05


class Heartbeat:
    """Stands among the loop's deadlines and comes due once a second; belongs to the leader."""

    __slots__ = ("_counters", "_leaders", "_loop", "_next", "_on_heartbeat", "fd", "tick")

    def __init__(
        self,
        loop: Loop,
        leaders: LeaderFollowers,
        counters: Counters,
        threads: int,
        on_heartbeat: Callable[[], None] | None = None,
    ) -> None:
        """`threads` may be inside the application at once; `on_heartbeat` is called once a second."""
        self.fd = -1
        self.tick = 0
        self._loop = loop
        self._leaders = leaders
        self._counters = counters
        self._on_heartbeat = on_heartbeat
        self._next = time.monotonic()
        counters.set("threads", threads)
        self.expire()

    def ready(self, events: int) -> None:
        """Do nothing: it has no descriptor."""

    def gauge(self) -> None:
        """Write what is so now."""
        counters = self._counters
        counters.set("connections", len(self._loop.connections))
        counters.set("busy", self._leaders.busy)
        counters.set("queued", self._leaders.queued)
        counters.set("draining", not self._loop.keep_alive)

    def deadline(self) -> float:
        """Return when the next beat is due."""
        return self._next

    def expire(self) -> None:
        """Beat."""
        now = time.monotonic()
        self._counters.set("beat", now)
        self._counters.set("resident", resident_bytes())
        self.gauge()
        self._next = now + INTERVAL
        self._loop.watch(self, self._next)
        if self._on_heartbeat is not None:
            self._on_heartbeat()
