"""The standard streams: there may be none, and they may refuse what is written, without any harm to the server.

A process can be started with its descriptors 0 to 2 closed (`<&- >&- 2>&-`, some init scripts, pythonw). The next file
or socket would then have such a number, and whatever is printed later would go into a client's response or a database.
So the null device takes the place of what is missing, before anything else is opened.
"""

import atexit
import os
import sys
from contextlib import suppress
from functools import cache
from typing import Final, Literal, TextIO

COUNT: Final = 3  # descriptors 0, 1 and 2
STDERR: Final = 2  # sys.stderr may be anything, and have none

_COLOURS: Final = {"error": "\x1b[31m\x1b[1m", "warning": "\x1b[33m\x1b[1m"}  # red and yellow, bold
_PLAIN: Final = "\x1b[0m"

_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def reserve_descriptors() -> None:
    """Open the null device wherever one of the first three descriptors is closed."""
    for number in range(COUNT):
        try:
            os.fstat(number)
        except OSError:
            fd = os.open(os.devnull, os.O_RDWR)
            if fd == number:
                os.set_inheritable(fd, True)
            else:
                os.dup2(fd, number)
                os.close(fd)


def prepare_streams() -> None:
    """Give a process that is the server's alone standard streams on its first three descriptors, open or not."""
    reserve_descriptors()
    for number, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    _settle_at_exit()


@cache
def _settle_at_exit() -> None:
    """Keep what standard error has not taken from changing the exit status: Python ends with 120 over it."""

    def finish_response() -> None:
        try:
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            sys.stderr = None
            sys.__stderr__ = None  # type: ignore[misc]

    atexit.register(finish_response)


def say(text: str) -> None:
    """Print a line on standard error, if that takes it."""
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


def error_stream() -> TextIO:
    """Return standard error, or the null device where a program has none."""
    return sys.stderr if sys.stderr is not None else _nowhere()
