"""Files with environment variables."""

from __future__ import annotations

import pytest

from wiverno.config.errors import Problem
from wiverno.config.formats.env_file import read_env_file


def test_forms() -> None:
    """The forms that docker, systemd and python-dotenv agree on."""
    text = r"""
# a comment
PLAIN=value
export EXPORTED=1
SPACES =  a b   # a comment
HASH=a#b
SINGLE='$HOME ${NOT} "as it is"' # a comment
DOUBLE="a\tb \"c\" \\ # no comment"
EMPTY=
PLAIN=later
"""
    problems: list[Problem] = []
    found = read_env_file(".env", text, problems)
    assert {name: value for name, (value, _) in found.items()} == {
        "PLAIN": "later",
        "EXPORTED": "1",
        "SPACES": "a b",
        "HASH": "a#b",
        "SINGLE": '$HOME ${NOT} "as it is"',
        "DOUBLE": 'a\tb "c" \\ # no comment',
        "EMPTY": "",
    }
    assert str(found["EXPORTED"][1]) == ".env:4"
    assert not problems


@pytest.mark.parametrize(
    ("line", "report"),
    [
        ("just words", ".env:1: is not NAME=VALUE"),
        ("1A=b", ".env:1: is not NAME=VALUE"),
        ('A="secret', ".env:1: A: its quotation mark is not closed on the same line"),
        ("A=${B}", ".env:1: A: ${…} is not expanded in such files: write the value, or put it in single quotes"),
    ],
)
def test_mistakes(line: str, report: str) -> None:
    """A mistake names line and variable, and shows no value."""
    problems: list[Problem] = []
    assert not read_env_file(".env", line, problems)
    assert [problem.headline() for problem in problems] == [report]
    assert problems[0].origin.text == ""
