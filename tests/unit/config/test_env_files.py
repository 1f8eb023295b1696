"""The setting env_file, and env merged from all sources."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wiverno.config import environment as environments
from wiverno.config.check import check
from wiverno.config.errors import ConfigError
from wiverno.config.fields.tables import HOOKS
from wiverno.config.loader import load, load_section
from wiverno.config.output.explain import explain, to_data, to_text
from wiverno.config.settings import Adjustments

CONFIGURATION = """
[app]
use = "shop:create"
factory = true
settings = { url = "${DATABASE_URL}" }
[server]
env_file = ".env"
env = { TZ = "UTC", GREETING = "${GREETING:-hi}" }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wiverno.toml").write_text(CONFIGURATION)
    (tmp_path / ".env").write_text("DATABASE_URL=sqlite://\nTZ=CET\nAPI_KEY='a${b}$$'\nWIVERNO_THREADS=7\nHERE=x\n")
    return tmp_path


def test_all_uses() -> None:
    """A file's variables are found by ${…}, are settings, and reach the application, below all other sources."""
    loaded = load(environ={"HERE": "process"}, options={"env": ["LANG=C"]})
    assert loaded.adjustments.threads == 7
    assert loaded.app is not None
    assert loaded.app.settings == {"url": "sqlite://"}
    assert loaded.adjustments.env == {
        "DATABASE_URL": "sqlite://", "TZ": "UTC", "API_KEY": "a${b}$$", "GREETING": "hi", "LANG": "C",
    }  # fmt: skip


def test_where_values_come_from() -> None:
    """`config explain` names the place of each variable; secrets and ${…} are shown only with --reveal."""
    loaded = load(environ={"HERE": "process"})
    text = explain(loaded, "env").text()
    assert '{DATABASE_URL = "sqlite://", TZ = "UTC", API_KEY = "***", GREETING = "${GREETING:-hi}"}' in text
    assert "    API_KEY              .env:3\n" in text
    assert "    TZ                   wiverno.toml:8\n" in text
    assert "serve(app, env={'TZ': 'UTC'})" in text
    assert 'API_KEY = "a${b}$$", GREETING = "hi"' in explain(loaded, "env", reveal=True).text()
    assert "   # wiverno.toml:8 and .env" in to_text(loaded)
    assert "a${b}" not in str(to_data(loaded))
    assert "threads = 7   # .env:4" in to_text(loaded)


def test_mistakes_are_reported_with_the_rest(folder: Path) -> None:
    """A missing file, a wrong line and a wrong name are problems of the configuration."""
    (folder / "wiverno.toml").write_text('[server]\nenv_file = ["none.env", ".env"]\nthreads = "many"\n')
    (folder / ".env").write_text("what\n")
    found = [problem.headline() for problem in check(environ={}).problems]
    assert found == [
        ".env:1: is not NAME=VALUE",
        "wiverno.toml:2: env_file: none.env: no such file or directory",
        "wiverno.toml:3: threads: expected a whole number (got 'many')",
    ]
    with pytest.raises(ConfigError, match=r"none\.env: no such file"):
        load(environ={})
    (folder / "wiverno.toml").write_text("[server]\nenv_file = 5\n[server.env]\nA = true\n[server.hooks]\nx = 'y:z'\n")
    with pytest.raises(ConfigError) as raised:
        load(environ={})
    assert [problem.headline() for problem in raised.value.problems] == [
        "wiverno.toml:2: env_file: expected a list (got 5)",
        "wiverno.toml:4: env: A is no text",
        "wiverno.toml:6: hooks: there is no hook 'x'; hooks are " + ", ".join(HOOKS) + " (got 'x')",
    ]


def test_from_an_extended_file(folder: Path) -> None:
    """Tables merge name by name over `extends`, too."""
    (folder / "child.toml").write_text('extends = "wiverno.toml"\n[server.env]\nTZ = "EST"\nMORE = "1"\n')
    env = load("child.toml", environ={}).adjustments.env
    assert (env["TZ"], env["MORE"], env["GREETING"]) == ("EST", "1", "hi")


def test_without_a_file(folder: Path) -> None:
    """WIVERNO_ENV_FILE works without a configuration; WIVERNO_CONFIG in such a file comes too late and is named."""
    (folder / "wiverno.toml").unlink()
    (folder / ".env").write_text("WIVERNO_CONFIG=x.toml\nWIVERNO_PORT=81\n")
    loaded = load(environ={"WIVERNO_ENV_FILE": ".env"})
    assert loaded.adjustments.port == 81
    assert loaded.warnings == (".env:1: WIVERNO_CONFIG has no effect there: the file is chosen before",)


def test_sections_of_pserve() -> None:
    """A section as pserve passes it has env_file too."""
    loaded = load_section({}, {"env_file": ".env", "env": "LANG=C"}, environ={})
    assert loaded.adjustments.threads == 7
    assert loaded.adjustments.env["LANG"] == "C"


def test_not_in_code() -> None:
    """In code there is no configuration that would read the file."""
    with pytest.raises(ConfigError, match="env_file: is read with a configuration file, not in code"):
        Adjustments.from_keywords(env_file=".env")


def test_what_was_set_for_the_application_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload in a process that has set the variables itself reads those that it was started with."""
    monkeypatch.setattr(environments, "_replaced", {})
    monkeypatch.setenv("KEPT_BEFORE", "old")
    monkeypatch.delenv("NOT_BEFORE", raising=False)
    environments.set_for_application({"KEPT_BEFORE": "new", "NOT_BEFORE": "new"})
    environments.set_for_application({"KEPT_BEFORE": "newer"})
    assert (os.environ["KEPT_BEFORE"], os.environ["NOT_BEFORE"]) == ("newer", "new")
    variables = environments.read_environment().variables
    assert variables["KEPT_BEFORE"] == "old"
    assert "NOT_BEFORE" not in variables
    monkeypatch.delenv("NOT_BEFORE")
