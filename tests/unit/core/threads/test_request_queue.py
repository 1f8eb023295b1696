"""Requests that wait for a thread: first come, first served, bounded in number and time."""

import logging
import math
import time
from typing import Any

import pytest

from tests.support.rig import POLLERS
from wiverno.core.loop.event_loop import Loop
from wiverno.core.threads.request_queue import DEPTH_LOG_INTERVAL, RequestQueue


class Asking:
    """A connection that notes how it was answered."""

    def __init__(self) -> None:
        self.answers: list[int] = []

    def answer(self, status: int, detail: str, retry_after: int = 0, environ: Any = None) -> None:
        self.answers.append(status)


def waiting(size: int = 0, timeout: float = 0.0) -> tuple[RequestQueue, Loop]:
    loop = Loop(POLLERS["selectors"]())
    return RequestQueue(loop, 4, size=size, timeout=timeout), loop


def task(since: float = 0.0) -> Any:
    return (Asking(), {}, since)


def test_first_come_first_served() -> None:
    queue, loop = waiting()
    tasks = [task() for _ in range(3)]
    assert all(queue.add(item) for item in tasks)
    assert len(queue) == 3
    assert [queue.take() for _ in range(4)] == [*tasks, None]
    loop.poller.close()


def test_a_full_queue_takes_no_more() -> None:
    queue, loop = waiting(size=2)
    assert [queue.add(task()) for _ in range(4)] == [True, True, False, False]
    queue.take()
    assert queue.add(task())
    loop.poller.close()


def test_only_what_has_waited_too_long_is_refused() -> None:
    """The deadline is the oldest one's, and moves on to the next."""
    queue, loop = waiting(timeout=10)
    loop.now = 100.0
    old, new = task(85.0), task(95.0)
    for item in (old, new):
        queue.add(item)
        queue.record_added()
    assert queue.deadline() == 95.0
    loop.deadlines.due(loop.now)
    queue.expire()
    assert (old[0].answers, new[0].answers) == ([503], [])
    assert queue.deadline() == 105.0
    assert 105 <= loop.deadlines.soonest <= 106
    assert queue.take() is new
    assert queue.deadline() == math.inf
    queue.expire()
    loop.poller.close()


def test_late_is_late() -> None:
    queue, loop = waiting(timeout=10)
    assert queue.is_late(1.0, 11.0)
    assert not queue.is_late(1.0, 10.9)
    loop.poller.close()
    queue, loop = waiting()
    assert not queue.is_late(1.0, 1e9)
    loop.poller.close()


def test_a_queue_that_builds_up_is_said_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    queue, loop = waiting()
    with caplog.at_level(logging.WARNING, "wiverno.queue"):
        loop.now = start = time.monotonic()
        for _ in range(5):
            queue.add(task())
            queue.record_added()
        loop.now = start + DEPTH_LOG_INTERVAL + 1
        queue.record_added()
    assert [record.args for record in caplog.records] == [(1, 4), (5, 4)]
    loop.poller.close()
