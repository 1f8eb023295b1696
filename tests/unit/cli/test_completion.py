"""Completion of `module:attribute`: what is offered for what is typed, and that nothing runs for it."""

from pathlib import Path

import click
import pytest

from wiverno.cli.completion import TargetType


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop.py").write_text(
        "raise SystemExit\nimport os, os.path\nfrom json import dumps as text\n_hidden = app = 1\nother: int = 2\n"
        "def make_app(): ...\nclass Application: ...\nx.y = 3\n"
    )
    (tmp_path / "broken.py").write_text("def")
    (tmp_path / "not-a-name.py").touch()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "__init__.py").write_text("wsgi = 1\n")
    (tmp_path / "site" / "views.py").write_text("app = 1\n")
    (tmp_path / "static").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["dev", "prod", "broken:", "shop:", "site:"]),
        ("s", ["shop:", "site:"]),
        ("site.", ["site.views:"]),
        ("shop:", ["shop:Application", "shop:app", "shop:make_app", "shop:os", "shop:other", "shop:text"]),
        ("shop:a", ["shop:app"]),
        ("site:", ["site:wsgi"]),
        ("site.views:a", ["site.views:app"]),
        ("broken:", []),
        ("missing:", []),
        ("missing.", []),
        ("../x:", []),
    ],
)
def test_what_is_offered(project: Path, typed: str, offered: list[str]) -> None:
    kind = TargetType(("dev", "prod"))
    items = kind.shell_complete(click.Context(click.Command("run")), click.Argument(["words"]), typed)
    assert [item.value for item in items] == offered
