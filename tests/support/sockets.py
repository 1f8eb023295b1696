"""Sockets as tests need them: a free port, a port that is taken, a client that sends exactly these bytes."""

import itertools
import os
import random
import socket
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

LOOPBACK = "127.0.0.1"


def in_url(host: str) -> str:
    """Return an address as URLs have it: one of IPv6 in brackets, which localhost is on many machines."""
    return f"[{host}]" if ":" in host else host


# Ports for those who cannot take port 0. They lie below the range from which the system chooses, so that neither
# another server nor an outgoing connection gets one by chance between here and the program that is told it.
CHOSEN = range(20_000, 30_000)
_in_turn = itertools.cycle(random.Random(os.getpid()).sample(CHOSEN, len(CHOSEN)))
_user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
_claims = os.open(Path(tempfile.gettempdir(), f"wiverno-test-ports-{_user}"), os.O_WRONLY | os.O_CREAT, 0o600)


def _claim(port: int) -> bool:
    """Keep a port from other processes that run tests, until this one ends: the lock is the file's byte at `port`."""
    try:
        if fcntl is not None:
            fcntl.lockf(_claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        else:
            os.lseek(_claims, port, os.SEEK_SET)
            msvcrt.locking(_claims, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that no program has and no other test is given; only for programs that cannot take port 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in itertools.islice(_in_turn, len(CHOSEN)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            if _claim(port):
                return port
    message = "no port is free"
    raise AssertionError(message)


@contextmanager
def busy_port(host: str = LOOPBACK) -> Iterator[int]:
    """Keep a port taken by a listener for the length of the block."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.bind((host, 0))
        holder.listen(1)
        yield holder.getsockname()[1]


class RawClient:
    """A connection whose every byte the test chooses.

    Args:
        address: (host, port), or the path of a Unix socket.
        timeout: seconds that one receive may take.
    """

    _connected: ClassVar["weakref.WeakSet[RawClient]"] = weakref.WeakSet()
    _lock: ClassVar[threading.Lock] = threading.Lock()  # a set can't be copied while another thread adds to it

    def __init__(self, address: tuple[str, int] | str, timeout: float = 10.0) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            try:
                self.socket.connect(address)
            except OSError:
                self.socket.close()
                raise
        else:
            self.socket = socket.create_connection(address, timeout=timeout)
        self.buffer = b""
        self._thread = threading.current_thread()
        with self._lock:
            self._connected.add(self)

    @classmethod
    def unused(cls) -> "set[RawClient]":
        """Return the clients that this thread made, or threads that have ended: they end with a test (conftest.py).

        What another thread made may be in use: a module's fixture may run cases side by side, of which each test
        takes one, and a test that ends would close the clients of those that still run.
        """
        with cls._lock:
            connected = set(cls._connected)
        here = threading.current_thread()
        return {client for client in connected if client._thread is here or not client._thread.is_alive()}

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.socket.sendall(data)

    def end(self) -> None:
        """Say that no more bytes will come, and keep reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def until(self, marker: bytes) -> bytes:
        """Return the bytes up to and with `marker`; what follows stays for the next call.

        Raises:
            EOFError: the server closed before.
        """
        while marker not in self.buffer:
            if not (data := self.socket.recv(65536)):
                message = f"closed before {marker!r}: {self.buffer!r}"
                raise EOFError(message)
            self.buffer += data
        position = self.buffer.index(marker) + len(marker)
        found, self.buffer = self.buffer[:position], self.buffer[position:]
        return found

    def exactly(self, count: int) -> bytes:
        """Return `count` bytes.

        Raises:
            EOFError: the server closed before.
        """
        while len(self.buffer) < count:
            if not (data := self.socket.recv(65536)):
                message = f"closed after {len(self.buffer)} of {count} bytes: {self.buffer!r}"
                raise EOFError(message)
            self.buffer += data
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found

    def rest(self) -> bytes:
        """Return everything until the server closes."""
        while data := self.socket.recv(65536):
            self.buffer += data
        found, self.buffer = self.buffer, b""
        return found

    def response(self, *, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Read one response: status, fields by lower-case name, body (by length or chunks, else to the end)."""
        head = self.until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        status = int(first.split(" ", 2)[1])
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if method == "HEAD" or status in (204, 304) or status < 200:
            return status, fields, b""
        if fields.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                body += self.exactly(size)
                self.exactly(2)
            self.until(b"\r\n")
            return status, fields, body
        if "content-length" in fields:
            return status, fields, self.exactly(int(fields["content-length"]))
        return status, fields, self.rest()

    def is_closed(self) -> bool:
        """Tell whether the server closed (an end or a reset) and nothing is left to read; may wait for the timeout."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return True
        self.buffer += data
        return not data

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
