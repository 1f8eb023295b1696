"""The tests that look at the whole repository look at what people wrote, not at what tools have put beside it."""

import subprocess
from pathlib import Path

import pytest

from tests.support.files import written_files
from tests.support.programs import program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with files of ours, an environment in a folder of ours, and caches."""
    for name in (
        "README.md", "other/a.py", "work/new.py", "work/deep/old.py", "work/.venv/lib/theirs.py",
        "work/__pycache__/old.py",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / ".gitignore").write_text(".venv/\n__pycache__/\nignored.py\n")
    return tmp_path


def names(*places: str, root: Path) -> list[str]:
    """Return the names of the files, below `root`."""
    return [path.relative_to(root).as_posix() for path in written_files(*places, root=root)]


def test_ignored_files_are_left_out(folder: Path) -> None:
    """What .gitignore names does not count; a file that is not yet added does, one that is deleted does not."""
    (folder / "work" / "ignored.py").write_text("")
    (folder / "work" / "gone.py").write_text("")
    git = program("git")
    for command in (["init", "-q"], ["add", "work/deep/old.py", "work/gone.py"]):
        subprocess.run([git, *command], cwd=folder, check=True, timeout=60)
    (folder / "work" / "gone.py").unlink()
    assert names("work", root=folder) == ["work/deep/old.py", "work/new.py"]
    assert names(root=folder) == [".gitignore", "README.md", "other/a.py", "work/deep/old.py", "work/new.py"]


def test_hidden_folders_are_left_out_without_git(folder: Path) -> None:
    """In an unpacked archive environments and caches are left out by their names."""
    assert names("work", root=folder) == ["work/deep/old.py", "work/new.py"]
    assert "README.md" in names(root=folder)
