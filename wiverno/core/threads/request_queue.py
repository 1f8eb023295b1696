"""Requests that wait for a thread: bounded in number and in time, in turn by client.

Requests wait while every thread is busy and the monitor thread leads, or because their client has as many requests in
the application as it may have. Threads that become free take from the queue; the leader answers 503 to what has waited
too long. A request belongs to the thread that has taken it out.
"""

import threading
from typing import Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.timers import Timer
from wiverno.core.threads.client_of import client_of
from wiverno.core.threads.exchange import Exchange
from wiverno.core.threads.fair_queue import FairQueue, Task
from wiverno.foreign_code import guarded_logger
from wiverno.wsgi_types import Environ

logger = guarded_logger("wiverno.queue")

DEPTH_LOG_INTERVAL: Final = 10.0  # seconds between two warnings about the queue's depth


class RequestQueue:
    """The requests that wait. With `lock` held any thread may call what says so; the other methods are the leader's.

    Attributes:
        lock: guards the queue and what is decided by whether it is empty.
        tasks: the queue itself (lock held).
        limits_clients: whether a client may have only so many requests in the application.
    """

    def __init__(self, loop: Loop, *, size: int, timeout: float, per_client: int = 0) -> None:
        """Make an empty queue.

        Args:
            loop: keeps the deadline.
            size: requests that may wait, 0 for any number.
            timeout: seconds after which a request is answered with 503, 0 for never.
            per_client: requests of one client that may run at once, 0 for any number.
        """
        self.lock = threading.Lock()
        self.tasks = FairQueue(size, per_client)
        self.limits_clients = bool(per_client)
        self._loop = loop
        self._timer = Timer(loop, self.expire)
        self._is_timed = False
        self._timeout = timeout
        self._per_client = per_client
        self._next_log = self._next_limit_log = 0.0

    def __repr__(self) -> str:
        return f"<RequestQueue {len(self.tasks)} waiting>"

    def __len__(self) -> int:
        return len(self.tasks)

    def new_task(self, exchange: Exchange, environ: Environ) -> Task:
        """Return what is queued for a request (leader)."""
        return exchange, environ, self._loop.now, client_of(exchange, environ)

    def take(self) -> Task | None:
        """Remove and return the request whose turn it is; None if there is none (lock held)."""
        return self.tasks.take()

    def finish(self, client: str) -> None:
        """Note that a request of a client has ended that ran outside the lead (lock held)."""
        if self.limits_clients:
            self.tasks.finish(client)

    def begin(self, client: str) -> None:
        """Note that a request of a client runs outside the lead without having waited (lock held)."""
        if self.limits_clients:
            self.tasks.begin(client)

    def record_added(self, client: str) -> None:
        """Set the timer, and log that a request waits for its client's limit (leader, without the lock)."""
        now = self._loop.now
        if self._timeout and not self._is_timed:
            self._set_timer()
        if self.limits_clients and now >= self._next_limit_log and self.tasks.is_at_limit(client):
            self._next_limit_log = now + DEPTH_LOG_INTERVAL
            logger.warning(
                "A request waits because its client, %s, has max_requests_per_client = %d in the application",
                client,
                self._per_client,
            )

    def record_depth(self, threads: int) -> None:
        """Log now and then that a queue builds up, because so many threads are busy and no more are started."""
        if self._loop.now >= self._next_log:
            self._next_log = self._loop.now + DEPTH_LOG_INTERVAL
            logger.warning(
                "Task queue depth is %d: all %d threads are busy; if that lasts, raise threads or shorten requests",
                len(self.tasks),
                threads,
            )

    def is_late(self, queued_at: float, now: float) -> bool:
        """Tell whether a request has waited too long; times in monotonic seconds."""
        return bool(self._timeout) and now - queued_at >= self._timeout

    def deadline(self) -> float:
        """Return when the first request will have waited too long; infinity if none waits."""
        with self.lock:
            return self.tasks.oldest() + self._timeout

    def expire(self) -> None:
        """Answer what has waited too long, and set the timer for the next one."""
        with self.lock:
            late = self.tasks.take_older(self._loop.now - self._timeout)
        for exchange, environ, _, _ in late:
            reject(exchange, environ)
        self._set_timer()

    def _set_timer(self) -> None:
        """Set the timer for the first request; a thread may have taken the only one already."""
        deadline = self.deadline()
        self._is_timed = deadline < float("inf")
        self._timer.set(deadline)


def reject(exchange: Exchange, environ: Environ) -> None:
    """Answer a request that has waited too long."""
    exchange.answer(503, "the request waited too long for a thread", retry_after=1, environ=environ)


def refuse(exchange: Exchange, environ: Environ) -> None:
    """Answer a request for which the queue has no room."""
    exchange.answer(503, "the server is busy", retry_after=1, environ=environ)
