"""What a request costs in the room `http2` alone: bytes in, events, a response, bytes out; no network, no application.

    python -m benchmarks.http2_protocol [--rounds 5]

Prints processor time a request, the best of the rounds: the figures do not depend on what else the machine does. The
`h2` library is measured beside it where it is installed.
"""

import argparse
import time
from collections.abc import Callable, Iterator

from hpack import Encoder

from wiverno.http2.connection import ServerProtocol
from wiverno.http2.events import RequestReceived
from wiverno.http2.frames import PREFACE, headers_frames, window_update_frame
from wiverno.http2.response_fields import encode_field, response_block
from wiverno.http2.settings import SETTINGS_ACK, settings_frame

REQUESTS = 8000
BODY = b"Hello, World!"
HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "13")]
BEGINNING = PREFACE + settings_frame({4: 1 << 30}) + window_update_frame(0, (1 << 31) - 1 - 65535) + SETTINGS_ACK
HELLO = [(":method", "GET"), (":scheme", "https"), (":authority", "127.0.0.1:8443"), (":path", "/")]
BROWSER = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-language", "en-US,en;q=0.5"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "none"),
    ("sec-fetch-user", "?1"),
    ("upgrade-insecure-requests", "1"),
]


def requests(streams: int, *, browser: bool) -> Iterator[bytes]:
    """Give what a client sends at a time: one request on each of so many streams."""
    encoder = Encoder()
    for first in range(0, REQUESTS, streams):
        chunk = b""
        for number in range(first, first + streams):
            fields = HELLO
            if browser:
                changing = [(":path", f"/item/{number}?q={number * 7}"), ("cookie", f"session={number:032x}; t=Zx81ja")]
                fields = [*HELLO[:3], changing[0], *BROWSER, changing[1]]
            chunk += headers_frames(1 + 2 * number, encoder.encode(fields), ends=True)
        yield chunk


def ours(chunks: list[bytes]) -> None:
    """Serve the chunks with the room's protocol object, as the engine does."""
    protocol = ServerProtocol(0.0)
    protocol.receive(BEGINNING, 0.0)
    base: dict[str, object] = {f"variable {number}": number for number in range(20)}
    once_a_second = encode_field("date", "Tue, 01 Jan 2030 00:00:00 GMT") + encode_field("server", "wiverno")
    for chunk in chunks:
        for event in protocol.receive(chunk, 0.0):
            assert isinstance(event, RequestReceived)
            environ = base.copy()
            environ.update(event.request.variables)
            protocol.output.respond(event.stream_id, response_block(200, HEADERS) + once_a_second, BODY)
        protocol.output.take()
    assert protocol.fault is None


def library(chunks: list[bytes]) -> None:
    """Serve the chunks with the `h2` library."""
    import h2.config
    import h2.connection
    import h2.events

    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    connection.receive_data(BEGINNING)
    fields = [(":status", "200"), *((name.lower(), value) for name, value in HEADERS), ("date", "x"), ("server", "y")]
    for chunk in chunks:
        for event in connection.receive_data(chunk):
            if isinstance(event, h2.events.RequestReceived) and event.stream_id is not None:
                connection.send_headers(event.stream_id, fields)
                connection.send_data(event.stream_id, BODY, end_stream=True)
        connection.data_to_send()


def measure(serve: Callable[[list[bytes]], None], chunks: list[bytes], rounds: int) -> float:
    """Return microseconds of processor time a request."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        serve(chunks)
        best = min(best, time.process_time() - start)
    return best / REQUESTS * 1e6


def main() -> None:
    """Measure and print a line a load."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http2_protocol")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    for streams, browser in ((1, False), (16, False), (16, True)):
        chunks = list(requests(streams, browser=browser))
        name = f"{'browser' if browser else 'hello'}, {streams} streams"
        print(f"{name:20} {measure(ours, chunks, rounds):6.1f} µs", end="", flush=True)
        try:
            print(f"   h2 library {measure(library, chunks, 1):6.1f} µs")
        except ImportError:
            print()


if __name__ == "__main__":
    main()
