"""RFC 9113 §3 to §5: preface, framing, stream states. Numbers are those that h2spec's cases have."""

import struct

from tests.conformance.client import (
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITIZED,
    PRIORITY,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    Client,
    Failed,
    block,
    frame,
    literal,
    priority,
)
from tests.conformance.registry import case

_WHOLE = END_STREAM | END_HEADERS
_RESET = struct.pack(">L", CANCEL)


@case("3.5/1", "the first frame is SETTINGS")
def _(client: Client) -> None:
    client.send(PREFACE, frame(SETTINGS))
    received = client.read()
    if received is None or received.kind != SETTINGS or received.flags:
        raise Failed(f"SETTINGS expected, but got {client.last}")


@case("3.5/2", "an invalid preface ends the connection")
def _(client: Client) -> None:
    client.send(b"INVALID CONNECTION PREFACE\r\n\r\n")
    client.expect_connection_error(PROTOCOL_ERROR)


# ---------------------------------------------------------------- 4 frames


@case("4.1/1", "a frame of an unknown type is ignored")
def _(client: Client) -> None:
    client.handshake().frame(0xFF, 0, 0, b"unknown")
    client.expect_ping()


@case("4.1/2", "undefined flags are ignored")
def _(client: Client) -> None:
    client.handshake().send(frame(PING, 0x16, 0, b"conforms"))
    client.expect(PING, 0, 1)


@case("4.1/3", "the reserved bit is ignored")
def _(client: Client) -> None:
    client.handshake().send(frame(PING, 0, 0x80000000, b"conforms"))
    client.expect(PING, 0, 1)


@case("4.2/1", "DATA of 2^14 bytes is taken")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(DATA, END_STREAM, 1, bytes(16384))
    client.expect_response()


def _too_long(client: Client) -> int:
    client.handshake()
    return client.peer.get(0x5, 16384) + 1


@case("4.2/2", "DATA beyond SETTINGS_MAX_FRAME_SIZE: FRAME_SIZE_ERROR")
def _(client: Client) -> None:
    size = _too_long(client)
    client.post()
    client.frame(DATA, END_STREAM, 1, bytes(size))
    client.expect_stream_error(FRAME_SIZE_ERROR)


@case("4.2/3", "HEADERS beyond SETTINGS_MAX_FRAME_SIZE: FRAME_SIZE_ERROR")
def _(client: Client) -> None:
    size = _too_long(client)
    fields = block(client.fields())
    client.frame(HEADERS, _WHOLE, 1, fields + literal("x-dummy", "a" * (size - len(fields) - 12)))
    client.expect_connection_error(FRAME_SIZE_ERROR)


@case("4.3/1", "a field block that can't be decoded: COMPRESSION_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, _WHOLE, 1, b"\x40\x0cinvalid")
    client.expect_connection_error(COMPRESSION_ERROR)


@case("4.3/2", "PRIORITY inside a field block: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, END_STREAM, 1, block(client.fields()))
    client.frame(PRIORITY, 0, 1, priority(0))
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "1"))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("4.3/3", "HEADERS of another stream inside a field block: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, END_STREAM, 1, block(client.fields()))
    client.frame(HEADERS, _WHOLE, 3, block(client.fields()))
    client.expect_connection_error(PROTOCOL_ERROR)


# ---------------------------------------------------------------- 5.1 stream states


@case("5.1/1", "idle: DATA is a PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(DATA, END_STREAM, 1, b"test")
    client.expect_connection_error(PROTOCOL_ERROR)


@case("5.1/2", "idle: RST_STREAM is a PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(RST_STREAM, 0, 1, _RESET)
    client.expect_connection_error(PROTOCOL_ERROR)


@case("5.1/3", "idle: WINDOW_UPDATE is a PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(WINDOW_UPDATE, 0, 1, struct.pack(">L", 100))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("5.1/4", "idle: CONTINUATION is a PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(CONTINUATION, END_HEADERS, 1, block(client.fields()))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("5.1/5", "half-closed (remote): DATA is STREAM_CLOSED")
def _(client: Client) -> None:
    client.handshake().get()
    client.frame(DATA, END_STREAM, 1, b"test")
    client.expect_stream_error(STREAM_CLOSED)


@case("5.1/6", "half-closed (remote): HEADERS is STREAM_CLOSED")
def _(client: Client) -> None:
    client.handshake().get()
    client.get()
    client.expect_stream_error(STREAM_CLOSED)


@case("5.1/7", "half-closed (remote): CONTINUATION is an error")
def _(client: Client) -> None:
    client.handshake().get()
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "1"))
    client.expect_stream_error(STREAM_CLOSED, PROTOCOL_ERROR)


def _reset(client: Client) -> None:
    client.handshake().post()
    client.frame(RST_STREAM, 0, 1, _RESET)


@case("5.1/8", "closed by RST_STREAM: DATA is STREAM_CLOSED")
def _(client: Client) -> None:
    _reset(client)
    client.frame(DATA, END_STREAM, 1, b"test")
    client.expect_stream_error(STREAM_CLOSED)


@case("5.1/9", "closed by RST_STREAM: HEADERS is STREAM_CLOSED")
def _(client: Client) -> None:
    _reset(client)
    client.get()
    client.expect_stream_error(STREAM_CLOSED)


@case("5.1/10", "closed by RST_STREAM: CONTINUATION is an error")
def _(client: Client) -> None:
    _reset(client)
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "1"))
    client.expect_stream_error(STREAM_CLOSED, PROTOCOL_ERROR)


