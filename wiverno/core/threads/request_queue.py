"""Requests that wait for a thread: bounded in number and in time, oldest first.

The queue fills only while every thread is busy and the monitor thread leads. Threads that become free take from it; the
leader answers 503 to what has waited too long. A request belongs to the thread that has taken it out.
"""

import threading
from collections import deque
from typing import Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.timers import Timer
from wiverno.core.threads.exchange import Exchange
from wiverno.foreign_code import guarded_logger
from wiverno.wsgi_types import Environ

logger = guarded_logger("wiverno.queue")

DEPTH_LOG_INTERVAL: Final = 10.0  # seconds between two warnings about the queue's depth

# The exchange, its request's environ, and since when it waits in monotonic seconds.
Task = tuple[Exchange, Environ, float]


class RequestQueue:
    """The requests that wait. Any thread may add and take with `lock` held; the other methods are the leader's.

    Attributes:
        lock: guards the queue and what is decided by whether it is empty.
    """

    def __init__(self, loop: Loop, threads: int, *, size: int, timeout: float) -> None:
        """Make an empty queue.

        Args:
            loop: keeps the deadline.
            threads: how many there are, for the log.
            size: requests that may wait, 0 for any number.
            timeout: seconds after which a request is answered with 503, 0 for never.
        """
        self.lock = threading.Lock()
        self._loop = loop
        self._timer = Timer(loop, self.expire)
        self._threads = threads
        self._size = size
        self._timeout = timeout
        self._tasks: deque[Task] = deque()
        self._next_log = 0.0

    def __repr__(self) -> str:
        return f"<RequestQueue {len(self._tasks)} waiting, size={self._size}>"

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, task: Task) -> bool:
        """Queue a request; False if the queue is full (lock held)."""
        if self._size and len(self._tasks) >= self._size:
            return False
        self._tasks.append(task)
        return True

    def take(self) -> Task | None:
        """Return the request that has waited longest, and remove it; None if the queue is empty (lock held)."""
        return self._tasks.popleft() if self._tasks else None

    def record_added(self) -> None:
        """Set the timer, and log that a queue builds up (leader, without the lock)."""
        if self._timeout:
            self._timer.set(self.deadline())
        if self._loop.now >= self._next_log:
            self._next_log = self._loop.now + DEPTH_LOG_INTERVAL
            logger.warning(
                "Task queue depth is %d: all %d threads are busy; if that lasts, raise threads or shorten requests",
                len(self._tasks),
                self._threads,
            )

    def is_late(self, queued_at: float, now: float) -> bool:
        """Tell whether a request has waited too long; times in monotonic seconds."""
        return bool(self._timeout) and now - queued_at >= self._timeout

    def deadline(self) -> float:
        """Return when the first request will have waited too long; infinity if none waits."""
        with self.lock:
            return self._tasks[0][2] + self._timeout if self._tasks else float("inf")

    def expire(self) -> None:
        """Answer what has waited too long, and set the timer for the next one."""
        while (task := self._take_late()) is not None:
            reject(task[0], task[1])
        self._timer.set(self.deadline())

    def _take_late(self) -> Task | None:
        with self.lock:
            return self.take() if self._tasks and self.is_late(self._tasks[0][2], self._loop.now) else None


def reject(exchange: Exchange, environ: Environ) -> None:
    """Answer a request that has waited too long."""
    exchange.answer(503, "the request waited too long for a thread", retry_after=1, environ=environ)
