"""A raw HTTP/2 client: frames are written by hand, right or wrong; what the server answers is judged.

It shares no code with the server under test. HPACK of requests is written out as literals; HPACK of responses is
decoded by the `hpack` library.
"""

import socket
import ssl
import struct
import time
from collections.abc import Iterable
from types import TracebackType
from typing import NamedTuple, Self

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, PRIORITIZED = 0x4, 0x8, 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED = range(6)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(6, 12)
CODES = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
)  # fmt: skip
NAMES = (
    "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE",
    "CONTINUATION",
)  # fmt: skip

Fields = Iterable[tuple[str, str]]


class Failed(AssertionError):
    """The server did not do what the RFC asks for."""


class Frame(NamedTuple):
    """A received frame."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    def __str__(self) -> str:
        name = NAMES[self.kind] if self.kind < 10 else f"type {self.kind}"
        code = ""
        if self.kind in (RST_STREAM, GOAWAY):
            number = struct.unpack(">L", self.payload[-4:] if self.kind == RST_STREAM else self.payload[4:8])[0]
            code = f" {CODES[number] if number < len(CODES) else number}"
        return f"{name}{code} on stream {self.stream_id}"


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """Return a frame's bytes; `length` lies about the payload's."""
    size = len(payload) if length is None else length
    return struct.pack(">BHBBL", size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


def integer(value: int, bits: int, kind: int = 0) -> bytes:
    """Return an integer with a prefix of `bits` bits behind the bits of `kind` (RFC 7541 §5.1)."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([kind | value])
    out = [kind | limit]
    value -= limit
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def string(text: str | bytes) -> bytes:
    """Return a string literal without Huffman coding."""
    raw = text if isinstance(text, bytes) else text.encode("latin-1")
    return integer(len(raw), 7) + raw


def literal(name: str, value: str, kind: int = 0x00) -> bytes:
    """Return a field with a literal name: 0x00 without indexing, 0x10 never indexed, 0x40 indexed."""
    return bytes([kind]) + string(name) + string(value)


def block(fields: Fields) -> bytes:
    """Return a field block of literals."""
    return b"".join(literal(name, value) for name, value in fields)


def priority(depends_on: int, weight: int = 16, *, exclusive: bool = False) -> bytes:
    """Return the payload of a PRIORITY frame."""
    return struct.pack(">LB", depends_on | (0x80000000 if exclusive else 0), weight - 1)


def settings(*pairs: tuple[int, int]) -> bytes:
    """Return the payload of a SETTINGS frame."""
    return b"".join(struct.pack(">HL", *pair) for pair in pairs)


