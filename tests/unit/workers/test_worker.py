"""A worker in this process: what it reports, which signals it takes, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.forking import run_in_child
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE, wait_until
from wiverno.config.settings import Adjustments
from wiverno.core.loop.signals import restore_signals
from wiverno.core.net.listeners import open_listeners
from wiverno.core.telemetry.counters import Counters
from wiverno.workers.exit_reasons import FAILED_TO_LOAD
from wiverno.workers.load_stop import LoadStopped
from wiverno.workers.plan import Plan
from wiverno.workers.worker import MAX_REPORT, Inheritance, Worker, report, report_note, run_worker


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


class Inherited:
    """What a worker inherits, with the supervisor's ends of its pipes."""

    def __init__(self, load: Callable[[], Any] = lambda: application, **settings: Any) -> None:
        values = {"host": LOOPBACK, "port": 0, "threads": 1, "graceful_timeout": 5} | settings
        adjustments = Adjustments.from_keywords(**values)
        self.listeners = open_listeners(adjustments)
        for listener in self.listeners:
            listener.listen(16)
        self.counters = Counters()
        self._reports, report = os.pipe()
        life, self._life_end = os.pipe()
        os.set_blocking(self._reports, False)
        self.inheritance = Inheritance(Plan(adjustments, load), None, self.listeners, self.counters, report, life)
        self._text = b""

    def reports(self) -> list[dict[str, Any]]:
        with suppress(BlockingIOError):
            self._text += os.read(self._reports, 65536)
        return [json.loads(line) for line in self._text.splitlines()]

    def end_supervisor(self) -> None:
        os.close(self._life_end)
        self._life_end = -1

    def get(self) -> int:
        with RawClient((LOOPBACK, self.listeners[0].port)) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return int(client.response()[0])

    def close(self) -> None:
        for fd in (self._reports, self._life_end, self.inheritance.report, self.inheritance.life):
            if fd >= 0:
                os.close(fd)
        for listener in self.listeners:
            listener.close()


