"""The threads themselves: which there are, which of them wait for something to do, and who stands in for whom.

A response that is produced faster than its client reads it holds its thread once `outbuf_high_watermark` bytes wait. It
can't be put aside and gone on with elsewhere: what it iterates over may belong to its thread, as a cursor of SQLite and
Django's connections do. So another thread is started in its place, and clients that don't read can't take the service
away from those who do. When the held threads return, as many leave as there are too many.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")

MAX_COMPENSATION_THREADS: Final = (
    256  # some tens of KiB each; whoever lets more clients be slow than that has to wait for them
)
COMPLAINT_INTERVAL: Final = 60.0  # seconds between two complaints that no thread could be started

END: Final = object()
"""The job of a thread that is to end."""


class PoolThread:
    """One thread of the crew: waits on `park` and finds in `job` what it was woken for."""

    __slots__ = ("has_left", "job", "park", "thread")

    def __init__(self) -> None:
        self.has_left = False
        self.park = threading.Lock()
        self.park.acquire()
        self.job: Any = None
        self.thread: threading.Thread | None = None


class ThreadPool:
    """The threads of a crew.

    Attributes:
        lock: guards `idle` and whatever is decided by who is idle.
        idle: members that wait on their `park`; the last one went to wait last, and is woken first.
    """

    def __init__(self, count: int, serve: Callable[[PoolThread], None], lock: threading.Lock) -> None:
        """Start nothing yet.

        Args:
            count: threads that there are to be, those that are held not counted.
            serve: the life of a thread.
            lock: becomes the attribute of this name.
        """
        self.lock = lock
        self.idle: list[PoolThread] = []
        self._count = count
        self._serve = serve
        self._members: list[PoolThread] = []
        self._held = 0
        self._started = 0
        self._next_complaint = 0.0

    def start(self) -> None:
        """Start the threads, all of them idle.

        Raises:
            RuntimeError: the system has no room for so many.
        """
        for _ in range(self._count):
            member = self._add_member()
            self.idle.append(member)
            self._start_member(member)

    def _add_member(self) -> PoolThread:
        member = PoolThread()
        name = f"wiverno-{self._started}"
        self._started += 1
        member.thread = threading.Thread(target=self._serve, args=(member,), name=name, daemon=True)
        self._members.append(member)
        return member

    def _start_member(self, member: PoolThread) -> None:
        assert member.thread is not None
        member.thread.start()

    def wake_one(self, job: Any) -> bool:
        """Give the job to a waiting thread; False if none waits (lock held)."""
        if not self.idle:
            return False
        member = self.idle.pop()
        member.job = job
        member.park.release()
        return True

    def rejoin(self, member: PoolThread) -> bool:
        """Have a member wait again after an exception; True if it has a job that it was woken for (lock held)."""
        if member in self.idle or member.has_left:
            return False
        if member.job is None:
            self.idle.append(member)
            return False
        member.park.acquire(blocking=False)
        return True

    def busy(self, leading: int) -> int:
        """Return how many threads run a request, without the held ones and `leading` others."""
        with self.lock:
            return max(len(self._members) - len(self.idle) - self._held - leading, 0)

    # ---------------------------------------------------------------- standing in

    def begin_blocking(self) -> None:
        """Have somebody stand in for the calling thread, which is about to wait for its client."""
        with self.lock:
            self._held += 1
            present = len(self._members) - self._held
            if present >= self._count or len(self._members) >= self._count + MAX_COMPENSATION_THREADS:
                return
            member = self._add_member()
        member.park.release()  # with no job: it looks for one at once
        try:
            self._start_member(member)
        except RuntimeError as error:  # "can't start new thread": a limit of the system
            with self.lock:
                self._members.remove(member)
            self._complain(error)

    def _complain(self, error: RuntimeError) -> None:
        now = time.monotonic()
        if now >= self._next_complaint:
            self._next_complaint = now + COMPLAINT_INTERVAL
            logger.warning("No thread can stand in for one that waits for a slow client: %s", error)

    def end_blocking(self) -> None:
        """Say that the calling thread goes on."""
        with self.lock:
            self._held -= 1

    def leave(self, member: PoolThread) -> bool:
        """Take the calling thread out if there are too many; True if it must end (lock held)."""
        if len(self._members) - self._held <= self._count:
            return False
        self._members.remove(member)
        member.has_left = True
        return True

    # ---------------------------------------------------------------- the end

    def join(self, deadline: float) -> int:
        """Wait for idle threads to end until `deadline` (monotonic seconds); return how many still run."""
        with self.lock:
            idle, self.idle = self.idle, []
            threads = [member.thread for member in self._members if member.thread is not None]
            for member in idle:
                member.job = END
                member.park.release()
        me = threading.current_thread()
        others = [thread for thread in threads if thread is not me and thread.ident]  # one may not have started
        for thread in others:
            thread.join(max(deadline - time.monotonic(), 0.0))
        return sum(thread.is_alive() for thread in others)

    @property
    def alive(self) -> int:
        """Threads that have not ended."""
        with self.lock:
            return sum(member.thread is not None and member.thread.is_alive() for member in self._members)
