"""`make run` and its like, as the README says them."""

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Child, run, script
from tests.support.sockets import in_url
from tests.support.waiting import wait_until


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """An environment that make takes for installed: the one that runs the tests."""
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"  # a link would be the Python that sys.executable's environment was made with
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / "bin" / "wiverno").symlink_to(script("wiverno"))
    for stamp in (".pip", ".installed-run", ".installed-test"):
        (folder / stamp).touch()
    return folder


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the server is found among make's children in /proc")
def test_make_run(venv: Path) -> None:
    """make run serves the demo, says where, and ends with status 0 when the server is told to end."""
    with Child(["make", "run", f"VENV={venv}", "ARGS=--port 0"], cwd=ROOT) as child:
        host, port = child.address()
        with urllib.request.urlopen(f"http://{in_url(host)}:{port}/", timeout=10) as response:
            assert response.status == 200
            assert b"wiverno" in response.read()
        (server,) = wait_until(lambda: children(child.process.pid), what="make's child")
        subprocess.run(["kill", f"-{signal.SIGTERM.name.removeprefix('SIG')}", str(server)], check=True)
        assert child.wait() == 0


def test_no_python(tmp_path: Path) -> None:
    """Without a Python of 3.11 or newer make says what is missing."""
    done = run(["make", "run", f"VENV={tmp_path / 'none'}", "PYTHON=/bin/false"], cwd=ROOT)
    assert done.returncode == 2
    assert "error: no Python 3.11 or newer found as /bin/false; install one, or name it: make run" in done.stderr


def test_every_target() -> None:
    """Each target is there; a dry run shows that they all begin with what they install."""
    for target in ("run", "test", "test-long", "check", "bench", "bench-quick", "docs", "clean"):
        done = run(["make", "--dry-run", target], cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_empty_home(venv: Path) -> None:
    """With an empty $HOME the tests run all the same, and nothing is written to the root of the file system."""
    arguments = "--co -q tests/unit/test_serving.py -p no:cacheprovider"
    done = run(["make", "test", f"VENV={venv}", f"ARGS={arguments}"], cwd=ROOT, env={"HOME": ""})
    assert done.returncode == 0, done.stderr
    assert "tests collected" in done.stdout


@pytest.mark.long
def test_fresh_clone(tmp_path: Path) -> None:
    """A clone of the last commit installs itself and serves from nothing but Python and make."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    with Child(["make", "run", "ARGS=--port 0", f"PYTHON={sys.executable}"], cwd=clone) as child:
        child.wait_for("Serving on", 300)
        host, port = child.address()
        with urllib.request.urlopen(f"http://{in_url(host)}:{port}/", timeout=10) as response:
            assert response.status == 200
