"""The sending half of a connection: what leaves at once, what waits, who waits for whom."""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import POLLERS, PairClient, Rig, rig
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.http1.connection import Connection
from wiverno.core.http1.states import BODY, CLOSED, IDLE, SENDING, WAITING
from wiverno.wsgi.file_wrapper import FileWrapper

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
SIZE = 1_000_000
CONTENT = os.urandom(SIZE)
SMALL = 4096  # bytes of the kernel's buffers: nearly everything has to wait

App = Callable[..., Iterable[bytes]]


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def read_slowly(made: Rig, client: PairClient, count: int, step: int = 65536) -> bytes:
    """Lead while the client takes `count` bytes in portions."""
    client.socket.settimeout(0)
    found = bytearray(client.buffer)
    while len(found) < count:
        try:
            data = client.socket.recv(step)
        except BlockingIOError:
            made.turn(0.01)
            continue
        assert data, f"closed after {len(found)} bytes"
        found += data
    client.buffer = b""
    client.socket.settimeout(PATIENCE)
    return bytes(found)


def body_of(data: bytes) -> bytes:
    return data.partition(b"\r\n\r\n")[2]


class Streaming:
    """Pieces of CONTENT, and whether the response was closed."""

    def __init__(self, step: int, wrap: Callable[[Iterator[bytes]], Iterable[bytes]] = iter) -> None:
        self.step = step
        self.made = 0
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(SIZE))])
        return self

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, SIZE, self.step):
            self.made += 1
            yield CONTENT[start : start + self.step]

    def close(self) -> None:
        self.closed += 1


