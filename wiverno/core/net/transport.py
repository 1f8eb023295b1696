"""A client's socket in the loop: what the poller reports of it, whether the client is still there, how it is closed.

It knows no protocol. A connection owns it and decides what it waits for; HTTP/1.1 and HTTP/2 use it in the same way.
"""

import contextlib
import select
import socket
from collections.abc import Callable
from typing import Any, Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import NOTHING, READ, is_readable
from wiverno.core.net.closing import close_client, close_copy, reset_client
from wiverno.core.net.lingering_close import Lingering

UNREGISTERED: Final = -1

# What a non-blocking socket raises when it would have to wait.
WOULD_BLOCK: Final = (BlockingIOError, InterruptedError)


class Transport:
    """A connected, non-blocking socket, plain or TLS; `arm` may be called by any thread, with the loop's `arming` held.

    Attributes:
        sock: the socket.
        fd: its descriptor.
        armed: what the poller is armed for; UNREGISTERED until the connection first waits.
        decrypted: tells how many decrypted bytes wait inside of TLS, which no poller reports; None for a plain socket.
    """

    __slots__ = ("_loop", "armed", "decrypted", "fd", "sock")

    def __init__(self, sock: Any, loop: Loop) -> None:
        """Take over a socket that the poller does not know yet."""
        self.sock = sock
        self.fd: int = sock.fileno()
        self.armed = UNREGISTERED
        self.decrypted: Callable[[], int] | None = getattr(sock, "pending", None)
        self._loop = loop

    def __repr__(self) -> str:
        return f"<Transport fd={self.fd} armed={self.armed}>"

    def arm(self, interest: int) -> None:
        """Tell the poller what the connection waits for: READ, WRITE or NOTHING."""
        if interest == READ and self.decrypted is not None and self.decrypted():
            self._loop.resume(self.fd)
        if interest == self.armed:
            return
        poller = self._loop.poller
        if self.armed == UNREGISTERED:
            poller.register(self.fd, interest or READ)
            if not interest:
                poller.arm(self.fd, NOTHING)
        else:
            poller.arm(self.fd, interest)
        self.armed = interest

    def send_at_once(self, data: bytes) -> None:
        """Send what the client takes at once, and drop the rest."""
        with contextlib.suppress(OSError):
            self.sock.send(data)

    def has_input(self) -> bool:
        """Tell whether the client has sent something that has not been read yet."""
        return is_readable(self.fd) or bool(self.decrypted is not None and self.decrypted())

    def is_disconnected(self) -> bool:
        """Tell whether the client has closed the connection; what it sent before is not read."""
        if hasattr(select, "POLLRDHUP"):
            poll = select.poll()
            with contextlib.suppress(OSError, ValueError):
                poll.register(self.fd, select.POLLRDHUP)
                return bool(poll.poll(0))
            return True
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK) == b"")
        except WOULD_BLOCK:
            return False
        except OSError:
            return True

    def close(self, *, is_cut: bool = False, lingers: bool = False) -> None:
        """Close the socket.

        Args:
            is_cut: the response is incomplete and its client only knows its end by the end of the connection: reset.
            lingers: half-close and discard input for a moment (RFC 9112 §9.6), since the client may still be sending.
        """
        if lingers and not is_cut:
            try:
                Lingering(self.sock, self._loop, is_registered=self.armed != UNREGISTERED)
            except OSError:
                pass
            else:
                return
        if self.armed != UNREGISTERED:
            self._loop.poller.unregister(self.sock.fileno())  # -1 if the number is another client's by now
        if is_cut:
            reset_client(self.sock)
        else:
            close_client(self.sock)

    def abandon(self) -> None:
        """Close this process's copy after a fork."""
        close_copy(self.sock)
