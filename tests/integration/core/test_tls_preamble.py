"""The PROXY protocol in front of TLS, as balancers send it that pass TLS through: preamble in clear, then handshake."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import MODES, Recorder, Served, serving
from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE
from wiverno.core.server import create_server

DATA = Path(__file__).resolve().parents[2] / "data" / "tls"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.2 5678 443\r\n"
V2_MARK = b"\r\n\r\n\0\r\nQUIT\n"
V2_ENDS = bytes([192, 0, 2, 7, 198, 51, 100, 2]) + struct.pack("!HH", 5678, 443)
EXTENSIONS = b"\x05\x01\x00" + b"x" * 256  # a unique id; AWS's balancers send such fields
V2 = V2_MARK + b"\x21\x11" + struct.pack("!H", len(V2_ENDS + EXTENSIONS)) + V2_ENDS + EXTENSIONS
LOCAL = V2_MARK + b"\x20\x00\x00\x00"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HELLO = b"\x16\x03\x01\x02\x00"  # the beginning of a handshake


@contextmanager
def balanced(mode: str = "threads", **settings: Any) -> Iterator[tuple[Served, Recorder]]:
    """Serve with TLS behind the PROXY protocol."""
    recorder = Recorder()
    own: dict[str, Any] = {
        "certfile": str(DATA / "first.pem"), "keyfile": str(DATA / "first.key"), "proxy_protocol": True,
        "trusted_proxies": "127.0.0.0/8",
    }  # fmt: skip
    with serving(recorder, **(own | MODES[mode] | settings)) as served:
        yield served, recorder


def shaken(served: Served, preamble: bytes, step: int = 0) -> ssl.SSLSocket:
    """Connect as a balancer that passes a client's TLS through; the preamble goes out in pieces of `step` bytes."""
    plain = socket.create_connection(served.address, timeout=PATIENCE)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(preamble), step or len(preamble)):
        plain.sendall(preamble[at : at + (step or len(preamble))])
    return ssl.create_default_context(cafile=DATA / "ca.pem").wrap_socket(plain, server_hostname="localhost")


def ask(secure: ssl.SSLSocket) -> dict[str, Any]:
    """Make a request on a connection that is kept, and return the environ that it got."""
    secure.sendall(REQUEST)
    data = b""
    while b"\r\n\r\n" not in data:
        data += secure.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    (length,) = (int(line.split()[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
    while len(body) < length:
        body += secure.recv(65536)
    seen: dict[str, Any] = json.loads(body)["environ"]
    return seen


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize(
    ("preamble", "client"), [(V1, ("192.0.2.7", "5678")), (V2, ("192.0.2.7", "5678")), (LOCAL, None)]
)
def test_the_client_is_whom_the_balancer_names(
    mode: str, step: int, preamble: bytes, client: tuple[str, str] | None
) -> None:
    """However the preamble is split, the handshake after it succeeds, and requests are those of the named client."""
    with balanced(mode) as (served, _), shaken(served, preamble, step) as secure:
        own = ("127.0.0.1", str(secure.getsockname()[1]))
        for _ in range(2):
            seen = ask(secure)
            assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == (client or own)
            assert (seen["wsgi.url_scheme"], seen["HTTPS"]) == ("https", "on")


def test_preamble_and_handshake_in_one_piece() -> None:
    """Bytes of the handshake that come with the preamble stay for OpenSSL."""
    with balanced() as (served, _), socket.create_connection(served.address, timeout=PATIENCE) as plain:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=DATA / "ca.pem")
        secure = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            secure.do_handshake()
        plain.sendall(V2 + outgoing.read())
        while secure.version() is None or outgoing.pending:
            incoming.write(plain.recv(65536))
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                continue
            plain.sendall(outgoing.read())
        secure.write(REQUEST)
        plain.sendall(outgoing.read())
        answer = b""
        while b"192.0.2.7" not in answer:
            try:
                answer += secure.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(plain.recv(65536))


@pytest.mark.parametrize(
    "data",
    [HELLO + b"x" * 600, b"GET / HTTP/1.1\r\n\r\n", V2_MARK + b"\x21\x11\xff\xff", b"PROXY UNKNOWN " + b"x" * 200],
)
def test_what_is_no_preamble_is_hung_up_on(data: bytes) -> None:
    """A client that shakes hands at once did not come through the balancer."""
    with balanced() as (served, recorder), served.client() as client:
        client.send(data)
        assert client.is_closed()
        assert not recorder.calls


def test_a_peer_that_is_not_trusted_gets_no_further() -> None:
    with balanced(trusted_proxies="192.0.2.0/24") as (served, recorder), served.client() as client:
        assert client.is_closed()
        assert not recorder.calls


@pytest.mark.parametrize("begun", [b"", V1[:9], V2[:20], V1, V1 + HELLO, V2 + HELLO])
def test_deadlines_hold_for_both(begun: bytes) -> None:
    """A client that stops before, in or after the preamble is closed, and blocks no other client."""
    with balanced("simple", header_timeout=1) as (served, _), served.client() as slow:
        slow.send(begun)
        with shaken(served, V1) as secure:
            assert ask(secure)["REMOTE_ADDR"] == "192.0.2.7"
        assert slow.is_closed()


def test_plain_http_behind_the_preamble(tmp_path: Path) -> None:
    """It is answered and logged as that of the named client."""
    log = tmp_path / "access.log"
    with balanced(access_log=str(log), access_log_format="common") as (served, _), served.client() as client:
        client.send(V1 + REQUEST)
        status, _, body = client.response()
        assert status == 400
        assert b"plain HTTP request sent to an HTTPS port" in body
    assert log.read_text().startswith("192.0.2.7 ")


def test_unix_sockets_stay_plain(tmp_path: Path) -> None:
    """TLS is for TCP; there the preamble is followed by HTTP."""
    recorder, path = Recorder(), str(tmp_path / "s")
    server = create_server(
        recorder, unix_socket=path, certfile=str(DATA / "first.pem"), keyfile=str(DATA / "first.key"),
        proxy_protocol=True, trusted_proxy="localhost",
    )  # fmt: skip
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with RawClient(path) as client:
            client.send(V1 + REQUEST)
            assert client.response()[0] == 200
    finally:
        server.close()
        thread.join(PATIENCE)
    assert recorder.calls[0].environ["REMOTE_ADDR"] == "192.0.2.7"
