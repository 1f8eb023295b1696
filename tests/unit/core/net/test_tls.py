"""TLS handshakes and sockets between two ends of a socket pair, with the standard library as the client."""

import os
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.waiting import PATIENCE, wait_until
from wiverno.config.settings import Adjustments
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import SelectorsPoller
from wiverno.core.net import certificates as certificates_module
from wiverno.core.net import tls
from wiverno.core.net.certificates import Certificates, has_kernel_tls
from wiverno.core.net.file_segments import FileSegment
from wiverno.core.net.tls import RECORD, Handshake, TlsSocket

DATA = Path(__file__).resolve().parents[3] / "data" / "tls"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("first.pem", "first.key"):
        shutil.copy(DATA / name, folder)
    return Certificates(
        Adjustments.from_keywords(certfile=str(folder / "first.pem"), keyfile=str(folder / "first.key"))
    )


class Ends:
    """A handshake in a loop, and its client, which the test has in its hand."""

    def __init__(self, certificates: Certificates, timeout: float = 30.0) -> None:
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.peer.setblocking(False)
        self.loop = Loop(SelectorsPoller())
        self.secured: list[tuple[TlsSocket, dict[str, Any]]] = []
        self.plain: list[bytes] = []
        self.handshake = Handshake(
            ours, self.loop, certificates, timeout, lambda sock, found: self.secured.append((sock, found)), self.answer
        )
        self.loop.handlers[self.handshake.fd] = self.handshake
        self.loop.connections.add(self.handshake)
        self.client: ssl.SSLSocket | None = None

    def answer(self, received: bytes) -> bytes:
        self.plain.append(received)
        return b"HTTP/1.1 400 Bad Request\r\n\r\n"

    def connect(self) -> ssl.SSLSocket:
        """Shake hands: each end in turn until both are done."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.client = client = context.wrap_socket(self.peer, do_handshake_on_connect=False)
        is_done = False
        for _ in range(20):
            try:
                client.do_handshake()
                is_done = True
            except ssl.SSLWantReadError:
                pass
            if not self.secured:
                self.handshake.ready(0)
            if is_done and self.secured:
                client.settimeout(PATIENCE)
                return client
        raise AssertionError("the handshake does not end")

    def close(self) -> None:
        self.handshake.close()
        for handler in list(self.loop.handlers.values()):  # a lingering close
            handler.expire()
        for sock, _ in self.secured:
            sock.close()
        (self.client or self.peer).close()
        self.loop.poller.close()


@contextmanager
def ends(certificates: Certificates, **more: Any) -> Iterator[Ends]:
    made = Ends(certificates, **more)
    try:
        yield made
    finally:
        made.close()


def test_a_handshake_ends_with_a_socket_and_its_description(certificates: Certificates) -> None:
    """It leaves the loop; the environ will say which version and cipher, and that there is no client certificate."""
    with ends(certificates) as made:
        made.connect()
        ((sock, found),) = made.secured
        assert isinstance(sock, TlsSocket)
        assert (found["HTTPS"], found["SSL_CLIENT_VERIFY"]) == ("on", "NONE")
        assert found["SSL_PROTOCOL"].startswith("TLSv1.")
        assert found["SSL_CIPHER"]
        assert made.handshake not in made.loop.connections
        assert made.handshake.fd not in made.loop.handlers


T = TypeVar("T")


def when_there(receive: Callable[[], T]) -> T:
    """Return what is received, as soon as it has come: a socket pair is TCP on Windows."""
    found: list[T] = []

    def is_there() -> bool:
        try:
            found.append(receive())
        except BlockingIOError:
            return False
        return True

    wait_until(is_there, what="what the client has sent")
    return found[0]


def test_what_a_client_sends_is_received_whole(certificates: Certificates) -> None:
    """No decrypted bytes stay unseen after recv; recv_into takes no more than it may and leaves the rest pending."""
    with ends(certificates) as made:
        client = made.connect()
        sock, _ = made.secured[0]
        with pytest.raises(BlockingIOError):
            sock.recv(10)
        with pytest.raises(BlockingIOError):
            sock.recv(10, socket.MSG_PEEK)
        client.sendall(b"0123456789")
        assert when_there(lambda: sock.recv(4)) == b"0123456789"
        client.sendall(b"0123456789")
        buffer = bytearray(8)
        assert when_there(lambda: sock.recv_into(memoryview(buffer), 3)) == 3
        assert sock.pending() == 7
        assert sock.recv_into(memoryview(buffer)) == 7
        with pytest.raises(BlockingIOError):
            sock.recv_into(memoryview(buffer))


@pytest.mark.parametrize("asked", [1, 100, 8192, 20_000])
def test_nothing_is_pending_after_recv(certificates: Certificates, asked: int) -> None:
    """A poller reports what a socket has, not what OpenSSL has: each record is received whole, whatever its length."""
    with ends(certificates) as made:
        client = made.connect()
        sock, _ = made.secured[0]
        for size in (1, asked - 1, asked, asked + 1, 16_384):
            client.sendall(b"x" * size)
            left = size
            while left:
                left -= len(when_there(lambda: sock.recv(asked)))
                assert sock.pending() == 0
        with pytest.raises(BlockingIOError):
            sock.recv(asked)


@pytest.mark.parametrize("how", ["recv", "recv_into"])
@pytest.mark.parametrize("is_announced", [True, False])
def test_the_end_is_no_error(certificates: Certificates, how: str, is_announced: bool) -> None:
    """A client may end with close_notify or, as many do, without."""
    with ends(certificates) as made:
        client = made.connect()
        sock, _ = made.secured[0]
        if is_announced:
            client.setblocking(False)
            with pytest.raises(ssl.SSLWantReadError):
                client.unwrap()
        client.shutdown(socket.SHUT_RDWR)
        assert not (sock.recv(10) if how == "recv" else sock.recv_into(bytearray(10)))


def test_after_the_end_it_leaves_the_descriptor_s_next_owner_alone(certificates: Certificates) -> None:
    """OpenSSL keeps the number of the descriptor, which the next client may get."""
    with ends(certificates) as made:
        client = made.connect()
        sock, _ = made.secured[0]
        client.sendall(b"x")  # left unread: what OpenSSL would find, if it read
        number = sock.fileno()
        kept = os.dup(number)
        sock.close()
        os.dup2(kept, number)
        os.close(kept)
        try:
            for use in (lambda: sock.recv(10), lambda: sock.send(b"stray"), lambda: sock.recv_into(bytearray(10))):
                with pytest.raises(OSError, match="Bad file descriptor"):
                    use()
            assert sock.pending() == 0
            with socket.socket(fileno=os.dup(number)) as owner:
                assert len(owner.recv(1000)) > 1, "what the client sent was read by the socket that is closed"
        finally:
            os.close(number)


def test_a_shut_down_connection_is_drained_as_it_is(certificates: Certificates) -> None:
    """A lingering close discards what comes, and needs no TLS for it."""
    with ends(certificates) as made:
        client = made.connect()
        sock, _ = made.secured[0]
        sock.shutdown(socket.SHUT_WR)
        client.sendall(b"never read")
        assert len(sock.recv(1000)) > 10


def test_sending_to_a_client_that_has_left_is_a_broken_pipe(certificates: Certificates) -> None:
    """As a plain socket says it, so that it is no error for the log."""
    with ends(certificates) as made:
        client = made.connect()
        sock, _ = made.secured[0]
        client.shutdown(socket.SHUT_RDWR)
        sock.recv(10)
        with pytest.raises(ConnectionError):
            sock.send(b"x" * 100_000)


def test_large_data_is_sent_in_records_until_the_client_takes_no_more(certificates: Certificates) -> None:
    """What could not be sent is offered again; every byte arrives once."""
    with ends(certificates) as made:
        client = made.connect()
        sock, _ = made.secured[0]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, (65536).to_bytes(4, "little"))
        data = bytes(range(256)) * (64 * RECORD // 256)
        sent = sock.send(data)
        assert 0 < sent < len(data)
        with pytest.raises(BlockingIOError):
            sock.send(data[sent:])
        received = b""
        while len(received) < len(data):
            received += client.recv(RECORD)
            if sent < len(data):
                try:
                    sent += sock.send(data[sent:])
                except BlockingIOError:
                    continue
        assert received == data


def test_a_shutdown_tells_the_client_that_nothing_was_cut(certificates: Certificates) -> None:
    with ends(certificates) as made:
        client = made.connect()
        sock, _ = made.secured[0]
        assert sock.fileno() == made.handshake.fd
        sock.send(b"all")
        sock.shutdown(socket.SHUT_WR)
        assert client.recv(10) == b"all"
        assert client.recv(10) == b""  # an SSLEOFError without close_notify


def test_a_client_that_speaks_plain_http_gets_a_response(certificates: Certificates) -> None:
    with ends(certificates) as made:
        made.peer.send(b"GET / HTTP/1.1\r\n\r\n")
        made.handshake.ready(0)
        assert made.plain == [b"GET / HTTP/1.1\r\n\r\n"]
        assert made.peer.recv(100).startswith(b"HTTP/1.1 400 ")
        assert not made.secured


def hang_up(made: Ends) -> None:
    made.peer.shutdown(socket.SHUT_WR)


def send_garbage(made: Ends) -> None:
    made.peer.send(b"\x16\x03\x01\x00\x05hello")


@pytest.mark.parametrize("act", [hang_up, send_garbage])
def test_a_client_that_does_not_shake_hands_is_closed(certificates: Certificates, act: Callable[[Ends], None]) -> None:
    with ends(certificates) as made:
        act(made)
        made.handshake.ready(0)
        made.peer.settimeout(PATIENCE)
        while made.peer.recv(100):  # an alert
            pass
        assert made.handshake.fd not in made.loop.handlers


@pytest.mark.parametrize(("timeout", "limit"), [(5.0, 5.0), (0.0, float("inf"))])
def test_it_waits_for_its_client_up_to_a_deadline(certificates: Certificates, timeout: float, limit: float) -> None:
    with ends(certificates, timeout=timeout) as made:
        made.handshake.ready(0)
        assert repr(made.handshake) == f"<Handshake fd={made.handshake.fd} armed=1>"
        assert made.handshake.deadline() == pytest.approx(made.loop.now + limit, abs=1)
        assert not made.handshake.has_input()
        made.peer.send(b"\x16")
        assert made.handshake.has_input()


@pytest.mark.parametrize("how", ["expire", "evict", "drain"])
def test_it_is_closed_before_a_request_has_begun(certificates: Certificates, how: str) -> None:
    """By its deadline, for another client, and by a server that stops; begin_drain alone lets it go on."""
    with ends(certificates) as made:
        made.handshake.ready(0)
        made.handshake.begin_drain()
        assert made.handshake.eviction().since <= made.loop.now
        getattr(made.handshake, how)()
        made.peer.settimeout(PATIENCE)
        assert made.peer.recv(10) == b""
        assert not made.loop.connections


def test_a_forked_child_closes_its_copy_alone(certificates: Certificates) -> None:
    with ends(certificates) as made:
        original = made.handshake.sock.dup()
        made.handshake.abandon()
        original.send(b"goes on")
        assert made.peer.recv(10) == b"goes on"
        original.close()


@pytest.mark.parametrize("is_wanted", [False, True])
def test_files_are_sent_by_the_kernel_only_where_it_encrypts(is_wanted: bool) -> None:
    """On TCP, as the kernel wants it; without its module the option changes nothing."""
    settings = Adjustments.from_keywords(
        certfile=str(DATA / "first.pem"), keyfile=str(DATA / "first.key"), kernel_tls=is_wanted
    )
    made = Certificates(settings)
    client_context = ssl.create_default_context(cafile=str(DATA / "first.pem"))
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    content = bytes(range(256)) * 64
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        with socket.create_connection(listener.getsockname()) as peer:
            ours, _ = listener.accept()
            peer.settimeout(PATIENCE)
            connected: list[ssl.SSLSocket] = []
            thread = threading.Thread(target=lambda: connected.append(client_context.wrap_socket(peer)))
            thread.start()
            with made.context.wrap_socket(ours, server_side=True) as secure:
                thread.join(PATIENCE)
                sock: Any = TlsSocket(secure)
                assert sock.takes_files is (is_wanted and has_kernel_tls())
                segment = FileSegment(file.fileno(), 0, len(content), None)
                segment.send_some(sock)
                received = b""
                while len(received) < len(content):
                    received += connected[0].recv(65536)
                assert (received, segment.count) == (content, 0)
            connected[0].close()


def test_a_kernel_without_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """The log says what is missing; the server serves."""
    known = tmp_path / "tcp_available_ulp"
    monkeypatch.setattr(certificates_module, "UPPER_PROTOCOLS", known)
    monkeypatch.setattr(certificates_module, "KERNEL_TLS", 8)
    assert not has_kernel_tls()
    known.write_text("mptcp\n")
    assert not has_kernel_tls()
    settings = Adjustments.from_keywords(
        certfile=str(DATA / "first.pem"), keyfile=str(DATA / "first.key"), kernel_tls=True
    )
    Certificates(settings)
    assert "kernel_tls has no effect" in caplog.text
    caplog.clear()
    known.write_text("espintcp mptcp tls\n")
    assert has_kernel_tls()
    Certificates(settings)
    assert not caplog.text


class EncryptedByKernel:
    """An SSLSocket, as far as it is asked."""

    def __init__(self, option: int, error: OSError | None) -> None:
        self.context = type("Context", (), {"options": option})
        self._error = error

    def getsockopt(self, level: int, name: int, size: int) -> bytes:
        assert (level, name, size) == (282, 1, 4)
        if self._error is not None:
            raise self._error
        return b"\x04\x03\x34\x00"

    def selected_alpn_protocol(self) -> str | None:
        return None

    def pending(self) -> int:
        return 0

    read = write = pending


@pytest.mark.parametrize(
    ("option", "error", "expected"),
    [(8, None, True), (0, None, False), (8, OSError(92, "Protocol not available"), False)],
)
def test_the_kernel_is_asked_for_each_connection(
    monkeypatch: pytest.MonkeyPatch, option: int, error: OSError | None, expected: bool
) -> None:
    """A cipher that it does not know is encrypted by OpenSSL even where the option is set."""
    monkeypatch.setattr(tls, "KERNEL_TLS", 8)
    sock: Any = EncryptedByKernel(option, error)
    assert TlsSocket(sock).takes_files is expected
