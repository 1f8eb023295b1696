"""Attacks on HTTP/2 as bytes: what a hostile client sends, again and again, and how the server must end it.

`FLOODS` never stop by themselves. `MISUSES` are sent once. `HOLDS` send little and wait: a deadline ends them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from hpack import Decoder

from tests.support.http2 import GET, POST, block, head
from wiverno.http2.errors import ErrorCode
from wiverno.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    FrameReader,
    frame,
    reset_frame,
    window_update_frame,
)
from wiverno.http2.settings import settings_frame

GOAWAY = 7
PINGED = frame(PING, 0, 0, bytes(8))


def _rapid_reset() -> Iterator[bytes]:
    for stream_id in count(1, 2):
        yield head(stream_id) + reset_frame(stream_id, ErrorCode.CANCEL)


def _made_you_reset(provocation: Callable[[int], bytes]) -> Callable[[], Iterator[bytes]]:
    def attack() -> Iterator[bytes]:
        for stream_id in count(1, 2):
            yield head(stream_id) + provocation(stream_id)

    return attack


def _malformed() -> Iterator[bytes]:
    for stream_id in count(1, 2):
        yield head(stream_id, GET[:3])


def _too_many_streams() -> Iterator[bytes]:
    for stream_id in count(1, 2):
        yield head(stream_id, POST, ends=False)


def _on_a_closed_stream() -> Iterator[bytes]:
    yield head(1, POST, ends=False) + reset_frame(1, 8)
    while True:
        yield frame(DATA, 0, 1, b"x")


def _repeat(data: bytes, first: bytes = b"") -> Callable[[], Iterator[bytes]]:
    def attack() -> Iterator[bytes]:
        yield first
        while True:
            yield data

    return attack


def _settings() -> Iterator[bytes]:
    """Each frame changes the windows of a hundred streams."""
    yield b"".join(head(stream_id, POST, ends=False) for stream_id in range(1, 199, 2))
    for size in count(1):
        yield settings_frame({4: size})


_OPEN = head(1, POST, ends=False)

FLOODS: dict[str, Callable[[], Iterator[bytes]]] = {
    "rapid reset (CVE-2023-44487)": _rapid_reset,
    "made you reset by window update (CVE-2025-8671)": _made_you_reset(lambda number: window_update_frame(number, 0)),
    "made you reset by overflow": _made_you_reset(lambda number: window_update_frame(number, 0x7FFFFFFF)),
    "made you reset by priority": _made_you_reset(lambda number: frame(PRIORITY, 0, number, bytes(4))),
    "made you reset by data": _made_you_reset(lambda number: frame(DATA, 0, number, b"x")),
    "made you reset by headers": _made_you_reset(lambda number: head(number)),
    "malformed requests": _malformed,
    "refused streams": _too_many_streams,
    "data on a closed stream": _on_a_closed_stream,
    "ping flood (CVE-2019-9512)": _repeat(PINGED),
    "acknowledged pings": _repeat(frame(PING, ACK, 0, bytes(8))),
    "settings flood (CVE-2019-9515)": _settings,
    "settings acknowledgements": _repeat(frame(SETTINGS, ACK, 0)),
    "priority flood (CVE-2019-9513)": _repeat(frame(PRIORITY, 0, 1, b"\0\0\0\3\x10")),
    "window update flood": _repeat(window_update_frame(0, 1)),
    "window update flood of a stream": _repeat(window_update_frame(1, 1), _OPEN),
    "empty data (CVE-2019-9518)": _repeat(frame(DATA, 0, 1), _OPEN),
    "padding alone": _repeat(frame(DATA, 8, 1, b"\0"), _OPEN),
    "empty headers (CVE-2019-9516)": _repeat(frame(CONTINUATION, 0, 1), frame(HEADERS, 0, 1)),
    "continuation flood (CVE-2024-27316)": _repeat(
        frame(CONTINUATION, 0, 1, block([("x", "v" * 100)])), frame(HEADERS, 0, 1, block(GET))
    ),
    "long continuations": _repeat(frame(CONTINUATION, 0, 1, bytes(16384)), frame(HEADERS, 0, 1, block(GET))),
    "unknown frames": _repeat(frame(0x77, 0, 0)),
    "goaway flood": _repeat(frame(7, 0, 0, bytes(8))),
    "resets of a closed stream": _repeat(reset_frame(1, 8), _OPEN + reset_frame(1, 8)),
}

BEGINNING = PREFACE + settings_frame({})
WINDOWS_SHUT = PREFACE + settings_frame({4: 0})
WINDOWS_OPEN = PREFACE + settings_frame({4: 0x7FFFFFFF}) + window_update_frame(0, 0x7FFF0000)


def _large(stream_id: int) -> bytes:
    return head(stream_id, [*GET[:2], (":path", "/large"), GET[3]])


def _bomb(stream_id: int) -> bytes:
    """One field of 3.9 kB in the table, and four thousand references to it: 16 MB of fields in 16 kB."""
    first = block([("x-bomb", "v" * 3900)], 0x40) if stream_id == 1 else b""
    encoded = block(GET) + first + b"\xbe" * 4000
    return frame(HEADERS, END_HEADERS | END_STREAM, stream_id, encoded)


@dataclass(frozen=True)
class Misuse:
    """What is sent, and how that must end: a GOAWAY's or RST_STREAM's code, or an answer's status."""

    data: bytes
    end: str


