"""A client's socket in the loop: arming, what the client has done, and the ways to close it."""

import select
import socket
import ssl
from collections.abc import Iterator

import pytest

from tests.support.rig import POLLERS
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import NOTHING, READ, WRITE
from wiverno.core.net.tls import TlsSocket
from wiverno.core.net.transport import UNREGISTERED, Transport

Ends = tuple[Transport, socket.socket, Loop]


@pytest.fixture(params=POLLERS)
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """A transport over TCP, its client's socket, and the loop."""
    loop = Loop(POLLERS[request.param]())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        ours = listener.accept()[0]
    ours.setblocking(False)
    client.settimeout(PATIENCE)
    with client, ours:
        yield Transport(ours, loop), client, loop
    loop.poller.close()


def test_arming(ends: Ends) -> None:
    """The poller reports what the transport is armed for, and nothing while it is armed for NOTHING."""
    transport, client, loop = ends
    assert transport.armed == UNREGISTERED
    transport.arm(NOTHING)
    client.sendall(b"x")
    assert loop.poller.wait(0.05) == []
    transport.arm(READ)
    assert loop.poller.wait(PATIENCE) == [(transport.fd, READ)]
    transport.arm(WRITE)
    assert loop.poller.wait(PATIENCE) == [(transport.fd, WRITE)]
    assert repr(transport) == f"<Transport fd={transport.fd} armed={WRITE}>"


def test_decrypted_bytes_resume_the_connection(ends: Ends) -> None:
    """What waits inside of TLS is reported by no poller: arming for READ has the loop continue."""
    transport, _, loop = ends
    transport.decrypted = lambda: 5
    transport.arm(READ)
    assert list(loop.resumed) == [transport.fd]
    assert transport.has_input()


def test_input_and_disconnection(ends: Ends) -> None:
    """Input is seen without being read; a client that has closed is seen behind its input."""
    transport, client, _ = ends
    assert not transport.has_input()
    assert not transport.is_disconnected()
    client.sendall(b"x")
    while not transport.has_input():
        pass
    assert not transport.is_disconnected()
    client.shutdown(socket.SHUT_WR)
    while not transport.is_disconnected():
        pass
    assert transport.sock.recv(10) == b"x"


def test_the_end_is_seen_through_tls_where_poll_does_not_tell_it(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and macOS have no POLLRDHUP; the socket below TLS is peeked at, because TLS can't peek."""
    monkeypatch.delattr(select, "POLLRDHUP", raising=False)
    transport, client, _ = ends
    plain = transport.sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as secure:
        transport.sock = TlsSocket(secure)
        assert not transport.is_disconnected()
        client.close()
        wait_until(transport.is_disconnected)


def test_a_plain_close_ends_the_stream(ends: Ends) -> None:
    transport, client, _ = ends
    transport.arm(READ)
    transport.send_at_once(b"bye")
    transport.close()
    assert client.recv(10) == b"bye"
    assert client.recv(10) == b""


def test_a_cut_response_is_reset(ends: Ends) -> None:
    """The end of the connection would look like the end of the response; it wins over a lingering close."""
    transport, client, loop = ends
    transport.close(is_cut=True, lingers=True)
    assert not loop.connections
    with pytest.raises(ConnectionResetError):
        client.recv(10)


def test_a_lingering_close_keeps_the_socket_for_a_moment(ends: Ends) -> None:
    """The client reads the end, and what it still sends is discarded without a reset."""
    transport, client, loop = ends
    transport.arm(READ)
    transport.close(lingers=True)
    assert client.recv(10) == b""
    client.sendall(b"still sending")
    (lingering,) = loop.connections
    lingering.close()
    assert not loop.connections
