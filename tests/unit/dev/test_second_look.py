"""The second look finds what was not reported, and takes what was for known."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from watchfiles import Change

from tests.support.waiting import wait_until
from wiverno.dev import second_look as module
from wiverno.dev.second_look import with_missed

Burst = set[tuple[Change, str]]


class Watched:
    """A folder whose changes the test reports, or does not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports: list[Burst] = []
        self.looks = with_missed([folder], self._report())

    def _report(self) -> Iterator[Burst]:
        while True:
            yield self.reports.pop(0) if self.reports else set()

    def path(self, name: str, text: str) -> str:
        """Write a file and return its path."""
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def find(self) -> Burst:
        """Return the next burst that is not empty."""
        return wait_until(lambda: next(self.looks), what="a burst")

    def settle(self) -> None:
        """Let a look pass that follows a report."""
        self.reports.append({(Change.modified, self.path("marker", "x"))})
        self.find()
        self.path("last.py", "")
        assert self.find() == {(Change.added, str(self.folder / "last.py"))}


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    monkeypatch.setattr(module, "_SHARE", 1.0)
    (tmp_path / "old.py").touch()
    made = Watched(tmp_path)
    assert next(made.looks) == set()
    return made


def test_what_changes_before_the_reports_begin(watched: Watched) -> None:
    path = watched.path("old.py", "x = 1")
    assert watched.find() == {(Change.modified, path)}


def test_what_is_reported_is_no_news(watched: Watched) -> None:
    """Files, folders with what is in them, and what is gone; it is reported once."""
    (watched.folder / "old.py").unlink()
    watched.path("new/deep.py", "x = 1")
    watched.reports = [
        {
            (Change.added, watched.path("new.py", "x = 1")),
            (Change.added, str(watched.folder / "new")),
            (Change.deleted, str(watched.folder / "old.py")),
        }
    ]
    assert len(watched.find()) == 3
    watched.settle()


def test_what_is_not_reported_is_found_beside_what_is(watched: Watched) -> None:
    """Also if it changes again after it was reported."""
    watched.settle()
    path = watched.path("new.py", "x = 1")
    noise = {(Change.modified, watched.path("noise.log", "line"))}
    watched.reports = [noise]
    assert watched.find() == noise
    assert watched.find() == {(Change.added, path)}
    watched.reports = [{(Change.modified, path)}]
    assert watched.find() == {(Change.modified, path)}
    watched.path("new.py", "x = 22")
    assert watched.find() == {(Change.modified, path)}


def test_nothing_is_looked_at_while_nothing_happens(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.settle()
    monkeypatch.setattr(module, "scan", lambda folders: pytest.fail("it looked"))
    for _ in range(1000):
        assert next(watched.looks) == set()
