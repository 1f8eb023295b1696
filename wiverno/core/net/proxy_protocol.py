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
from wiverno.core.loop.poller import READ
from wiverno.core.net.new_client import NewClient
from wiverno.http.errors import ProtocolError
from wiverno.http.proxy_protocol import ProxyPreamble, read_proxy_preamble

MAX_PREAMBLE: Final = 4096  # bytes read at once; what follows belongs to the request

# Called with the preamble and the bytes after it.
OnPreamble = Callable[[ProxyPreamble, bytes], None]


class PreambleReader(NewClient):
    """Reads a balancer's preamble before the connection begins."""

    __slots__ = ("_data", "_on_preamble", "_takes_rest")

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
        super().__init__(sock, loop, timeout)
        self._takes_rest = takes_rest
        self._data = b""
        self._on_preamble = on_preamble

    def ready(self, events: int) -> None:
        """Read; hand over when the preamble is complete, close if it is invalid."""
        try:
            data = self.sock.recv(MAX_PREAMBLE, 0 if self._takes_rest else socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            self._wait_for(READ)
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
            rest = self._data[preamble.consumed :]
            self._pass_on(lambda: self._on_preamble(preamble, rest))
        elif data:
            self._wait_for(READ)
        else:
            self.close()
