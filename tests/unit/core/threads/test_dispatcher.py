"""What the monitor thread does while every thread is busy; the whole of it is shown by test_leader and test_claims."""

import threading
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from wiverno.core.threads.dispatcher import Dispatcher
from wiverno.core.threads.request_queue import RequestQueue


class Asking:
    """An exchange that notes what happens to it."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.environ: Any = {"REMOTE_ADDR": address}
        self.is_handed_off = False
        self.answers: list[int] = []

    def hand_off(self) -> None:
        self.is_handed_off = True

    def answer(self, status: int, detail: str, retry_after: int = 0, environ: Any = None) -> None:
        self.answers.append(status)


class Pool:
    """A pool with so many idle threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_full = True
        self.size = 2
        self.idle: list[Any] = []
        self.jobs: list[Any] = []

    def wake_one(self, job: Any) -> bool:
        if not self.idle:
            return False
        self.idle.pop()
        self.jobs.append(job)
        return True


class Made:
    def __init__(self, *, size: int = 0, per_client: int = 0) -> None:
        loop: Any = SimpleNamespace(now=1.0, ready=deque(), handlers={}, watch=lambda item, when: None)
        self.pool = Pool()
        self.leaders: Any = SimpleNamespace(thread_pool=self.pool, is_saturated=True, has_ended=False, recovery=None)
        self.queue = RequestQueue(loop, size=size, timeout=0.0, per_client=per_client)
        growth: Any = None
        self.dispatcher = Dispatcher(self.leaders, loop, self.queue, growth)

    def ask(self, address: str = "192.0.2.1") -> Asking:
        exchange: Any = Asking(address)
        self.dispatcher.queue(exchange)
        assert exchange.is_handed_off
        assert exchange.environ == {}
        return exchange  # type: ignore[no-any-return]


def test_a_request_goes_to_an_idle_thread_or_into_the_queue() -> None:
    made = Made()
    made.pool.idle.append("thread")
    first = made.ask()
    assert made.pool.jobs[0][0] == first
    second = made.ask()
    assert len(made.queue) == 1
    taken = made.queue.take()
    assert taken is not None
    assert id(taken[0]) == id(second)


def test_a_request_without_room_is_refused() -> None:
    made = Made(size=1)
    assert made.ask().answers == []
    assert made.ask().answers == [503]


def test_a_client_at_its_limit_gets_no_idle_thread() -> None:
    made = Made(per_client=1)
    made.pool.idle += ["one", "two"]
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        made.ask(address)
    assert [job[3] for job in made.pool.jobs] == ["192.0.2.1", "192.0.2.2"]
    assert len(made.queue) == 1
    assert not made.queue.tasks.has_ready()


def test_the_leader_admits_a_request_unless_its_client_is_at_its_limit() -> None:
    made = Made(per_client=1)
    first: Any = Asking()
    assert made.dispatcher.admit(first, first.environ) == "192.0.2.1"
    assert not first.is_handed_off
    made.dispatcher.begin_admitted()
    assert made.queue.tasks.running == {"192.0.2.1": 1}
    second: Any = Asking()
    assert made.dispatcher.admit(second, second.environ) == ""
    assert second.is_handed_off
    assert len(made.queue) == 1


def test_the_limit_is_looked_at_with_the_lock_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread between the end of a request and the next one of the same client would let the leader admit one more."""
    made = Made(per_client=1)
    looks: list[bool] = []

    def look(client: str) -> bool:
        looks.append(made.pool.lock.locked())
        return False

    tasks: Any = SimpleNamespace(running={"192.0.2.1": 1}, is_at_limit=look)
    monkeypatch.setattr(made.queue, "tasks", tasks)
    exchange: Any = Asking()
    assert made.dispatcher.admit(exchange, exchange.environ) == "192.0.2.1"
    assert (looks, exchange.is_handed_off) == ([True], False)
