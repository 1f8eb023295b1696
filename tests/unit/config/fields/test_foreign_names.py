"""Other servers' names: none is ours, what is named in their place exists, and each source's message says it."""

import re

import pytest

from wiverno.config.convert.gunicorn import find_setting
from wiverno.config.environment import read_environment
from wiverno.config.errors import ConfigError
from wiverno.config.fields.foreign_names import FOREIGN_NAMES, foreign_name
from wiverno.config.settings import ALIASES, SETTINGS, Adjustments


def test_none_is_ours() -> None:
    assert not {*SETTINGS, *ALIASES} & set(FOREIGN_NAMES)


@pytest.mark.parametrize("name", FOREIGN_NAMES)
def test_what_takes_their_place_exists(name: str) -> None:
    """The converter of gunicorn's files says the same."""
    named = re.findall(r'"(\w+)"', FOREIGN_NAMES[name])
    assert set(named) <= set(SETTINGS) | {"MODULE:ATTRIBUTE"}
    if setting := find_setting(name):
        assert setting in named


def test_they_are_found_as_they_are_written() -> None:
    assert foreign_name("wsgi-file") == foreign_name("WSGI_FILE") == FOREIGN_NAMES["wsgi_file"]
    assert foreign_name("prot") is None


def test_each_source_says_it() -> None:
    with pytest.raises(ConfigError, match='the setting is "listen" here'):
        Adjustments.from_keywords(bind="127.0.0.1:8000")
    warned = read_environment({"WIVERNO_BIND": "127.0.0.1:8000"}).warnings
    assert warned == ('WIVERNO_BIND is no setting of wiverno and was ignored; the setting is "listen" here',)
