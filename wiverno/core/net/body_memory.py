"""The memory that request bodies larger than `inbuf_overflow` may use together, in one process.

Each body of up to `inbuf_overflow` is in memory anyway: `connection_limit` bounds those. A larger one may stay in
memory as long as this budget lasts. It takes what it needs as its bytes arrive, not when it is announced: a client
that announces much and sends nothing keeps nothing from others. One body gets an eighth of the budget at most, so that
a few large ones, which are slow anyway, do not send the ordinary ones to the disk.

What bodies have used goes back to the system when the last of many is done: glibc keeps freed memory for each thread
that has used some (malloc_trim(3)), which after 20 uploads of 8 MiB at a time was up to 290 MiB.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

SHARES: Final = 8  # bodies of the largest size for which the budget lasts
WORTH_TRIMMING: Final = 1 << 25  # bytes in use at once after which it is worth the time: milliseconds
TRIM_DELAY: Final = 1.0  # seconds without a body, so that uploads that follow find the memory still there


class BodyMemory:
    """A budget of bytes; any thread may call the methods.

    Attributes:
        limit: bytes that may be in use at once.
        largest: bytes that one body may use.
        used: bytes in use.
    """

    __slots__ = ("_lock", "_most", "_timer", "_trims", "largest", "limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.largest = limit // SHARES
        self.used = 0
        self._most = 0  # bytes that were in use at once since the last trim
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._trims = True  # as far as is known

    def has_room(self, size: int) -> bool:
        """Tell whether a body of `size` bytes would fit at this moment; nothing is taken."""
        return size <= self.largest and self.used + size <= self.limit

    def take(self, size: int) -> bool:
        """Take `size` bytes; False, and nothing is taken, if that many are not free."""
        with self._lock:
            if self.used + size > self.limit:
                return False
            self.used += size
            self._most = max(self._most, self.used)
            return True

    def give_back(self, size: int) -> None:
        """Give back bytes that were taken."""
        with self._lock:
            self.used -= size
            if self.used or self._most < WORTH_TRIMMING or self._timer or not self._trims:
                return
            self._timer = threading.Timer(TRIM_DELAY, self._give_back_to_system)
        self._timer.name, self._timer.daemon = "wiverno-trim", True
        try:
            self._timer.start()
        except (RuntimeError, MemoryError):  # no room for a thread, or the program ends: it is only thrift
            self._timer = None

    def _give_back_to_system(self) -> None:
        with self._lock:
            self._timer = None
            if self.used:
                return  # the last of these bodies asks again
            self._most = 0
        trim = _find_trim()
        self._trims = trim is not None
        if trim is not None:
            trim(0)


def _find_trim() -> Callable[[int], Any] | None:
    """Return malloc_trim of the C library that this process uses, None where it has none (musl, macOS, Windows)."""
    try:
        import ctypes  # most servers never need it, and it takes a millisecond

        found: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    return found
