"""Lingering close: the end of a connection whose client may still be sending (RFC 9112 §9.6).

Closing at once would make the kernel reset the connection, and the client would lose the response. So the sending side
is shut down first, input is discarded for a moment, and then the socket is closed.
"""

import socket
import time
from typing import Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.handlers import IDLE_RANK, LINGER_AGE, Eviction
from wiverno.core.loop.poller import READ
from wiverno.core.net.closing import close_client, close_copy

LINGER_TIME: Final = 2.0  # seconds
LINGER_BYTES: Final = 1 << 20
LINGER_READ: Final = 65536


class Lingering:
    """Replaces a connection in the loop until its client has read the end."""

    __slots__ = ("_discarded", "_loop", "_until", "fd", "sock", "tick")

    def __init__(self, sock: socket.socket, loop: Loop, *, is_registered: bool) -> None:
        """Take over a socket that nothing more is sent to.

        Raises:
            OSError: the client is gone already; the socket still belongs to the caller.
        """
        sock.shutdown(socket.SHUT_WR)
        self.sock = sock
        self._loop = loop
        self._discarded = 0
        self._until = time.monotonic() + LINGER_TIME
        self.fd = sock.fileno()
        self.tick = 0
        loop.handlers[self.fd] = self
        loop.connections.add(self)
        loop.watch(self, self._until)
        if is_registered:
            loop.poller.arm(self.fd, READ)
        else:
            loop.poller.register(self.fd, READ)
        loop.poller.wake()  # the leader, perhaps another thread, may be waiting for a later deadline

    def ready(self, events: int) -> None:
        """Discard input; close at the end of the stream."""
        try:
            data = self.sock.recv(LINGER_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self._discarded += len(data)
        if not data or self._discarded > LINGER_BYTES:
            self.close()

    def deadline(self) -> float:
        """Return when the wait is over."""
        return self._until

    def expire(self) -> None:
        """End the wait."""
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._loop.forget(self)
        self._loop.poller.unregister(self.fd)
        close_client(self.sock)

    def drain(self, before: float = float("inf")) -> None:
        """Close: the response has been sent."""
        self.close()

    def eviction(self) -> Eviction:
        """Return when it may be evicted: soon, for the response has been sent."""
        since = self._until - LINGER_TIME
        return Eviction(IDLE_RANK, since, since + LINGER_AGE)

    def has_input(self) -> bool:
        """Tell that there is no input to wait for: it is discarded."""
        return False

    def evict(self) -> None:
        """Close to admit another client."""
        self.close()

    def begin_drain(self) -> None:
        """Do nothing: the response has been sent."""

    def abandon(self) -> None:
        """Close this process's copy after a fork."""
        close_copy(self.sock)

    def __repr__(self) -> str:
        return f"<Lingering fd={self.fd} discarded={self._discarded}>"
