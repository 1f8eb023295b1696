"""Addresses and inherited descriptors → listening sockets.

The kinds of listeners are in `listener_kinds.py`; a new kind needs a function here that binds it.
"""

import contextlib
import errno
import os
import socket
import stat
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from wiverno.config.settings import Address, Adjustments, FdAddress, TcpAddress, UnixAddress
from wiverno.core.net.listener_kinds import Listener, RedirectListener, UnixListener, identity_of
from wiverno.core.ownership import Owner, future_owner, give_socket
from wiverno.files import SetupError, error_text, unix_path
from wiverno.standard_streams import reserve_descriptors

HAS_UNIX: Final = hasattr(socket, "AF_UNIX")

# A server may start again while connections of the one before it are in TIME_WAIT, and no two servers have one port. On
# Windows SO_REUSEADDR would let any program take over the port, without an error for either; so would no option.
_SOLE_OWNER: Final[int] = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)

PORT_ATTEMPTS: Final = 10  # ports to try for one that is free in every family


def open_listeners(adjustments: Adjustments) -> list[Listener]:
    """Bind everything the settings name, in order; nothing stays open if one of them fails.

    Raises:
        OSError: with the operating system's text and the address.
    """
    listeners: list[Listener] = []
    try:
        listeners.extend(adopt(sock) for sock in adjustments.sockets)
        for address in adjustments.addresses:
            listeners.extend(open_address(address, adjustments, listeners))
        for address in adjustments.redirect_addresses:
            listeners.extend(map(as_redirect, open_address(address, adjustments, listeners)))
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def as_redirect(listener: Listener) -> Listener:
    """Return the same socket as a listener that redirects to https.

    Raises:
        SetupError: it is a Unix socket, which was inherited.
    """
    if isinstance(listener, UnixListener):
        raise SetupError(errno.EINVAL, f"redirect_listen: {listener} is no TCP socket")
    return RedirectListener(listener.socket, listener.host, listener.port, is_listening=listener.is_listening)


def open_address(address: Address, adjustments: Adjustments, others: Iterable[Listener] = ()) -> list[Listener]:
    """Bind one address, apart from what `others` are bound to already.

    Raises:
        OSError: as `open_listeners`.
    """
    if isinstance(address, UnixAddress):
        return [bind_unix(address.path, adjustments.unix_socket_perms, future_owner(adjustments))]
    if isinstance(address, FdAddress):
        return [adopt(inherited(address.name))]
    # Two spellings may mean one address: "localhost:80 127.0.0.1:80".
    bound = {(listener.host, listener.port) for listener in others}
    return bind_tcp(address, ipv4=adjustments.ipv4, ipv6=adjustments.ipv6, without=bound)


def bind_tcp(
    address: TcpAddress, *, ipv4: bool, ipv6: bool, without: Collection[tuple[str, int]] = ()
) -> list[Listener]:
    """Bind every address that the host resolves to; "*" and "" mean all addresses of this machine.

    Args:
        address: what to listen on.
        ipv4: whether to use the IPv4 addresses.
        ipv6: whether to use the IPv6 addresses.
        without: hosts and ports to leave out, because they are bound already.

    Raises:
        OSError: with the operating system's text and the address.
    """
    family = socket.AF_UNSPEC
    if ipv4 and not (ipv6 and socket.has_ipv6):
        family = socket.AF_INET
    elif ipv6 and not ipv4:
        family = socket.AF_INET6
    host: str | bytes | None = None if address.host in ("", "*") else address.host
    if isinstance(host, str) and host.isascii():
        host = host.encode()  # for text Python loads the tables of international names: a megabyte
    try:
        found = socket.getaddrinfo(
            host, address.port, family, socket.SOCK_STREAM, socket.IPPROTO_TCP, socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise OSError(error.errno, f"{error.strerror}: host {address.host!r} can't be resolved") from error
    names = list(dict.fromkeys((family, name) for family, _, _, _, name in found if name[:2] not in without))
    if not names:
        return []
    for attempt in range(PORT_ATTEMPTS):
        try:
            return _bind_all(names, address)
        except OSError as error:
            # Only port 0 can succeed next time: the port chosen for one family was taken in the other.
            if address.port or error.errno != errno.EADDRINUSE or attempt == PORT_ATTEMPTS - 1:
                raise
    raise AssertionError  # the last attempt has returned or raised


def _bind_all(names: Sequence[tuple[int, Any]], address: TcpAddress) -> list[Listener]:
    """Bind (family, socket name) pairs; nothing stays open if one of them fails."""
    listeners: list[Listener] = []
    port = address.port
    unavailable: OSError | None = None
    for family, name in names:
        try:
            # Port 0: the first listener's port serves the others too, so that one URL reaches all of them.
            listener = _bind_one(family, (name[0], port or name[1], *name[2:]))
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT) and len(names) > 1:
                unavailable = error  # a name may resolve to a family that this machine does not have
                continue
            for made in listeners:
                made.close()
            raise
        listeners.append(listener)
        port = port or listener.port
    if unavailable is not None and not listeners:
        raise unavailable
    return listeners


