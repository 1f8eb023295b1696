"""Descriptors that must stay what they are although anything in the process can close them.

Daemonising code closes every number it can think of, a double close() in the application closes what was opened in
between. The number is then free for the next file, socket or pipe, and whoever still writes to it writes into that. So
a descriptor is remembered together with what it stood for: device and inode, which no other open socket or pipe has.
"""

import os
import stat
from typing import Any


class DescriptorLostError(Exception):
    """A descriptor that the server lives on is no longer what it was; the text says which."""


class Descriptor:
    """A number, and what it stood for when this was made."""

    __slots__ = ("_identity", "fd", "name")

    def __init__(self, fd: int, name: str) -> None:
        """`name` says in the log what it is."""
        self.fd = fd
        self.name = name
        self._identity = _identity(fd)

    def is_ours(self) -> bool:
        """Tell whether the number still stands for the same thing; always true where the system can't tell."""
        return self._identity is None or _identity(self.fd) == self._identity

    def check(self) -> None:
        """Make sure that it is.

        Raises:
            DescriptorLostError: it is not.
        """
        if not self.is_ours():
            raise DescriptorLostError(self.loss())

    def loss(self) -> str:
        """Return the words for the log."""
        return f"{self.name} (descriptor {self.fd}) was closed by something else in this process"


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(fd)
    except OSError:  # closed; or a socket on Windows, whose handle is no descriptor
        return None
    return status.st_dev, status.st_ino


def detach_lost(sock: Any) -> None:
    """Have a socket leave its number alone if that stands for no socket any more."""
    try:
        is_socket = stat.S_ISSOCK(os.fstat(sock.fileno()).st_mode)
    except OSError:
        is_socket = os.name != "posix"  # on Windows a socket's number is no descriptor
    if not is_socket:
        sock.detach()
