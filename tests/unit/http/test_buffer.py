"""The buffer of heads: the same heads in any pieces, refused as early as they can be, each byte looked at once."""

import time

import pytest

from wiverno.http.buffer import HeadBuffer
from wiverno.http.errors import ProtocolError


def take(buffer: HeadBuffer, max_head: int = 1000, max_line: int = 100) -> bytes | None:
    return buffer.take_head(max_head, max_line)


def test_heads_one_after_the_other() -> None:
    """Complete heads come out one by one, without their empty line; what is left stays."""
    buffer = HeadBuffer(b"A\r\nB\r\n\r\nC\r\n\r\nD")
    assert take(buffer) == b"A\r\nB"
    assert take(buffer) == b"C"
    assert take(buffer) is None
    assert len(buffer) == 1
    buffer.add(b"\r\n\r\nbody")
    assert take(buffer) == b"D"
    assert buffer.take_all() == b"body"
    assert (len(buffer), take(buffer)) == (0, None)


@pytest.mark.parametrize("empty", [b"", b"\r\n"])
def test_byte_by_byte(empty: bytes) -> None:
    """One empty line before each head is skipped, however the bytes come."""
    buffer = HeadBuffer()
    for _ in range(2):
        for code in empty + b"GET / HTTP/1.1\r\nHost: a\r\n\r":
            buffer.add(bytes([code]))
            assert take(buffer) is None
        buffer.add(b"\n")
        assert take(buffer) == b"GET / HTTP/1.1\r\nHost: a"


def test_only_one_empty_line_is_skipped() -> None:
    """A second empty line belongs to the head, where it is refused."""
    assert take(HeadBuffer(b"\r\n\r\nGET")) is None
    assert take(HeadBuffer(b"\r\n\r\nGET /\r\n\r\n")) == b"\r\nGET /"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"x" * 200, 414),
        (b"x" * 200, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 1000, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 1000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n", 400),
        (b"\n", 400),
        (b"\r\n\n", 400),
        (b"GET / HTTP/1.1\r\n\n", 400),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 10**6])
def test_refused_before_the_end(data: bytes, status: int, step: int) -> None:
    """A head that can't become a good one is refused without waiting for its end."""
    buffer = HeadBuffer()
    refused = None
    for at in range(0, len(data), step):
        buffer.add(data[at : at + step])
        try:
            assert take(buffer) is None
        except ProtocolError as error:
            refused = error.status
            break
    assert refused == status


def test_limits_are_exact() -> None:
    """A head stays below its limit, a request line may reach its own."""
    line = b"GET /" + b"x" * 86 + b" HTTP/1.1"
    assert len(line) == 100
    assert take(HeadBuffer(line + b"\r\n\r\n")) == line
    assert take(HeadBuffer(line)) is None
    head = line + b"\r\nX: " + b"y" * (1000 - len(line) - 5 - 5)
    assert len(head + b"\r\n\r\n") == 999
    assert take(HeadBuffer(head + b"\r\n\r\n")) == head
    with pytest.raises(ProtocolError):
        take(HeadBuffer(head + b"y\r\n\r\n"))


def test_each_byte_is_looked_at_once() -> None:
    """A head of a megabyte that comes byte by byte takes a moment."""
    buffer = HeadBuffer(b"GET / HTTP/1.1\r\nX: ")
    begin = time.thread_time()
    for _ in range(200_000):
        buffer.add(b"y")
        assert take(buffer, 1 << 30) is None
    assert time.thread_time() - begin < 3
