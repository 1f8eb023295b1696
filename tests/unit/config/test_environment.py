"""The sources beside files: how directories are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiverno.config.environment import follow_directory


def test_entries_of_the_import_path_get_the_name_of_the_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in the directory is found by the name that the shell has for it, everything else stays."""
    (tmp_path / "one").mkdir()
    link = tmp_path / "current"
    link.symlink_to("one")
    monkeypatch.chdir(link)
    here = str((tmp_path / "one").resolve())
    monkeypatch.setenv("PWD", str(link))
    paths = [here, f"{here}/lib", f"{here}-other", "/usr/lib"]
    assert follow_directory(paths) == str(link)
    assert paths == [str(link), f"{link}/lib", f"{here}-other", "/usr/lib"]
    monkeypatch.setenv("PWD", "/")
    assert follow_directory(paths := [here]) == here
    assert paths == [here]
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert follow_directory([]) == "."
    monkeypatch.chdir(tmp_path)
