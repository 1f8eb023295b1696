"""Gauges and the heartbeat of a process that others observe, written by the leader.

The gauges are written whenever the leader is about to wait for events, so they are never older than that; the heartbeat
once a second. A process whose heartbeat is old has no leader that makes progress.
"""

import time
from collections.abc import Callable, Collection, Sized
from typing import Protocol

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.timers import EVERY_SECOND, Repeating
from wiverno.core.telemetry.counters import Counters, resident_bytes
from wiverno.core.threads.leader import LeaderFollowers


class HasStreams(Protocol):
    """An HTTP/2 connection, as far as it is counted."""

    @property
    def streams(self) -> Sized:
        """Its requests that are not answered in full."""


class Heartbeat:
    """Records a heartbeat once a second; belongs to the leader."""

    __slots__ = ("_counters", "_http2_connections", "_leaders", "_loop", "_on_heartbeat", "_pool")

    def __init__(
        self,
        loop: Loop,
        leaders: LeaderFollowers,
        counters: Counters,
        on_heartbeat: Callable[[], None] | None = None,
        http2_connections: Collection[HasStreams] | None = None,
    ) -> None:
        """Write gauges from now on, and a heartbeat once a second.

        Args:
            loop: whose connections are counted.
            leaders: whose threads and queue are counted.
            counters: written to.
            on_heartbeat: called once a second.
            http2_connections: the open ones; None if HTTP/2 is off.
        """
        self._http2_connections = http2_connections
        self._loop = loop
        self._leaders = leaders
        self._counters = counters
        self._on_heartbeat = on_heartbeat
        pool = leaders.thread_pool
        self._pool = pool if pool.grows else None
        counters.set("threads", pool.size or 1)
        counters.set("max_threads", pool.most or 1)
        self.record()
        Repeating(loop, EVERY_SECOND, self.record)

    def update_gauges(self) -> None:
        """Update the gauges."""
        counters = self._counters
        counters.set("connections", len(self._loop.connections))
        if self._pool is not None:
            counters.set("threads", self._pool.size)
        counters.set("busy", self._leaders.busy)
        counters.set("queued", self._leaders.queued)
        counters.set("draining", not self._loop.keep_alive)
        if self._http2_connections is not None:
            counters.set("http2_connections", len(self._http2_connections))

    def record(self) -> None:
        """Record a heartbeat."""
        self._counters.set("heartbeat", time.monotonic())
        self._counters.set("resident", resident_bytes())
        self.update_gauges()
        if self._http2_connections is not None:
            # Once a second only: this looks at each connection.
            streams = sum(len(connection.streams) for connection in list(self._http2_connections))
            self._counters.set("http2_streams", streams)
        if self._on_heartbeat is not None:
            self._on_heartbeat()
