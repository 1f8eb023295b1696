"""Requests that wait for a thread: bounded in number and time, and what the log says; whose turn: test_fair_queue."""

import logging
import math
import time
from types import SimpleNamespace
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


def waiting(size: int = 0, timeout: float = 0.0, per_client: int = 0) -> tuple[RequestQueue, Loop]:
    loop = Loop(POLLERS["selectors"]())
    return RequestQueue(loop, size=size, timeout=timeout, per_client=per_client), loop


def task(since: float = 0.0, client: str = "192.0.2.1") -> Any:
    return (Asking(), {}, since, client)


def test_a_task_has_its_time_and_its_client() -> None:
    queue, loop = waiting()
    loop.now = 5.0
    exchange: Any = SimpleNamespace(client=SimpleNamespace(fd=3))
    environ = {"REMOTE_ADDR": "192.0.2.7"}
    assert queue.new_task(exchange, environ) == (exchange, environ, 5.0, "192.0.2.7")
    loop.poller.close()


def test_a_limit_of_clients_is_counted_only_if_there_is_one() -> None:
    for per_client, running in ((0, {}), (2, {"192.0.2.1": 1})):
        queue, loop = waiting(per_client=per_client)
        assert queue.limits_clients == bool(per_client)
        queue.begin("192.0.2.1")
        assert queue.tasks.running == running
        queue.finish("192.0.2.1")
        assert queue.tasks.running == {}
        loop.poller.close()


def test_a_client_at_its_limit_is_logged_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    queue, loop = waiting(per_client=1)
    loop.now = 100.0
    queue.begin("192.0.2.1")
    queue.record_added("192.0.2.2")
    assert not caplog.records
    for _ in range(3):
        queue.record_added("192.0.2.1")
    assert [record.getMessage() for record in caplog.records] == [
        "A request waits because its client, 192.0.2.1, has max_requests_per_client = 1 in the application"
    ]
    loop.poller.close()


def test_a_request_that_is_taken_at_once_keeps_the_timer_for_the_next_one() -> None:
    """A thread may take the only request before the leader sets the timer; the next one has its time limit, too."""
    queue, loop = waiting(timeout=10)
    loop.now = 100.0
    queue.tasks.add(task(100.0))
    queue.tasks.take()
    queue.record_added("192.0.2.1")
    assert loop.deadlines.soonest == math.inf
    late = task(100.0)
    queue.tasks.add(late)
    queue.record_added("192.0.2.1")
    loop.now = 111.0
    for item in loop.deadlines.due(loop.now):
        item.expire()
    assert late[0].answers == [503]
    loop.poller.close()


def test_only_what_has_waited_too_long_is_refused() -> None:
    """The deadline is the oldest one's, and moves on to the next."""
    queue, loop = waiting(timeout=10)
    loop.now = 100.0
    old, new = task(85.0), task(95.0)
    for item in (old, new):
        queue.tasks.add(item)
        queue.record_added(item[3])
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
            queue.tasks.add(task())
            queue.record_depth(4)
        loop.now = start + DEPTH_LOG_INTERVAL + 1
        queue.record_depth(4)
    assert [record.args for record in caplog.records] == [(1, 4), (5, 4)]
    loop.poller.close()
