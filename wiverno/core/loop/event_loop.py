"""What the leading thread works with: who is ready, who is connected, when whom to ask about deadlines.

One thread leads at a time (crew.py says which); `wait`, `ready`, `deadlines.add` and everything that a handler does in
its `ready` method are the leader's. Other threads may call `post`, `forget`, the poller's `arm`, and take `arming`.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from wiverno.core.loop.deadlines import Deadlines, Expiring
from wiverno.core.loop.handlers import Client, Handler
from wiverno.core.loop.poller import Poller
from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")

SCRATCH_SIZE = 262144  # bytes of the buffer through which bodies pass on their way to a file
MAX_ERRANDS = 64  # that wait for a leader which does not come round
MAX_WAIT = 3600.0  # seconds; epoll's timeout is an int of milliseconds


class BlockingThreads(Protocol):
    """The threads that run requests, as far as connections know them."""

    def begin_blocking(self) -> None:
        """Have another thread take the place of the calling one, which is about to wait for its client."""

    def end_blocking(self) -> None:
        """Note that the calling thread continues."""


class Loop:
    """The tables and the clock of the engine.

    Attributes:
        handlers: descriptor → whoever takes its events.
        connections: the clients, in whatever stage; a part of the handlers.
        errands: what somebody else has asked the leader to do after the next wait.
        ready: (descriptor, events) still to be handled, oldest first; events 0 means: go on with what was received.
        now: monotonic seconds, as of the last wait.
        persist: whether connections may be kept alive; False while draining.
        arming: guards what a connection is armed for, where a leader and a producing thread meet.
        wake_at: monotonic seconds at which `wait` returns in any case.
        on_pause: called before each wait; writes what was noted meanwhile.
        on_wait: called after each wait; looks after stopping.
        on_room: called after each wait while the limit of connections is reached.
        roster: the threads that run requests; None if the leader is the only one.
    """

    __slots__ = (
        "_scratch",
        "arming",
        "callbacks",
        "connections",
        "deadlines",
        "handlers",
        "keep_alive",
        "limit_reached",
        "now",
        "on_connection_closed",
        "on_pause",
        "on_wait",
        "poller",
        "posted",
        "ready",
        "thread_pool",
        "wake_at",
    )  # fmt: skip

    def __init__(self, poller: Poller) -> None:
        self.poller = poller
        self.handlers: dict[int, Handler] = {}
        self.ready: deque[tuple[int, int]] = deque()
        self.deadlines = Deadlines()
        self.now = time.monotonic()
        self.keep_alive = True
        self.arming = threading.Lock()
        self.posted: deque[int] = deque()
        self.callbacks: deque[Callable[[], None]] = deque()
        self.connections: set[Client] = set()
        self.limit_reached = False
        self.wake_at = float("inf")
        self.on_pause: Callable[[], None] | None = None
        self.on_wait: Callable[[], None] | None = None
        self.on_connection_closed: Callable[[], None] | None = None
        self.thread_pool: BlockingThreads | None = None
        self._scratch: memoryview | None = None

    @property
    def scratch(self) -> memoryview:
        """A buffer for the leader's short use."""
        if self._scratch is None:
            self._scratch = memoryview(bytearray(SCRATCH_SIZE))
        return self._scratch

    def wait(self) -> None:
        """Wait for events and put them into `ready`; deal with deadlines that have passed."""
        if self.on_pause is not None:
            self.on_pause()
        deadlines = self.deadlines
        if self.posted or self.callbacks:
            timeout = 0.0
        else:
            soonest = min(deadlines.soonest, self.wake_at)
            timeout = max(min(MAX_WAIT, soonest - time.monotonic()), 0.0)
        self.ready.extend(self.poller.wait(timeout))
        before, self.now = self.now, time.monotonic()
        now = self.now
        while self.posted:
            self.ready.append((self.posted.popleft(), 0))
        if deadlines.soonest <= now:
            self._expire(before, now)
        if self.limit_reached and self.on_connection_closed is not None:
            self.on_connection_closed()
        if self.on_wait is not None:
            self.on_wait()
        while self.callbacks:
            errand = self.callbacks.popleft()
            try:
                errand()
            except Exception:
                logger.exception("Error in the engine, in an errand")

    def _expire(self, before: float, now: float) -> None:
        """Deal with deadlines that have passed since the wait `before`, or even earlier."""
        have_events: set[Expiring | None] = {self.handlers.get(fd) for fd, _ in self.ready}
        for item in self.deadlines.due(now):
            try:
                when = item.deadline()
                if when > now:
                    self.watch(item, when)
                elif when > before and item in have_events:
                    self.watch(item, now)  # perhaps in time, and the loop was late: its events go first, once
                else:
                    item.expire()
            except Exception:
                logger.exception("internal error at a deadline")  # one connection must not end the leader

    def abandon(self) -> None:
        """Close this process's copies after a fork; whoever uses the tables in the child finds them empty."""
        connections = list(self.connections)
        for table in (self.connections, self.handlers, self.ready, self.posted, self.callbacks):
            table.clear()
        self.arming = threading.Lock()  # another thread may have held the old one
        for connection in connections:
            connection.abandon()
        self.poller.close()

    def watch(self, item: Expiring, when: float) -> None:
        """Check the deadline of `item` at `when`, in monotonic seconds; infinity is no deadline."""
        if when < 1e15:
            self.deadlines.add(item, when)

    def post(self, fd: int) -> None:
        """Have the leader go on with a connection that a thread has finished with; from any thread."""
        self.posted.append(fd)
        self.poller.wake()

    def has_event(self, fd: int) -> bool:
        """Tell whether something of a descriptor waits to be handled (leader)."""
        return fd in self.posted or any(fd == other for other, _ in self.ready)

    def ask(self, errand: Callable[[], None]) -> None:
        """Have the leader call something soon; from any thread and from signal handlers."""
        self.callbacks.append(errand)
        self.poller.wake()

    def turns(self, within: float) -> bool:
        """Tell whether the leader comes round within so many seconds; from any other thread."""
        if len(self.callbacks) > MAX_ERRANDS:
            return False  # asked again and again, it has not come round for long
        has_turned = threading.Event()
        self.ask(has_turned.set)
        return has_turned.wait(within)

    def forget(self, handler: Handler) -> None:
        """Take a handler out of all tables before its descriptor is closed; from the thread that owns it."""
        if self.handlers.get(handler.fd) is handler:
            del self.handlers[handler.fd]
        self.deadlines.discard(handler)
        self.connections.discard(handler)
        if self.limit_reached or not self.keep_alive:
            self.poller.wake()  # what is looked after after each wait may depend on this one
