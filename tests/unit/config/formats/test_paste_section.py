"""A section as PasteDeploy hands it over: its keys' places are found in the file again."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from wiverno.config.errors import ConfigError
from wiverno.config.formats.paste_section import find_section, find_section_name, read_section

FILE = """\
[DEFAULT]
threads = 7
colour = red
[server:main]
use = egg:wiverno#main
port = 8001
host = %(name)s
[server:other]
use = egg:wiverno#main
port = 8002
host = b
[server:foreign]
use = egg:waitress#main
port = 8003
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "site.ini"
    path.write_text(FILE)
    return str(path)


def known(file: str) -> dict[str, str]:
    """What is global: the file's [DEFAULT], a variable of pserve's command line, and the file itself."""
    return {"__file__": file, "here": str(Path(file).parent), "threads": "7", "colour": "red", "name": "a"}


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({"port": "8001", "host": "a"}, {"port": 6, "host": 7}),
        ({"port": "8002", "host": "b"}, {"port": 10, "host": 11}),
        ({"port": "8001", "host": "b"}, {"port": 6, "host": 11}),
        ({"port": "9"}, {"port": None}),
    ],
    ids=["the section", "another section", "no section has both", "no section has it"],
)
def test_a_keys_place_is_where_exactly_one_section_has_it(
    file: str, settings: dict[str, str], lines: Mapping[str, int | None]
) -> None:
    layer, _ = find_section(file, settings, known(file))
    assert {key: origin.line for key, (_, origin) in layer.items()} == lines
    assert {key: value for key, (value, _) in layer.items()} == settings


def test_a_setting_that_paste_drops_is_warned_of(file: str) -> None:
    """A key of [DEFAULT] is global for PasteDeploy, which hands over no key of that name from the section."""
    Path(file).write_text(FILE.replace("host = %(name)s", "host = a\nthreads = 3"))
    _, traps = find_section(file, {"port": "8001", "host": "a"}, known(file))
    assert len(traps) == 1
    assert "threads" in traps[0]


@pytest.mark.parametrize("name", [None, "missing.ini"])
def test_without_a_file_the_keys_are_keywords(name: str | None, tmp_path: Path) -> None:
    file = str(tmp_path / name) if name else None
    layer, traps = find_section(file, {"port": "1"}, {})
    assert layer["port"][1].kind == ("file" if file else "keyword")
    assert traps == []
    assert find_section_name(file, {"port": "1"}, {}) is None


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"port": "8001"}, "server:main"),
        ({"port": "8002", "host": "b"}, "server:other"),
        ({"port": "8003"}, None),
        ({"port": "9"}, None),
    ],
)
def test_the_section_is_found_by_its_keys(file: str, settings: dict[str, str], name: str | None) -> None:
    """Its name is not handed over; another server's section is none of ours. Arguments are what [DEFAULT] lacks."""
    found = find_section_name(file, settings, known(file))
    if name is None:
        assert found is None
    else:
        assert found is not None
        assert found[0] == name
        assert found[1] == {"name": "a"}


def test_a_reload_reads_the_section_as_paste_does(file: str) -> None:
    """Keys for PasteDeploy itself, and those that are global, are left out."""
    found, keys = read_section(file, "server:main", {"name": "c"})
    assert keys == {"port": "8001", "host": "c"}
    assert {"threads": "7", "name": "c", "__file__": file}.items() <= found.items()


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("server:gone", "there is no [server:gone] any more"),
        ("server:foreign", "is another server, which only a restart can begin"),
    ],
)
def test_a_reload_without_the_section_is_refused(file: str, section: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_section(file, section, {"name": "a"})
    assert words in str(caught.value)
