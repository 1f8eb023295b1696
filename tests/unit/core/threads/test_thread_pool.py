"""The threads: who is idle, who takes the place of a held one, and who leaves."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.threads import thread_pool as module
from wiverno.core.threads.thread_pool import END, PoolThread, ThreadPool


class Pool:
    """A pool whose threads write down their jobs until they are told to end."""

    def __init__(self, count: int, most: int = 0) -> None:
        self.jobs: list[object] = []
        self.pool = ThreadPool(count, self.serve, threading.Lock(), most=most)

    def serve(self, member: PoolThread) -> None:
        while True:
            assert member.park.acquire(timeout=PATIENCE)
            if member.job is END:
                return
            self.jobs.append(member.job)
            with self.pool.lock:
                member.job = None
                self.pool.wait_idle(member)

    def end(self) -> int:
        wait_until(lambda: len(self.pool.idle) == self.pool.alive)
        return self.pool.join(time.monotonic() + PATIENCE)


@pytest.fixture
def made() -> Iterator[Pool]:
    found = Pool(2)
    yield found
    assert found.end() == 0


def test_jobs_go_to_idle_threads_as_long_as_there_are_some(made: Pool) -> None:
    """The one that went to wait last is woken first."""
    made.pool.start()
    assert made.pool.alive == 2
    with made.pool.lock:
        last = made.pool.idle[-1]
        assert made.pool.wake_one("first")
        assert last.job == "first"
        assert made.pool.wake_one("second")
        assert not made.pool.wake_one("third")
    wait_until(lambda: sorted(map(str, made.jobs)) == ["first", "second"])


def test_busy_threads_are_those_that_neither_wait_nor_lead(made: Pool) -> None:
    made.pool.start()
    assert made.pool.busy(0) == 0
    with made.pool.lock:
        taken = made.pool.idle.pop()
    assert (made.pool.busy(0), made.pool.busy(1), made.pool.busy(2)) == (1, 0, 0)
    with made.pool.lock:
        made.pool.idle.append(taken)


def test_a_held_thread_is_replaced_and_leaves_when_it_returns(made: Pool) -> None:
    """As many threads are started as are held, and as many leave as there are too many."""
    made.pool.start()
    made.pool.begin_blocking()
    wait_until(lambda: made.jobs == [None])  # woken without a job: it looks for one at once
    assert made.pool.alive == 3
    with made.pool.lock:
        assert not made.pool.leave(made.pool.idle[0])
    made.pool.end_blocking()
    with made.pool.lock:
        first, second = made.pool.idle[:2]
        assert made.pool.leave(first)
        assert first.has_left
        assert not made.pool.leave(second)
        made.pool.idle.remove(first)
        first.job = END
        first.park.release()
    assert first.thread is not None
    first.thread.join(PATIENCE)


def test_there_is_a_limit_to_replacements(made: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_COMPENSATION_THREADS", 1)
    made.pool.start()
    for _ in range(3):
        made.pool.begin_blocking()
    wait_until(lambda: len(made.jobs) == 1)
    assert made.pool.alive == 3
    for _ in range(3):
        made.pool.end_blocking()


def test_a_thread_that_can_not_be_started_is_told_once_in_a_while(
    made: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A limit of the system: the server goes on with those that it has."""
    made.pool.start()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            made.pool.begin_blocking()
            made.pool.end_blocking()
    (record,) = caplog.records
    assert record.getMessage().endswith("can't start new thread")
    assert made.pool.alive == 2


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_a_pool_that_can_not_grow_goes_on_with_what_it_has(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    growing = Pool(1, 3)
    growing.pool.start()

    def refuse(thread: threading.Thread) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert not growing.pool.grow()
    with monkeypatch.context() as patched:
        patched.setattr(module, "PoolThread", lambda: refuse(threading.current_thread()))
        if isinstance(error, MemoryError):
            assert not growing.pool.grow()
    assert "cannot start a thread beside those that are held up" in caplog.text
    assert growing.pool.size == growing.pool.alive == 1
    assert growing.pool.grow()
    wait_until(lambda: growing.jobs == [None])
    assert growing.end() == 0


def test_a_pool_grows_and_its_idle_threads_end(made: Pool) -> None:
    """Those that have been idle longest end, as many as there are beyond the usual number."""
    growing = Pool(1, 3)
    assert (growing.pool.size, growing.pool.grows, made.pool.grows) == (1, True, False)
    growing.pool.start()
    for size in (2, 3):
        assert not growing.pool.is_full
        assert growing.pool.grow()
        wait_until(lambda size=size: len(growing.pool.idle) == size)  # type: ignore[misc]
    assert (growing.pool.is_full, growing.pool.has_grown) == (True, True)
    assert growing.pool.retire_idle(PATIENCE) == 1  # the first: it has been idle since before all clocks
    assert growing.pool.retire_idle(0) == 1
    assert growing.pool.retire_idle(0) == 0
    wait_until(lambda: growing.pool.alive == 1)
    assert not growing.pool.has_grown
    assert growing.end() == 0


def test_a_grown_pool_needs_no_replacement_for_a_held_thread() -> None:
    growing = Pool(1, 2)
    growing.pool.start()
    assert growing.pool.grow()
    wait_until(lambda: len(growing.pool.idle) == 2)
    growing.pool.begin_blocking()
    assert growing.pool.alive == 2
    growing.pool.end_blocking()
    assert growing.end() == 0


def test_a_member_waits_again_after_an_exception_unless_it_has_a_job() -> None:
    pool = ThreadPool(1, lambda member: None, threading.Lock())
    member = PoolThread()
    with pool.lock:
        assert not pool.rejoin(member)
        assert pool.idle == [member]
        assert not pool.rejoin(member)
        assert pool.wake_one("job")
        assert pool.rejoin(member)
        assert not member.park.acquire(blocking=False)
        member.has_left = True
        assert not pool.rejoin(member)


def test_the_end_does_not_wait_longer_than_told() -> None:
    """A thread that never comes back from the application is counted."""
    release = threading.Event()

    def serve(member: PoolThread) -> None:
        release.wait(PATIENCE)

    pool = ThreadPool(1, serve, threading.Lock())
    pool.start()
    with pool.lock:
        pool.idle.clear()
    assert pool.join(time.monotonic()) == 1
    release.set()
    assert pool.join(time.monotonic() + PATIENCE) == 0


def test_room_for_another_thread_is_reported() -> None:
    """The monitor thread may have seen a full pool; a thread that waits for its client makes room in it."""
    pool = ThreadPool(1, lambda me: None, threading.Lock(), most=2)
    reported: list[bool] = []
    pool.on_room = lambda: reported.append(pool.lock.locked())
    for _ in range(2):
        pool._add_member()
    pool.begin_blocking()
    assert (reported, pool.size, pool.is_full) == ([False], 1, False)
    plain = ThreadPool(1, lambda me: None, threading.Lock())
    plain.on_room = lambda: reported.append(True)
    for _ in range(2):
        plain._add_member()
    plain.begin_blocking()
    assert reported == [False]
