"""`wiverno routes` lists what an application answers, wherever it is named."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wiverno.cli.group import group

SHOP = """\
from wiverno import Wiverno

app = Wiverno()

@app.route("/items/{id:int}")
def item(request):
    return "item"

def make():
    return app

def other(environ, start_response):
    return []
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "shop_of_test_routes", raising=False)
    (tmp_path / "shop_of_test_routes.py").write_text(SHOP)
    (tmp_path / "a.toml").write_text('[app]\nuse = "shop_of_test_routes:app"\n')
    return tmp_path


def routes(*words: str) -> Result:
    return CliRunner().invoke(group, ["routes", *words])


@pytest.mark.parametrize(
    "words", [["shop_of_test_routes:app"], ["shop_of_test_routes:make", "--factory"], ["--config", "a.toml"]]
)
def test_an_application_by_name_or_configuration(words: list[str]) -> None:
    done = routes(*words)
    assert done.exit_code == 0, done.output
    assert "/items/{id:int}" in done.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "nothing to list: name an application"),
        (["shop_of_test_routes:app", "--config", "a.toml"], "leave one of them out"),
        (["--factory"], "--factory is for an application named here"),
        (["shop_of_test_routes:other"], "function"),
        (["no_such_module:app"], "no_such_module"),
        (["--config", "missing.toml"], "missing.toml"),
    ],
)
def test_mistakes_have_status_2(words: list[str], text: str) -> None:
    done = routes(*words)
    assert done.exit_code == 2
    assert text in done.output
    assert "Traceback" not in done.output