MISUSES: dict[str, Misuse] = {
    "HPACK bomb, 20 requests": Misuse(b"".join(_bomb(number) for number in range(1, 41, 2)), "431"),
    "window overflow of the connection": Misuse(window_update_frame(0, 0x7FFFFFFF), "GOAWAY FLOW_CONTROL_ERROR"),
    "window overflow of a stream": Misuse(_OPEN + window_update_frame(1, 0x7FFFFFFF), "RST_STREAM FLOW_CONTROL_ERROR"),
    "window overflow by SETTINGS": Misuse(settings_frame({4: 0x80000000}), "GOAWAY FLOW_CONTROL_ERROR"),
    "more data than the window": Misuse(_OPEN + frame(DATA, 0, 1, bytes(16384)) * 200, "413"),
    "even stream id": Misuse(head(2), "GOAWAY PROTOCOL_ERROR"),
    "stream id 0": Misuse(head(0), "GOAWAY PROTOCOL_ERROR"),
    "stream id goes down": Misuse(head(5) + head(3), "GOAWAY PROTOCOL_ERROR"),
    "data on an idle stream": Misuse(frame(DATA, 0, 9, b"x"), "GOAWAY PROTOCOL_ERROR"),
    "data after the end": Misuse(
        head(1, POST, ends=False) + frame(DATA, END_STREAM, 1, b"x") + frame(DATA, 0, 1, b"x"),
        "RST_STREAM STREAM_CLOSED",
    ),
    "padding longer than the frame": Misuse(_OPEN + frame(DATA, 8, 1, b"\x09x"), "GOAWAY PROTOCOL_ERROR"),
    "frame longer than allowed": Misuse(_OPEN + b"\0\x40\x01\0\0\0\0\0\1", "GOAWAY FRAME_SIZE_ERROR"),
    "push": Misuse(frame(5, END_HEADERS, 1, bytes(4)), "GOAWAY PROTOCOL_ERROR"),
    "no settings": Misuse(PINGED, "GOAWAY PROTOCOL_ERROR"),
}


@dataclass(frozen=True)
class Hold:
    """A client that sends `first`, then `drip` now and then, and reads or not, until the server ends it."""

    first: bytes
    end: str
    drip: bytes = b""
    reads: bool = True


HOLDS: dict[str, Hold] = {
    "slow preface": Hold(PREFACE[:10], "closed"),
    "slow SETTINGS": Hold(PREFACE + b"\0\0\6", "GOAWAY ENHANCE_YOUR_CALM"),
    "slow field block": Hold(BEGINNING + frame(HEADERS, 0, 1, block(GET)), "GOAWAY ENHANCE_YOUR_CALM"),
    "slow frame": Hold(BEGINNING + head(1)[:-3], "GOAWAY ENHANCE_YOUR_CALM"),
    "idle connection": Hold(BEGINNING, "GOAWAY NO_ERROR"),
    "request without an end": Hold(BEGINNING + _OPEN, "408"),
    "100 requests without an end": Hold(
        BEGINNING + b"".join(head(number, POST, ends=False) for number in range(1, 200, 2)), "408"
    ),
    "slow body": Hold(BEGINNING + _OPEN, "408", drip=frame(DATA, 0, 1, b"x")),
    "slow body with pings": Hold(BEGINNING + _OPEN, "408", drip=PINGED),
    "100 bodies": Hold(
        BEGINNING
        + b"".join(head(number, POST, ends=False) for number in range(1, 200, 2))
        + b"".join(frame(DATA, 0, number, bytes(10_000)) for number in range(1, 200, 2)),
        "408",
    ),
    "windows of nothing": Hold(
        WINDOWS_SHUT + b"".join(_large(number) for number in range(1, 200, 2)), "RST_STREAM CANCEL"
    ),
    "windows of nothing with pings": Hold(
        WINDOWS_SHUT + b"".join(_large(number) for number in range(1, 200, 2)), "RST_STREAM CANCEL", drip=PINGED
    ),
    "window of one stream shut": Hold(WINDOWS_SHUT + _large(1), "RST_STREAM CANCEL"),
    "reads nothing": Hold(
        WINDOWS_OPEN + b"".join(_large(number) for number in range(1, 200, 2)), "closed", reads=False
    ),
    "reads nothing with pings": Hold(
        WINDOWS_OPEN + b"".join(_large(number) for number in range(1, 200, 2)), "closed", drip=PINGED, reads=False
    ),
}


class Witness:
    """Reads what a server sends and tells how it ended."""

    def __init__(self) -> None:
        self._reader = FrameReader(1 << 24)
        self._decoder = Decoder()
        self.seen: list[str] = []
        self.received = 0

    def take(self, data: bytes) -> None:
        """Note GOAWAY, RST_STREAM and the statuses of answers."""
        self.received += len(data)
        for kind, _, _, payload in self._reader.read(data):
            if kind == HEADERS:
                fields: list[Any] = list(self._decoder.decode(payload))
                self.seen.append(str(dict(fields)[":status"]))
            elif kind == RST_STREAM:
                self.seen.append(f"RST_STREAM {ErrorCode(int.from_bytes(payload, 'big')).name}")
            elif kind == GOAWAY:
                self.seen.append(f"GOAWAY {ErrorCode(int.from_bytes(payload[4:8], 'big')).name}")
