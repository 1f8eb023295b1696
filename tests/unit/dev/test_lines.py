"""The lines of the development server's log."""

from __future__ import annotations

import logging
import re

import pytest

from wiverno.core.loop.signals import DRAINING
from wiverno.dev.lines import ACCESS, LineFormatter, says_something


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


@pytest.mark.parametrize(("arguments", "is_shown"), [((0, 0, ""), False), ((1, 0, ""), True), ((0, 2, ""), True)])
def test_a_restart_that_waits_for_nothing_is_no_news(arguments: tuple[object, ...], is_shown: bool) -> None:
    """At each saved file the server would say that no connection is open."""
    record = logging.LogRecord("wiverno", logging.INFO, "x.py", 1, DRAINING, arguments, None)
    assert says_something(record) is is_shown
    assert says_something(logging.LogRecord("wiverno", logging.INFO, "x.py", 1, "ready in 1 s", (), None))


class Incomparable:
    """A message of other code, such as an array: comparing raises."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("not comparable")

    __hash__ = object.__hash__

    def __str__(self) -> str:
        return "an array"


def test_messages_are_any_objects() -> None:
    """Logging formats them; none ends the application's call."""
    record = logging.LogRecord("shop", logging.INFO, "x.py", 1, Incomparable(), (), None)
    assert says_something(record)
    assert LineFormatter(is_coloured=True).format(record).endswith(" an array")
