"""Changes found by looking: what is added, modified and deleted between two looks."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from watchfiles import Change

from wiverno.dev import polling as module
from wiverno.dev.polling import find_changes, poll, scan


def test_every_file_below_is_looked_at_but_what_never_matters(tmp_path: Path) -> None:
    """Folders that tools make are left out, and so is what vanishes while it is looked at."""
    for name in ("a.py", "deep/b.py", ".git/c.py", "__pycache__/d.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gone").symlink_to("nowhere")
    assert set(scan([tmp_path, tmp_path / "missing"])) == {str(tmp_path / "a.py"), str(tmp_path / "deep/b.py")}


def rewrite(path: Path) -> None:
    path.write_text("more")


def replace(path: Path) -> None:
    """Save as editors do; time and size stay the same, and the file is another one."""
    status = path.stat()
    other = path.with_suffix(".new")
    other.touch()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("act", "expected"), [(rewrite, Change.modified), (replace, Change.modified), (touch, Change.modified),
                          (Path.unlink, Change.deleted)],
)  # fmt: skip
def test_a_change_of_a_file_is_found(tmp_path: Path, act: Callable[[Path], object], expected: Change) -> None:
    path = tmp_path / "a.py"
    path.touch()
    before = scan([tmp_path])
    act(path)
    assert set(find_changes(before, scan([tmp_path]))) == {(expected, str(path))}


def test_a_new_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    assert list(find_changes({}, scan([tmp_path]))) == [(Change.added, str(tmp_path / "a.py"))]


class Steps:
    """Stands where the event stands that ends the watch: each wait is a step, in which the test changes something."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)

    def wait(self, seconds: float) -> bool:
        if not self.steps:
            return True
        self.steps.pop(0)()
        return False


def nothing() -> None:
    """Let time pass."""


def test_a_burst_is_yielded_when_two_looks_agree(tmp_path: Path) -> None:
    """Nothing happened is an empty set; files that are saved one after the other are one burst."""
    one, two = tmp_path / "a.py", tmp_path / "b.py"
    steps = Steps(nothing, one.touch, two.touch, nothing, two.unlink, nothing)
    found = list(poll([tmp_path], 60.0, steps))  # type: ignore[arg-type]
    assert found == [
        set(), {(Change.added, str(one)), (Change.added, str(two))}, {(Change.deleted, str(two))},
    ]  # fmt: skip


def test_a_burst_that_does_not_end_is_yielded_after_a_while(tmp_path: Path) -> None:
    one, two = tmp_path / "a.py", tmp_path / "b.py"
    found = list(poll([tmp_path], -1.0, Steps(one.touch, two.touch)))  # type: ignore[arg-type]
    assert found == [{(Change.added, str(one)), (Change.added, str(two))}]


def test_the_end_is_seen_within_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.001)
    stopping = threading.Event()
    changes = poll([tmp_path], 1.0, stopping)
    assert next(changes) == set()
    stopping.set()
    assert list(changes) == []
