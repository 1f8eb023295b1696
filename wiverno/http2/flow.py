"""Flow control (RFC 9113 §5.2, §6.9): windows of both directions, for a stream and for the connection.

A window for sending is a plain int, because each response subtracts from two of them; it may be negative after the peer
has lowered SETTINGS_INITIAL_WINDOW_SIZE (§6.9.2). A window for receiving is an object: it must also remember what was
consumed and not announced yet.
"""

from typing import Final

from wiverno.http2.errors import ErrorCode, connection_violation, stream_violation

MAX_WINDOW: Final = 0x7FFFFFFF


def grow(window: int, increment: int, stream_id: int) -> int:
    """Return a window for sending after WINDOW_UPDATE; `stream_id` is 0 for the connection's.

    Raises:
        Violation: the window passes 2^31-1 (RFC 9113 §6.9.1).
    """
    window += increment
    if window <= MAX_WINDOW:
        return window
    if stream_id:
        raise stream_violation(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "the stream's window overflows")
    raise connection_violation(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window overflows")


class ReceiveWindow:
    """What the peer may still send, in bytes.

    It is announced again when half of it has been consumed: early enough that a fast sender never stops, late enough
    that a WINDOW_UPDATE stands for many DATA frames.
    """

    __slots__ = ("_consumed", "_size", "available")

    def __init__(self, size: int) -> None:
        self._size = size
        self._consumed = 0
        self.available = size

    def take(self, count: int) -> bool:
        """Take the bytes of a DATA frame, padding included; return False if the peer had no right to send them."""
        self.available -= count
        return self.available >= 0 or not count  # an empty frame is allowed below zero as well (RFC 9113 §6.9.1)

    def lower(self, difference: int) -> int:
        """Take a smaller size, which the peer has acknowledged; return the increment to announce, 0 for none.

        The window may become negative (RFC 9113 §6.9.2). What was consumed before may be half of the new size.
        """
        self._size -= difference
        self.available -= difference
        return self.consume(0)

    def consume(self, count: int) -> int:
        """Give back `count` bytes that take no more memory; return the increment to announce, 0 for not yet."""
        consumed = self._consumed + count
        if consumed * 2 < self._size:
            self._consumed = consumed
            return 0
        self._consumed = 0
        self.available += consumed
        return consumed
