"""The kinds of listening sockets.

Each listener knows its name in URLs and logs and what its clients look like, and cleans up what it made: a Unix
socket's file is removed when the listener that created it closes, and only then.
"""

import contextlib
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from wiverno.addresses import bracket_host, join_host_port
from wiverno.core.loop.descriptors import Descriptor
from wiverno.core.ownership import Owner, give_socket


@dataclass(slots=True)
class Listener:
    """A bound TCP socket and its address; the other kinds of sockets are subclasses.

    What depends on the kind of a socket is asked of its listener, so that a new kind is a class here and an address in
    `config/fields/units.py`.

    Attributes:
        socket: bound, not blocking; listening once `listen` was called.
        host: the address it is bound to; a Unix socket's path.
        port: its port, 0 for a Unix socket.
        path: the file to remove at the end, "" if this process has made none.
        is_listening: whether clients can connect already.
        descriptor: what the socket's number stood for, so that its loss is noticed.
    """

    speaks_tls: ClassVar[bool] = True
    redirects: ClassVar[bool] = False  # to https, instead of serving the application
    has_trusted_clients: ClassVar[bool] = False  # only programs of this machine that may open its file connect

    socket: socket.socket
    host: str
    port: int
    path: str = ""
    is_listening: bool = False
    descriptor: Descriptor = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.descriptor = Descriptor(self.socket.fileno(), f"the listening socket {self}", is_socket=True)

    def __str__(self) -> str:
        return join_host_port(self.host, self.port)

    @property
    def is_bound(self) -> bool:
        """Whether the socket has an address."""
        return self.port != 0

    def scheme(self, secure: str, plain: str = "http") -> str:
        """Return `secure` if the clients of this listener can speak TLS, else `plain`."""
        return secure if self.speaks_tls else plain

    def url(self, scheme: str = "http") -> str:
        """Return what a log line says and a client can open."""
        return f"{scheme}://{self}"

    def announcement(self, scheme: str = "http") -> str:
        """Return the log line about what this listener does from the start on."""
        return f"Serving on {self.url(scheme)}"

    def host_and_port(self) -> tuple[str, int | str]:
        """Return host and port as waitress's `print_listen` writes them."""
        return bracket_host(self.host), self.port

    def server_name(self, default: str) -> str:
        """Return SERVER_NAME: the address, or `default` for a socket that listens on every address."""
        return default if self.host in ("", "0.0.0.0", "::") else self.host

    def peer_of(self, name: Any) -> tuple[str, str]:
        """Return a client's REMOTE_ADDR and REMOTE_PORT from what accept() gives."""
        return name[0], str(name[1])

    def copy(self) -> "Listener":
        """Return a listener for a child process: the same socket, whose file the parent removes."""
        return type(self)(self.socket, self.host, self.port, is_listening=True)

    def listen(self, backlog: int) -> None:
        """Let clients connect; `backlog` is how many may wait for accept (listen(2))."""
        if not self.is_listening:
            self.socket.listen(backlog)
            self.is_listening = True

    def take_over(self) -> None:
        """Make this process the one that removes the file, after a fork in which it got the listener."""

    def close_copy(self) -> None:
        """Close this process's descriptor; another process serves from the socket and removes the file."""
        self.path = ""
        self.socket.close()

    def close(self) -> None:
        """Close the socket, unless its number is used for something else now."""
        if not self.descriptor.is_ours():
            self.socket.detach()
        self.socket.close()

    def give(self, mode: int, owner: Owner | None) -> None:
        """Give the socket's file these permissions and this owner; a TCP socket has no file.

        Raises:
            OSError: the file can't be examined or changed.
        """


@dataclass(slots=True)
class RedirectListener(Listener):
    """The plain port beside TLS."""

    speaks_tls: ClassVar[bool] = False
    redirects: ClassVar[bool] = True

    def announcement(self, scheme: str = "http") -> str:
        """Return the log line about what this listener does from the start on."""
        return f"Redirecting {self.url()} to https"


@dataclass(slots=True)
class UnixListener(Listener):
    """A bound Unix socket; `host` is its path as it was configured.

    Attributes:
        identity: device and inode of that file, so that another server's file of the same name is left alone.
        owner: the process that removes the file: no copy of the listener in another one does.
    """

    speaks_tls: ClassVar[bool] = False
    has_trusted_clients: ClassVar[bool] = True

    identity: tuple[int, int] = (0, 0)
    owner: int = field(default_factory=os.getpid)

    def __str__(self) -> str:
        return f"unix:{self.host}"

    @property
    def is_bound(self) -> bool:
        """Whether the socket has an address; waitress binds no Unix socket that is handed to it."""
        return True

    def url(self, scheme: str = "http") -> str:
        """Return the address: there is no URL for a Unix socket."""
        return str(self)

    def host_and_port(self) -> tuple[str, int | str]:
        """Return "unix" and the path, as waitress does."""
        return "unix", self.host

    def server_name(self, default: str) -> str:
        """Return `default`: a path is no name of a server."""
        return default

    def peer_of(self, name: Any) -> tuple[str, str]:
        """Return "localhost" and "None", as waitress does: a peer has no address, and programs expect some text."""
        return "localhost", "None"

    def take_over(self) -> None:
        """Make this process the one that removes the file, after a fork in which it got the listener."""
        self.owner = os.getpid()

    def close(self) -> None:
        """Close the socket, unless its number is used for something else now, and remove the file it made."""
        Listener.close(self)
        if self.path and self.owner == os.getpid():
            with contextlib.suppress(OSError):
                if self.is_own_file():
                    Path(self.path).unlink()
        self.path = ""

    def give(self, mode: int, owner: Owner | None) -> None:
        """Give the socket's file these permissions and this owner, if it is the file of this socket.

        Raises:
            OSError: the file can't be examined or changed.
        """
        if not self.is_own_file():
            return
        if owner is None:
            Path(self.path).chmod(mode)
        else:
            give_socket(self.path, owner, mode)

    def is_own_file(self) -> bool:
        """Tell whether the file is there and is the one that was made for this socket.

        Raises:
            OSError: it can't be examined.
        """
        return bool(self.path) and identity_of(self.path) == self.identity


def identity_of(path: str) -> tuple[int, int]:
    """Return device and inode of a file, not of what a symbolic link points to.

    Raises:
        OSError: the file can't be examined.
    """
    status = os.lstat(path)
    return status.st_dev, status.st_ino
