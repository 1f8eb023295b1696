"""The keeper opens the logs that it was given and removes the files that are still the same."""

from __future__ import annotations

import logging
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forking import run_in_child
from tests.support.waiting import wait_until
from wiverno.core import log_files
from wiverno.workers import keeper
from wiverno.workers.keeper import MadeFile, identify, run_keeper


@pytest.fixture
def made(tmp_path: Path) -> MadeFile:
    path = tmp_path / "server.pid"
    path.write_text("7\n")
    found = identify(str(path))
    assert found is not None
    return found


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, its = socket.socketpair()
    with ours, its:
        ours.settimeout(20)
        yield ours, its


def test_a_file_is_removed_if_it_is_the_same(made: MadeFile) -> None:
    """Another file may have the name by then."""
    path = Path(made.path)
    path.rename(path.with_name("kept"))
    path.write_text("8\n")
    made.remove()
    assert path.read_text() == "8\n"
    path.with_name("kept").replace(path)
    made.remove()
    assert not path.exists()
    made.remove()
    assert identify(made.path) is None


def test_files_go_when_the_server_ends(made: MadeFile, tmp_path: Path) -> None:
    """The keeper opens a log for a server that may not, and ends with it."""
    log = str(tmp_path / "access.log")
    with run_keeper([made], [log, log]):
        [helper] = log_files._helpers
        fd = helper(log)
        os.write(fd, b"line\n")
        os.close(fd)
        assert Path(log).read_text() == "line\n"
        with pytest.raises(PermissionError):
            helper(str(tmp_path / "other.log"))
        Path(log).unlink()
        Path(log).mkdir()
        with pytest.raises(IsADirectoryError):
            helper(log)
        assert Path(made.path).exists()
    wait_until(lambda: not Path(made.path).exists())
    assert not keeper._held


def test_a_rotated_log_has_the_permissions_of_the_one_before(made: MadeFile, tmp_path: Path) -> None:
    """The keeper has closed all descriptors; it looked before."""
    log = tmp_path / "shop.log"
    handler = logging.FileHandler(log)
    log.chmod(0o604)
    with run_keeper([made], [str(log)]):
        log.rename(tmp_path / "shop.log.1")
        [helper] = log_files._helpers
        os.close(helper(str(log)))
        assert stat.S_IMODE(log.stat().st_mode) == 0o604
    handler.close()


def test_what_the_keeper_does(made: MadeFile, tmp_path: Path, pair: tuple[socket.socket, socket.socket]) -> None:
    """An order is the number of a log; the end of the orders is the end of the server."""
    ours, its = pair
    log = str(tmp_path / "access.log")

    ours.sendall(b"\0\1")
    ours.shutdown(socket.SHUT_WR)
    other, answering = socket.socketpair()
    with other, answering:
        status, _ = run_in_child(
            lambda: keeper._run(its.fileno(), answering.fileno(), [made], [log, str(tmp_path)], [])
        )
    assert status == 0
    answer, fds, _, _ = socket.recv_fds(ours, 1, 1)
    assert answer == keeper.OPENED
    os.close(fds[0])
    assert ours.recv(64).startswith(keeper.FAILED)
    assert not Path(made.path).exists()


def test_a_child_of_the_application_does_not_hold_the_keeper(made: MadeFile) -> None:
    """Its copy of the socket would keep the keeper alive."""
    with run_keeper([made], []):

        def child() -> None:
            assert not keeper._held

        assert run_in_child(child) == (0, "")


def test_certificates_are_read(tmp_path: Path) -> None:
    """The keeper opens the certificate files as they are now; what is none is refused with its name."""
    pem, key = tmp_path / "a.pem", tmp_path / "a.key"
    pem.write_text("certificate")
    key.write_text("key")
    with run_keeper([], [], [str(pem), str(key)]) as read:
        assert read() == [b"certificate", b"key"]
        pem.write_text("renewed")
        assert read() == [b"renewed", b"key"]
        key.unlink()
        with pytest.raises(OSError, match=f"{key}: No such file or directory"):
            read()
        os.mkfifo(key)
        with pytest.raises(OSError, match="is no file of a sensible size"):
            read()
        key.unlink()
        key.write_text("back")
        assert read()[1] == b"back"
    with pytest.raises(OSError, match=r"Bad file descriptor|ended"):
        read()
