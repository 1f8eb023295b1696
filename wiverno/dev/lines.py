"""The lines of the development server's log: the time first, and colours where a person reads them on a terminal."""

from __future__ import annotations

import logging
import time
from typing import Final

from wiverno.core.loop.signals import DRAINING

ACCESS: Final = "%s  %s  %.1f ms"
"""A line for each response: request, status, milliseconds."""

_PLAIN: Final = "\x1b[0m"
_DIM: Final = "\x1b[2m"
_COLOURS: Final = {"2": "\x1b[32m", "3": "\x1b[36m", "4": "\x1b[33m", "5": "\x1b[1;31m"}
"""By the first digit of the status: green, cyan, yellow, bold red."""


class LineFormatter(logging.Formatter):
    """Formats a record as `12:34:56 message`.

    Args:
        is_coloured: whether escape sequences are shown as colours.
    """

    def __init__(self, *, is_coloured: bool) -> None:
        super().__init__("%(message)s")
        self._is_coloured = is_coloured

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; errors and warnings have a colour, and so have statuses."""
        now = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = super().format(record)
        if not self._is_coloured:
            return f"{now} {text}"
        if record.msg is ACCESS and isinstance(record.args, tuple) and len(record.args) == 3:
            status = str(record.args[1])
            text = text.replace(f"  {status}  ", f"  {_COLOURS.get(status[:1], '')}{status}{_PLAIN}  ")
        elif record.levelno >= logging.WARNING:
            first, newline, rest = text.partition("\n")
            text = f"{_COLOURS['5' if record.levelno >= logging.ERROR else '4']}{first}{_PLAIN}{newline}{rest}"
        return f"{_DIM}{now}{_PLAIN} {text}"


def says_something(record: logging.LogRecord) -> bool:
    """Tell whether a record is news: that nothing is left to wait for is none, at each restart.

    A message of other code is any object, which may raise when it is compared.
    """
    return record.msg is not DRAINING or not isinstance(record.args, tuple) or any(record.args)


def set_up_lines(*, is_coloured: bool) -> None:
    """Log from INFO on to standard error in these lines."""
    handler = logging.StreamHandler()
    handler.addFilter(says_something)
    handler.setFormatter(LineFormatter(is_coloured=is_coloured))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
