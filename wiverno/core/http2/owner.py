"""What a stream needs of its connection, and the window through which its waiting bytes reach the output."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar

from wiverno.core.context import ServerContext
from wiverno.core.loop.event_loop import BlockingThreads
from wiverno.core.net.buffers import Pending
from wiverno.http2.connection import ServerProtocol
from wiverno.http2.sending import GONE
from wiverno.wsgi.sink import ClientDisconnected
from wiverno.wsgi_types import Environ

S_contra = TypeVar("S_contra", contravariant=True)

TURN: Final = 65536  # bytes of one stream before others have their turn


class StreamOwner(Protocol[S_contra]):
    """What a stream needs of its connection; `lock` guards all but `flush_soon`, `is_gone` and `after_exchange`."""

    context: ServerContext

    @property
    def lock(self) -> AbstractContextManager[Any, Any]:
        """Guards the connection; reentrant."""

    now: float
    queued: int
    protocol: ServerProtocol

    @property
    def threads(self) -> BlockingThreads | None:
        """The threads that run requests; None if the leader is the only one."""

    def has_room(self) -> bool:
        """Tell whether streams may put more into the output."""

    def note_waiting(self, stream: S_contra) -> None:
        """Remember that a stream has output that waits."""

    def pump(self, stream: S_contra) -> None:
        """Send what a stream has waiting, as far as that is possible now."""

    def flush_waiting(self, pending: Pending, window: "StreamWindow") -> None:
        """Send what a stream has waiting, except what has to be read from disk first."""

    def flush(self, *, batch: bool) -> None:
        """Send what the output holds; with `batch` only if no further complete request waits."""

    def flush_soon(self) -> None:
        """Have the leader flush."""

    def forget_stream(self, stream: S_contra) -> None:
        """Take a stream that has ended out of the tables."""

    def release(self, stream: S_contra) -> None:
        """Note that the request of a closed stream runs no longer, and forget the stream."""

    def is_gone(self) -> bool:
        """Tell whether the client has closed the connection."""

    def call_unlocked(self, call: Callable[[], None]) -> None:
        """Have the application's code called when the lock is not held."""

    def after_exchange(self) -> None:
        """Close the connection if that was the last exchange of one that drains."""

    def record_error_response(self, stream: S_contra, environ: Environ | None, status: int, length: int) -> None:
        """Put one of the server's own responses into the access log."""


class Sending(Protocol):
    """A stream whose bytes are sent."""

    stream_id: int


class StreamWindow:
    """What `Pending.flush` takes for a socket: one stream's part of the output, a turn's worth of it."""

    __slots__ = ("_connection", "_left", "_stream", "pending")

    def __init__(self, stream: Sending, connection: StreamOwner[Any]) -> None:
        self._stream = stream
        self._connection = connection
        self._left = TURN
        self.pending = 0  # as TLS sockets have it: the kernel can't copy a file here

    def send(self, data: bytes | memoryview) -> int:
        """Put bytes into frames; return how many.

        Raises:
            BlockingIOError: the windows are closed, or the turn is over.
            ClientDisconnected: the stream is gone.
        """
        stream, connection = self._stream, self._connection
        if not self._left or not connection.has_room():
            raise BlockingIOError
        piece = bytes(data[: self._left])  # a copy: the spool and the application's buffer may change before it leaves
        taken = connection.protocol.output.data(stream.stream_id, piece, ends=False)
        if taken == GONE:
            raise ClientDisconnected("the stream is gone")
        if not taken:
            raise BlockingIOError
        self._left -= taken
        connection.queued += taken
        return taken
