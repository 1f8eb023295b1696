"""The socket of an HTTP/2 connection: one output for all streams, and what the poller is armed for.

Any thread may send, with the connection's `lock` held; nothing here blocks. What the socket does not take waits, and
the poller tells the leader when there is room.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from wiverno.core.context import ServerContext
from wiverno.core.loop.event_loop import BlockingThreads, Loop
from wiverno.core.loop.poller import READ, WRITE
from wiverno.core.net.buffers import Pending
from wiverno.core.net.transport import WOULD_BLOCK, Transport
from wiverno.foreign_code import guarded_logger
from wiverno.http2.connection import ServerProtocol

logger = guarded_logger("wiverno")

MAX_UNSENT: Final = 131072  # bytes in the output, above which streams keep what they have


class Http2Transport(ABC):
    """The sending half of a connection.

    Attributes:
        lock: guards the protocol object, the socket and the tables of streams; reentrant.
        protocol: frames and streams as the wire has them.
        transport: the socket in the loop.
        since: when something was received or sent last, monotonic seconds.
        now: the loop's clock at the last event.
        queued: bytes in the output, as far as streams have put them there.
        sent_at: when the client last took something, monotonic seconds.
        stalled_since: since when the socket has not taken all there was; None if it has.
        stalled_sent: bytes that it has taken since then.
    """

    __slots__ = (
        "__weakref__", "_loop", "_unsent", "context", "fd", "is_closed", "lock", "now", "protocol", "queued",
        "sent_at", "since", "sock", "stalled_sent", "stalled_since", "tick", "transport",
    )  # fmt: skip

    def __init__(self, sock: Any, context: ServerContext, loop: Loop, protocol: ServerProtocol) -> None:
        """Take over a connected, non-blocking socket that the poller does not know yet."""
        self.sock = sock
        self.transport = Transport(sock, loop)
        self.fd = self.transport.fd
        self.tick = 0
        self.context = context
        self.protocol = protocol
        self.now = self.since = loop.now
        self.lock = threading.RLock()
        self.is_closed = False
        self._loop = loop
        self._unsent: memoryview | None = None
        self.queued = 0
        self.sent_at = loop.now
        self.stalled_since: float | None = None
        self.stalled_sent = 0

    @property
    def threads(self) -> BlockingThreads | None:
        """The threads that run requests; None if the leader is the only one."""
        return self._loop.thread_pool

    def has_room(self) -> bool:
        """Tell whether streams may put more into the output."""
        return self._unsent is None and self.queued <= MAX_UNSENT

    def send_output(self, *, wants_room: Callable[[], bool]) -> bool:
        """Send what the output holds (lock held); return False if the connection broke.

        Args:
            wants_room: whether streams wait for the socket, so that the poller must tell when it takes more.
        """
        output = self.protocol.output
        unsent = self._unsent
        try:
            while unsent is not None or output:
                if unsent is None:
                    unsent = memoryview(output.take())
                    self.queued = 0
                sent = self.sock.send(unsent)
                self.since = self.sent_at = time.monotonic()
                self.stalled_sent += sent
                unsent = unsent[sent:] if sent < len(unsent) else None
        except WOULD_BLOCK:
            pass
        except OSError as error:
            self.report(error)
            return False
        self._unsent = unsent
        if unsent is None:
            self.stalled_since = None
        elif self.stalled_since is None:
            self.stalled_since = self.sent_at = time.monotonic()
            self.stalled_sent = 0
        interest = READ | WRITE if unsent is not None or wants_room() else READ
        if interest != self.transport.armed:
            with self._loop.arming:
                self.transport.arm(interest)
        return True

    def hold_back(self) -> bool:
        """Tell whether the output leaves with those of others, of which the leader has read requests (lock held)."""
        loop = self._loop
        if loop.held is None or not loop.begun:
            return False
        loop.held.append(self)
        return True

    def send_held(self) -> None:
        """Send what was held back (leader)."""
        with self.lock:
            self.flush(batch=False)

    @abstractmethod
    def flush(self, *, batch: bool) -> None:
        """Send what the output holds; with `batch` only if no further request waits that is complete (lock held)."""

    def flush_waiting(self, pending: Pending, window: Any) -> None:
        """Send what a stream has waiting through its window, except what has to be read from disk first (locks held).

        Raises:
            BlockingIOError: the window is closed, or the stream's turn is over.
            OSError: as in `Pending.flush`.
        """
        uncached = pending.flush(window, plain=False, waits=self._loop.file_threads is None)
        if uncached is not None:
            pending.read_first(uncached, self._loop, self.flush_soon)

    def discard_output(self) -> None:
        """Give the memory of what was not sent back: exchanges that still run keep the connection (lock held)."""
        self._unsent = None
        self.protocol.output.discard()

    def flush_soon(self) -> None:
        """Have the leader flush; called with or without any lock."""
        self._loop.resume(self.fd)

    def report(self, error: OSError) -> None:
        """Log a broken connection, unless that is what clients do every day."""
        if self.context.log_socket_errors and not isinstance(error, ConnectionError):
            logger.warning("Socket error: %s", error)

    def has_input(self) -> bool:
        """Tell whether the client has sent something that has not been looked at yet."""
        return self.transport.has_input()

    def abandon(self) -> None:
        """Close this process's copy of the socket after a fork."""
        self.transport.abandon()
