"""The memory that request bodies larger than `inbuf_overflow` may use together, in one process.

Each body of up to `inbuf_overflow` is in memory anyway: `connection_limit` bounds those. A larger one may stay in
memory as long as this budget lasts. It takes what it needs as its bytes arrive, not when it is announced: a client
that announces much and sends nothing keeps nothing from others. One body gets an eighth of the budget at most, so that
a few large ones, which are slow anyway, do not send the ordinary ones to the disk.
"""

import threading
from typing import Final

SHARES: Final = 8  # bodies of the largest size for which the budget lasts


class BodyMemory:
    """A budget of bytes; any thread may call the methods.

    Attributes:
        limit: bytes that may be in use at once.
        largest: bytes that one body may use.
        used: bytes in use.
    """

    __slots__ = ("_lock", "largest", "limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.largest = limit // SHARES
        self.used = 0
        self._lock = threading.Lock()

    def has_room(self, size: int) -> bool:
        """Tell whether a body of `size` bytes would fit at this moment; nothing is taken."""
        return size <= self.largest and self.used + size <= self.limit

    def take(self, size: int) -> bool:
        """Take `size` bytes; False, and nothing is taken, if that many are not free."""
        with self._lock:
            if self.used + size > self.limit:
                return False
            self.used += size
            return True

    def give_back(self, size: int) -> None:
        """Give back bytes that were taken."""
        with self._lock:
            self.used -= size
