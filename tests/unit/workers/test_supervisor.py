"""The supervisor in this process, with real workers: what it performs of what `reconcile` decides."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.descriptors import descriptors
from tests.support.forking import fork
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import wait_until
from wiverno.config.settings import Adjustments
from wiverno.core.telemetry.status import RefusedError, ServiceStatus
from wiverno.workers.plan import Plan, StartFailedError
from wiverno.workers.sd_notify import Notifier
from wiverno.workers.supervisor import Supervisor

DEADLINE = 30.0  # seconds: the machine may be busy


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        return int(listener.getsockname()[1])


class Admin:
    """An admin application that counts its samples."""

    def __init__(self) -> None:
        self.samples = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any], /) -> Iterable[bytes]:
        return application(environ, start_response)

    def sample(self) -> None:
        self.samples += 1


def plan(load: Callable[[], Any] = lambda: application, **settings: Any) -> Plan:
    values = {"host": LOOPBACK, "port": 0, "workers": 1, "threads": 1, "graceful_timeout": 5} | settings
    return Plan(Adjustments.from_keywords(**values), load)


class Driver:
    """Runs a supervisor in the main thread, and the test's steps in another thread."""

    def __init__(self, plan: Plan, configure: Callable[[], Plan] | None = None) -> None:
        self.gone: list[int] = []
        self.admin = Admin()
        notifier = Notifier({"NOTIFY_SOCKET": "/nonexistent", "WATCHDOG_USEC": "4000000"})
        self.supervisor = Supervisor(plan, configure, notifier=notifier, version="0", on_gone=self.gone.append)
        self._failures: list[BaseException] = []

    def run(self, steps: Callable[[Driver], object]) -> None:
        def drive() -> None:
            try:
                steps(self)
            except BaseException as error:
                self._failures.append(error)
            finally:
                with suppress(AttributeError):  # it never ran
                    self.supervisor.ask("stop")

        thread = threading.Thread(target=drive, daemon=True)
        try:
            self.supervisor.run(self.admin, thread.start)
            thread.join(DEADLINE)
        finally:
            self.supervisor.close()
        if self._failures:
            raise self._failures[0]

    def status(self) -> ServiceStatus:
        return self.supervisor.status()

    def pids(self, state: str = "ready") -> set[int]:
        return {worker.pid for worker in self.status().workers if worker.state == state}

    def wait_for(self, count: int, *, without: Iterable[int] = ()) -> set[int]:
        """Wait until exactly so many workers are ready and no other one exists."""

        def found() -> set[int]:
            pids = self.pids()
            is_right = len(pids) == len(self.status().workers) == count and not pids & set(without)
            return pids if is_right else set()

        return wait_until(found, DEADLINE, what=f"{count} workers")


def test_it_scales_restarts_reloads_and_stops(caplog: pytest.LogCaptureFixture) -> None:
    """The whole life of a service, by requests and signals; the log has the usual words."""
    caplog.set_level(logging.DEBUG, "wiverno")
    driver = Driver(plan(workers=2))

    def steps(driver: Driver) -> None:
        first = driver.wait_for(2)
        wait_until(lambda: driver.status().state == "ready", DEADLINE)
        assert driver.supervisor.ask("more") == "3 workers wanted"
        driver.wait_for(3)
        os.kill(os.getpid(), signal.SIGTTOU)
        second = driver.wait_for(2)
        os.kill(min(second), signal.SIGKILL)
        third = driver.wait_for(2, without={min(second)})
        assert driver.status().restarts == {"died": 1}
        assert driver.supervisor.ask("reload").startswith("reloading")
        wait_until(lambda: driver.status().reloads == (1, 0), DEADLINE)
        last = driver.wait_for(2, without=third)
        with RawClient((LOOPBACK, driver.supervisor.listeners[0].port)) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert int(client.response()[2]) in last
        assert driver.supervisor.ask("reopen") == "reopening the log files"
        assert first | second | third <= set(driver.gone)
        wait_until(lambda: driver.admin.samples > 0, DEADLINE)
        assert driver.supervisor.ask("stop").startswith("stopping")
        wait_until(lambda: driver.status().state == "stopping", DEADLINE)
        with pytest.raises(RefusedError, match="the server is stopping"):
            driver.supervisor.ask("reload")

    driver.run(steps)
    text = "\n".join(caplog.messages)
    for line in (
        "ready: 2 workers", "workers wanted: 3",
        "was killed by SIGKILL (out of memory, a limit, or an operator); restarting now",
        "reloading: no setting has changed", "reloaded: 2 new workers ready, draining the old ones",
        "shutting down: not ready", "shutting down: no new connections; draining 2 workers", "stopped",
        "starting → ready", "ready → draining",
    ):  # fmt: skip
        assert line in text
    assert repr(driver.supervisor) == "<supervisor stopped, 0 workers>"


def test_a_first_worker_that_cannot_start(caplog: pytest.LogCaptureFixture) -> None:
    """The start fails with the application's traceback instead of trying again."""

    def load() -> Any:
        raise RuntimeError("on purpose")

    with pytest.raises(StartFailedError, match=r"(?s)worker \d+ failed to start: the application failed .*on purpose"):
        Driver(plan(load, workers=2)).run(lambda driver: wait_until(lambda: driver.status().state == "stopping", 30))