class Client:
    """One connection to the server under test."""

    def __init__(self, address: tuple[str, int], *, tls: bool, timeout: float = 2.0, path: str = "/") -> None:
        self.timeout = timeout
        self.path = path
        self.authority = f"{address[0]}:{address[1]}"
        self.scheme = "https" if tls else "http"
        self.socket = socket.create_connection(address, timeout=10)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without loading the system's certificates
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            if self.socket.selected_alpn_protocol() != "h2":
                raise Failed("the server did not choose h2 by ALPN")
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.is_closed = False
        self.peer: dict[int, int] = {}
        self.decoder = hpack.Decoder()
        self.last = "nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.socket.close()

    # ---------------------------------------------------------------- sending

    def send(self, *pieces: bytes) -> None:
        """Send bytes; a server that has closed is found out when reading."""
        try:
            self.socket.sendall(b"".join(pieces))
        except OSError:
            self.is_closed = True

    def frame(self, kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> None:
        """Send a frame."""
        self.send(frame(kind, flags, stream_id, payload))

    def fields(self, method: str = "GET", *more: tuple[str, str]) -> list[tuple[str, str]]:
        """Return the fields of a good request."""
        return [
            (":method", method),
            (":scheme", self.scheme),
            (":path", self.path),
            (":authority", self.authority),
            *more,
        ]

    def get(self, stream_id: int = 1, *more: tuple[str, str], flags: int = END_STREAM | END_HEADERS) -> None:
        """Send a GET request; without END_STREAM in `flags` its stream stays open."""
        self.frame(HEADERS, flags, stream_id, block(self.fields("GET", *more)))

    def post(self, stream_id: int = 1, *more: tuple[str, str]) -> None:
        """Send the head of a POST request."""
        self.frame(HEADERS, END_HEADERS, stream_id, block(self.fields("POST", *more)))

    def handshake(self, *pairs: tuple[int, int]) -> Self:
        """Send preface and SETTINGS, and wait for the server's SETTINGS and its acknowledgement of ours."""
        self.send(PREFACE, frame(SETTINGS, 0, 0, settings(*pairs)))
        has_settings = has_ack = False
        while not (has_settings and has_ack):
            received = self.read()
            if received is None:
                raise Failed(f"no SETTINGS and acknowledgement, but {self.last}")
            if received.kind == SETTINGS and received.flags & ACK:
                has_ack = True
            elif received.kind == SETTINGS:
                has_settings = True
                for at in range(0, len(received.payload), 6):
                    name, value = struct.unpack_from(">HL", received.payload, at)
                    self.peer[name] = value
                self.frame(SETTINGS, ACK)
        return self

    # ---------------------------------------------------------------- reading

    def read(self, timeout: float | None = None) -> Frame | None:
        """Return the next frame; None if the connection closes or none comes in time."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if len(self.received) >= 9:
                high, low, kind, flags, stream_id = struct.unpack_from(">BHBBL", self.received)
                size = 9 + (high << 16 | low)
                if len(self.received) >= size:
                    found = Frame(kind, flags, stream_id & 0x7FFFFFFF, bytes(self.received[9:size]))
                    del self.received[:size]
                    self.last = str(found)
                    return found
            left = end - time.monotonic()
            if left <= 0:
                self.last = f"silence after {self.last}"
                return None
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if not data:
                self.is_closed = True
                return None
            self.received += data

    # ---------------------------------------------------------------- judging

    def expect_connection_error(self, *codes: int) -> None:
        """The server must send GOAWAY with one of `codes`, or close."""
        while (received := self.read()) is not None:
            if received.kind == GOAWAY:
                self._judge(struct.unpack(">L", received.payload[4:8])[0], codes)
                return
        if not self.is_closed:
            raise Failed(f"connection error expected ({self._names(codes)}), but got {self.last}")

    def expect_stream_error(self, *codes: int) -> None:
        """The server must send RST_STREAM or GOAWAY with one of `codes`, or close."""
        while (received := self.read()) is not None:
            if received.kind in (RST_STREAM, GOAWAY):
                at = 4 if received.kind == GOAWAY else 0
                self._judge(struct.unpack_from(">L", received.payload, at)[0], codes)
                return
        if not self.is_closed:
            raise Failed(f"stream error expected ({self._names(codes)}), but got {self.last}")

    def _names(self, codes: tuple[int, ...]) -> str:
        return " or ".join(CODES[code] for code in codes)

    def _judge(self, code: int, codes: tuple[int, ...]) -> None:
        if codes and code not in codes:
            raise Failed(f"{self._names(codes)} expected, but got {self.last}")

    def expect(self, kind: int, stream_id: int = 0, flags: int = 0) -> Frame:
        """Return the next frame of this type on this stream that has these flags; errors before it fail."""
        while (received := self.read()) is not None:
            if (received.kind, received.stream_id) == (kind, stream_id) and received.flags & flags == flags:
                return received
            if received.kind in (GOAWAY, RST_STREAM):
                break
        raise Failed(f"{Frame(kind, flags, stream_id, bytes(8))} expected, but got {self.last}")

    def expect_response(self, stream_id: int = 1) -> int:
        """Return the status of the final response on this stream, once it has ended."""
        status = 0
        while (received := self.read()) is not None:
            if received.kind in (GOAWAY, RST_STREAM) and received.stream_id in (0, stream_id):
                # RFC 9113 §8.1: after its response a server may reset the stream
                if status and received.kind == RST_STREAM:
                    return status
                break
            if received.kind == HEADERS:
                found = self._status(received.payload)
                if received.stream_id == stream_id and found >= 200:
                    status = found
            is_end = received.kind in (HEADERS, DATA) and received.flags & END_STREAM
            if received.stream_id == stream_id and is_end and status:
                return status
        raise Failed(f"a response on stream {stream_id} expected, but got {self.last}")

    def _status(self, encoded: bytes) -> int:
        """Return the status of a response's field block, 0 for trailers."""
        for name, value in self.decoder.decode(encoded, raw=True):
            if name == b":status":
                return int(value)
        return 0

    def expect_ping(self, payload: bytes = b"conforms") -> None:
        """The connection must be alive: a PING is answered with the same bytes."""
        self.frame(PING, 0, 0, payload)
        while (received := self.read()) is not None:
            if received.kind == PING and received.flags & ACK and received.payload == payload:
                return
            if received.kind == GOAWAY:
                break
        raise Failed(f"an answer to PING expected, but got {self.last}")
