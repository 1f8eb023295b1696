"""The supervisor's hooks in processes forked for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.forking import run_in_child
from tests.support.waiting import PATIENCE, wait_until
from wiverno.config.settings import Adjustments
from wiverno.workers import hook_processes
from wiverno.workers.hook_processes import HookProcesses
from wiverno.workers.hooks import describe_server

MODULE = """
import os, pathlib, signal, time
def note(server):
    pathlib.Path("noted").write_text(f"{server.address[0]} {os.environ['SHOP']}")
def hang(server):
    pathlib.Path("noted").write_text("hangs")
    time.sleep(60)
def crash(server):
    os.kill(os.getpid(), signal.SIGKILL)
def leave(server):
    os._exit(3)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "hooks_of_the_supervisor.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("hooks_of_the_supervisor", None)


def start(folder: Path, function: str, **more: Any) -> HookProcesses:
    settings = Adjustments.from_keywords(
        hooks={"when_ready": f"hooks_of_the_supervisor:{function}"}, env={"SHOP": "open"}, chdir=str(folder),
        listen="127.0.0.1:8000", **more,
    )  # fmt: skip
    processes = HookProcesses()
    processes.start("on_reload", describe_server(settings, 1))
    assert not processes._running
    processes.start("when_ready", describe_server(settings, 1))
    return processes


def finish(processes: HookProcesses) -> None:
    def is_over() -> bool:
        processes.reap()
        return not processes._running

    wait_until(is_over, what="the end of the hook's process")


def test_a_hook(folder: Path) -> None:
    """It runs with the application's directory and variables, in another process."""
    finish(start(folder, "note"))
    assert (folder / "noted").read_text() == "127.0.0.1:8000 open"
    assert "hooks_of_the_supervisor" not in sys.modules


@pytest.mark.parametrize(("function", "words"), [("crash", "was killed by signal 9"), ("leave", "")])
def test_a_process_that_dies(folder: Path, function: str, words: str, caplog: pytest.LogCaptureFixture) -> None:
    """A crash is logged and concerns only the hook's process."""
    finish(start(folder, function))
    assert words in caplog.text


def test_a_hook_that_hangs(folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed after a while."""
    monkeypatch.setattr(hook_processes, "LIMIT", 0.0)
    finish(start(folder, "hang"))
    assert "hook when_ready has not returned within 0 s; killing its process" in caplog.text


def test_a_process_that_cannot_die_yet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs holds even a killed process; the supervisor does not wait for it."""
    monkeypatch.setattr(hook_processes, "LIMIT", 0.0)
    processes = start(folder, "hang")
    wait_until(lambda: (folder / "noted").exists(), what="the hook")
    killed: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr("os.kill", lambda pid, number: killed.append(pid))
        for _ in range(3):
            processes.reap()
    assert killed == [process.pid for process in processes._running]
    processes.close()


def test_the_umask(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hook creates has the same permissions as what a worker creates."""
    monkeypatch.setattr(hook_processes, "LIMIT", PATIENCE)
    finish(start(folder, "note", umask="077"))
    assert (folder / "noted").stat().st_mode & 0o777 == 0o600


def test_the_end_of_the_supervisor(folder: Path) -> None:
    """No hook outlives the supervisor."""
    processes = start(folder, "hang")
    wait_until(lambda: (folder / "noted").exists(), what="the hook")
    processes.close()
    assert not processes._running


@pytest.mark.parametrize(("target", "status"), [("note", 0), ("nothing", 1)])
def test_the_process_itself(folder: Path, target: str, status: int) -> None:
    """It ends with status 0 if the hook has returned, and with 1 if it raised or is not there."""
    settings = Adjustments.from_keywords(
        hooks={"when_ready": f"hooks_of_the_supervisor:{target}"}, env={"SHOP": "open"}, chdir=str(folder),
        listen="127.0.0.1:8000",
    )  # fmt: skip
    found, _ = run_in_child(lambda: hook_processes._run("when_ready", describe_server(settings, 1)))
    assert found == status
