"""Gauges and the heartbeat of a process that others observe, written by the leader.

The gauges are written whenever the leader is about to wait for events, so they are never older than that; the heartbeat
once a second. A process whose heartbeat is old has no leader that makes progress.
"""

import time
from collections.abc import Callable, Collection, Sequence, Sized
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


class Serving(Protocol):
    """An event loop with its threads, as far as it is measured."""

    @property
    def loop(self) -> Loop:
        """Its clients are counted; it is alive if its clock moves."""

    @property
    def leaders(self) -> LeaderFollowers:
        """Its threads and its queue are counted."""


class Heartbeat:
    """Records a heartbeat once a second; belongs to the leader of the first reactor."""

    __slots__ = ("_counters", "_first", "_grows", "_http2_connections", "_on_heartbeat", "_others", "_pools")

    def __init__(
        self,
        reactors: Sequence[Serving],
        counters: Counters,
        on_heartbeat: Callable[[], None] | None = None,
        http2_connections: Collection[HasStreams] | None = None,
    ) -> None:
        """Write gauges from now on, and a heartbeat once a second.

        Args:
            reactors: what is counted; the leader of the first one writes.
            counters: written to.
            on_heartbeat: called once a second.
            http2_connections: the open ones; None if HTTP/2 is off.
        """
        self._http2_connections = http2_connections
        self._first, self._others = reactors[0], reactors[1:]
        self._counters = counters
        self._on_heartbeat = on_heartbeat
        self._pools = [reactor.leaders.thread_pool for reactor in reactors]
        self._grows = any(pool.grows for pool in self._pools)
        counters.set("threads", sum(pool.size for pool in self._pools) or 1)
        counters.set("max_threads", sum(pool.most for pool in self._pools) or 1)
        self.record()
        Repeating(self._first.loop, EVERY_SECOND, self.record)

    def update_gauges(self) -> None:
        """Update the gauges."""
        counters, first = self._counters, self._first
        connections, busy, queued = len(first.loop.connections), first.leaders.busy, first.leaders.queued
        for other in self._others:
            connections += len(other.loop.connections)
            busy += other.leaders.busy
            queued += other.leaders.queued
        counters.set("connections", connections)
        if self._grows:
            counters.set("threads", sum(pool.size for pool in self._pools))
        counters.set("busy", busy)
        counters.set("queued", queued)
        counters.set("draining", not first.loop.keep_alive)
        if self._http2_connections is not None:
            counters.set("http2_connections", len(self._http2_connections))

    def record(self) -> None:
        """Record a heartbeat: the time of the loop that has made no turn for longest. Each makes one in a second."""
        turns = [other.loop.now for other in self._others if not other.leaders.has_ended]
        self._counters.set("heartbeat", min([time.monotonic(), *turns]))
        self._counters.set("resident", resident_bytes())
        self.update_gauges()
        if self._http2_connections is not None:
            # Once a second only: this looks at each connection.
            streams = sum(len(connection.streams) for connection in list(self._http2_connections))
            self._counters.set("http2_streams", streams)
        if self._on_heartbeat is not None:
            self._on_heartbeat()