def _ended(client: Client) -> None:
    client.handshake().get()
    client.expect_response()


@case("5.1/11", "closed: DATA is STREAM_CLOSED")
def _(client: Client) -> None:
    _ended(client)
    client.frame(DATA, END_STREAM, 1, b"test")
    client.expect_stream_error(STREAM_CLOSED)


@case("5.1/12", "closed: HEADERS is STREAM_CLOSED")
def _(client: Client) -> None:
    _ended(client)
    client.get()
    client.expect_connection_error(STREAM_CLOSED)


@case("5.1/13", "closed: CONTINUATION is an error")
def _(client: Client) -> None:
    _ended(client)
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "1"))
    client.expect_connection_error(STREAM_CLOSED, PROTOCOL_ERROR)


@case("5.1.1/1", "a stream of even number: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().get(2)
    client.expect_connection_error(PROTOCOL_ERROR)


@case("5.1.1/2", "a stream below one that was opened: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().get(5)
    client.expect_response(5)
    client.get(3)
    client.expect_connection_error(PROTOCOL_ERROR)


@case("5.1.2/1", "more streams than SETTINGS_MAX_CONCURRENT_STREAMS: PROTOCOL_ERROR or REFUSED_STREAM")
def _(client: Client) -> None:
    client.handshake()
    limit = client.peer.get(0x3, 0)
    if not 0 < limit <= 1000:
        raise Failed("the server announces no limit of 1000 or below")
    for number in range(limit + 1):
        client.post(1 + 2 * number)  # no body yet, so none of them can end
    client.expect_stream_error(PROTOCOL_ERROR, REFUSED_STREAM)


@case("5.3.1/1", "HEADERS that make a stream depend on itself: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, _WHOLE | PRIORITIZED, 1, priority(1) + block(client.fields()))
    client.expect_stream_error(PROTOCOL_ERROR)


@case("5.3.1/2", "PRIORITY that makes a stream depend on itself: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(PRIORITY, 0, 1, priority(1))
    client.expect_stream_error(PROTOCOL_ERROR)


@case("5.4.1/1", "after a connection error the connection closes")
def _(client: Client) -> None:
    client.handshake().frame(PING, 0, 1, b"conforms")
    while client.read() is not None:
        pass
    if not client.is_closed:
        raise Failed(f"the end of the connection expected, but got {client.last}")


@case("5.4.1/2", "before it closes the server sends GOAWAY")
def _(client: Client) -> None:
    client.handshake().get()
    client.expect_response()
    client.frame(PING, 0, 3, b"conforms")
    while (received := client.read()) is not None:
        if received.kind == GOAWAY:
            if struct.unpack(">L", received.payload[:4])[0] & 0x7FFFFFFF != 1:
                raise Failed("GOAWAY does not name the last stream")
            return
    raise Failed(f"GOAWAY expected, but got {client.last}")


@case("5.5/1", "an unknown frame type is ignored on a stream, too")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(0x16, 0, 1, bytes(8))
    client.frame(DATA, END_STREAM, 1, b"test")
    client.expect_response()


@case("5.5/2", "an unknown frame type inside a field block: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, END_STREAM, 1, block(client.fields()))
    client.frame(0x16, 0, 0, bytes(8))
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "1"))
    client.expect_connection_error(PROTOCOL_ERROR)
