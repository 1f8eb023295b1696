"""The pid file: who may start, and what is left at the end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.processes import Child, run, script
from tests.support.waiting import wait_until
from tests.support.workers import ask

PATIENCE = 30.0  # seconds: the machine may be busy
PROCESSES = ((), ("--workers", "1"))
APPLICATION = """
import os
def app(environ, start_response):
    body = b"ok"
    if environ["PATH_INFO"] == "/fork":
        if not (child := os.fork()):
            import time
            time.sleep(60)
            os._exit(0)
        body = b"%d" % child
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def command(path: str | Path, *options: str) -> list[str]:
    return [script("wiverno"), "run", "shop:app", "--listen", "127.0.0.1:0", "--pid-file", str(path), *options]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APPLICATION)
    return tmp_path


@pytest.mark.parametrize("processes", PROCESSES, ids=["one", "workers"])
def test_an_id_of_another_program(place: Path, processes: tuple[str, ...]) -> None:
    """After a reboot or in a container the id may be any program's, this very test's for example."""
    path = place / "server.pid"
    path.write_text(f"{os.getpid()}\n")
    with Child(command(path, *processes), cwd=place) as child:
        child.address()
        assert path.read_text() == f"{child.process.pid}\n"
        assert path.stat().st_mode & 0o777 == 0o644
        assert child.stop(deadline=PATIENCE) == 0
    assert not path.exists()


@pytest.mark.parametrize("processes", PROCESSES, ids=["one", "workers"])
def test_after_kill_9(place: Path, processes: tuple[str, ...]) -> None:
    """What a killed server leaves behind stops no start, even while children of its application live on."""
    path = place / "server.pid"
    with Child(command(path, *processes), cwd=place) as child:
        address = child.address()
        left = int(ask(address, "/fork", timeout=PATIENCE)[1])
        try:
            child.process.kill()
            child.process.wait(PATIENCE)
            assert path.exists()
            with Child(command(path, *processes), cwd=place) as second:
                second.address()
                assert path.read_text() == f"{second.process.pid}\n"
                assert second.stop(deadline=PATIENCE) == 0
        finally:
            os.kill(left, signal.SIGKILL)
    assert not path.exists()


def test_two_servers_started_at_once(place: Path) -> None:
    """One of them serves, and the other says who has the file."""
    path = place / "server.pid"
    with Child(command(path), cwd=place) as one, Child(command(path), cwd=place) as other:
        both = (one, other)
        wait_until(lambda: any(child.process.poll() is not None for child in both), PATIENCE, what="one end")
        loser, winner = both if one.process.poll() is not None else both[::-1]
        winner.address()
        assert loser.wait() == 1
        assert path.read_text() == f"{winner.process.pid}\n"
        assert f"runs and has its id in {path}" in loser.output
        assert "cannot listen" not in loser.output
        assert winner.stop(deadline=PATIENCE) == 0


@pytest.mark.parametrize("change", ["removed", "replaced"])
@pytest.mark.parametrize("processes", PROCESSES, ids=["one", "workers"])
def test_a_file_that_is_another_ones_by_now(place: Path, processes: tuple[str, ...], change: str) -> None:
    """Only the file that this server made is removed at the end."""
    path = place / "server.pid"
    with Child(command(path, *processes), cwd=place) as child:
        child.address()
        path.unlink()
        if change == "replaced":
            path.write_text(f"{child.process.pid}\n")
        assert child.stop(deadline=PATIENCE) == 0
    assert path.exists() == (change == "replaced")


def test_a_file_that_is_no_pid_file(place: Path) -> None:
    """A slip of the pen destroys nothing."""
    path = place / "shop.py"
    ended = run(command(path), cwd=place)
    assert ended.returncode == 1
    assert f"{path} exists and is no pid file; it was left alone" in ended.stderr
    assert path.read_text() == APPLICATION


@pytest.mark.parametrize("kind", ["fifo", "hard link", "directory"])
def test_something_else_in_its_place(place: Path, kind: str) -> None:
    """What is no plain file is told at once."""
    path, precious = place / "server.pid", place / "precious"
    precious.write_text("7\n")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        os.link(precious, path)
    ended = run(command(path), cwd=place)
    assert ended.returncode == 1
    assert str(path) in ended.stderr
    assert "cannot listen" not in ended.stderr
    assert precious.read_text() == "7\n"


@pytest.mark.parametrize("processes", PROCESSES, ids=["one", "workers"])
def test_a_directory_that_is_not_there(place: Path, processes: tuple[str, ...]) -> None:
    """The message names the file and does not speak of listening."""
    ended = run(command("missing/server.pid", *processes), cwd=place)
    assert ended.returncode == 1
    assert "error: the pid file missing/server.pid can't be written: No such file or directory" in ended.stderr
