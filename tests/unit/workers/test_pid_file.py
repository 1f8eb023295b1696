"""The pid file: which server has it, what is removed at the end, and what is left alone."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from tests.support.forking import run_in_child
from wiverno.files import SetupError
from wiverno.workers.pid_file import CLOCK_SLACK, _can_have_written, _held, _start_of, pid_file

NO_PROCESS = 999_999_999


def test_a_process_that_was_there() -> None:
    """It has to exist, and to be older than the file."""
    assert _can_have_written(os.getpid(), time.time())
    assert not _can_have_written(NO_PROCESS, time.time())


def test_a_process_that_came_later() -> None:
    """A process that start after the file was written has got the id of the one that wrote it."""
    start = _start_of(os.getpid())
    assert start is None or start <= time.time()
    if start is not None:  # elsewhere the system does not tell
        assert not _can_have_written(os.getpid(), start - 10 * CLOCK_SLACK)
    assert _start_of(NO_PROCESS) is None


def test_the_file_is_locked_and_removed(tmp_path: Path) -> None:
    """Another process may not start as long as this one runs."""
    path = tmp_path / "server.pid"
    with pid_file(str(path)):
        assert path.read_text() == f"{os.getpid()}\n"
        with (
            pytest.raises(SetupError, match=rf"process {os.getpid()} runs and has its id in {path}"),
            pid_file(str(path)),
        ):
            pass
    assert not path.exists()
    with pid_file(None):
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["precious\n", "1" * 33])
def test_another_file_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "server.pid"
    path.write_text(text)
    with pytest.raises(SetupError, match="exists and is no pid file; it was left alone"), pid_file(str(path)):
        pass
    assert path.read_text() == text


def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="can't be written: "), pid_file(str(tmp_path / "absent" / "server.pid")):
        pass


def test_a_link_is_replaced(tmp_path: Path) -> None:
    """It could lead to another user's file."""
    path, precious = tmp_path / "server.pid", tmp_path / "precious"
    precious.write_text("kept")
    path.symlink_to(precious)
    with pid_file(str(path)):
        assert not path.is_symlink()
    assert precious.read_text() == "kept"


def test_a_file_that_was_replaced_stays(tmp_path: Path) -> None:
    """It belongs to another server now."""
    path = tmp_path / "server.pid"
    with pid_file(str(path)):
        path.unlink()
        path.write_text("7\n")
    assert path.read_text() == "7\n"
    with pid_file(str(path)):
        path.unlink()


def test_a_child_keeps_neither_lock_nor_file(tmp_path: Path) -> None:
    path = tmp_path / "server.pid"

    def child() -> None:
        assert not _held

    with pid_file(str(path)):
        assert run_in_child(child) == (0, "")
        assert path.exists()


def test_without_locks_the_process_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks: the process of that id must be older than the file."""

    def fail(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    path = tmp_path / "server.pid"
    path.write_text(f"{os.getppid()}\n")
    with pytest.raises(SetupError, match=rf"process {os.getppid()} runs"), pid_file(str(path)):
        pass
    path.write_text(f"{NO_PROCESS}\n")
    with pid_file(str(path), (os.getuid(), os.getgid())):
        assert path.read_text() == f"{os.getpid()}\n"
