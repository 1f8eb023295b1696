"""Logging set up from the text that the loader has read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from wiverno.config.errors import ConfigError
from wiverno.config.loader import load
from wiverno.config.logging_setup import set_up_logging

INI = """[server:main]
use = egg:wiverno
[loggers]
keys = root, shop
[handlers]
keys =
[formatters]
keys =
[logger_root]
handlers =
[logger_shop]
qualname = shop.ini
level = ERROR
handlers =
"""


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The root logger is as before afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_toml_is_for_dictconfig(tmp_path: Path) -> None:
    """The table [logging] needs no version."""
    file = tmp_path / "a.toml"
    file.write_text('[logging]\nincremental = true\n[logging.loggers."shop.toml"]\nlevel = "ERROR"\n')
    set_up_logging(load(file, environ={}))
    assert logging.getLogger("shop.toml").level == logging.ERROR


def test_ini_needs_the_file_only_once(tmp_path: Path) -> None:
    """A worker that starts after the file has gone has the logging of its configuration."""
    file = tmp_path / "a.ini"
    file.write_text(INI)
    loaded = load(file, environ={})
    file.unlink()
    set_up_logging(loaded)
    assert logging.getLogger("shop.ini").level == logging.ERROR


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('class = "logging.FileHandler"\nfilename = "/absent/log"', "No such file or directory: /absent/log"),
        ('class = "absent.Handler"', "Cannot resolve 'absent.Handler': No module named 'absent'"),
        ('class = "logging.StreamHandler"\nlevel = "LOUD"', "Unknown level: 'LOUD'"),
        ('class = "logging.FileHandler"', "TypeError: FileHandler.__init__() missing 1 required"),
    ],
)
def test_a_handler_that_cannot_be_made_is_a_mistake_of_the_file(tmp_path: Path, text: str, words: str) -> None:
    """logging.config tells the reason in the cause only."""
    file = tmp_path / "a.toml"
    file.write_text(f'[logging.handlers.f]\n{text}\n[logging.root]\nhandlers = ["f"]\n')
    with pytest.raises(ConfigError) as caught:
        set_up_logging(load(file, environ={}))
    assert f"{file}: logging: Unable to configure handler 'f': {words}" in str(caught.value)


def test_a_handler_that_exits_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    """sys.exit() in the class of a handler does not end the server without a word."""
    file = tmp_path / "a.toml"
    file.write_text('[logging.handlers.f]\n"()" = "sys.exit"\n[logging.root]\nhandlers = ["f"]\n')
    with pytest.raises(ConfigError, match="logging: SystemExit: "):
        set_up_logging(load(file, environ={}))


def test_an_ini_that_logging_refuses_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.ini"
    file.write_text(INI.replace("level = ERROR", "level = LOUD"))
    with pytest.raises(ConfigError) as caught:
        set_up_logging(load(file, environ={}))
    assert f"{file}: logging: Unknown level: 'LOUD'" in str(caught.value)


def test_without_logging_in_the_file_info_is_shown() -> None:
    """Plain lines go to standard error."""
    root = logging.getLogger()
    root.handlers[:] = []
    set_up_logging(load(None, environ={}))
    assert root.level == logging.INFO
    assert len(root.handlers) == 1
