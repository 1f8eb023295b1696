"""From a configuration's words to an application: what fits, what does not, and what is said then."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.processes import ROOT
from wiverno.config.errors import ConfigError, Origin
from wiverno.config.loader import AppSpec, load
from wiverno.paste import TomlLoader, app_factory, app_from, application, checked, demo_factory, middleware

ORIGIN = Origin("file", "site.toml", 3)


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


def test_application() -> None:
    """module:attribute is the application; with `factory` the attribute makes it from the settings."""
    assert ask(application(AppSpec("site_app:application"))) == "plain WSGI"
    assert ask(application(AppSpec("site_app:create_app", True))) == "made by a factory"
    assert ask(application(AppSpec("site_app:create_app", True, {"greeting": "hi"}))) == "hi"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (AppSpec("site_app:absent", origin=ORIGIN), "has no attribute 'absent'"),
        (AppSpec("site_app:nothing", origin=ORIGIN), "is None, not a WSGI application"),
        (AppSpec("site_app:number", origin=ORIGIN), "is a int, which is not callable"),
        (AppSpec("site_app:create_app", origin=ORIGIN), "factory = true"),
        (AppSpec("site_app:application", False, {"a": 1}, ORIGIN), "factory = true calls it with them"),
        (AppSpec("site_app:create_app", True, {"greting": 1}, ORIGIN), "'greting'"),
        (AppSpec("site_app:nothing", True, {}, ORIGIN), "is None"),
        (AppSpec("site_app:forgets_to_return", True, {}, ORIGIN), "returned None"),
        (AppSpec("call:site_app:absent", origin=ORIGIN), "has no attribute 'absent'"),
        (AppSpec("call:site_app:forgets_to_return", origin=ORIGIN), "does not take its settings"),
        (AppSpec("egg:absent", origin=ORIGIN), "absent is not installed"),
        (AppSpec("egg:wiverno#absent", origin=ORIGIN), "Entry point 'absent' not found"),
    ],
)
def test_no_application(spec: AppSpec, message: str) -> None:
    """What is named wrongly is one located problem."""
    with pytest.raises(ConfigError) as caught:
        application(spec)
    assert str(caught.value).startswith("error: site.toml:3: ")
    assert message in str(caught.value)


def test_bug_of_the_application() -> None:
    """An exception of the application's own code is not the configuration's fault."""
    with pytest.raises(RuntimeError, match="a bug of the application"):
        application(AppSpec("raises:app"))


def test_checked_believes_what_has_no_signature() -> None:
    """A callable of C code without a signature passes."""
    assert checked(dict.fromkeys, "x", ORIGIN) is not None


def test_paste_expressions() -> None:
    """egg: and call: are PasteDeploy's, with native values and dotted names."""
    assert application(AppSpec("egg:wiverno#demo", True, {"title": "x"})) is not None
    made = application(AppSpec("call:site_app:paste_app", settings={"a": {"b": [1, 2]}, "c": True}))
    assert ask(made) == "{'a.b': [1, 2], 'c': True}"


def test_middleware() -> None:
    """A class takes the application first; a Paste filter makes something that takes it."""
    inner = application(AppSpec("site_app:application"))
    for use in ("pyramid_site:Timing", "call:pyramid_site:timing_filter"):
        assert ask(middleware(AppSpec(use, settings={"header": "X-A"}), inner)) == "plain WSGI"
    with pytest.raises(ConfigError, match="does not take its settings"):
        middleware(AppSpec("pyramid_site:Timing", settings={"heder": 1}), inner)


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


def test_no_app_in_file(tmp_path: Path) -> None:
    """A file without [app] says so when the application is asked for."""
    from wiverno.paste import application_of

    file = tmp_path / "empty.toml"
    file.write_text("[server]\nport = 0\n")
    with pytest.raises(ConfigError, match="no application is named"):
        application_of(load(file))