def find_no_file() -> Plan:
    raise FileNotFoundError(2, "No such file or directory", "a.toml")


def raise_in_foreign_code() -> Plan:
    raise ZeroDivisionError("in a factory")


def end_the_process() -> Plan:
    raise SystemExit(7)


def fork_and_return() -> Plan:
    pid = fork()
    if not pid:
        raise SystemExit(8)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 8
    raise OSError(2, "only the parent continues")


FAILURES: list[tuple[Callable[[], Plan], str]] = [
    (lambda: plan(port=-1), "port: "),
    (find_no_file, "No such file or directory"),
    (raise_in_foreign_code, "Traceback"),
    (end_the_process, "SystemExit: 7"),
    (fork_and_return, "only the parent continues"),
]


def test_a_reload_whose_configuration_is_wrong() -> None:
    """The workers continue, and the status says why."""
    configurations = [configure for configure, _ in FAILURES]

    def steps(driver: Driver) -> None:
        before = driver.wait_for(1)
        for number, (_, words) in enumerate(FAILURES, 1):
            driver.supervisor.ask("reload")
            wait_until(lambda number=number: driver.status().reloads == (0, number), DEADLINE)  # type: ignore[misc]
            assert words in driver.status().last_failure
        assert driver.wait_for(1) == before

    Driver(plan(), lambda: configurations.pop(0)()).run(steps)


def test_a_reload_whose_sockets_are_open_when_it_fails() -> None:
    """New addresses are closed again: nothing would accept clients there."""
    driver = Driver(plan())

    def load() -> Any:
        raise RuntimeError("on purpose")

    driver.supervisor._reload._configure = lambda: plan(load, preload=True, port=free_port())

    def steps(driver: Driver) -> None:
        before = driver.wait_for(1)
        driver.supervisor.ask("reload")
        wait_until(lambda: driver.status().reloads == (0, 1), DEADLINE)
        assert "on purpose" in driver.status().last_failure
        assert list(driver.supervisor._sockets._open.values()) == [driver.supervisor.listeners]
        assert driver.wait_for(1) == before

    driver.run(steps)


def test_a_reload_whose_workers_fail() -> None:
    def load() -> Any:
        raise RuntimeError("on purpose")

    def steps(driver: Driver) -> None:
        before = driver.wait_for(1)
        driver.supervisor.ask("reload")
        wait_until(lambda: driver.status().reloads == (0, 1), DEADLINE)
        assert "failed to start: the application failed to load:" in driver.status().last_failure
        assert driver.wait_for(1) == before

    first = plan()
    Driver(first, lambda: replace(first, application=load)).run(steps)


def test_a_reload_that_is_aborted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A second reload, and a stop, end the one in progress."""
    caplog.set_level(logging.INFO, "wiverno")

    def load() -> Any:
        (tmp_path / str(os.getpid())).touch()
        signal.pause()

    def steps(driver: Driver) -> None:
        driver.wait_for(1)
        for count in (1, 2):
            driver.supervisor.ask("reload")
            wait_until(lambda count=count: len(list(tmp_path.iterdir())) == count, DEADLINE)  # type: ignore[misc]
        assert driver.status().reloads == (0, 0)

    first = plan()
    Driver(first, lambda: replace(first, application=load)).run(steps)
    assert [text for text in caplog.messages if "aborted" in text] == [
        "reload aborted: another reload was requested", "reload aborted: the server is stopping",
    ]  # fmt: skip


def test_a_worker_with_too_much_memory_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wiverno")

    def steps(driver: Driver) -> None:
        wait_until(lambda: driver.status().restarts.get("max_rss"), DEADLINE)

    Driver(plan(max_rss=1 << 20)).run(steps)
    assert any("replaced (max_rss), draining" in text for text in caplog.messages)


def test_a_forced_stop(caplog: pytest.LogCaptureFixture) -> None:
    """SIGQUIT ends all workers within a second, whatever they do."""
    caplog.set_level(logging.INFO, "wiverno")
    driver = Driver(plan(graceful_timeout=0))

    def steps(driver: Driver) -> None:
        [pid] = driver.wait_for(1)
        os.kill(pid, signal.SIGSTOP)  # it can't react to SIGTERM
        os.kill(os.getpid(), signal.SIGQUIT)

    driver.run(steps)
    assert driver.supervisor.stop_by == 0.0
    assert "shutting down at once: closing the connections of 1 worker" in caplog.messages
    assert f"worker {driver.gone[0]} did not finish in time; killing it" in caplog.messages


def test_signal_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)]
    Driver(plan()).run(lambda driver: None)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)] == before


def test_an_address_that_cannot_be_bound() -> None:
    """No descriptor stays open."""
    first = Supervisor(plan(), notifier=Notifier({}))
    try:
        before = descriptors(os.getpid())
        with pytest.raises(OSError, match="in use"):
            Supervisor(plan(port=first.listeners[0].port), notifier=Notifier({}))
        gc.collect()
        assert descriptors(os.getpid()) <= before
    finally:
        first.close()
