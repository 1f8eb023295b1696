"""Descriptors that must stay open and unchanged, although any code in the process can close them.

Daemonising code closes every number that it can think of, and a double close() in the application closes what was
opened in between. The number is then free for the next file, socket or pipe, and a late write goes into that. So a
descriptor is remembered together with its device and inode, which no other open socket or pipe has.
"""

import os
import stat
from typing import Any, Final

# On Windows a socket's number is a handle: it says nothing about a file that is open under the same number.
SOCKETS_ARE_DESCRIPTORS: Final = os.name == "posix"


class DescriptorLostError(Exception):
    """A descriptor that the server depends on is no longer its own; the text names it."""


class Descriptor:
    """A descriptor's number, and the identity of the file behind it."""

    __slots__ = ("_identity", "fd", "name")

    def __init__(self, fd: int, name: str, *, is_socket: bool = False) -> None:
        """`name` is used in the log."""
        self.fd = fd
        self.name = name
        self._identity = _identity(fd) if SOCKETS_ARE_DESCRIPTORS or not is_socket else None

    def is_ours(self) -> bool:
        """Tell whether the number still has the same file behind it; always true where the system can't tell."""
        return self._identity is None or _identity(self.fd) == self._identity

    def check(self) -> None:
        """Make sure that the descriptor is still ours.

        Raises:
            DescriptorLostError: it is not.
        """
        if not self.is_ours():
            raise DescriptorLostError(self.loss())

    def loss(self) -> str:
        """Return the text for the log."""
        return f"{self.name} (descriptor {self.fd}) was closed by something else in this process"


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(fd)
    except OSError:  # closed
        return None
    return status.st_dev, status.st_ino


def detach_lost(sock: Any) -> None:
    """Detach a socket object from its number if there is no socket behind it any more."""
    if not SOCKETS_ARE_DESCRIPTORS:
        return
    try:
        is_socket = stat.S_ISSOCK(os.fstat(sock.fileno()).st_mode)
    except OSError:
        is_socket = False
    if not is_socket:
        sock.detach()
