"""The lines of the development server's log."""

from __future__ import annotations

import logging
import re

import pytest

from wiverno.dev.lines import ACCESS, LineFormatter


def line(level: int, message: str, *arguments: object, is_coloured: bool) -> str:
    record = logging.LogRecord("wiverno.dev", level, "x.py", 1, message, arguments, None)
    return LineFormatter(is_coloured=is_coloured).format(record)


def test_plain() -> None:
    """Each line begins with the time."""
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d GET /a  200  1\.2 ms", line(20, ACCESS, "GET /a", "200", 1.234, is_coloured=False)
    )


@pytest.mark.parametrize(("status", "colour"), [("200", "32"), ("302", "36"), ("404", "33"), ("500", "1;31")])
def test_statuses_have_colours(status: str, colour: str) -> None:
    """The eye finds what has failed."""
    assert f"  \x1b[{colour}m{status}\x1b[0m  " in line(20, ACCESS, "GET /200", status, 1.0, is_coloured=True)


def test_errors_have_colours() -> None:
    """The first line of an error, not its traceback; unknown statuses and other messages stay plain."""
    text = line(40, "wrong\nTraceback", is_coloured=True)
    assert text.endswith(" \x1b[1;31mwrong\x1b[0m\nTraceback")
    assert "\x1b[33mcareful\x1b[0m" in line(30, "careful", is_coloured=True)
    assert line(20, "ready in 1 s", is_coloured=True).endswith("\x1b[0m ready in 1 s")
    assert "  -\x1b[0m  " in line(20, ACCESS, "GET /", "-", 1.0, is_coloured=True)
