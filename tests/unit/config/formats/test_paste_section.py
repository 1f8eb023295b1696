"""A server's section as PasteDeploy passes it: found again in its file, for places and for reloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiverno.config.errors import ConfigError
from wiverno.config.formats.paste_section import find_section, find_section_name, read_section

TEXT = """[DEFAULT]
debug = true
threads = 2
[server:main]
use = egg:wiverno
port = 8000
threads = 4
[server:b]
use = egg:wiverno
port = 9000
[server:other]
use = egg:waitress
port = 7000
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    """An INI file with three servers."""
    path = tmp_path / "a.ini"
    path.write_text(TEXT)
    return str(path)


def test_keys_get_their_places(file: str) -> None:
    """The section that has all the keys with these values is the one."""
    layer, traps = find_section(file, {"port": "9000"}, {"__file__": file})
    value, origin = layer["port"]
    assert (value, origin.line) == ("9000", 10)
    assert traps == []


def test_dropped_keys_are_warned_of(file: str) -> None:
    """PasteDeploy passes no key that [DEFAULT] has, too."""
    _, traps = find_section(file, {"port": "8000"}, {"__file__": file, "threads": "2"})
    assert len(traps) == 1
    assert "threads" in traps[0]


@pytest.mark.parametrize("name", [None, "gone.ini"])
def test_without_the_file_keys_have_no_lines(name: str | None) -> None:
    """The values count all the same."""
    layer, traps = find_section(name, {"port": "1"}, {})
    assert layer["port"][0] == "1"
    assert layer["port"][1].line is None
    assert traps == []
    assert find_section_name(name, {"port": "1"}, {}) is None


def test_a_section_is_identified_by_its_keys(file: str) -> None:
    """pserve's arguments are told apart from [DEFAULT]; another server's section is never meant."""
    known = {"__file__": file, "here": "x", "debug": "true", "http_port": "1"}
    assert find_section_name(file, {"port": "9000"}, known) == ("server:b", {"http_port": "1"})
    assert find_section_name(file, {"port": "7000"}, known) is None


def test_a_section_is_read_as_pastedeploy_passes_it(file: str) -> None:
    """Without Paste's own keys and those of [DEFAULT]."""
    known, settings = read_section(file, "server:main", {"x": "1"})
    assert settings == {"port": "8000"}
    assert known["debug"] == "true"
    assert known["x"] == "1"
    assert known["__file__"] == file


@pytest.mark.parametrize(
    ("section", "message"),
    [("server:gone", "there is no [server:gone] any more"), ("server:other", "is another server")],
)
def test_a_reload_cannot_read_another_section(file: str, section: str, message: str) -> None:
    """A section that is gone, or belongs to another server now, is an error."""
    with pytest.raises(ConfigError) as caught:
        read_section(file, section, {})
    assert message in str(caught.value)
