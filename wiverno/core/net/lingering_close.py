"""The end of a connection whose client may still be sending (RFC 9112 §9.6).

Closing at once would make the kernel reset the connection, and the client would lose the response that tells it why.
So the sending side is closed first, what still comes is thrown away for a moment, and then the socket is closed.
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
    """Takes the place of a connection in the loop until its client has seen the end."""

    __slots__ = ("_discarded", "_loop", "_until", "fd", "sock", "tick")

    def __init__(self, sock: socket.socket, loop: Loop, *, is_registered: bool) -> None:
        """Take over a socket that nothing more is sent to.

        Raises:
            OSError: the client is gone already; the socket is still the caller's.
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
        loop.poller.wake()  # the leader, which may be another thread, waits until a later deadline perhaps

    def ready(self, events: int) -> None:
        """Throw away what comes; close at the end of the stream."""
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
        """Close: the server has waited long enough."""
        self.close()

    def eviction(self) -> Eviction:
        """Return when it may be closed for another client: soon, for the answer has been sent."""
        since = self._until - LINGER_TIME
        return Eviction(IDLE_RANK, since, since + LINGER_AGE)

    def has_input(self) -> bool:
        """Tell that nothing of it is wanted: what comes is thrown away."""
        return False

    def evict(self) -> None:
        """Close for another client's sake."""
        self.close()

    def begin_drain(self) -> None:
        """Go on: it has been answered."""

    def abandon(self) -> None:
        """Close this process's copy after a fork."""
        close_copy(self.sock)

    def __repr__(self) -> str:
        return f"<Lingering fd={self.fd} discarded={self._discarded}>"
