"""Which changes restart the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from watchfiles import Change

from wiverno.dev.watching import Relevant


@pytest.mark.parametrize(
    "name", ["run.py", "a/b.py", "templates/x.html", "x.j2", "shop.toml", "development.ini", ".env", "prod.env", "X.PY"]
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
        "build/x.py",
        "deep/build/x.py",
        "x_generated.py",
        "docs/api/x.py",
    ],
)
def test_nothing_else(tmp_path: Path, name: str) -> None:
    relevant = Relevant([tmp_path], ["build", "*_generated.py", "docs/*"], with_assets=False)
    assert not relevant(Change.modified, str(tmp_path / name))


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
