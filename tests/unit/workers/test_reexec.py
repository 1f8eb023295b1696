"""A worker that runs its program again: what is handed over, and what is reported."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.forking import run_in_child
from tests.support.sockets import LOOPBACK
from wiverno.config.settings import Adjustments
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.net.listeners import open_listeners
from wiverno.core.telemetry.counters import CELL, WIDTH, Counters
from wiverno.workers.plan import Plan
from wiverno.workers.reexec import VARIABLE, Program, inherited_worker, memory_file, this_program
from wiverno.workers.reexec_worker import ReexecWorker
from wiverno.workers.worker import Inheritance

ROW = slice(WIDTH * CELL, 2 * WIDTH * CELL)

PROGRAM = """
from wiverno.workers.reexec import inherited_worker
worker = inherited_worker()
if worker is None:
    raise SystemExit(50)
worker.run(lambda environ, start_response: [])
"""


class Supervisor:
    """The supervisor's ends, and what a worker inherits."""

    def __init__(self) -> None:
        self.settings = Adjustments.from_keywords(host=LOOPBACK, port=0, threads=1, graceful_timeout=5)
        self.listeners: list[Listener] = open_listeners(self.settings)
        for listener in self.listeners:
            listener.listen(16)
        self.memory = memory_file()
        os.ftruncate(self.memory, 3 * WIDTH * CELL)
        self.reports, self.report = os.pipe()
        self.life, life_end = os.pipe()
        os.close(life_end)  # a worker drains as soon as it serves
        plan = Plan(self.settings, lambda: None)  # type: ignore[arg-type,return-value]
        self.inheritance = Inheritance(plan, None, self.listeners, Counters(), self.report, self.life)

    def handover(self) -> int:
        """Write what a worker reads, and return the descriptor."""
        fd = memory_file()
        sockets = [(os.dup(one.socket.fileno()), type(one), one.host, one.port) for one in self.listeners]
        with os.fdopen(os.dup(fd), "wb") as file:
            pickle.dump((self.settings, sockets, self.memory, ROW, self.report, self.life), file)
        return fd

    def read(self) -> list[dict[str, Any]]:
        os.close(self.report)
        self.report = -1
        return [json.loads(line) for line in os.read(self.reports, 65536).splitlines()]

    def close(self) -> None:
        for fd in (self.memory, self.reports, self.report, self.life):
            if fd >= 0:
                os.close(fd)
        for listener in self.listeners:
            listener.close()


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    supervisor.close()


def test_a_program_that_serves_as_a_worker(supervisor: Supervisor, tmp_path: Path) -> None:
    """It is executed with the sockets, reports that it is ready, counts in its row, and drains."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    again = Program((sys.executable, str(program)), str(tmp_path), environment)

    def child() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        again.exec_worker(supervisor.inheritance, supervisor.memory, ROW)

    status, output = run_in_child(child)
    assert (status, supervisor.read()) == (0, [{"ready": True}])
    assert "the supervisor has ended; draining" in output or output == ""
    cells = memoryview(os.pread(supervisor.memory, 3 * WIDTH * CELL, 0)).cast("d")
    assert Counters(cells[WIDTH : 2 * WIDTH]).get("heartbeat") > 0


def test_a_program_that_no_supervisor_started() -> None:
    """Without the variable a program is no worker."""

    def child() -> None:
        inherited_worker.cache_clear()
        assert inherited_worker() is None

    assert run_in_child(child) == (0, "")


def test_an_exception_that_ends_the_program_is_reported(supervisor: Supervisor) -> None:
    """Its traceback goes to the supervisor; an end on purpose does not."""
    fd = supervisor.handover()

    def child() -> None:
        os.environ[VARIABLE] = str(fd)
        inherited_worker.cache_clear()
        worker = inherited_worker()
        assert worker is not None
        assert VARIABLE not in os.environ
        assert not any(os.get_inheritable(one) for one in (supervisor.report, supervisor.life))
        for error in (RuntimeError("on purpose"), KeyboardInterrupt()):
            sys.excepthook(type(error), error, None)

    status, output = run_in_child(child)
    os.close(fd)
    assert status == 0
    assert "KeyboardInterrupt" in output
    [found] = supervisor.read()
    assert found["failed"].endswith("RuntimeError: on purpose")


def test_abandoned_while_the_application_is_loaded(supervisor: Supervisor) -> None:
    """A child of the application keeps neither sockets nor pipes."""
    fd = supervisor.handover()

    def child() -> None:
        worker = ReexecWorker(fd)
        worker.abandon()
        for one in (supervisor.report, supervisor.life):
            with pytest.raises(OSError, match="Bad file"):
                os.fstat(one)

    status = run_in_child(child)
    os.close(fd)
    assert status == (0, "")


def test_this_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command as it was started; an interactive interpreter can't be run again."""
    this_program.cache_clear()
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert this_program() is None
    this_program.cache_clear()
    main.__file__ = "program.py"
    found = this_program()
    assert found is not None
    assert found.command == (sys.executable, *sys.orig_argv[1:])
    assert Path(found.directory).samefile(Path.cwd())
    this_program.cache_clear()


def test_memory_without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may forbid it: then it is a file without a name."""

    def fail(name: str) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", fail)
    fd = memory_file()
    assert os.fstat(fd).st_nlink == 0
    os.close(fd)


def test_sockets_are_the_same(supervisor: Supervisor) -> None:
    """The program's listeners accept on the supervisor's addresses."""
    fd = supervisor.handover()

    def child() -> None:
        worker = ReexecWorker(fd)
        [listener] = worker._inherited[0]
        with socket.create_connection((LOOPBACK, supervisor.listeners[0].port)):
            accepted, _ = listener.socket.accept()
            accepted.close()

    status = run_in_child(child)
    os.close(fd)
    assert status == (0, "")
