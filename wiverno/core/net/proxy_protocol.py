"""The PROXY protocol in front of a connection's first request, for listeners that only a balancer may reach.

The reader is in the loop until the preamble is complete. The connection then takes its place, with the client's address
that the balancer gave. A peer that is not trusted is closed before (security case 41).

The preamble comes unencrypted, also where TLS follows. OpenSSL reads from the socket itself, so nothing of the
handshake may be consumed: there the reader peeks first, and reads the preamble's own bytes only.
"""

import socket
from collections.abc import Callable
from typing import Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.handlers import HANDSHAKE_GRACE, UNFINISHED_RANK, Eviction
from wiverno.core.loop.poller import READ, is_readable
from wiverno.core.net.closing import close_client, close_copy
from wiverno.http.errors import ProtocolError
from wiverno.http.proxy_protocol import ProxyPreamble, read_proxy_preamble

MAX_PREAMBLE: Final = 4096  # bytes read at once; what follows belongs to the request

# Called with the preamble and the bytes after it.
OnPreamble = Callable[[ProxyPreamble, bytes], None]


class PreambleReader:
    """Reads a balancer's preamble before the connection begins."""

    __slots__ = (
        "__weakref__", "_data", "_deadline", "_is_registered", "_loop", "_on_preamble", "_since", "_takes_rest", "fd",
        "sock", "tick",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, loop: Loop, timeout: float, on_preamble: OnPreamble, *, takes_rest: bool = True
    ) -> None:
        """Read from a socket that does not block.

        Args:
            sock: the connection.
            loop: where the reader waits for its client.
            timeout: seconds, 0 for no limit.
            on_preamble: called when the preamble is complete.
            takes_rest: what follows may be read too, and is handed over; else it stays in the socket.
        """
        self.sock = sock
        self._takes_rest = takes_rest
        self._loop = loop
        self._data = b""
        self._since = loop.now
        self._on_preamble = on_preamble
        self._deadline = loop.now + timeout if timeout else float("inf")
        self._is_registered = False
        self.fd = sock.fileno()
        self.tick = 0

    def ready(self, events: int) -> None:
        """Read; hand over when the preamble is complete, close if it is invalid."""
        try:
            data = self.sock.recv(MAX_PREAMBLE, 0 if self._takes_rest else socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            self._wait()
            return
        except OSError:
            data = b""
        before = len(self._data)
        self._data += data
        try:
            preamble = read_proxy_preamble(self._data) if data else None
            if data and not self._takes_rest:
                # As long as the preamble is not complete, all that is there belongs to it.
                self.sock.recv(preamble.consumed - before if preamble is not None else len(data))
        except (ProtocolError, OSError):
            self.close()
            return
        if preamble is not None:
            self._loop.forget(self)
            if self._is_registered:
                self._loop.poller.unregister(self.fd)
            self._on_preamble(preamble, self._data[preamble.consumed :])
        elif data:
            self._wait()
        else:
            self.close()

    def _wait(self) -> None:
        if not self._is_registered:
            self._is_registered = True
            self._loop.poller.register(self.fd, READ)

    def deadline(self) -> float:
        """Return when the preamble must be complete."""
        return self._deadline

    def expire(self) -> None:
        """Close: the preamble is incomplete."""
        self.close()

    def eviction(self) -> Eviction:
        """Return when it may be evicted."""
        return Eviction(UNFINISHED_RANK, self._since, self._since + HANDSHAKE_GRACE)

    def has_input(self) -> bool:
        """Tell whether the client has sent something that has not been read yet."""
        return is_readable(self.fd)

    def evict(self) -> None:
        """Close to admit another client."""
        self.close()

    def begin_drain(self) -> None:
        """Do nothing: a request that follows soon is still answered."""

    def abandon(self) -> None:
        """Close this process's copy after a fork."""
        close_copy(self.sock)

    def __repr__(self) -> str:
        return f"<PreambleReader fd={self.fd} received={len(self._data)}>"

    def drain(self, before: float = float("inf")) -> None:
        """Close: no request has begun."""
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._loop.forget(self)
        if self._is_registered:
            self._loop.poller.unregister(self.fd)
        close_client(self.sock)
