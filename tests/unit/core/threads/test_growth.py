"""When threads are started and ended: decided from the queue and the clock, so without threads that run."""

import threading
from typing import Any

import pytest

from tests.support.rig import POLLERS
from wiverno.core.loop.event_loop import MAX_WAIT, Loop
from wiverno.core.threads import growth as module
from wiverno.core.threads.growth import PATIENCE, RETRY_PAUSE, STEP, Growth
from wiverno.core.threads.request_queue import RequestQueue
from wiverno.core.threads.thread_pool import ThreadPool


class CountingPool(ThreadPool):
    """A pool of which only the numbers count."""

    started = 0
    may_start = True

    @property
    def size(self) -> int:
        return 1 + self.started

    def grow(self) -> bool:
        self.started += self.may_start
        return self.may_start

    def retire_idle(self, age: float) -> int:
        self.started -= 1
        return 1


class Made:
    def __init__(self, most: int = 3) -> None:
        self.loop = Loop(POLLERS["selectors"]())
        self.loop.now = 100.0
        self.queue = RequestQueue(self.loop, size=0, timeout=0.0)
        self.pool = CountingPool(1, lambda member: None, threading.Lock(), most=most)
        self.growth = Growth(self.loop, self.pool, self.queue)
        self.loop.poller.close()

    def ask(self) -> None:
        exchange: Any = object()
        self.queue.tasks.add((exchange, {}, self.loop.now, "a"))

    def after(self, seconds: float) -> int:
        self.loop.now += seconds
        self.growth.check()
        return self.pool.started


def test_a_thread_is_started_when_a_request_has_waited_for_a_moment_and_then_one_each_step() -> None:
    made = Made()
    assert made.growth.wait_limit() == MAX_WAIT
    assert made.after(1.0) == 0
    made.ask()
    assert made.growth.wait_limit() == pytest.approx(PATIENCE)
    assert made.after(PATIENCE / 2) == 0
    assert made.growth.wait_limit() == pytest.approx(PATIENCE / 2)
    assert made.after(PATIENCE) == 1
    assert made.growth.wait_limit() == pytest.approx(STEP)
    assert made.after(STEP / 2) == 1
    assert made.after(STEP) == 2


def test_a_queue_that_empties_again_needs_no_more_threads() -> None:
    made = Made()
    for _ in range(10):
        made.ask()
        assert made.after(PATIENCE * 0.9) == 0
        made.queue.take()
        assert made.after(PATIENCE) == 0


def test_a_pool_that_does_not_grow_is_left_alone() -> None:
    made = Made(most=1)
    made.ask()
    assert made.growth.wait_limit() == MAX_WAIT
    assert made.after(10.0) == 0


def test_the_system_is_not_asked_again_at_once_after_it_has_refused() -> None:
    made = Made()
    made.ask()
    made.pool.may_start = False
    assert made.after(PATIENCE) == 0
    made.pool.may_start = True
    assert made.growth.wait_limit() == pytest.approx(RETRY_PAUSE)
    assert made.after(RETRY_PAUSE / 2) == 0
    assert made.after(RETRY_PAUSE) == 1


def test_the_limit_is_logged_once_until_threads_have_ended_and_a_minute_has_passed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = Made(most=2)
    made.ask()
    for _ in range(4):
        made.after(PATIENCE + STEP)
    assert made.growth.wait_limit() == MAX_WAIT
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage() == (
        "max_threads is reached: all 2 threads are held up and 1 request(s) wait. "
        "The threads run nothing that can be named"
    )
    for seconds, count in ((1.0, 1), (module.LOG_INTERVAL, 2)):
        made.loop.now += seconds
        made.growth.retire()
        for _ in range(2):
            made.after(PATIENCE + STEP)
        assert len(caplog.records) == count


def test_a_pool_of_the_usual_size_has_no_threads_to_end() -> None:
    made = Made()
    made.growth.retire()
    assert made.pool.started == 0
