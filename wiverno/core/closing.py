"""The two ways in which a client's socket is closed: for its client, and in a forked process that holds a copy.

A process that the application has forked holds a copy of every socket, and close() alone ends no connection of which
a copy is left: the client would wait for the end of its response as long as the child lives. shutdown() acts on the
connection itself, whatever number of copies there are. So it is left out where the connection is to go on elsewhere.
"""

import contextlib
import socket
from typing import Protocol


class Closable(Protocol):
    """A client's socket, plain or TLS."""

    def shutdown(self, how: int, /) -> None:
        """End one direction of the connection, or both."""

    def close(self) -> None:
        """Close this process's descriptor."""


def close_client(sock: Closable) -> None:
    """End the connection for all processes that hold a copy of the socket, and close this process's descriptor."""
    with contextlib.suppress(OSError):  # the client has ended it already
        sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):  # the kernel frees the descriptor even if it reports an error
        sock.close()


def close_copy(sock: Closable) -> None:
    """Close this process's descriptor of a connection that another process goes on with."""
    with contextlib.suppress(OSError):
        sock.close()
