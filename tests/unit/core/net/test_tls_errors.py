"""OpenSSL's queue of errors belongs to a thread: what another connection has left there ends no connection.

Entries are put there as other code of the process leaves them: by a client that resets its connection, and directly.
"""

from __future__ import annotations

import ctypes
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.net.tls import TlsSocket, empty_error_queue

DATA = Path(__file__).resolve().parents[3] / "data" / "tls"
LIB_SYS, LIB_EVP = 2, 6  # openssl/err.h
EPIPE = 32


@contextmanager
def connected() -> Iterator[tuple[TlsSocket, ssl.SSLSocket]]:
    """Yield the two ends of a connection, the server's as the engine has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "first.pem", DATA / "first.key")
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
        ours, _ = listener.accept()
    clients: list[ssl.SSLSocket] = []
    thread = threading.Thread(target=lambda: clients.append(client_context.wrap_socket(peer)))
    thread.start()
    secure = context.wrap_socket(ours, server_side=True)
    thread.join(PATIENCE)
    secure.setblocking(False)
    try:
        yield TlsSocket(secure), clients[0]
    finally:
        secure.close()
        clients[0].close()
        empty_error_queue()


def put_error(library: int, reason: int) -> None:
    """Put an error into this thread's queue."""
    path = re.search(r"/\S*libcrypto\S*", Path("/proc/self/maps").read_text(encoding="utf-8"))
    assert path is not None, "OpenSSL is linked statically"
    crypto: Any = ctypes.CDLL(path[0])
    crypto.ERR_new()
    crypto.ERR_set_error(library, reason, None)


def reset(client: ssl.SSLSocket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def fails(send: Callable[[bytes], int], error: type[OSError] = OSError) -> bool:
    """Tell whether sending raises the error; any other is the test's."""
    try:
        send(b"x" * 1000)
    except error:
        return True
    return False


def reset_by_client() -> None:
    """Write to a client that has reset its connection: Python raises, and OpenSSL's error may stay in the queue."""
    with connected() as (sock, client):
        reset(client)
        wait_until(lambda: fails(sock._write))
        fails(sock._write)


LEFT_BEHIND = {
    "a system's error": lambda: put_error(LIB_SYS, EPIPE),
    "an error of another algorithm": lambda: put_error(LIB_EVP, 100),
    "a client that has reset its connection": reset_by_client,
}


@pytest.mark.parametrize("cause", LEFT_BEHIND)
def test_a_connection_that_waits_goes_on(cause: str) -> None:
    """Reading and writing have to wait here, which is when OpenSSL looks into the queue."""
    with connected() as (sock, client):
        LEFT_BEHIND[cause]()
        with pytest.raises(BlockingIOError):
            sock.recv(100)
        LEFT_BEHIND[cause]()
        with pytest.raises(BlockingIOError):
            sock.recv_into(bytearray(100))
        data = bytes(range(256)) * 65536
        sent = 0
        while True:
            LEFT_BEHIND[cause]()
            try:
                sent += sock.send(data[sent:])
            except BlockingIOError:
                break
        assert 0 < sent < len(data)
        received = bytearray()
        while len(received) < len(data):
            received += client.recv(65536)
            LEFT_BEHIND[cause]()
            with suppress(BlockingIOError):
                sent += sock.send(data[sent:]) if sent < len(data) else 0
        assert received == data


@pytest.mark.parametrize("cause", LEFT_BEHIND)
def test_a_client_that_has_left_is_told_from_one_that_waits(cause: str) -> None:
    with connected() as (sock, client):
        socket.socket.shutdown(client, socket.SHUT_WR)  # without close_notify
        LEFT_BEHIND[cause]()
        wait_until(lambda: sock.recv(1, socket.MSG_PEEK) == b"")
        assert sock.recv(100) == b""
        LEFT_BEHIND[cause]()
        assert sock.recv_into(bytearray(100)) == 0


def test_a_broken_connection_leaves_no_error_behind() -> None:
    """A real error is raised as it was, and is not there for the next connection."""
    with connected() as (sock, client), connected() as (other, _):
        reset(client)
        wait_until(lambda: fails(sock.send, ConnectionError))
        read: Any = other._read
        with pytest.raises(ssl.SSLWantReadError):
            read(100)


def test_bytes_that_are_no_record() -> None:
    """An error of the protocol stays one, with its words."""
    with connected() as (sock, client):
        socket.socket.sendall(client, b"no TLS at all, and long enough for a header\r\n")
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version.number|record"):
            wait_until(lambda: _received(sock))


def _received(sock: TlsSocket) -> bytes:
    try:
        return sock.recv(100)
    except BlockingIOError:
        return b""
