"""The pool forks, finds and reaps workers; a row of its memory is used again."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.forking import run_in_child
from tests.support.sockets import LOOPBACK
from tests.support.waiting import wait_until
from wiverno.config.settings import Adjustments
from wiverno.core.engine import Engine
from wiverno.workers.generation import MAX_WORKERS, Generation
from wiverno.workers.plan import Plan
from wiverno.workers.shared_sockets import SharedSockets
from wiverno.workers.worker_pool import ROWS, WorkerPool


def application(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return []


class Service:
    """What a supervisor has, without its loop."""

    def __init__(self) -> None:
        self.settings = Adjustments.from_keywords(host=LOOPBACK, port=0, workers=2, threads=1, graceful_timeout=10)
        self.sockets = SharedSockets()
        self.reports: list[dict[str, Any]] = []
        self.pool = WorkerPool(self.sockets, lambda worker, words: self.reports.append(words))
        self.engine = Engine(application, Adjustments.from_keywords(threads=1), [])
        plan = Plan(self.settings, lambda: application)
        self.generation = Generation(1, plan, self.sockets.open(self.settings))

    def close(self) -> None:
        self.pool.close()
        self.sockets.close()
        self.engine.close()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def test_a_worker_from_fork_to_reap(service: Service) -> None:
    """Its counters stay in the sum of those that have ended, and its row is free again."""
    pool = service.pool
    worker = pool.fork(service.generation, service.engine)
    other = pool.fork(service.generation, service.engine)

    def are_ready() -> bool:
        worker.ready(1)
        other.ready(1)
        return len(service.reports) == 2

    wait_until(are_ready)
    assert pool.get(worker.pid) is worker
    assert {one.pid for one in pool.statuses()} == {worker.pid, other.pid} == {view.pid for view in pool.views(0.0)}
    worker.counters.increase("requests", 7)
    pool.send(signal.SIGTERM)
    gone: list[int] = []

    def are_gone() -> bool:
        gone.extend(view.pid for view in pool.reap(time.monotonic()))
        return len(gone) == 2

    wait_until(are_gone)
    assert pool.ended.totals["requests"] == 7
    assert not pool.workers
    with pytest.raises(KeyError):
        pool.get(worker.pid)


def test_no_row_is_left(service: Service) -> None:
    service.pool._free.clear()
    with pytest.raises(OSError, match=f"there are {ROWS} already") as caught:
        service.pool.fork(service.generation, service.engine)
    assert caught.value.errno == errno.EAGAIN


def test_close_kills_what_is_left(service: Service) -> None:
    worker = service.pool.fork(service.generation, service.engine)
    pid = worker.pid
    service.pool.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)
    service.pool = WorkerPool(service.sockets, lambda worker, words: None)


def test_abandoned_in_a_copy(service: Service) -> None:
    """A child of the application holds none of the pool's descriptors."""
    pool = service.pool

    def child() -> None:
        pool.abandon()
        for fd in (pool._life, pool._life_end, pool._memory_file):
            with pytest.raises(OSError, match="Bad file"):
                os.fstat(fd)

    assert run_in_child(child) == (0, "")


def test_a_generation(service: Service) -> None:
    """It loads the application only where workers can't, and says what is wanted."""
    generation = service.generation
    assert generation.application is None
    wanted = generation.wanted_workers()
    assert (wanted.generation, wanted.count, wanted.grace, wanted.max_rss) == (1, 2, 13.0, 0)
    for by, count in ((-1, 1), (-1, 1), (1, 2), (9999, MAX_WORKERS)):
        generation.scale(by)
        assert generation.wanted_workers().count == count
    ready_made = Plan(Adjustments.from_keywords(graceful_timeout=0), lambda: application, reloads_code=False)
    loaded = Generation(2, ready_made, [])
    assert loaded.application is application
    assert (loaded.wanted_workers().grace, loaded.wanted) == (0.0, 1)


def test_closing_twice_leaves_alone_what_has_the_numbers_now(service: Service) -> None:
    service.pool.close()
    taken = [*os.pipe(), *os.pipe()]
    service.pool.close()
    for fd in taken:
        os.fstat(fd)
        os.close(fd)