def whole(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [CONTENT]


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("step", [0, 1000, 70_000, SIZE])
def test_a_large_response_to_a_slow_client(poller: str, threads: bool, step: int) -> None:
    """All of it arrives in order; the connection is kept and goes on."""
    application: App = Streaming(step) if step else whole
    with rig(application, poller=poller, threads=threads, outbuf_overflow=10_000) as made:
        connection, client = made.connect(buffer=SMALL)
        for _ in range(2):
            client.send(GET)
            made.until(lambda: connection.pending is not None)
            assert connection.state in (SENDING, WAITING)
            head = client.until(b"\r\n\r\n")
            client.buffer = head + client.buffer
            found = read_slowly(made, client, len(head) + SIZE)
            assert body_of(found) == CONTENT
            made.until(lambda: connection.state == IDLE)
    if isinstance(application, Streaming):
        assert application.closed == 2


def test_a_generator_is_suspended_with_one_thread() -> None:
    """No more is produced than the client has taken and outbuf_overflow allows to wait."""
    application = Streaming(1000)
    with rig(application, threads=False, outbuf_overflow=20_000) as made:
        connection, client = made.connect(buffer=SMALL)
        client.send(GET)
        made.until(lambda: connection.state == WAITING)
        produced = application.made
        assert produced < 100
        assert connection.pending is not None
        assert connection.pending.size <= 21_000
        made.run_until_idle()
        assert application.made == produced
        read_slowly(made, client, 500_000, 5000)
        assert produced < application.made < 700
        client.close()
        made.until(lambda: connection.state == CLOSED)
        assert application.closed == 1


@pytest.mark.parametrize("how", ["close", "expire"])
def test_a_suspended_generator_is_closed(how: str) -> None:
    """A client that goes or takes nothing ends the iteration, and close() is called once."""
    application = Streaming(1000)
    with rig(application, threads=False, outbuf_overflow=2000, channel_timeout=50) as made:
        connection, client = made.connect(buffer=SMALL)
        client.send(GET)
        made.until(lambda: connection.state == WAITING)
        if how == "close":
            client.close()
            made.until(lambda: connection.state == CLOSED)
        else:
            made.later(60)
            assert connection.state == CLOSED
        assert application.closed == 1


def hold(made: Rig, client: PairClient) -> tuple[Connection, dict[str, Any]]:
    made.holds = True
    client.send(GET)
    made.until(lambda: made.held)
    connection, environ = made.held.pop()
    connection.hand_off()
    return connection, environ


def test_a_producer_waits_at_the_high_water_mark(poller: str) -> None:
    """A thread stops producing when too much waits, and goes on when the client has taken half of it."""
    application = Streaming(1000)
    with rig(application, poller=poller, outbuf_overflow=10_000, outbuf_high_watermark=100_000) as made:
        _, client = made.connect(buffer=SMALL)
        connection, environ = hold(made, client)
        thread = threading.Thread(target=lambda: connection.finish_response(connection.gateway.respond(environ)))
        thread.start()
        wait_until(lambda: connection.pending is not None and connection.pending.size > 100_000)
        assert application.made < 120
        head = client.until(b"\r\n\r\n")
        client.buffer = head + client.buffer
        assert body_of(read_slowly(made, client, len(head) + SIZE)) == CONTENT
        made.until(lambda: not thread.is_alive())
        made.until(lambda: connection.state == IDLE)
    assert application.closed == 1


@pytest.mark.parametrize("how", ["hang up", "expire", "forced end"])
def test_a_waiting_producer_is_told_that_the_client_has_gone(poller: str, how: str) -> None:
    """Whatever ends the connection, the thread comes back and close() is called."""
    application = Streaming(1000)
    with rig(application, poller=poller, outbuf_high_watermark=20_000, channel_timeout=50) as made:
        _, client = made.connect(buffer=SMALL)
        connection, environ = hold(made, client)
        thread = threading.Thread(target=lambda: connection.finish_response(connection.gateway.respond(environ)))
        thread.start()
        wait_until(lambda: connection.pending is not None and connection.pending.size > 20_000)
        if how == "hang up":
            client.close()
            made.until(lambda: not thread.is_alive())
        elif how == "expire":
            made.later(60)
        else:
            connection.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert connection.state == CLOSED
        assert application.closed == 1
        made.run_until_idle()
        assert made.turn() == 0


class Sending:
    """Answers with a file through wsgi.file_wrapper, and remembers the file."""

    def __init__(self, path: Path, announced: int = SIZE) -> None:
        self.path = path
        self.announced = announced
        self.files: list[Any] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.files.append(self.path.open("rb"))
        start_response("200 OK", [("Content-Length", str(self.announced))])
        wrapped: FileWrapper = environ["wsgi.file_wrapper"](self.files[-1])
        return wrapped


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "content"
    made.write_bytes(CONTENT)
    return made


@pytest.mark.parametrize("threads", [True, False])
def test_a_file_to_a_slow_client(poller: str, threads: bool, path: Path) -> None:
    """The file arrives, is closed, and the connection goes on."""
    application = Sending(path)
    with rig(application, poller=poller, threads=threads) as made:
        connection, client = made.connect(buffer=SMALL)
        for _ in range(2):
            client.send(GET)
            made.until(lambda: connection.pending is not None)
            head = client.until(b"\r\n\r\n")
            client.buffer = head + client.buffer
            assert body_of(read_slowly(made, client, len(head) + SIZE)) == CONTENT
            made.until(lambda: connection.state == IDLE)
            assert application.files[-1].closed


def test_a_file_that_shrinks_breaks_its_response_off(path: Path) -> None:
    """The client sees that the body is not complete; nothing hangs, nothing else is sent."""
    application = Sending(path)
    with rig(application) as made:
        connection, client = made.connect(buffer=SMALL)
        client.send(GET)
        made.until(lambda: connection.pending is not None)
        os.truncate(path, 300_000)
        client.socket.settimeout(0)
        found = bytearray()
        while connection.state != CLOSED:
            try:
                found += client.socket.recv(65536)
            except BlockingIOError:
                made.turn(0.01)
        client.socket.settimeout(PATIENCE)
        found += client.rest()
        assert len(body_of(bytes(found))) == 300_000
        assert application.files[-1].closed


def test_a_file_that_grows_sends_what_was_announced(path: Path) -> None:
    """Bytes appended after the head has left do not follow the response."""
    application = Sending(path)
    with rig(application) as made:
        connection, client = made.connect(buffer=SMALL)
        client.send(GET)
        made.until(lambda: connection.pending is not None)
        with path.open("ab") as grown:
            grown.write(b"more" * 1000)
        head = client.until(b"\r\n\r\n")
        client.buffer = head + client.buffer
        assert body_of(read_slowly(made, client, len(head) + SIZE)) == CONTENT
        made.until(lambda: connection.state == IDLE)
        client.socket.settimeout(0)
        with pytest.raises(BlockingIOError):
            client.socket.recv(1)


def test_a_file_is_closed_when_the_client_has_gone(path: Path) -> None:
    """Also when something of the response was waiting already, and then could not be added to."""
    application = Sending(path)
    with rig(application, outbuf_overflow=10) as made:
        _, client = made.connect(buffer=SMALL)
        connection, environ = hold(made, client)
        connection.write(b"x" * SIZE, True)
        client.close()
        made.until(lambda: connection.pending is not None and connection.pending.is_broken)
        connection.finish_response(connection.gateway.respond(environ))
        assert application.files[-1].closed
        assert connection.state == CLOSED


def test_answers_of_the_server_never_wait_for_the_client() -> None:
    """A refusal with a full socket is kept, whatever the high-water mark: the leader can't wait for itself."""
    with rig(outbuf_high_watermark=0) as made:
        connection, client = made.connect(buffer=SMALL)
        made.run_until_idle()
        filled = 0
        try:
            while True:
                filled += connection.sock.send(b"x" * 1000)
        except BlockingIOError:
            pass
        connection.answer(400, "no")
        assert connection.state == SENDING
        found = read_slowly(made, client, filled + 10)
        made.until(lambda: connection.state == CLOSED)
        found += client.rest()
        assert b"HTTP/1.1 400 " in found


@pytest.mark.parametrize("first", ["body", "reader"])
def test_a_100_that_does_not_leave_at_once_is_sent_later(poller: str, first: str) -> None:
    """With a full socket the loop neither turns without pause nor forgets the interim response."""
    with rig(poller=poller) as made:
        connection, client = made.connect(buffer=SMALL)
        client.send(b"PO")
        made.run_until_idle()
        filled = 0
        try:
            while True:
                filled += connection.sock.send(b"x" * 1000)
        except BlockingIOError:
            pass
        client.send(b"ST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        made.until(lambda: connection.state == BODY)
        made.run_until_idle()
        assert made.turn() == 0
        if first == "body":
            client.send(b"hi")
        found = read_slowly(made, client, filled + len(b"HTTP/1.1 100 Continue\r\n\r\n"))
        assert found.endswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        if first == "reader":
            client.send(b"hi")
        made.until(lambda: connection.state == IDLE)
        assert client.response()[2] == b"/ 2"


def test_disconnection_is_seen(poller: str) -> None:
    """environ's client_disconnected tells while the request runs whether the client has hung up."""
    with rig(poller=poller) as made:
        connection, client = made.connect()
        _, environ = hold(made, client)
        is_gone = connection.is_disconnected
        assert not is_gone()
        client.socket.shutdown(socket.SHUT_RDWR)
        wait_until(is_gone)
        connection.finish_response(connection.gateway.respond(environ))
        made.until(lambda: connection.state == CLOSED)
        assert is_gone()
