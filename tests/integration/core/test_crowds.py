"""Crowds that hold every place at the limit of connections: the ordinary client has its answer soon, every time.

The crowd is one program with one loop, which connects again whenever the server hangs up, as an attacker's would.
"""

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine_child import EngineChild, engine_child, get
from tests.support.sockets import RawClient

DATA = Path(__file__).resolve().parents[2] / "data" / "tls"
TLS: dict[str, Any] = {"certfile": str(DATA / "first.pem"), "keyfile": str(DATA / "first.key")}
PROXY: dict[str, Any] = {"proxy_protocol": True, "trusted_proxy": "127.0.0.1"}
PREAMBLE = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n"
LIMIT = 100  # the default of connection_limit
SOON = 1.6  # seconds; without the crowd it is a millisecond

# What each client of the crowd sends, then silence: name → bytes, settings of the server.
CROWDS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "one byte": (b"G", {}),
    "half a head": (get("/hello")[:-2], {}),
    "a head without its body": (b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", {}),
    "nonsense": (b"nonsense\r\n\r\n", {}),
    "part of a handshake": (b"\x16\x03\x01", TLS),
    "part of a preamble": (b"PROXY T", PROXY),
}


class Crowd:
    """So many clients that send a few bytes and wait, and come again when the server hangs up."""

    def __init__(self, address: tuple[str, int], data: bytes, count: int) -> None:
        self._address = address
        self._data = data
        self._selector = selectors.DefaultSelector()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.comings = 0
        for _ in range(count):
            self._come()
        self._thread.start()

    def _come(self) -> None:
        sock = socket.create_connection(self._address, timeout=20)
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.send(self._data)
        self._selector.register(sock, selectors.EVENT_READ)
        self.comings += 1

    def _run(self) -> None:
        while not self._is_over.is_set():
            for key, _ in self._selector.select(0.05):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                with contextlib.suppress(OSError):
                    if sock.recv(65536):
                        continue  # an answer, before the end
                self._selector.unregister(sock)
                sock.close()
                self._come()

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


@contextlib.contextmanager
def crowd(server: EngineChild, data: bytes, count: int) -> Iterator[Crowd]:
    made = Crowd(server.address, data, count)
    try:
        yield made
    finally:
        made.close()


def ask(server: EngineChild, settings: dict[str, Any]) -> float:
    """Ask as an ordinary client on a new connection; return the seconds until the answer was there."""
    began = time.monotonic()
    with server.client() as client:
        if settings is TLS:
            trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            client.socket = trusting.wrap_socket(client.socket)
        client.send((PREAMBLE if settings is PROXY else b"") + get("/hello"))
        assert client.response()[2] == b"hello"
    return time.monotonic() - began


@pytest.mark.parametrize(("kind", "count"), [("one byte", 3 * LIMIT), *((kind, LIMIT) for kind in CROWDS)])
def test_a_crowd_holds_no_place(kind: str, count: int) -> None:
    """A hundred, or three hundred that come again: the next client waits for a moment, not for their time-outs."""
    data, settings = CROWDS[kind]
    with engine_child(threads=4, connection_limit=LIMIT, **settings) as server, crowd(server, data, count):
        times = [ask(server, settings) for _ in range(3)]
    # Of a machine that is busy with something else one client may see more; a place that is held is seen by all.
    assert sorted(times)[1] < SOON, times


def test_below_the_limit_slow_heads_have_their_time() -> None:
    """A client that writes slowly is served if places are free, whatever other clients come meanwhile."""
    request = get("/hello")
    with engine_child(threads=4, connection_limit=LIMIT) as server, crowd(server, b"G", LIMIT - 10):
        with RawClient(server.address) as slow:
            for position in range(0, len(request), 12):
                slow.send(request[position : position + 12])
                time.sleep(0.25)  # the client's own slowness, which is what is tried
                assert server.ask("/hello") == b"hello"
            assert slow.response()[2] == b"hello"
