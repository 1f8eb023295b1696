"""One request body on its way in: framing, limit and buffer together, independent of the loop."""

import socket
from typing import Any, Final

from wiverno.core.net.body_memory import BodyMemory
from wiverno.core.net.buffers import NO_BUDGET, BodyBuffer
from wiverno.http.body import ChunkedDecoder
from wiverno.http.errors import ProtocolError
from wiverno.http.framing import CHUNKED

CHUNKED_READ: Final = 262144  # bytes received at a time of a chunked body
TURN: Final = 1 << 20  # bytes received from one client before others have their turn


class RequestBody:
    """A body that is being received; belongs to the leader.

    Attributes:
        is_complete: the whole body is here.
        rest: bytes that came after it, once it is complete.
    """

    __slots__ = ("_buffer", "_decoder", "_length", "_limit", "is_complete", "rest")

    def __init__(self, length: int, *, limit: int, overflow: int, budget: BodyMemory = NO_BUDGET) -> None:
        """Expect a body.

        Args:
            length: bytes, or framing.CHUNKED.
            limit: bytes that the body must stay below.
            overflow: bytes up to which it is kept in memory.
            budget: memory for larger bodies; without room there it is kept in a temporary file.
        """
        self._length = length
        self._limit = limit
        self._buffer = BodyBuffer(overflow, budget)
        self._decoder = ChunkedDecoder() if length == CHUNKED else None
        self.is_complete = False
        self.rest = b""

    @property
    def received(self) -> int:
        """Bytes of content so far."""
        return self._buffer.received

    def take(self, data: bytes) -> None:
        """Add bytes that have been received.

        Raises:
            ProtocolError: bad chunks, or a chunked body that reaches the limit or says that it will.
        """
        buffer = self._buffer
        if self._decoder is None:
            wanted = self._length - buffer.received
            buffer.append(data[:wanted])
            self.rest = data[wanted:]
            self.is_complete = buffer.received == self._length
            return
        for content in self._decoder.feed(data):
            buffer.append(content)
        if buffer.received + self._decoder.expected >= self._limit:
            raise ProtocolError(413, f"exceeds max_body of {self._limit}")
        self.is_complete = self._decoder.is_done
        self.rest = self._decoder.rest

    def receive_burst(self, sock: socket.socket, scratch: memoryview) -> bool:
        """Receive what is there, up to where others should have their turn; False at the end of the stream.

        Args:
            sock: not blocking.
            scratch: for the receiver's short use.

        Raises:
            OSError: the connection broke.
            ProtocolError: as in `take`.
        """
        left = TURN
        try:
            while left > 0 and not self.is_complete:
                count = self._receive(sock, scratch[:left])
                if not count:
                    return False
                left -= count
        except (BlockingIOError, InterruptedError):
            pass
        return True

    def _receive(self, sock: socket.socket, scratch: memoryview) -> int:
        """Receive once; return the count of bytes, 0 at the end of the stream."""
        if self._decoder is None:
            count = self._buffer.receive(sock, self._length, scratch)
            self.is_complete = self._buffer.received == self._length
            return count
        data = sock.recv(CHUNKED_READ)
        if data:
            self.take(data)
        return len(data)

    def finish(self) -> Any:
        """Return the body as a file object at its start."""
        self._decoder = None
        return self._buffer.finish()

    def close(self) -> None:
        """Give memory or file back."""
        self._buffer.close()
