"""Processor time per request as heads and chunked bodies grow: a table that has to grow in a straight line.

    python -m tests.property.linear_time

Requests go over real sockets in segments of 1460 bytes, so that whatever is looked at again with each segment shows.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.support.serving import Served, serving

HEADS = [1 << power for power in range(10, 19, 2)]  # bytes: 1 KiB to 256 KiB
CHUNKS = [10**power for power in range(3, 7)]  # chunks of one byte
SEGMENT = 1460
ROUNDS = 3


def _application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [str(len(environ["wsgi.input"].read())).encode()]


def head_of(size: int) -> bytes:
    """Return a request with a head of `size` bytes: 90 fields of the same length."""
    start, end = b"GET / HTTP/1.1\r\nHost: a\r\n", b"\r\n"
    room, lines = size - len(start) - len(end), []
    count = 90 if size > 4096 else 9
    for number in range(count):
        share = room // (count - number)
        name = b"X-%d: " % number
        lines.append(name + b"y" * (share - len(name) - 2) + b"\r\n")
        room -= share
    return start + b"".join(lines) + end


def body_of(count: int) -> bytes:
    """Return a request whose body is `count` chunks of one byte."""
    return b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * count + b"0\r\n\r\n"


def seconds(served: Served, request: bytes, expected: int) -> float:
    """Return the best processor time of a few rounds for one request, the client's share included."""
    best = float("inf")
    segments = [request[at : at + SEGMENT] for at in range(0, len(request), SEGMENT)]
    for _ in range(ROUNDS):
        with served.client(60) as client:
            begin = time.process_time()
            for segment in segments:
                client.send(segment)
            status, _, body = client.response()
            best = min(best, time.process_time() - begin)
            assert (status, body) == (200, str(expected).encode())
    return best


def rows(chunks: list[int] = CHUNKS) -> Iterator[tuple[str, int, float]]:
    """Measure; yield what was sent, how many bytes or chunks of it, and the seconds that it took."""
    with serving(_application, threads=1, max_request_header_size=1 << 19) as served:
        for size in HEADS:
            yield "bytes of head", size, seconds(served, head_of(size), 0)
        for count in chunks:
            yield "one-byte chunks", count, seconds(served, body_of(count), count)


def main() -> None:
    """Print the table."""
    for what, count, time_taken in rows():
        print(f"{count:>9} {what:<16} {time_taken * 1e3:>10.2f} ms {time_taken / count * 1e9:>10.1f} ns each")


if __name__ == "__main__":
    main()
