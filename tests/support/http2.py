"""Short ways to write requests and to begin a connection, for the tests of the room `http2`."""

from collections.abc import Iterable

from hpack import Decoder

from wiverno.http2.connection import ServerProtocol
from wiverno.http2.frames import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    Frame,
    FrameReader,
    frame,
)
from wiverno.http2.limits import DEFAULT_LIMITS, Limits
from wiverno.http2.settings import settings_frame

Fields = Iterable[tuple[str, str]]

GET: list[tuple[str, str]] = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a.example")]
POST: list[tuple[str, str]] = [(":method", "POST"), *GET[1:]]


def string(text: str) -> bytes:
    """Return a string literal of at most 126 bytes, or a longer one, without Huffman coding."""
    raw = text.encode("latin-1")
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    rest, out = len(raw) - 127, [127]
    while rest >= 128:
        out.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*out, rest]) + raw


def block(fields: Fields, kind: int = 0) -> bytes:
    """Return a field block of literals: 0x00 without indexing, 0x10 never indexed, 0x40 indexed."""
    return b"".join(bytes([kind]) + string(name) + string(value) for name, value in fields)


def head(stream_id: int, fields: Fields = GET, *, ends: bool = True) -> bytes:
    """Return a request's HEADERS frame."""
    return frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream_id, block(fields))


def split_head(stream_id: int, encoded: bytes, pieces: int) -> bytes:
    """Return a field block as HEADERS and CONTINUATION frames."""
    step = -(-len(encoded) // pieces)
    parts = [encoded[start : start + step] for start in range(0, len(encoded), step)]
    out = [frame(HEADERS, END_STREAM, stream_id, parts[0])]
    out += [frame(CONTINUATION, 0, stream_id, part) for part in parts[1:-1]]
    return b"".join([*out, frame(CONTINUATION, END_HEADERS, stream_id, parts[-1])])


def decode_by_library(decoder: Decoder, encoded: bytes) -> list[tuple[str, str]]:
    """Return the fields of a block as the `hpack` library decodes them."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in decoder.decode(encoded, raw=True)]


def begin(limits: Limits = DEFAULT_LIMITS, settings: dict[int, int] | None = None, now: float = 0.0) -> ServerProtocol:
    """Return a connection whose client has sent its preface and acknowledged the server's settings."""
    protocol = ServerProtocol(now, limits)
    protocol.receive(PREFACE + settings_frame(settings or {}) + frame(SETTINGS, ACK, 0), now)
    protocol.output.take()
    assert protocol.fault is None
    return protocol


def frames(data: bytes) -> list[Frame]:
    """Return the frames of whole bytes."""
    reader = FrameReader(1 << 24)
    found = list(reader.read(data))
    assert not reader.has_partial
    return found
