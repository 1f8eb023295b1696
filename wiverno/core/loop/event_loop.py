"""The event loop that the leader works with: events, connections, deadlines, callbacks.

One thread leads at a time (threads/leader.py). `wait` and everything that a handler does in its `ready` method belong
to the leader. Other threads may call `resume`, `call_soon_threadsafe`, `watch`, `forget` and the poller's `arm`, and
may take `arming`.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from wiverno.core.loop.deadlines import Deadlines, Expiring
from wiverno.core.loop.handlers import Client, Handler
from wiverno.core.loop.poller import Poller
from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")

SCRATCH_SIZE = 1048576  # bytes of the buffer through which request bodies pass on their way to a file
MAX_CALLBACKS = 64  # that wait for a leader which makes no progress
MAX_WAIT = 3600.0  # seconds; epoll's timeout is an int of milliseconds


class BlockingThreads(Protocol):
    """The threads that run requests, as far as connections know them."""

    def begin_blocking(self) -> None:
        """Have another thread take the place of the calling one, which is about to wait for its client."""

    def end_blocking(self) -> None:
        """Note that the calling thread continues."""


class FileReaders(Protocol):
    """The threads that wait for disks, as far as connections know them."""

    def run(self, task: Callable[[], object]) -> bool:
        """Have a task run that raises nothing; False if there is no thread for it."""


class Loop:
    """The tables and the clock of one engine.

    Attributes:
        handlers: descriptor → the object that handles its events.
        connections: the clients in all stages; a part of the handlers.
        callbacks: what other threads and signal handlers have asked the leader to call.
        resumed: descriptors of connections that other threads have given back.
        ready: (descriptor, events) still to be handled, oldest first; events 0: continue with what was received.
        begun: exchanges whose request is complete and for which the application is called next, oldest first.
        held: connections whose response is complete and held back, oldest first; None in a server of one thread.
        hold_until: monotonic seconds from which on they are sent after the call that runs.
        now: monotonic seconds, as of the last wait.
        keep_alive: whether connections may be kept alive; False while draining.
        arming: guards what a connection is armed for, and its state, where a leader and a producing thread meet.
        wake_at: monotonic seconds at which `wait` returns in any case.
        before_wait: called before each wait; writes records and gauges.
        after_wait: called after each wait; begins and ends draining.
        limit_reached: the limit of connections is reached: `on_connection_closed` is called after each wait.
        thread_pool: the threads that run requests; None if the leader is the only one.
        file_threads: the threads that wait for disks; None if the leader does.
    """

    __slots__ = (
        "_scratch",
        "after_wait",
        "arming",
        "before_wait",
        "begun",
        "callbacks",
        "connections",
        "deadlines",
        "file_threads",
        "handlers",
        "held",
        "hold_until",
        "keep_alive",
        "limit_reached",
        "now",
        "on_connection_closed",
        "poller",
        "ready",
        "resumed",
        "thread_pool",
        "wake_at",
    )  # fmt: skip

    def __init__(self, poller: Poller) -> None:
        self.poller = poller
        self.handlers: dict[int, Handler] = {}
        self.ready: deque[tuple[int, int]] = deque()
        self.begun: deque[Any] = deque()
        self.held: deque[Any] | None = None
        self.hold_until = 0.0
        self.deadlines = Deadlines()
        self.now = time.monotonic()
        self.keep_alive = True
        self.arming = threading.Lock()
        self.resumed: deque[int] = deque()
        self.callbacks: deque[Callable[[], None]] = deque()
        self.connections: set[Client] = set()
        self.limit_reached = False
        self.wake_at = float("inf")
        self.before_wait: Callable[[], None] | None = None
        self.after_wait: Callable[[], None] | None = None
        self.on_connection_closed: Callable[[], None] | None = None
        self.thread_pool: BlockingThreads | None = None
        self.file_threads: FileReaders | None = None
        self._scratch: memoryview | None = None

    @property
    def scratch(self) -> memoryview:
        """A buffer that the leader uses within one call."""
        if self._scratch is None:
            self._scratch = memoryview(bytearray(SCRATCH_SIZE))
        return self._scratch

    def wait(self, longest: float = MAX_WAIT) -> None:
        """Wait up to `longest` seconds for events and put them into `ready`; act on deadlines that have passed."""
        if self.before_wait is not None:
            self.before_wait()
        deadlines = self.deadlines
        if self.resumed or self.callbacks:
            timeout = 0.0
        else:
            soonest = min(deadlines.soonest, self.wake_at)
            timeout = max(min(longest, soonest - time.monotonic()), 0.0)
        self.ready.extend(self.poller.wait(timeout))
        before, self.now = self.now, time.monotonic()
        now = self.now
        while self.resumed:
            self.ready.append((self.resumed.popleft(), 0))
        if deadlines.soonest <= now:
            self._expire(before, now)
        if self.limit_reached and self.on_connection_closed is not None:
            self.on_connection_closed()
        if self.after_wait is not None:
            self.after_wait()
        while self.callbacks:
            callback = self.callbacks.popleft()
            try:
                callback()
            except Exception:  # of one connection or thread: those of the others follow
                logger.exception("internal error in a callback")

    def _expire(self, before: float, now: float) -> None:
        """Act on deadlines that have passed since the wait `before`, or even earlier."""
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
        """Close this process's copies after a fork, and empty the tables."""
        connections = list(self.connections)
        for table in (self.connections, self.handlers, self.ready, self.begun, self.resumed, self.callbacks):
            table.clear()
        if self.held is not None:
            self.held.clear()
        self.arming = threading.Lock()  # another thread may have held the old one
        for connection in connections:
            connection.abandon()
        self.poller.close()

    def watch(self, item: Expiring, when: float) -> None:
        """Check the deadline of `item` at `when`, in monotonic seconds; infinity is no deadline."""
        if when < 1e15:
            self.deadlines.add(item, when)

    def resume(self, fd: int) -> None:
        """Have the leader continue with a connection that another thread gives back; from any thread."""
        self.resumed.append(fd)
        self.poller.wake()

    @property
    def load(self) -> int:
        """Clients, and what waits to be called: other threads may be giving it clients."""
        return len(self.connections) + len(self.callbacks)

    def has_event(self, fd: int) -> bool:
        """Tell whether an event of a descriptor waits to be handled (leader)."""
        return fd in self.resumed or any(fd == other for other, _ in self.ready)

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        """Have the leader call a function after its wait, which this ends; from any thread and from signal handlers."""
        self.callbacks.append(callback)
        self.poller.wake()

    def turns(self, within: float) -> bool:
        """Tell whether the leader makes a turn within so many seconds; from any other thread."""
        if len(self.callbacks) > MAX_CALLBACKS:
            return False  # earlier questions are still unanswered
        has_turned = threading.Event()
        self.call_soon_threadsafe(has_turned.set)
        return has_turned.wait(within)

    def forget(self, handler: Handler) -> None:
        """Remove a handler from all tables before its descriptor is closed; from the thread that owns it."""
        if self.handlers.get(handler.fd) is handler:
            del self.handlers[handler.fd]
        self.deadlines.discard(handler)
        self.connections.discard(handler)
        if self.limit_reached or not self.keep_alive:
            self.poller.wake()  # the limit, or the end of draining, may depend on this one
