"""Threads that wait for disks: for files that must not use the application's threads, and for parts of files.

They are started when they are needed, at most MAX_FILE_THREADS, and end after IDLE_TIMEOUT without work. A disk that
blocks holds them, and neither the leader nor the application.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")

MAX_FILE_THREADS: Final = 8
IDLE_TIMEOUT: Final = 10.0  # seconds

Task = Callable[[], object]
"""Raises nothing."""


class FileThreads:
    """A few threads and their queue; any thread may call any method."""

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._started = 0
        self._has_ended = False

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def count(self) -> int:
        """The threads that there are."""
        with self._changed:
            return len(self._threads)

    def run(self, task: Task) -> bool:
        """Have a task run; False if there is no thread for it and none can be started."""
        with self._changed:
            if self._has_ended:
                return False
            if len(self._tasks) >= self._idle and len(self._threads) < MAX_FILE_THREADS and not self._start():
                return False
            self._tasks.append(task)
            self._changed.notify()
        return True

    def _start(self) -> bool:
        """Start one more thread; False if there is none in the end (lock held)."""
        try:
            thread = threading.Thread(target=self._work, name=f"wiverno-file-{self._started}", daemon=True)
            thread.start()
        except (RuntimeError, MemoryError) as error:  # "can't start new thread": a limit of the system
            logger.warning("cannot start a thread for files: %s", error if error.args else "out of memory")
            return bool(self._threads)
        self._started += 1
        self._threads.append(thread)
        return True

    def _work(self) -> None:
        is_over = False
        while not is_over:
            try:
                is_over = self._do_next()
            except BaseException as error:  # thrown in from outside: the thread would be missing
                logger.error("internal error in a thread for files", exc_info=error)

    def _do_next(self) -> bool:
        """Wait for a task and do it; True if the thread must end."""
        task = self._next_task()
        if task is None:
            return True
        task()
        return False

    def _next_task(self) -> Task | None:
        """Return a task, or None when the thread must end."""
        with self._changed:
            self._idle += 1
            try:
                self._changed.wait_for(lambda: self._tasks or self._has_ended, IDLE_TIMEOUT)
            finally:
                self._idle -= 1
            if self._tasks:
                return self._tasks.popleft()
            self._threads.remove(threading.current_thread())
            return None

    def end(self) -> None:
        """End the idle threads, and the others after what they do."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def join(self, deadline: float, now: Callable[[], float]) -> int:
        """Wait for the threads until `deadline` (monotonic seconds); return how many still run."""
        self.end()
        with self._changed:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(deadline - now(), 0.0))
        return sum(thread.is_alive() for thread in threads)