@pytest.fixture
def inherited() -> Iterator[Callable[..., Inherited]]:
    made = []

    def make(*arguments: Any, **settings: Any) -> Inherited:
        made.append(Inherited(*arguments, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    child = signal.getsignal(signal.SIGCHLD)
    yield
    restore_signals()
    signal.signal(signal.SIGCHLD, child)


def run(worker: Worker, steps: Callable[[], object], end: Callable[[], object]) -> int:
    """Run the worker in the main thread, and the steps in another one; return the exit status."""
    failures: list[BaseException] = []

    def drive() -> None:
        try:
            steps()
        except BaseException as error:
            failures.append(error)
        finally:
            end()

    thread = threading.Thread(target=drive, daemon=True)
    thread.start()
    status = worker.run()
    thread.join(PATIENCE)
    if failures:
        raise failures[0]
    return status


def test_it_reports_and_drains_on_sigterm(inherited: Callable[..., Inherited]) -> None:
    """Ready with the first heartbeat, max_requests once; SIGTERM brings the idle grace of the supervisor along."""
    given = inherited(max_requests=2)
    worker = Worker(given.inheritance)

    def steps() -> None:
        wait_until(lambda: given.reports() == [{"ready": True}])
        assert [given.get(), given.get()] == [200, 200]
        wait_until(lambda: given.reports() == [{"ready": True}, {"retire_reason": "max_requests"}])
        os.kill(os.getpid(), signal.SIGHUP)  # the supervisor's: ignored
        os.kill(os.getpid(), signal.SIGUSR1)

    assert run(worker, steps, lambda: os.kill(os.getpid(), signal.SIGTERM)) == 0
    assert worker.stop_by > 0


def test_sigquit_ends_at_once(inherited: Callable[..., Inherited]) -> None:
    given = inherited(graceful_timeout=0)
    worker = Worker(given.inheritance)

    def steps() -> None:
        wait_until(given.reports)

    assert run(worker, steps, lambda: os.kill(os.getpid(), signal.SIGQUIT)) == 0
    assert worker.stop_by == 0.0


def test_an_orphan_drains(inherited: Callable[..., Inherited], caplog: pytest.LogCaptureFixture) -> None:
    """The pipe's end is the supervisor's, also after kill -9."""
    given = inherited()
    assert run(Worker(given.inheritance), lambda: wait_until(given.reports), given.end_supervisor) == 0
    assert f"worker {os.getpid()}: the supervisor has ended; draining" in caplog.messages


def raise_error() -> Any:
    raise RuntimeError("on purpose")


def raise_in_logging() -> None:
    raise ZeroDivisionError("a logging configuration")


def test_what_prevents_the_start_is_reported(inherited: Callable[..., Inherited]) -> None:
    """An application, a user that does not exist, foreign code: each with its reason."""
    for given, words in (
        (inherited(raise_error), "RuntimeError: on purpose"),
        (inherited(lambda: 5), "the application is a int"),
        (inherited(user="no-such-user-at-all"), "no-such-user-at-all"),
    ):
        assert Worker(given.inheritance).run() == FAILED_TO_LOAD
        [found] = given.reports()
        assert words in found["failed"]
    given = inherited()
    plan = replace(given.inheritance.plan, prepare=raise_in_logging)
    assert Worker(replace(given.inheritance, plan=plan)).run() == FAILED_TO_LOAD
    assert "Traceback" in given.reports()[0]["failed"]


def test_a_signal_while_the_application_is_loaded(inherited: Callable[..., Inherited]) -> None:
    """It ends the worker; if the application swallows the exception, it ends before it serves."""

    def stop() -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return application

    with pytest.raises(LoadStopped):
        Worker(inherited(stop).inheritance).run()

    def swallow() -> Any:
        os.kill(os.getpid(), signal.SIGUSR1)  # no reason to end
        with suppress(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
        return application

    worker = Worker(inherited(swallow).inheritance)
    assert worker.run() == 0
    assert worker._engine is not None
    worker._engine.close()


def test_umask_and_a_loaded_application(inherited: Callable[..., Inherited]) -> None:
    given = inherited(raise_error, umask="027")
    before = os.umask(0)
    os.umask(before)
    try:
        loaded = replace(given.inheritance, application=application)
        assert run(Worker(loaded), lambda: wait_until(given.reports), given.end_supervisor) == 0
        assert os.umask(before) == 0o027
    finally:
        os.umask(before)


def test_long_failures_are_shortened() -> None:
    """A report must fit into the pipe, or writing it would wait for the supervisor."""
    reading, writing = os.pipe()
    try:
        report(writing, failed="first " + "x" * 100_000 + " last")
        data = os.read(reading, 100_000)
        text = json.loads(data)["failed"]
        assert len(data) < MAX_REPORT
        assert text.startswith("first x")
        assert "\n[…]\n" in text
        assert text.endswith("x last")
    finally:
        os.close(reading)
        os.close(writing)
    report(writing, ready=True)  # the supervisor has ended: no error


def test_a_supervisor_that_does_not_read_keeps_no_worker_waiting() -> None:
    """It may load an application for long. Notes for the status page are dropped then, and the rest has its room."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)  # a write that would wait raises
        for number in range(100):
            report_note(writing, stuck=f"GET /{number}\n" + "я😀\udc80" * 3000)
        report(writing, failed="😀" * 100_000)
        report(writing, retire_reason="stuck")
        lines = os.read(reading, 100_000).splitlines()
        assert 2 < len(lines) < 10
        assert [list(json.loads(line)) for line in lines] == [["stuck"]] * (len(lines) - 2) + [
            ["failed"], ["retire_reason"],
        ]  # fmt: skip
        assert json.loads(lines[0])["stuck"].startswith("GET /0\nя😀\udc80")
    finally:
        os.close(reading)
        os.close(writing)
    report_note(writing, slowest=[])


@pytest.mark.parametrize(
    ("load", "status", "words"),
    [(lambda: application, 0, ""), (raise_error, FAILED_TO_LOAD, ""), (lambda: os.kill(os.getpid(), 15), 0, "")],
    ids=["served", "failed", "stopped"],
)
def test_a_process(
    inherited: Callable[..., Inherited], tmp_path: Path, load: Callable[[], Any], status: int, words: str
) -> None:
    """Its exit status is what `run` returns, and exit handlers of the application are called."""
    given = inherited(load)
    given.end_supervisor()
    found, output = run_in_child(lambda: run_worker(given.inheritance))
    assert found == status
    assert words in output


def test_abandoned_in_a_child_of_the_application(inherited: Callable[..., Inherited]) -> None:
    given = inherited()

    def child() -> None:
        Worker(given.inheritance).abandon()
        for fd in (given.inheritance.report, given.inheritance.life):
            with pytest.raises(OSError, match="Bad file"):
                os.fstat(fd)
        assert given.listeners[0].socket.fileno() == -1

    assert run_in_child(child) == (0, "")
