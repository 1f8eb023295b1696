"""A new project runs, and its own tests pass."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.support.processes import ROOT, run
from wiverno.config.loader import load
from wiverno.dev.create import create_project


def test_the_projects_own_tests_pass(tmp_path: Path) -> None:
    """`wiverno init shop && cd shop && make test`, with the Python that made it."""
    folder = tmp_path / "my-shop"
    created = create_project(folder)
    assert {file.relative_to(folder).as_posix() for file in created} == {
        ".gitignore", "Makefile", "README.md", "pyproject.toml", "run.py", "configs/development.ini",
        "configs/production.toml", "static/site.css", "tests/__init__.py", "tests/test_app.py",
    }  # fmt: skip
    ended = run(["make", "test"], cwd=folder, env={"PYTHONPATH": str(ROOT)})
    assert ended.returncode == 0, ended.stderr
    assert "OK" in ended.stderr
    assert "@NAME@" not in "".join(file.read_text() for file in created)
    assert tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"] == "my-shop"


@pytest.mark.parametrize("name", ["configs/production.toml", "configs/development.ini"])
def test_its_configurations_are_right(tmp_path: Path, name: str) -> None:
    create_project(tmp_path / "shop")
    loaded = load(tmp_path / "shop" / name, environ={})
    assert loaded.adjustments.addresses
    assert loaded.app is not None
    assert loaded.warnings == ()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("x")
    with pytest.raises(FileExistsError, match="exists and is not an empty folder; nothing was written"):
        create_project(tmp_path / "shop")
    assert [file.name for file in (tmp_path / "shop").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["a b", "1shop", "-x", "é", "x" * 65])
def test_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not a name for a project"):
        create_project(tmp_path / name)
