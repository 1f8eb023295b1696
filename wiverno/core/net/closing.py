"""The two ways in which a client's socket is closed: for its client, and in a forked process that holds a copy.

A process that the application has forked holds a copy of every socket, and close() alone ends no connection of which a
copy is left: the client would wait for the end of its response as long as the child lives. shutdown() acts on the
connection itself, whatever number of copies there are. So it is omitted where the connection continues in another
process.
"""

import contextlib
import socket
import struct
import sys
from typing import Final, Protocol


class Closable(Protocol):
    """A client's socket, plain or TLS."""

    def shutdown(self, how: int, /) -> None:
        """End one direction of the connection, or both."""

    def setsockopt(self, level: int, name: int, value: bytes, /) -> None:
        """Set an option of the socket."""

    def close(self) -> None:
        """Close this process's descriptor."""


def close_client(sock: Closable) -> None:
    """End the connection for all processes that hold a copy of the socket, and close this process's descriptor."""
    with contextlib.suppress(OSError):  # the client has ended it already
        sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):  # the kernel frees the descriptor even if it reports an error
        sock.close()


def close_copy(sock: Closable) -> None:
    """Close this process's descriptor of a connection that another process continues."""
    with contextlib.suppress(OSError):
        sock.close()


def reset_client(sock: Closable) -> None:
    """Close so that the client gets a reset instead of the end, and through TLS no close_notify.

    A client learns so that a response was cut whose only end is the end of the connection. Where a forked child holds a
    copy, the client learns it when the child ends: an earlier shutdown() would look like the end of the response.
    """
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    with contextlib.suppress(OSError):
        sock.close()


# On, for 0 seconds: close() sends RST (socket(7)). Windows' struct linger has two short numbers.
_NO_LINGER: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
