"""A worker as the supervisor sees it: reports through its pipe, moves of its state, its exit."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from tests.support.waiting import wait_until
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import new_poller
from wiverno.core.telemetry.counters import Counters
from wiverno.workers.exit_reasons import oom_kills
from wiverno.workers.process import REPORT_READ, WorkerProcess
from wiverno.workers.reconcile import HUNG, NEVER
from wiverno.workers.states import WorkerState

Fork = Callable[[Callable[[int], None]], WorkerProcess]


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop(new_poller("epoll"))
    yield loop
    loop.poller.close()


@pytest.fixture
def reports() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def fork(loop: Loop, reports: list[dict[str, Any]]) -> Iterator[Fork]:
    """Forks a child that runs a function; children that are left are killed."""
    workers = []

    def start(child: Callable[[int], None]) -> WorkerProcess:
        worker = WorkerProcess(1, Counters(), 0, loop, lambda worker, words: reports.append(words))
        workers.append(worker)
        worker.fork(child)
        return worker

    yield start
    for worker in workers:
        if worker.state is not WorkerState.GONE:
            worker.send(signal.SIGKILL)
            worker.wait()
        assert worker.fd == -1


def sleep(report: int) -> NoReturn:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    os.write(report, b'{"ready": true}\n')
    while True:
        signal.pause()


def write(data: bytes, status: int = 0) -> Callable[[int], NoReturn]:
    def child(report: int) -> NoReturn:
        os.write(report, data)
        os._exit(status)

    return child


def reaped(worker: WorkerProcess) -> WorkerProcess:
    wait_until(lambda: worker.reap(oom_kills()), what="the exit")
    return worker


def ready(worker: WorkerProcess) -> WorkerProcess:
    def is_ready() -> bool:
        worker.ready(1)
        return worker.state is WorkerState.READY

    wait_until(is_ready)
    return worker


def test_from_starting_to_gone(fork: Fork, caplog: pytest.LogCaptureFixture) -> None:
    """Each move is logged at DEBUG, with the process."""
    caplog.set_level(logging.DEBUG, "wiverno")
    worker = fork(sleep)
    assert worker.status().state == "starting"
    ready(worker)
    assert worker.status().state == "ready"
    worker.drain(30.0, idle_grace=3.0)
    assert worker.counters.get("idle_grace") == 3.0
    assert worker.status().state == "leaving"
    reaped(worker)
    name = f"<worker {worker.pid} {{}}, generation 1>"
    assert caplog.messages == [
        f"{name.format('starting')} started",
        f"{name.format('starting')}: starting → ready",
        f"{name.format('ready')}: ready → draining",
        f"{name.format('draining')}: draining → gone",
    ]
    assert worker.view(time.monotonic()).is_exit_expected
    assert worker.exit_reason == "was killed by SIGTERM"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"ready": true}\n', [{"ready": True}]),
        (b'{"ready": true}\n{"retire_reason": "stuck"}\n', [{"ready": True}, {"retire_reason": "stuck"}]),
        (b'garbage\n[1]\n"x"\n{"ready": true}\nunfinished', [{"ready": True}]),
        (b"\xff\n", []),
        (b"", []),
    ],
)
def test_reports(fork: Fork, reports: list[dict[str, Any]], data: bytes, expected: list[dict[str, Any]]) -> None:
    """Lines of JSON count, also the last ones of a process that has ended; other lines are skipped."""
    worker = reaped(fork(write(data)))
    assert reports == expected
    assert worker.exit_reason == "exited with status 0"


def test_a_line_without_an_end_is_forgotten(fork: Fork, reports: list[dict[str, Any]]) -> None:
    """The application may write megabytes into the pipe by mistake."""

    def child(report: int) -> NoReturn:
        os.write(report, b"x" * (REPORT_READ + 1) + b"x" * 10)
        os.write(report, b'\n{"ready": true}\n')
        os._exit(0)

    worker = fork(child)

    def is_reaped() -> bool:
        worker.ready(1)
        return worker.fd < 0 or worker.reap(0)

    wait_until(is_reaped)
    assert reports == [{"ready": True}]
    if worker.state is not WorkerState.GONE:
        reaped(worker)


def test_a_worker_that_fails_to_start(fork: Fork) -> None:
    """The reason that it reported is better than its exit status."""
    worker = reaped(fork(write(b'{"failed": "no module named shop"}\n', 3)))
    assert worker.exit_reason == "failed to start: no module named shop"
    assert not worker.view(0.0).was_ready


def test_a_child_that_raises_never_returns(fork: Fork) -> None:
    def child(report: int) -> None:
        raise RuntimeError("on purpose")

    assert reaped(fork(child)).exit_reason == "exited with status 1"


def test_retiring(fork: Fork) -> None:
    """The first reason counts; the worker serves until it is drained."""
    worker = ready(fork(sleep))
    worker.retire("max_rss")
    worker.retire("stuck")
    assert (worker.state, worker.retire_reason, worker.status().state) == (WorkerState.RETIRING, "max_rss", "ready")
    assert repr(worker) == f"<worker {worker.pid} retiring, generation 1, retires: max_rss>"


def test_a_second_drain_can_only_shorten_the_time(fork: Fork) -> None:
    worker = ready(fork(sleep))
    worker.drain(0.0)
    assert worker.kill_at == NEVER
    worker.drain(1.0)
    assert worker.kill_at < time.monotonic() + 1.1
    worker.drain(60.0)
    assert worker.kill_at < time.monotonic() + 1.1


def test_a_hung_worker(fork: Fork) -> None:
    """It is asked for its stacks, gets a second, and nothing gives it more time."""
    worker = ready(fork(sleep))
    worker.dump_stacks(5.0)
    assert worker.kill_at < time.monotonic() + 1.1
    assert (worker.state, worker.retire_reason) == (WorkerState.KILLED, HUNG)
    worker.drain(60.0)
    assert worker.kill_at < time.monotonic() + 1.1
    worker.kill()
    assert worker.kill_at == NEVER
    assert reaped(worker).exit_reason == "was killed: no heartbeat for 5 s (worker_timeout)"


def test_a_worker_that_is_killed(fork: Fork) -> None:
    worker = ready(fork(sleep))
    worker.kill()
    assert reaped(worker).exit_reason == "was killed by SIGKILL (out of memory, a limit, or an operator)"
    worker.send(signal.SIGTERM)  # it is gone: nothing happens


def test_an_exit_status_that_the_application_took(fork: Fork) -> None:
    """os.wait() in the main process takes it from the supervisor."""
    worker = fork(write(b""))
    os.waitpid(worker.pid, 0)
    assert worker.reap(0)
    assert "took its exit status" in worker.exit_reason


def test_wait_when_the_status_was_taken(fork: Fork) -> None:
    worker = fork(write(b""))
    os.waitpid(worker.pid, 0)
    worker.wait()
    assert worker.pid == 0
    worker._move(WorkerState.GONE)


def test_silence_and_the_draining_gauge(fork: Fork) -> None:
    """The supervisor reads both from the memory that the worker writes."""
    worker = ready(fork(sleep))
    worker.counters.set("heartbeat", time.monotonic() - 7.0)
    worker.started -= 100.0
    assert 7.0 <= worker.silence(time.monotonic()) < 60.0
    worker.counters.set("draining", 1)
    assert worker.status().state == "leaving"
    assert (worker.deadline(), worker.expire()) == (NEVER, None)  # type: ignore[func-returns-value]


def test_abandoned_in_a_copy_of_the_supervisor(fork: Fork, loop: Loop) -> None:
    """The copy closes its end of the pipe, and can't send the worker a signal."""
    worker = fork(sleep)
    pid, fd = worker.pid, os.dup(worker.fd)
    loop.poller.unregister(worker.fd)
    worker.abandon()
    assert (worker.pid, worker.fd) == (0, -1)
    os.close(fd)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_no_room_for_a_process(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe is closed again, and signals are taken again."""

    def fail() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fail)
    worker = WorkerProcess(1, Counters(), 0, loop, lambda worker, words: None)
    with pytest.raises(BlockingIOError):
        worker.fork(sleep)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(worker.fd)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
