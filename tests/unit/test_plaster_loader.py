"""plaster's loader: pserve's questions about a TOML file."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.processes import ROOT
from wiverno.plaster_loader import TomlLoader


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


def loader(name: str, fragment: str = "", **options: str) -> TomlLoader:
    path = ROOT / "tests" / "data" / "pyramid" / name
    return TomlLoader(SimpleNamespace(path=str(path), fragment=fragment, options=options))


def test_loader_sections() -> None:
    """plaster's questions about the file are answered in its own words."""
    toml = loader("production.toml")
    assert {"app", "server", "middleware", "server:simple", "app:demo", "pserve", "logging"} <= set(toml.get_sections())
    assert toml.get_settings("server:main")["port"] == "0"
    assert toml.get_settings("server:waitress")["threads"] == 2
    assert toml.get_settings("app:main")["site.numbers"] == [1, 2, 3]
    assert toml.get_settings("pshell") == {}
    watched = toml.get_settings("pserve")["watch_files"]
    assert watched[0] == "watched.txt"
    assert [Path(name).name for name in watched[1:]] == ["production.toml", "base.toml"]
    assert toml.get_wsgi_app_settings()["sqlalchemy.url"] == "sqlite://"
    with pytest.raises(LookupError, match="middleware stands in"):
        toml.get_wsgi_filter("x")


def test_loader_fragment() -> None:
    """#NAME names the application, the server, or both, whichever the file has."""
    toml = loader("production.toml", "demo")
    assert "wiverno" in ask(toml.get_wsgi_app())
    assert callable(toml.get_wsgi_server())
    assert callable(loader("production.toml", "simple").get_wsgi_server())


@pytest.mark.parametrize("name", ["broken.toml", "absent.toml"])
def test_loader_mistakes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake is printed and ends the process with status 2."""
    with pytest.raises(SystemExit) as caught:
        loader(name).get_wsgi_server()
    assert caught.value.code == 2
    assert f"{name}" in capsys.readouterr().err


def test_owed_import_path() -> None:
    """The loader is found at the path that it had in version 1, too."""
    from wiverno import paste

    assert paste.TomlLoader is TomlLoader
