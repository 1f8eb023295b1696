"""The threads of the pool: which of them are idle, and which are blocked by a slow client.

A response that is produced faster than its client reads it blocks its thread once `outbuf_high_watermark` bytes wait.
It can't continue in another thread: what it iterates over may belong to its thread, as a cursor of SQLite and Django's
connections do. So a compensation thread is started (as by Java's ForkJoinPool.ManagedBlocker), and slow readers do not
exhaust the pool. When blocked threads continue, as many threads leave as there are too many.

The pool may also grow beyond its usual size, and end threads that have been idle; growth.py decides when.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from wiverno.core.threads.parking import new_parking
from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")

MAX_COMPENSATION_THREADS: Final = 256  # some tens of KiB each; with more slow clients than that, threads run out
WARNING_INTERVAL: Final = 60.0  # seconds between two warnings that no thread could be started

END: Final = object()
"""The job of a thread that must end."""


class PoolThread:
    """One thread of the pool: waits on `park` and finds in `job` what it was woken for."""

    __slots__ = ("client", "has_left", "idle_since", "job", "park", "thread")

    def __init__(self) -> None:
        self.client = ""  # whose request it runs outside the lead, if clients are limited
        self.has_left = False
        self.idle_since = 0.0  # monotonic seconds; kept only in a pool that may grow
        self.park = new_parking()
        self.job: Any = None
        self.thread: threading.Thread | None = None

    def wake(self) -> None:
        """Have the thread look at its job; harmless if an exception has had it woken before."""
        with suppress(RuntimeError):
            self.park.release()


class ThreadPool:
    """The threads that may lead or run requests.

    Attributes:
        lock: guards `idle` and what is decided by which threads are idle.
        idle: members that wait on their `park`; the one that became idle last is woken first.
        most: threads that there may be, without the blocked ones.
        grows: whether that is more than at the start.
        on_room: called if a thread may be started that could not be started before, because one waits for its client.
    """

    def __init__(self, count: int, serve: Callable[[PoolThread], None], lock: threading.Lock, *, most: int = 0) -> None:
        """Start nothing yet.

        Args:
            count: threads wanted, without the blocked ones.
            serve: what each thread runs.
            lock: becomes the attribute of this name.
            most: threads that there may be, without the blocked ones, after the pool has grown; 0 for `count`.
        """
        self.lock = lock
        self.idle: list[PoolThread] = []
        self._count = count
        self.most = max(most, count)
        self.grows = self.most > count
        self.on_room: Callable[[], object] = lambda: None
        self._serve = serve
        self._members: list[PoolThread] = []
        self._blocked = 0
        self._started = 0
        self._next_warning = 0.0

    def __repr__(self) -> str:
        return f"<ThreadPool {len(self._members)} threads, {len(self.idle)} idle, {self._blocked} blocked>"

    def start(self) -> None:
        """Start the threads, all of them idle.

        Raises:
            RuntimeError: the system can't start so many.
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

    def _add_if_possible(self) -> PoolThread | None:
        """Return an additional member, None if there is no memory for it (lock held)."""
        try:
            return self._add_member()
        except MemoryError as error:
            self._warn(error)
            return None

    def _start_additional(self, member: PoolThread | None) -> bool:
        """Start a thread that looks into the queue at once; False if the system starts no more."""
        if member is None:
            return False
        member.park.release()  # with no job: it takes one from the queue at once
        try:
            self._start_member(member)
        except (RuntimeError, MemoryError) as error:  # "can't start new thread": a limit of the system
            with self.lock:
                self._members.remove(member)
            self._warn(error)
            return False
        return True

    def _warn(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._next_warning:
            self._next_warning = now + WARNING_INTERVAL
            reason = error if error.args else "out of memory"
            logger.warning("cannot start a thread beside those that are held up: %s", reason)

    def wait_idle(self, member: PoolThread) -> None:
        """Put the calling thread among those that wait for a job (lock held)."""
        if self.grows:
            member.idle_since = time.monotonic()
        self.idle.append(member)

    def wake_one(self, job: Any) -> bool:
        """Give the job to an idle thread; False if there is none (lock held)."""
        if not self.idle:
            return False
        member = self.idle[-1]
        try:
            member.job = job
            self.idle.pop()
        finally:  # an exception that is thrown in here must not leave the thread asleep for ever
            member.wake()
        return True

    def take_out(self, member: PoolThread) -> None:
        """Remove a member from the idle ones, if it is there (lock held)."""
        if member in self.idle:
            self.idle.remove(member)

    def rejoin(self, member: PoolThread) -> bool:
        """Make a member wait again after an exception; True if it has a job that it was woken for (lock held)."""
        if member in self.idle or member.has_left:
            return False
        if member.job is None:
            self.wait_idle(member)
            return False
        member.park.acquire(blocking=False)
        return True

    def busy(self, leading: int) -> int:
        """Return how many threads run a request, without the blocked ones and `leading` others."""
        with self.lock:
            return max(len(self._members) - len(self.idle) - self._blocked - leading, 0)

    # ---------------------------------------------------------------- compensation

    def begin_blocking(self) -> None:
        """Start a compensation thread for the calling thread, which is about to wait for its client."""
        with self.lock:
            self._blocked += 1
            present = len(self._members) - self._blocked
            is_enough = present >= self._count or len(self._members) >= self.most + MAX_COMPENSATION_THREADS
            member = None if is_enough else self._add_if_possible()
        if not is_enough:
            self._start_additional(member)
        elif self.grows:
            self.on_room()

    def end_blocking(self) -> None:
        """Note that the calling thread continues."""
        with self.lock:
            self._blocked -= 1

    def leave(self, member: PoolThread) -> bool:
        """Remove the calling thread if there are too many; True if it must end (lock held)."""
        if len(self._members) - self._blocked <= self.most:
            return False
        self._members.remove(member)
        member.has_left = True
        return True

    # ---------------------------------------------------------------- growing

    @property
    def size(self) -> int:
        """How many threads there are, without the blocked ones; before the start those that there will be."""
        return len(self._members) - self._blocked if self._members else self._count

    @property
    def is_full(self) -> bool:
        """Whether there are as many threads as there may be."""
        return self.size >= self.most or len(self._members) >= self.most + MAX_COMPENSATION_THREADS

    @property
    def has_grown(self) -> bool:
        """Whether there are more threads than at the start."""
        return self.size > self._count

    def grow(self) -> bool:
        """Start one more thread; False if the system starts no more."""
        with self.lock:
            member = self._add_if_possible()
        return self._start_additional(member)

    def retire_idle(self, age: float) -> int:
        """End threads idle for `age` seconds or longer, down to the size at the start; return how many."""
        before = time.monotonic() - age
        count = 0
        with self.lock:
            while self.idle and self.has_grown and self.idle[0].idle_since <= before:
                member = self.idle.pop(0)
                self._members.remove(member)
                member.has_left = True
                member.job = END
                member.wake()
                count += 1
        return count

    # ---------------------------------------------------------------- the end

    def join(self, deadline: float) -> int:
        """Wait for idle threads to end until `deadline` (monotonic seconds); return how many still run."""
        with self.lock:
            idle, self.idle = self.idle, []
            threads = [member.thread for member in self._members if member.thread is not None]
            for member in idle:
                member.job = END
                member.wake()
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
