"""Children of the benchmark: bound to a CPU, weighed with everything they fork, and gone in every case."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.processes import Child, ChildFailed
from tests.support.waiting import wait_until

CPU = min(os.sched_getaffinity(0)) if sys.platform == "linux" else 0
FORKING = "import os, time; os.fork(); print('here', flush=True); time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
)

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the benchmarks pin processes and read /proc: Linux only"
)


def started(program: str, folder: Path) -> Child:
    return Child([sys.executable, "-c", program], cpu=CPU, log=folder / "log", directory=folder)


def test_everything_that_a_child_forked_ends_with_it(tmp_path: Path) -> None:
    """gunicorn, granian and uWSGI serve from forked processes."""
    with started(FORKING, tmp_path) as child:
        wait_until(lambda: child.log.read_text().count("here") == 2, what="both processes to speak")
        assert len(child.members()) == 2
    assert child.members() == []


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM is a request, SIGKILL is not."""
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    with started(STUBBORN, tmp_path) as child:
        wait_until(lambda: "here" in child.log.read_text(), what="the child to speak")
    assert child.process.returncode == -9


def test_a_child_ends_when_the_block_is_left_by_an_interrupt(tmp_path: Path) -> None:
    """Ctrl-C is an exception like any other."""
    child = started(FORKING, tmp_path)

    def interrupted() -> None:
        with child:
            wait_until(lambda: child.log.read_text().count("here") == 2, what="both processes to speak")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert child.members() == []


def test_a_child_is_bound_to_its_cpu_and_weighed(tmp_path: Path) -> None:
    """Affinity, memory and CPU time are those of the whole session."""
    with started(FORKING, tmp_path) as child:
        wait_until(lambda: child.log.read_text().count("here") == 2, what="both processes to speak")
        assert os.sched_getaffinity(child.process.pid) == {CPU}
        assert child.memory_bytes() > 1_000_000
        assert child.cpu_seconds() >= 0.0


def test_a_failure_shows_the_last_lines_of_the_child(tmp_path: Path) -> None:
    """The reason of a failed start is in the server's own output."""
    with started("raise SystemExit('no such application')", tmp_path) as child:
        child.process.wait()
        problem = child.fail("the server ended")
    assert isinstance(problem, ChildFailed)
    assert str(problem) == "the server ended\nno such application"
