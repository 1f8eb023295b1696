"""Lines on standard error: their label, their colour, and streams that refuse them."""

from __future__ import annotations

import io
import sys

import pytest

from wiverno.standard_streams import is_terminal, label, say, say_error, say_warning


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_labels() -> None:
    """The word stands alone or in colour."""
    assert label("error", colour=False) == "error:"
    assert label("warning", colour=True) == "\x1b[33m\x1b[1mwarning:\x1b[0m"


def test_errors_and_warnings_are_plain_lines_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Logs and pipes get no colours."""
    say_error("no such file")
    say_warning("port is 80")
    assert capsys.readouterr().err == "error: no such file\nwarning: port is 80\n"


def test_a_terminal_shows_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the label is coloured."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert is_terminal()
    say_error("x")
    assert terminal.getvalue() == "\x1b[31m\x1b[1merror:\x1b[0m x\n"


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_missing_or_closed_stream_does_no_harm(stream: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status says the rest."""
    replacement = None
    if stream:
        replacement = io.StringIO()
        replacement.close()
    monkeypatch.setattr(sys, "stderr", replacement)
    assert not is_terminal()
    say("lost")
    say_error("lost")
