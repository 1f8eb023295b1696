"""More threads while requests wait, up to `max_threads`; those that have been idle for a while end, down to `threads`.

The queue fills only while every thread is held up. If it has not been empty for PATIENCE, one thread is started, and
another one each STEP for as long as that lasts. A queue that empties again and again needs no more threads: they would
only compete for the interpreter.

The measure is how long the queue has not been empty, not how long a single request waits: when many short calls
block, each request waits less than a call takes, and yet there are too few threads all the time.
"""

from collections.abc import Callable
from typing import Final

from wiverno.core.loop.event_loop import MAX_WAIT, Loop
from wiverno.core.loop.timers import Repeating
from wiverno.core.threads.fair_queue import NEVER
from wiverno.core.threads.request_queue import RequestQueue
from wiverno.core.threads.thread_pool import ThreadPool
from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")

PATIENCE: Final = 0.002  # seconds
STEP: Final = 0.001  # seconds
IDLE_TIME: Final = 30.0  # seconds after which an idle thread ends
CHECK_INTERVAL: Final = 5.0  # seconds between two looks for idle threads
RETRY_PAUSE: Final = 1.0  # seconds after the system has refused to start a thread
LOG_INTERVAL: Final = 60.0  # seconds, at least, between two messages that the limit is reached


class Growth:
    """Decides when threads start and end; belongs to the leader.

    Attributes:
        describe_running: returns which requests the threads run, for the log.
        grows: whether there may ever be more threads than at the start.
    """

    def __init__(self, loop: Loop, thread_pool: ThreadPool, queue: RequestQueue) -> None:
        """Start with the threads that the pool has."""
        self.describe_running: Callable[[], str] = lambda: ""
        self.grows = thread_pool.grows
        self._loop = loop
        self._pool = thread_pool
        self._queue = queue
        self._next_start = 0.0
        self._has_logged = False
        self._next_log = 0.0

    def start(self) -> None:
        """Look for idle threads now and then, if there may be more of them than at the start."""
        if self.grows:
            Repeating(self._loop, CHECK_INTERVAL, self.retire)

    def wait_limit(self) -> float:
        """Return how long the leader may wait for events before `check` is due, in seconds."""
        due = self._due()
        return min(max(due - self._loop.now, 0.0), MAX_WAIT)

    def _due(self) -> float:
        if not self.grows or not self._queue.tasks.has_ready() or (self._pool.is_full and self._has_logged):
            return NEVER
        return max(self._queue.tasks.filled_at + PATIENCE, self._next_start)

    def check(self) -> None:
        """Start a thread if requests have been waiting for long enough (monitor thread, when all threads are busy)."""
        now = self._loop.now
        if self._due() > now:
            return
        if self._pool.is_full:
            self._log_limit(now)
        elif self._pool.grow():
            self._next_start = now + STEP
        else:
            self._next_start = now + RETRY_PAUSE

    def _log_limit(self, now: float) -> None:
        self._has_logged = True
        if now < self._next_log:
            return
        self._next_log = now + LOG_INTERVAL
        logger.warning(
            "max_threads is reached: all %d threads are held up and %d request(s) wait. The threads run %s",
            self._pool.size,
            len(self._queue),
            self.describe_running() or "nothing that can be named",
        )

    def retire(self) -> None:
        """End threads that have been idle for long."""
        if self._pool.has_grown and self._pool.retire_idle(IDLE_TIME):
            self._has_logged = False