def _bind_one(family: int, name: tuple[object, ...]) -> Listener:
    reserve_descriptors()
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SOLE_OWNER, 1)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Inherited by accepted sockets on Linux and the BSDs; the loop sets it again where it is not.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        sock.bind(name)
    except OSError as error:
        sock.close()
        raise type(error)(error.errno, f"{error_text(error)}: {name[0]}:{name[1]}") from error
    bound = sock.getsockname()
    return Listener(sock, str(bound[0]), int(bound[1]))


def bind_unix(path: str, mode: int, owner: Owner | None = None) -> UnixListener:
    """Bind a Unix socket whose file never has wider permissions than `mode`, and belongs to `owner`.

    A file left behind by a server that has ended is removed, if it is a socket and no server answers on it.
    """
    if not HAS_UNIX:
        raise OSError(errno.EAFNOSUPPORT, "Unix sockets are not available on this system")
    reserve_descriptors()
    place = unix_path(path)
    _remove_stale(place)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _created_with(sock, mode):
            sock.bind(place)
        sock.setblocking(False)
        if owner is None:
            Path(place).chmod(mode)  # restores what the umask has removed
        else:
            give_socket(place, owner, mode)
    except OSError as error:
        sock.close()
        raise type(error)(error.errno, f"{error_text(error)}: {place}") from error
    # The directory that holds the file now, even if a symbolic link on the way to it is changed meanwhile.
    file = str(Path(place).parent.resolve() / Path(place).name)
    return UnixListener(sock, path, 0, path=file, identity=identity_of(file))


@contextlib.contextmanager
def _created_with(sock: socket.socket, mode: int) -> Iterator[None]:
    """Ensure that the file which bind() creates in this block has no permission beyond `mode`.

    A chmod() afterwards would leave a moment in which any user can connect. Linux takes the file's mode from the
    socket's own; elsewhere the umask has to be changed for that moment, and never to a wider one, because it is the
    whole process's.
    """
    try:
        os.fchmod(sock.fileno(), mode)
    except (OSError, AttributeError):  # macOS does not allow it for sockets, Windows does not have it
        pass
    else:
        if sys.platform == "linux":
            yield
            return
    umask = os.umask(0o777)
    os.umask(umask | (0o777 & ~mode))
    try:
        yield
    finally:
        os.umask(umask)


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, f"{path} exists and is not a socket; it was left alone")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                Path(path).unlink()
            return
        except (TimeoutError, BlockingIOError):
            pass  # its accept queue is full: a server listens
        except OSError as error:
            raise OSError(error.errno, f"{path}: can't tell whether it is in use: {error_text(error)}") from error
    raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: a server answers on {path}")


def adopt(sock: socket.socket) -> Listener:
    """Take over a socket that is bound already."""
    sock.setblocking(False)
    name = sock.getsockname()
    if HAS_UNIX and sock.family == socket.AF_UNIX:
        path = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
        listener: Listener = UnixListener(sock, path, 0)
    else:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener = Listener(sock, str(name[0]), int(name[1]))
    with contextlib.suppress(OSError, AttributeError):
        listener.is_listening = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return listener


def inherited(name: str) -> socket.socket:
    """Return the socket behind a descriptor that the parent process handed over.

    Args:
        name: the descriptor's number; systemd's names were turned into numbers when the settings were read.

    Raises:
        OSError: there is no such descriptor, or it is no socket.
    """
    if not name.isdigit():
        raise OSError(errno.ENOENT, f"no inherited socket is named {name!r}")
    try:
        sock = socket.socket(fileno=int(name))
    except OSError as error:
        raise OSError(error.errno, f"descriptor {name} is no socket: {error_text(error)}") from error
    sock.set_inheritable(False)  # programs that the application starts would keep the port
    return sock
