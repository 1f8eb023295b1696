"""Standard streams that are missing or refuse what is written; real processes close descriptors 0 to 2 elsewhere."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import pytest

from wiverno import standard_streams as module
from wiverno.standard_streams import (
    error_stream,
    is_terminal,
    label,
    prepare_streams,
    reserve_descriptors,
    say,
    say_error,
    say_warning,
)


class Refusing(io.StringIO):
    """A stream whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


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


def test_a_program_without_standard_error_writes_to_the_null_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert error_stream().write("dropped") == 7
    assert error_stream().name == os.devnull  # type: ignore[attr-defined]


def test_wsgi_errors_is_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text arrives there; closing it closes nothing; what else the program's object has is there, too."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    found = error_stream()
    assert found.write("text") == 4
    found.close()
    assert stream.getvalue() == "text"
    assert (found.isatty(), found.writable(), found.encoding) == (True, True, "utf-8")
    assert found.getvalue() == "text"  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"wsgi\.errors takes text, not bytes"):
        found.write(b"text")  # type: ignore[arg-type]


@pytest.mark.parametrize("stream", [Refusing(), object()])
def test_what_standard_error_does_not_take_is_lost(stream: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    found = error_stream()
    if isinstance(stream, Refusing):
        assert found.write("text") == 4
    found.flush()
    assert not found.isatty()


class Table:
    """The descriptors 0 to 2 of a process; in place of calls of `os`."""

    devnull, O_RDWR = os.devnull, os.O_RDWR

    def __init__(self, is_open: set[int], lowest: int | None = None) -> None:
        self.is_open = is_open
        self.lowest = lowest
        self.name = "posix" if lowest is None else "nt"
        self.inheritable: set[int] = set()
        self.replaced: list[int] = []

    def fstat(self, number: int) -> None:
        if number not in self.is_open:
            raise OSError

    def open(self, path: str, flags: int) -> int:
        found = self.lowest if self.lowest is not None else min({*range(9)} - self.is_open)
        self.is_open.add(found)
        return found

    def set_inheritable(self, number: int, value: bool) -> None:
        self.inheritable.add(number)

    def dup2(self, number: int, other: int) -> None:
        self.is_open.add(other)

    def close(self, number: int) -> None:
        self.is_open.remove(number)


@pytest.mark.parametrize("is_open", [{0, 1, 2}, {0, 2}, {2}, set()])
@pytest.mark.parametrize("lowest", [None, 7])
def test_the_null_device_takes_the_place_of_what_is_closed(
    is_open: set[int], lowest: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on Windows, where a missing stream's number may be one that open() never returns."""
    table = Table(set(is_open), lowest)
    monkeypatch.setattr(module, "os", table)
    reserve_descriptors()
    assert table.is_open == {0, 1, 2}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_another_thread_opens_meanwhile_is_not_replaced(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two event loops accept at the same time: the one that reserves the numbers must not close the other's client."""

    class Busy(Table):
        def open(self, path: str, flags: int) -> int:
            if not self.replaced and number not in self.is_open:
                self.is_open.add(number)
                self.replaced = [-1]
            return super().open(path, flags)

        def dup2(self, number: int, other: int) -> None:
            self.replaced.append(other)

    table = Busy({0, 1, 2} - {number})
    monkeypatch.setattr(module, "os", table)
    reserve_descriptors()
    assert table.replaced == [-1]
    assert table.is_open == {0, 1, 2}


def test_missing_streams_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """pythonw and some init scripts start a program without any."""
    real = sys.stderr
    for name in ("stderr", "__stderr__"):
        monkeypatch.setattr(sys, name, None)
    monkeypatch.setattr(module, "_flush_at_exit", lambda: None)
    prepare_streams()
    made: Any = sys.stderr
    assert made is not real
    assert (made.fileno(), made.encoding, made.errors) == (2, "utf-8", "backslashreplace")
    assert id(sys.__stderr__) == id(made)
    made.close()  # closes no descriptor


@pytest.mark.parametrize("stream", [Refusing(), None])
def test_standard_error_does_not_change_the_exit_status(
    stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python would end with 120 if what is left in the stream can't be written."""
    handlers: list[object] = []
    monkeypatch.setattr("atexit.register", handlers.append)
    module._flush_at_exit.__wrapped__()
    for name in ("stderr", "__stderr__"):
        monkeypatch.setattr(sys, name, stream)
    (handler,) = handlers
    assert callable(handler)
    handler()
    assert sys.stderr is None
