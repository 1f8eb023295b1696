"""PasteDeploy's entry points, and the application of a file for other servers."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT
from wiverno.config.errors import ConfigError
from wiverno.paste import app_factory, app_from, demo_factory


@pytest.fixture(autouse=True)
def _applications(monkeypatch: pytest.MonkeyPatch) -> None:
    """The applications of tests/data can be imported, and are forgotten afterwards."""
    for folder in ("applications", "pyramid"):
        monkeypatch.syspath_prepend(str(ROOT / "tests" / "data" / folder))
    for name in ("site_app", "pyramid_site"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def ask(app: Any) -> str:
    body: list[bytes] = app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)
    return b"".join(body).decode()


def test_app_from(tmp_path: Path) -> None:
    """app_from gives another server the application of a file, variables included."""
    file = tmp_path / "site.toml"
    file.write_text('[app]\nuse = "site_app:create_app"\nfactory = true\n[app.settings]\ngreeting = "${WORD}"\n')
    assert ask(app_from(file, WORD="given")) == "given"
    with pytest.raises(ConfigError, match="WORD"):
        app_from(file)
    ini = ROOT / "configs" / "development.ini"
    assert "wiverno" in ask(app_from(ini))


def test_app_factories() -> None:
    """`use = egg:wiverno` with `app = module:attribute` serves any WSGI application from an INI file."""
    assert ask(app_factory({}, "site_app:application")) == "plain WSGI"
    assert ask(app_factory({}, "site_app:create_app", "yes", greeting="hi")) == "hi"
    assert callable(demo_factory({}, title="x"))
    with pytest.raises(SystemExit) as caught:
        app_factory({"__file__": "x.ini"}, "site_app:absent")
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("call:absent:app", "No module named 'absent'"),
        ("call:site_app:absent", "has no attribute 'absent'"),
        ("egg:absent", "absent"),
        ("nothing", "nothing"),
    ],
)
def test_mistakes_of_ini(tmp_path: Path, use: str, message: str) -> None:
    """What [app:main] of an INI file names wrongly is one located problem too."""
    file = tmp_path / "site.ini"
    file.write_text(f"[app:main]\nuse = {use}\n")
    with pytest.raises(ConfigError, match=f"{file}:1: ") as caught:
        app_from(file)
    assert message in str(caught.value)


def test_bug_of_an_ini_application(tmp_path: Path) -> None:
    """An import error inside the application is the application's own."""
    (tmp_path / "careless.py").write_text("import not_there\n")
    file = tmp_path / "site.ini"
    file.write_text("[app:main]\nuse = call:careless:app\n")
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(ModuleNotFoundError, match="not_there"):
            app_from(file)
    finally:
        sys.path.remove(str(tmp_path))
