"""Which changes restart the server."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchfiles import Change

from wiverno.dev import watching as module
from wiverno.dev.watching import Relevant, WatchedFolder, bursts


@pytest.mark.parametrize(
    "name",
    [
        "run.py",
        "a/b.py",
        "templates/x.html",
        "x.j2",
        "shop.toml",
        "development.ini",
        ".env",
        "prod.env",
        "X.PY",
        "data/x.py",
    ],
)
def test_code_templates_and_configuration(tmp_path: Path, name: str) -> None:
    assert Relevant([tmp_path], [], with_assets=False)(Change.modified, str(tmp_path / name))


@pytest.mark.parametrize(
    "name",
    [
        "x.pyc",
        "x.log",
        "x.sqlite3",
        "x.css",
        ".git/x.py",
        "__pycache__/x.py",
        ".venv/lib/x.py",
        "x.py~",
        ".#x.py",
        "data",
        "data/x.json",
        "shop/uploads/a/x.txt",
        "instance/x.yaml",
        "build/x.py",
        "deep/build/x.py",
        "x_generated.py",
        "docs/api/x.py",
    ],
)
def test_nothing_else(tmp_path: Path, name: str) -> None:
    relevant = Relevant([tmp_path], ["build", "*_generated.py", "docs/*"], with_assets=False)
    assert not relevant(Change.modified, str(tmp_path / name))


def test_the_file_that_the_log_goes_to_does_not_matter(tmp_path: Path) -> None:
    """`wiverno run dev > log.txt`: each restart writes a line, which would be the reason for the next one."""
    log, other = tmp_path / "log.txt", tmp_path / "other.txt"
    other.touch()
    kept = os.dup(2)
    try:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 2)
        relevant = Relevant([tmp_path], [], with_assets=False)
        found = [relevant(Change.modified, str(path)) for path in (log, other, tmp_path / "gone.txt")]
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    assert found == [False, True, True]


def test_assets_only_matter_to_live_reload(tmp_path: Path) -> None:
    assert Relevant([tmp_path], [], with_assets=True)(Change.added, str(tmp_path / "site.css"))


def test_a_new_folder_counts_by_what_is_in_it(tmp_path: Path) -> None:
    relevant = Relevant([tmp_path], [], with_assets=False)
    folder = tmp_path / "templates"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "x.log").touch()
    assert not relevant(Change.added, str(folder))
    (folder / "deep" / "x.html").touch()
    assert relevant(Change.added, str(folder))
    assert not relevant(Change.modified, str(folder))


def test_a_folder_that_was_removed_or_made_again_has_changed(tmp_path: Path) -> None:
    """Also one that another folder has replaced under the same name."""
    folder = tmp_path / "a"
    folder.mkdir()
    place = WatchedFolder(folder)
    assert place.is_there
    assert not place.changed()
    folder.rmdir()
    assert place.changed()
    assert not place.is_there
    assert not place.changed()
    folder.mkdir()
    assert place.changed()
    assert place.is_there
    folder.rename(tmp_path / "b")
    folder.mkdir()
    assert place.changed()
    assert not place.changed()
    place.close()


Burst = set[tuple[Change, str]]


def burst_of(*paths: Path) -> Burst:
    return {(Change.modified, str(path)) for path in paths}


def test_only_relevant_changes_are_yielded_and_a_folder_that_is_back_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The folder that was removed is told once; it is reported with the burst after it has come back."""
    folder = tmp_path / "a"
    folder.mkdir()
    stopping = threading.Event()
    code = folder / "run.py"

    def first(folders: list[Path], *more: object) -> Iterator[Burst]:
        assert folders == [folder]
        yield burst_of(code, folder / "run.log")
        folder.rmdir()
        yield burst_of(code)

    def second(folders: list[Path], *more: object) -> Iterator[Burst]:
        assert folders == []
        folder.mkdir()
        yield set()

    def third(folders: list[Path], *more: object) -> Iterator[Burst]:
        assert folders == [folder]
        yield set()
        stopping.set()

    rounds = iter([first, second, third])
    monkeypatch.setattr(module, "_changes", lambda *arguments: next(rounds)(*arguments))
    found = list(bursts([folder], Relevant([folder], [], with_assets=False), 1.0, stopping))
    assert found == [[code], [code], [], [folder]]
    assert [record.getMessage() for record in caplog.records] == [f"{folder} was removed; waiting for it"]


@pytest.mark.parametrize("error", [OSError("OS file watch limit reached"), RuntimeError("Too many open files")])
def test_it_polls_where_the_system_reports_no_changes(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def watch(*folders: Path, **options: object) -> Iterator[Burst]:
        yield burst_of(tmp_path / "a.py")
        raise error

    monkeypatch.setattr(module, "watch", watch)
    monkeypatch.setattr(module, "poll", lambda *arguments: iter([burst_of(tmp_path / "b.py")]))
    found = list(module._changes([tmp_path], 1.0, threading.Event()))
    assert found == [burst_of(tmp_path / "a.py"), burst_of(tmp_path / "b.py")]
    assert f"the system does not report changes ({error}); polling for them" in caplog.records[0].getMessage()


def test_a_folder_without_permission_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only if there is one: a watch that ignores it would ignore the system's limit as well, which is then checked."""
    seen: list[object] = []

    def watch(*folders: Path, ignore_permission_denied: bool = False, **options: object) -> Iterator[Burst]:
        seen.append(options.get("recursive", ignore_permission_denied))
        if not ignore_permission_denied and "recursive" not in options:
            raise PermissionError
        yield burst_of(tmp_path / "a.py")

    monkeypatch.setattr(module, "watch", watch)
    assert list(module._changes([tmp_path], 1.0, threading.Event())) == [burst_of(tmp_path / "a.py")]
    assert seen == [False, True, False]
