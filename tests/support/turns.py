"""Tests that measure have the machine for themselves, though the others run side by side.

A readers' and writers' lock between the processes that run tests: each test holds it shared, one with the mark `alone`
exclusively. A process that waits for it holds a second lock, so that later ones cannot keep it waiting.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where each run has one process
    fcntl = None  # type: ignore[assignment]


class Turns:
    """The lock.

    Args:
        folder: the same one for every process of a run.
    """

    def __init__(self, folder: Path) -> None:
        self._door = (folder / "door").open("wb", 0)
        self._evictor = (folder / "room").open("wb", 0)

    @contextmanager
    def turn(self, *, alone: bool) -> Iterator[None]:
        """Be in the room for the length of the block, with others or alone."""
        with locked(self._door, fcntl.LOCK_EX):
            fcntl.flock(self._evictor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._evictor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the files."""
        self._door.close()
        self._evictor.close()


@contextmanager
def locked(file: IO[bytes], how: int) -> Iterator[None]:
    """Hold a lock on a file for the length of the block."""
    fcntl.flock(file, how)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
