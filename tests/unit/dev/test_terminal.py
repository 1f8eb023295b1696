"""The terminal's settings come back after an application that has changed them, on a real pseudo-terminal."""

import os
import pty
import termios
from collections.abc import Iterator

import pytest

from wiverno.dev import terminal as module
from wiverno.dev.terminal import Terminal


@pytest.fixture
def terminal() -> Iterator[int]:
    """The descriptor of a terminal."""
    ours, theirs = pty.openpty()
    yield theirs
    os.close(ours)
    os.close(theirs)


def change(descriptor: int) -> None:
    """Switch the echo off, as a prompt for a password does."""
    settings = termios.tcgetattr(descriptor)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)


def has_echo(descriptor: int) -> bool:
    return bool(termios.tcgetattr(descriptor)[3] & termios.ECHO)


@pytest.mark.parametrize("is_ours", [True, False])
def test_settings_come_back_unless_the_terminal_is_another_jobs(
    terminal: int, is_ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor in the foreground keeps its own."""
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp() if is_ours else os.getpgrp() + 1)
    found = Terminal(terminal)
    change(terminal)
    found.restore()
    assert has_echo(terminal) == is_ours


def test_settings_that_have_not_changed_are_not_set_again(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: pytest.fail("there is nothing to restore"))
    Terminal(terminal).restore()


def test_a_terminal_that_is_not_controlling_is_left_alone(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> int:
        raise OSError("not a controlling terminal")

    monkeypatch.setattr(os, "tcgetpgrp", refuse)
    found = Terminal(terminal)
    change(terminal)
    found.restore()
    assert not has_echo(terminal)


@pytest.mark.parametrize("is_windows", [True, False])
def test_what_is_no_terminal_has_no_settings(is_windows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_windows:
        monkeypatch.setattr(module, "termios", None)
    reading, writing = os.pipe()
    Terminal(reading).restore()
    os.close(reading)
    os.close(writing)
