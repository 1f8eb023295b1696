"""Where a thread waits until another one wakes it: a lock, or without the GIL a queue.

A lock of such a build yields the processor forty times before its waiter sleeps (``_PyMutex_LockTimed``), because most
locks are held for a moment only. A parked thread waits for the next request: it would take the processor from those
that serve, with eighty switches for each hand-over. A queue's waiter sleeps at once.
"""

import queue
import threading
from typing import Any, Protocol

from wiverno.tables import has_gil


class Parking(Protocol):
    """What is needed of either; it begins taken."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Wait up to `timeout` seconds, -1 for ever, until it is released; tell whether it was."""

    def release(self) -> None:
        """Wake the thread that waits, or else the next that does."""


class QueueParking:
    """The same by a queue: a token in it wakes."""

    __slots__ = ("_get", "_is_empty", "_put")

    def __init__(self) -> None:
        tokens: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._get, self._put, self._is_empty = tokens.get, tokens.put, tokens.empty

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Wait for a token and take it."""
        try:
            self._get(blocking, None if timeout < 0 else timeout)
        except queue.Empty:
            return False
        return True

    def release(self) -> None:
        """Put a token, unless one is there already.

        Raises:
            RuntimeError: one is there, as with a lock that is not taken.
        """
        if not self._is_empty():
            raise RuntimeError("released already")
        self._put(None)


def new_parking() -> Parking:
    """Return what suits this build of Python."""
    if not has_gil():
        return QueueParking()
    lock = threading.Lock()
    lock.acquire()
    return lock
