"""Logging is set up as the configuration says it."""

import logging
import logging.config
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.loader import load
from wiverno.config.logging_setup import set_up_logging

TOML = "[logging]\nversion = 1\n[logging.root]\nlevel = 'ERROR'\n"
INI = """\
[server:main]
use = egg:wiverno
[loggers]
keys = root, of_this_test
[handlers]
keys = console
[formatters]
keys =
[logger_root]
level = ERROR
handlers = console
[logger_of_this_test]
level = %(level)s
handlers =
qualname = of_this_test
[handler_console]
class = StreamHandler
args = (sys.stderr,)
"""


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the logging package is asked for; it is the whole process's."""
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(logging.config, "dictConfig", lambda given: found.append(("dict", given)))
    monkeypatch.setattr(
        logging.config, "fileConfig", lambda parser, **more: found.append(("file", {"parser": parser, **more}))
    )
    monkeypatch.setattr(logging, "basicConfig", lambda **given: found.append(("basic", given)))
    return found


def test_tables_of_toml(tmp_path: Path, calls: list[tuple[str, Any]]) -> None:
    """Loggers that are there already stay."""
    (tmp_path / "a.toml").write_text(TOML)
    set_up_logging(load(str(tmp_path / "a.toml")))
    assert calls == [("dict", {"version": 1, "disable_existing_loggers": False, "root": {"level": "ERROR"}})]


def test_sections_of_ini_as_they_were_read(tmp_path: Path, calls: list[tuple[str, Any]]) -> None:
    """The file may be gone by then; variables are filled in, and loggers that are there already stay."""
    file = tmp_path / "a.ini"
    file.write_text(INI.replace("%(level)s", "DEBUG"))
    loaded = load(str(file))
    file.unlink()
    set_up_logging(loaded)
    ((kind, given),) = calls
    assert kind == "file"
    assert given["parser"]["logger_of_this_test"]["level"] == "DEBUG"
    assert given["disable_existing_loggers"] is False


def test_plain_lines_from_info_on_without_a_word_about_it(calls: list[tuple[str, Any]]) -> None:
    set_up_logging(load(None))
    ((kind, given),) = calls
    assert (kind, given["level"]) == ("basic", logging.INFO)
