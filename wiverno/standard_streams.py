"""The standard streams: they may be closed, and writing to them may fail, without any harm to the server.

A process can be started with its descriptors 0 to 2 closed (`<&- >&- 2>&-`, some init scripts, pythonw). The next file
or socket would then have such a number, and whatever is printed later would go into a client's response or a database.
So the null device takes the place of what is missing, before anything else is opened.
"""

import atexit
import os
import sys
from contextlib import suppress
from functools import cache
from io import TextIOBase
from typing import Any, Final, Literal, TextIO

COUNT: Final = 3  # descriptors 0, 1 and 2
STDERR: Final = 2  # sys.stderr may be anything, and have none

_COLOURS: Final = {"error": "\x1b[31m\x1b[1m", "warning": "\x1b[33m\x1b[1m"}  # red and yellow, bold
_PLAIN: Final = "\x1b[0m"

_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def reserve_descriptors() -> None:
    """Open the null device wherever one of the first three descriptors is closed.

    What another thread opens meanwhile, such as a client that another event loop accepts, is not replaced.
    """
    for number in range(COUNT):
        while not _is_open(number):
            fd = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            if fd < COUNT:
                os.set_inheritable(fd, True)
                continue
            if os.name == "nt" and not _is_open(number):  # it has numbers that are neither open nor given out
                os.dup2(fd, number)
            os.close(fd)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def prepare_streams() -> None:
    """Give a process that is the server's alone standard streams on its first three descriptors, open or not."""
    reserve_descriptors()
    for number, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    _flush_at_exit()


@cache
def _flush_at_exit() -> None:
    """Keep unwritten output of standard error from changing the exit status to 120."""

    def flush_stderr() -> None:
        try:
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            sys.stderr = None
            sys.__stderr__ = None  # type: ignore[misc]

    atexit.register(flush_stderr)


def say(text: str) -> None:
    """Print a line on standard error, if it can be written."""
    with suppress(OSError, ValueError, AttributeError):
        print(text, file=sys.stderr, flush=True)


def is_terminal() -> bool:
    """Return whether a person reads standard error on a terminal, which shows colours."""
    with suppress(OSError, ValueError, AttributeError):
        return sys.stderr.isatty()
    return False


def label(kind: Literal["error", "warning"], *, colour: bool) -> str:
    """Return the word that a line about a mistake begins with: `error:` or `warning:`."""
    return f"{_COLOURS[kind]}{kind}:{_PLAIN}" if colour else f"{kind}:"


def say_error(message: str) -> None:
    """Print what has gone wrong on standard error."""
    say(f"{label('error', colour=is_terminal())} {message}")


def say_warning(message: str) -> None:
    """Print what is probably not wanted on standard error."""
    say(f"{label('warning', colour=is_terminal())} {message}")


@cache
def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


class ErrorStream(TextIOBase):
    """``wsgi.errors``: what can't be written is lost, as a log line would be, and the request continues.

    Standard error may be full, closed, or an object of the program that lacks a method. Closing this stream closes
    nothing: standard error belongs to the process.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        """Write text, if standard error takes it."""
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes text, not {type(text).__name__}")
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush standard error, if it can be flushed."""
        with suppress(OSError, ValueError, AttributeError):
            self._stream.flush()

    def close(self) -> None:
        """Flush only."""
        self.flush()

    def writable(self) -> bool:
        """It takes text."""
        return True

    def isatty(self) -> bool:
        """Tell whether standard error is a terminal."""
        with suppress(OSError, ValueError, AttributeError):
            return self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return standard error's descriptor, if it has one."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Standard error's encoding."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def __getattr__(self, name: str) -> Any:
        """Give what else standard error has: ``name``, ``mode``, ``buffer``, or the program's own attributes."""
        return getattr(self._stream, name)


def error_stream() -> TextIOBase:
    """Return the stream for ``wsgi.errors``: standard error, or the null device where a program has none."""
    return ErrorStream(sys.stderr if sys.stderr is not None else _nowhere())
