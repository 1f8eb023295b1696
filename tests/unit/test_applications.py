"""From an application's name in a configuration to the application, with its middleware."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT
from wiverno.applications import add_middleware, check_callable, load_application, load_configured_application
from wiverno.config.errors import ConfigError, Origin
from wiverno.config.loader import AppSpec, load

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
    assert ask(load_application(AppSpec("site_app:application"))) == "plain WSGI"
    assert ask(load_application(AppSpec("site_app:create_app", True))) == "made by a factory"
    assert ask(load_application(AppSpec("site_app:create_app", True, {"greeting": "hi"}))) == "hi"


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
        load_application(spec)
    assert str(caught.value).startswith("error: site.toml:3: ")
    assert message in str(caught.value)


def test_bug_of_the_application() -> None:
    """An exception of the application's own code is not the configuration's fault."""
    with pytest.raises(RuntimeError, match="a bug of the application"):
        load_application(AppSpec("raises:app"))


def test_callable_without_signature() -> None:
    """A callable of C code without a signature passes."""
    assert check_callable(dict.fromkeys, "x", ORIGIN) is not None


def test_paste_expressions() -> None:
    """egg: and call: are PasteDeploy's, with native values and dotted names."""
    assert load_application(AppSpec("egg:wiverno#demo", True, {"title": "x"})) is not None
    made = load_application(AppSpec("call:site_app:paste_app", settings={"a": {"b": [1, 2]}, "c": True}))
    assert ask(made) == "{'a.b': [1, 2], 'c': True}"


def test_middleware() -> None:
    """A class takes the application first; a Paste filter makes something that takes it."""
    inner = load_application(AppSpec("site_app:application"))
    for use in ("pyramid_site:Timing", "call:pyramid_site:timing_filter"):
        assert ask(add_middleware(AppSpec(use, settings={"header": "X-A"}), inner)) == "plain WSGI"
    with pytest.raises(ConfigError, match="does not take its settings"):
        add_middleware(AppSpec("pyramid_site:Timing", settings={"heder": 1}), inner)


def test_no_app_in_file(tmp_path: Path) -> None:
    """A file without [app] says so when the application is asked for."""
    file = tmp_path / "empty.toml"
    file.write_text("[server]\nport = 0\n")
    with pytest.raises(ConfigError, match="no application is named"):
        load_configured_application(load(file))
