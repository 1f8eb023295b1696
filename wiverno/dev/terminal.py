"""The terminal as it was at the start.

An application in a debugger or with a prompt changes the terminal: no echo, no line editing. It is ended without a
chance to change that back, and the developer would not see what is typed.
"""

from __future__ import annotations

import os
from typing import Any

try:
    import termios
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]


class Terminal:
    """The settings of standard input's terminal, if it is one."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._settings = self._read()

    def restore(self) -> None:
        """Restore the terminal's settings, unless another job has the terminal now."""
        if termios is None or self._settings is None or self._read() in (None, self._settings):
            return
        try:
            if os.tcgetpgrp(self._descriptor) == os.getpgrp():
                # Do not wait for output that the terminal has stopped (Ctrl-S).
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._settings)
        except (OSError, termios.error):
            return

    def _read(self) -> list[Any] | None:
        if termios is None:
            return None
        try:
            return termios.tcgetattr(self._descriptor)
        except (OSError, termios.error):
            return None
