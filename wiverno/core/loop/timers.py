"""Calls at a time, made by the leader between events: once, or again and again.

Timers are kept with the deadlines of the connections, which come due with whole seconds of the clock. So a call comes
up to a second late, and a timer costs nothing while it waits.
"""

import time
from collections.abc import Callable
from typing import Final

from wiverno.core.loop.event_loop import Loop

EVERY_SECOND: Final = 0.05
"""The interval, in seconds, of a call that is due with each second of the clock."""


class Timer:
    """Calls a function once for each time that it is set; any thread may set it, the leader makes the call."""

    __slots__ = ("_call", "_loop", "_when", "tick")

    def __init__(self, loop: Loop, call: Callable[[], None]) -> None:
        self.tick = 0
        self._loop = loop
        self._call = call
        self._when = float("inf")

    def set(self, when: float) -> None:
        """Make the call at `when`, in monotonic seconds, instead of at the time set before; infinity for never."""
        self._when = when
        self._loop.watch(self, when)

    def deadline(self) -> float:
        """Return when the call is due."""
        return self._when

    def expire(self) -> None:
        """Make the call."""
        self._when = float("inf")
        self._call()


class Repeating:
    """Calls a function as long as its loop runs; an exception of one call does not end the others."""

    __slots__ = ("_call", "_interval", "_loop", "_next", "tick")

    def __init__(self, loop: Loop, interval: float, call: Callable[[], None], *, at_once: bool = False) -> None:
        """Begin.

        Args:
            loop: its leader makes the calls.
            interval: seconds between two calls; EVERY_SECOND for the shortest.
            call: what is called.
            at_once: the first call comes after the loop's next wait instead of after `interval`.
        """
        self.tick = 0
        self._loop = loop
        self._interval = interval
        self._call = call
        self._next = 0.0 if at_once else time.monotonic() + interval
        loop.watch(self, self._next)

    def deadline(self) -> float:
        """Return when the next call is due."""
        return self._next

    def expire(self) -> None:
        """Make the call."""
        self._next = time.monotonic() + self._interval
        self._loop.watch(self, self._next)
        self._call()
