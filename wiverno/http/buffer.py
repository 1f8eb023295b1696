"""Received bytes until they hold a whole request head: accumulates, finds the end, rejects early (RFC 9112 §2.2, §3).

Time is linear in the bytes however they are split: each byte is searched once, and what has been taken is cut off the
front of a bytearray, which costs nothing.
"""

import re
from typing import Final

from wiverno.http.errors import ProtocolError
from wiverno.http.head import request_line_error

_find_bare_lf: Final = re.compile(rb"(?<!\r)\n").search


class HeadBuffer:
    """Bytes of one connection that are not part of a request yet."""

    __slots__ = ("_data", "_has_skipped", "_scanned")

    def __init__(self, data: bytes = b"") -> None:
        self._data = bytearray(data)
        self._scanned = 0
        self._has_skipped = False

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: bytes) -> None:
        """Append received bytes."""
        self._data += data

    def start(self, count: int) -> bytes:
        """Return up to `count` bytes from the front, which stay."""
        return bytes(self._data[:count])

    def take_all(self) -> bytes:
        """Take out everything: the beginning of a body."""
        data = bytes(self._data)
        self._data.clear()
        self._scanned = 0
        return data

    def take_head(self, max_head: int, max_line: int) -> bytes | None:
        """Take out one request head without its final empty line; None if it is not complete yet.

        Args:
            max_head: bytes that request line and fields together must stay below.
            max_line: bytes allowed in the request line.

        Raises:
            ProtocolError: 400, 414 or 431, as soon as the head can't become a good one.
        """
        data = self._data
        if not self._has_skipped and data.startswith(b"\r\n"):
            del data[:2]  # RFC 9112 §2.2: one empty line before the request line is ignored
            self._has_skipped = True
            self._scanned = 0
        end = data.find(b"\r\n\r\n", self._scanned)
        if end < 0:
            self._check(max_head, max_line)
            self._scanned = max(len(data) - 3, 0)
            return None
        if end >= max_head - 4:
            raise ProtocolError(431, f"exceeds max_header of {max_head}")
        head = bytes(data[:end])
        del data[: end + 4]
        self._scanned = 0
        self._has_skipped = False
        return head

    def _check(self, max_head: int, max_line: int) -> None:
        data = self._data
        length = len(data)
        if length > max_line and data.find(b"\r\n", 0, max_line + 2) < 0:
            raise request_line_error(data[: max_line + 1].decode("latin-1"), max_line)
        if length >= max_head:
            raise ProtocolError(431, f"exceeds max_header of {max_head}")
        # A client that ends its lines with LF alone would otherwise wait for the header timeout.
        if _find_bare_lf(data, self._scanned):
            raise ProtocolError(400, "line ends without a carriage return")
