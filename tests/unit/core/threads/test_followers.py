"""Threads of the pool that an exception has had woken without their job, or twice: what they were to do is not lost."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.rig import Rig, rig
from tests.support.waiting import PATIENCE
from wiverno.core.threads.followers import LEAD
from wiverno.core.threads.leader import LeaderFollowers
from wiverno.core.threads.thread_pool import PoolThread

HELLO = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


class WatchedLock:
    """A lock that tells when a thread comes to take it."""

    def __init__(self, lock: threading.Lock) -> None:
        self.lock = lock
        self.comes = threading.Event()

    def __enter__(self) -> bool:
        self.comes.set()
        return self.lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self.lock.release()


@contextmanager
def one_idle() -> Iterator[tuple[Rig, LeaderFollowers, PoolThread]]:
    """Make a pool of one idle thread, which the test starts."""
    with rig(application) as made:
        leaders = LeaderFollowers(made.loop, 1, queue_size=0, queue_timeout=0.0)
        member = leaders.thread_pool._add_member()
        leaders.thread_pool.idle.append(member)
        try:
            yield made, leaders, member
        finally:
            leaders.end()
            assert leaders.join(time.monotonic() + PATIENCE) == 0


def start(member: PoolThread) -> None:
    assert member.thread is not None
    member.thread.start()


def assert_served(made: Rig) -> None:
    connection, client = made.connect()
    client.send(HELLO)
    made.loop.resume(connection.fd)
    assert client.response()[2] == b"hello"


@contextmanager
def has_looked(leaders: LeaderFollowers, member: PoolThread) -> Iterator[None]:
    """Start a thread that is woken without a job; the block runs once it has looked, and comes to take the lock."""
    lock = WatchedLock(leaders._lock)
    leaders._lock = lock  # type: ignore[assignment]
    with lock.lock:
        member.wake()
        start(member)
        assert lock.comes.wait(PATIENCE)
        yield


def test_a_leader_that_is_woken_without_its_job() -> None:
    """The exception came before the job was written, and this thread runs before the lead is restored."""
    with one_idle() as (made, leaders, member):
        leaders._leader = member
        member.wake()
        start(member)
        assert_served(made)


def test_a_job_that_comes_after_the_thread_has_looked() -> None:
    with one_idle() as (made, leaders, member):
        with has_looked(leaders, member):
            leaders._leader = member
            assert leaders.thread_pool.wake_one(LEAD)
        assert_served(made)


def test_an_end_that_comes_after_the_thread_has_looked() -> None:
    with one_idle() as (_, leaders, member):
        with has_looked(leaders, member):
            leaders.thread_pool.lock = threading.Lock()  # which this thread need not wait for
            assert leaders.thread_pool.join(time.monotonic()) == 1
        member.thread.join(PATIENCE)  # type: ignore[union-attr]
        assert leaders.thread_pool.alive == 0


def test_an_end_finds_a_thread_that_has_been_woken() -> None:
    """Two wake-ups for one thread are no error, at the end least of all."""
    with one_idle() as (_, leaders, member):
        member.wake()
        assert leaders.thread_pool.join(time.monotonic()) == 0
        start(member)
        member.thread.join(PATIENCE)  # type: ignore[union-attr]
        assert leaders.thread_pool.alive == 0
