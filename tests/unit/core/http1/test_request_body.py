"""Request bodies from a real socket: framing, limit and buffer, however the bytes are split."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.waiting import wait_until
from wiverno.core.http1.request_body import TURN, RequestBody
from wiverno.core.loop.poller import is_readable
from wiverno.http.errors import ProtocolError
from wiverno.http.framing import CHUNKED

CONTENT = bytes(range(256)) * 40
LIMIT = 1 << 20

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def scratch() -> memoryview:
    return memoryview(bytearray(4096))


def chunked(content: bytes, size: int) -> bytes:
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def received(body: RequestBody) -> bytes:
    content: bytes = body.finish().read()
    body.close()
    return content


@pytest.mark.parametrize("overflow", [0, 1000, LIMIT])
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_a_body_from_a_socket(pair: Pair, overflow: int, is_chunked: bool, step: int) -> None:
    """All of the body arrives, whether it stays in memory or goes to a file, and what follows it is kept apart."""
    ours, theirs = pair
    data = chunked(CONTENT, 777) if is_chunked else CONTENT
    body = RequestBody(CHUNKED if is_chunked else len(CONTENT), limit=LIMIT, overflow=overflow)
    for start in range(0, len(data), step):
        theirs.send(data[start : start + step])
        while body.receive_burst(ours, scratch()) and not body.is_complete:
            if body.received == len(CONTENT) or start + step < len(data):
                break
    while not body.is_complete:
        assert body.receive_burst(ours, scratch())
    assert body.received == len(CONTENT)
    assert body.rest == b""
    assert received(body) == CONTENT


@pytest.mark.parametrize("is_chunked", [False, True])
def test_what_follows_a_body_is_kept_apart(is_chunked: bool) -> None:
    """Bytes after the body belong to the next request."""
    data = chunked(CONTENT, 100) if is_chunked else CONTENT
    body = RequestBody(CHUNKED if is_chunked else len(CONTENT), limit=LIMIT, overflow=LIMIT)
    body.take(data + b"GET / HTTP/1.1")
    assert body.is_complete
    assert body.rest == b"GET / HTTP/1.1"
    assert received(body) == CONTENT


def test_a_length_never_takes_more_from_the_socket_than_is_its_own(pair: Pair) -> None:
    """The bytes of the next request stay in the socket."""
    ours, theirs = pair
    theirs.send(CONTENT + b"GET")
    body = RequestBody(len(CONTENT), limit=LIMIT, overflow=LIMIT)
    assert body.receive_burst(ours, scratch())
    assert body.is_complete
    assert ours.recv(10) == b"GET"
    assert received(body) == CONTENT


def test_an_empty_socket_is_no_end(pair: Pair) -> None:
    """Nothing to receive is not the end of the stream; a client that hangs up is."""
    ours, theirs = pair
    body = RequestBody(10, limit=LIMIT, overflow=LIMIT)
    assert body.receive_burst(ours, scratch())
    theirs.send(b"12345")
    assert body.receive_burst(ours, scratch())
    assert body.received == 5
    theirs.close()
    assert not body.receive_burst(ours, scratch())
    assert not body.is_complete
    body.close()


def test_a_burst_has_an_end() -> None:
    """A client that sends as fast as it is read from does not keep the others waiting."""
    sender = threading.Thread(target=lambda: theirs.sendall(bytes(4 * TURN)))
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as theirs:
        theirs.connect(listening.getsockname())
        ours = listening.accept()[0]
        sender.start()
        ours.setblocking(False)
        body = RequestBody(4 * TURN, limit=1 << 40, overflow=0)
        view = memoryview(bytearray(50000))
        with ours:
            while not body.is_complete:
                before = body.received
                wait_until(lambda: is_readable(ours.fileno()))
                assert body.receive_burst(ours, view)
                assert 0 < body.received - before <= TURN
        sender.join()
        body.close()


@pytest.mark.parametrize("chunk", [b"64\r\n" + b"x" * 100, b"64\r\n", b"FFFFFFFFFFFFFFFF\r\n", b"64;name=value\r\nx"])
def test_chunks_are_refused_at_the_limit(chunk: bytes) -> None:
    """413 as soon as the content reaches the limit or a size line says that it will, whatever is still to come."""
    for begun in (b"384\r\n" + b"x" * 900 + b"\r\n", b"1\r\nx\r\n" * 900):
        body = RequestBody(CHUNKED, limit=1000, overflow=LIMIT)
        body.take(begun)
        with pytest.raises(ProtocolError, match="exceeds max_body of 1000") as caught:
            body.take(chunk)
        assert caught.value.status == 413
        body.close()


@pytest.mark.parametrize("split", [1, 7, 5000])
def test_chunks_below_the_limit_are_taken(split: int) -> None:
    """What a chunk still has to bring counts once, however it arrives."""
    body = RequestBody(CHUNKED, limit=1000, overflow=LIMIT)
    data = b"3e6\r\n" + b"x" * 998 + b"\r\n1\r\nx\r\n0\r\n\r\n"
    for start in range(0, len(data), split):
        body.take(data[start : start + split])
    assert (body.is_complete, body.received) == (True, 999)
    body.close()


def test_bad_chunks_are_refused(pair: Pair) -> None:
    """400 for what is no chunk."""
    ours, theirs = pair
    body = RequestBody(CHUNKED, limit=1000, overflow=LIMIT)
    theirs.send(b"zz\r\n")
    with pytest.raises(ProtocolError) as caught:
        body.receive_burst(ours, scratch())
    assert caught.value.status == 400
    body.close()
