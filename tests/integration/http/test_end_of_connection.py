"""A client sees the end of its connection although a process that was forked meanwhile holds a copy of the socket.

A copy is made with dup(): to the kernel it is what a forked child holds, a second descriptor of the same connection.
"""

import os
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine_child import engine_child, get
from tests.support.serving import MODES, Served, serving
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until

TLS = Path(__file__).resolve().parents[2] / "data" / "tls"
SECURE = {"certfile": str(TLS / "first.pem"), "keyfile": str(TLS / "first.key")}
PROXIED = {"proxy_protocol": True, "trusted_proxies": ["127.0.0.0/8"]}
STREAM = b"GET /stream HTTP/1.0\r\n\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
IDLE = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return iter([b"a stream ", b"without a length"]) if environ["PATH_INFO"] == "/stream" else [b"whole"]


@contextmanager
def copied(served: Served) -> Iterator[RawClient]:
    """Connect, and hold a copy of the server's socket for the length of the block."""
    engine = served.server._engine
    with served.client() as client:
        (handler,) = wait_until(lambda: engine.connections, what="the connection")
        copy = os.dup(handler.fd)
        try:
            yield client
        finally:
            os.close(copy)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize(
    ("settings", "request_bytes", "status"),
    [
        ({}, CLOSING, b"HTTP/1.1 200"),
        ({}, STREAM, b"HTTP/1.0 200"),
        ({"channel_timeout": 1}, IDLE, b"HTTP/1.1 200"),
        ({"header_timeout": 1}, b"GET / HT", b"HTTP/1.1 408"),
        ({}, b"nonsense\r\n\r\n", b"HTTP/1.1 400"),
        ({"header_timeout": 1, **PROXIED}, b"PROXY TC", b""),
        (PROXIED, b"GET / HTTP/1.1\r\n\r\n", b""),
        ({"header_timeout": 1, **SECURE}, b"\x16\x03\x01\x02\x00", b""),
        (SECURE, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 400"),
    ],
    ids=["close", "1.0 stream", "idle", "half a head", "refused", "half a preamble", "no preamble", "half a handshake",
         "no handshake"],
)  # fmt: skip
def test_every_way_to_close_ends_the_connection(
    mode: dict[str, Any], settings: dict[str, Any], request_bytes: bytes, status: bytes
) -> None:
    """However a client is closed, it sees the end."""
    with serving(application, **(mode | settings)) as served, copied(served) as client:
        client.send(request_bytes)
        received = client.rest()
        assert received.startswith(status)
        assert bool(received) == bool(status)


@pytest.mark.parametrize("what", ["idle", "half a preamble", "half a handshake"])
def test_the_end_of_the_server_ends_connections(what: str) -> None:
    """A server that stops says so to clients that wait."""
    kinds: dict[str, dict[str, Any]] = {"idle": {}, "half a preamble": PROXIED, "half a handshake": SECURE}
    with serving(application, threads=1, **kinds[what]) as served, copied(served) as client:
        served.server.close()
        assert client.rest() == b""


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_tls_says_the_end(mode: dict[str, Any]) -> None:
    """Through TLS the end is a close_notify: an end without it would raise SSLEOFError."""
    context = ssl.create_default_context(cafile=TLS / "ca.pem")
    with serving(application, **(mode | SECURE)) as served, copied(served) as plain:
        with context.wrap_socket(plain.socket, server_hostname="localhost") as client:
            client.sendall(CLOSING)
            received = b""
            while data := client.recv(65536):
                received += data
            assert received.endswith(b"whole")


@pytest.mark.parametrize("threads", [1, 4])
def test_a_forked_child_does_not_keep_the_client(threads: int) -> None:
    """The same with a child that lives on."""
    with engine_child(threads=threads) as server, server.client() as client:
        client.send(get("/fork", "Connection: close"))
        assert client.response()[2] == b"forked"
        client.socket.settimeout(10)
        assert client.socket.recv(1) == b""


def test_closing_a_copy_says_nothing() -> None:
    """A forked child closes its copy of a TLS connection without ending the parent's."""
    from wiverno.core.net.tls import TlsSocket

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SECURE["certfile"], SECURE["keyfile"])
    ours, theirs = socket.socketpair()
    with theirs:
        secure = context.wrap_socket(ours, server_side=True, do_handshake_on_connect=False)
        copy = os.dup(secure.fileno())
        TlsSocket(secure).close()
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
        os.close(copy)
