"""Wait for something to become true, never for time to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds after which a condition that should hold within milliseconds fails, on a busy machine too."""


def wait_until(condition: Callable[[], T], deadline: float = PATIENCE, *, what: str = "") -> T:
    """Ask `condition` until it gives something true, and return that.

    Args:
        deadline: seconds to keep asking.
        what: words for the failure; without them the condition's name.

    Raises:
        AssertionError: the condition did not hold in time.
    """
    end = time.monotonic() + deadline
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            message = f"still not after {deadline:g} s: {what or getattr(condition, '__name__', 'a condition')}"
            raise AssertionError(message)
        time.sleep(pause)  # between two looks; the deadline ends them
        pause = min(pause * 1.5, 0.05)
