"""RFC 9113 §6 and §7: frame types and error codes. Numbers are those that h2spec's cases have."""

import struct

from tests.conformance.client import (
    ACK,
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
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
    settings,
)
from tests.conformance.registry import case

_WHOLE = END_STREAM | END_HEADERS
_ENABLE_PUSH, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 2, 4, 5


def _word(value: int) -> bytes:
    return struct.pack(">L", value)


# ---------------------------------------------------------------- 6.1 DATA


@case("6.1/1", "DATA on stream 0: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(DATA, END_STREAM, 0, b"test")
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.1/2", "DATA on a stream that is not open: STREAM_CLOSED")
def _(client: Client) -> None:
    client.handshake().get()
    client.expect_response()
    client.frame(DATA, END_STREAM, 1, b"test")
    client.expect_stream_error(STREAM_CLOSED)


@case("6.1/3", "DATA with more padding than payload: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().post(1, ("content-length", "4"))
    client.frame(DATA, END_STREAM | PADDED, 1, b"\x06test")
    client.expect_connection_error(PROTOCOL_ERROR)


# ---------------------------------------------------------------- 6.2 HEADERS


@case("6.2/1", "HEADERS without END_HEADERS, then PRIORITY: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, END_STREAM, 1, block(client.fields()))
    client.frame(PRIORITY, 0, 1, priority(0))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.2/2", "HEADERS without END_HEADERS, then HEADERS of another stream: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, END_STREAM, 1, block(client.fields()))
    client.get(3)
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.2/3", "HEADERS on stream 0: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().get(0)
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.2/4", "HEADERS with more padding than payload: PROTOCOL_ERROR")
def _(client: Client) -> None:
    fields = block(client.fields())
    client.handshake().frame(HEADERS, _WHOLE | PADDED, 1, bytes([len(fields) + 1]) + fields)
    client.expect_connection_error(PROTOCOL_ERROR)


# ---------------------------------------------------------------- 6.3 PRIORITY, 6.4 RST_STREAM


@case("6.3/1", "PRIORITY on stream 0: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(PRIORITY, 0, 0, priority(1))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.3/2", "PRIORITY that has not 5 bytes: FRAME_SIZE_ERROR")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(PRIORITY, 0, 1, bytes(4))
    client.expect_stream_error(FRAME_SIZE_ERROR)


@case("6.4/1", "RST_STREAM on stream 0: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(RST_STREAM, 0, 0, _word(CANCEL))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.4/2", "RST_STREAM on an idle stream: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(RST_STREAM, 0, 1, _word(CANCEL))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.4/3", "RST_STREAM that has not 4 bytes: FRAME_SIZE_ERROR")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(RST_STREAM, 0, 1, bytes(3))
    client.expect_connection_error(FRAME_SIZE_ERROR)


# ---------------------------------------------------------------- 6.5 SETTINGS


@case("6.5/1", "SETTINGS acknowledgement with a payload: FRAME_SIZE_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(SETTINGS, ACK, 0, bytes(1))
    client.expect_connection_error(FRAME_SIZE_ERROR)


@case("6.5/2", "SETTINGS on a stream: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(SETTINGS, 0, 1, settings((3, 100)))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.5/3", "SETTINGS of a length that is no multiple of 6: FRAME_SIZE_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(SETTINGS, 0, 0, bytes(3))
    client.expect_connection_error(FRAME_SIZE_ERROR)


def _bad_setting(client: Client, name: int, value: int, *codes: int) -> None:
    client.handshake().frame(SETTINGS, 0, 0, settings((name, value)))
    client.expect_connection_error(*codes)


@case("6.5.2/1", "SETTINGS_ENABLE_PUSH other than 0 and 1: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _bad_setting(client, _ENABLE_PUSH, 2, PROTOCOL_ERROR)


@case("6.5.2/2", "SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1: FLOW_CONTROL_ERROR")
def _(client: Client) -> None:
    _bad_setting(client, _INITIAL_WINDOW_SIZE, 1 << 31, FLOW_CONTROL_ERROR)


@case("6.5.2/3", "SETTINGS_MAX_FRAME_SIZE below 2^14: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _bad_setting(client, _MAX_FRAME_SIZE, 16383, PROTOCOL_ERROR)


@case("6.5.2/4", "SETTINGS_MAX_FRAME_SIZE above 2^24-1: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _bad_setting(client, _MAX_FRAME_SIZE, 1 << 24, PROTOCOL_ERROR)


@case("6.5.2/5", "an unknown setting is ignored")
def _(client: Client) -> None:
    client.handshake().frame(SETTINGS, 0, 0, settings((0xFF, 1)))
    client.expect(SETTINGS, 0, ACK)
    client.expect_ping()


def _expect_content(client: Client, size: int) -> None:
    """DATA on stream 1 has `size` bytes at first."""
    received = client.expect(DATA, 1)
    while not received.payload and not received.flags & END_STREAM:
        received = client.expect(DATA, 1)
    if len(received.payload) != size:
        raise Failed(f"{size} bytes of DATA expected, but got {len(received.payload)}")


@case("6.5.3/1", "of two values of one setting the last one holds")
def _(client: Client) -> None:
    client.handshake()
    client.frame(SETTINGS, 0, 0, settings((_INITIAL_WINDOW_SIZE, 100), (_INITIAL_WINDOW_SIZE, 1)))
    client.expect(SETTINGS, 0, ACK)
    client.get()
    _expect_content(client, 1)


@case("6.5.3/2", "SETTINGS are acknowledged")
def _(client: Client) -> None:
    client.handshake().frame(SETTINGS)
    client.expect(SETTINGS, 0, ACK)


# ---------------------------------------------------------------- 6.7 PING, 6.8 GOAWAY


@case("6.7/1", "PING is answered with the same bytes")
def _(client: Client) -> None:
    client.handshake().expect_ping(b"\x00\x01\x02\x03\xfc\xfd\xfe\xff")


@case("6.7/2", "an acknowledgement of PING is not answered")
def _(client: Client) -> None:
    client.handshake().send(frame(PING, ACK, 0, b"answered"), frame(PING, 0, 0, b"question"))
    if client.expect(PING).payload != b"question":
        raise Failed("an acknowledgement of PING was answered")


@case("6.7/3", "PING on a stream: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(PING, 0, 1, b"conforms")
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.7/4", "PING that has not 8 bytes: FRAME_SIZE_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(PING, 0, 0, bytes(6))
    client.expect_connection_error(FRAME_SIZE_ERROR)


@case("6.8/1", "GOAWAY on a stream: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(GOAWAY, 0, 1, struct.pack(">LL", 0, 0))
    client.expect_connection_error(PROTOCOL_ERROR)


# ---------------------------------------------------------------- 6.9 WINDOW_UPDATE


@case("6.9/1", "WINDOW_UPDATE of the connection by 0: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(WINDOW_UPDATE, 0, 0, _word(0))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.9/2", "WINDOW_UPDATE of a stream by 0: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(WINDOW_UPDATE, 0, 1, _word(0))
    client.expect_stream_error(PROTOCOL_ERROR)


@case("6.9/3", "WINDOW_UPDATE that has not 4 bytes: FRAME_SIZE_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(WINDOW_UPDATE, 0, 0, bytes(3))
    client.expect_connection_error(FRAME_SIZE_ERROR)


@case("6.9.1/1", "no more DATA is sent than the window allows")
def _(client: Client) -> None:
    client.handshake((_INITIAL_WINDOW_SIZE, 1)).get()
    _expect_content(client, 1)
    while (received := client.read(0.2)) is not None:
        if received.kind == DATA and received.payload:
            raise Failed("DATA beyond the window")


@case("6.9.1/2", "the connection's window above 2^31-1: FLOW_CONTROL_ERROR")
def _(client: Client) -> None:
    client.handshake()
    client.send(frame(WINDOW_UPDATE, 0, 0, _word(0x7FFFFFFF)) * 2)
    client.expect_connection_error(FLOW_CONTROL_ERROR)


@case("6.9.1/3", "a stream's window above 2^31-1: FLOW_CONTROL_ERROR")
def _(client: Client) -> None:
    client.handshake().post()
    client.send(frame(WINDOW_UPDATE, 0, 1, _word(0x7FFFFFFF)) * 2)
    client.expect_stream_error(FLOW_CONTROL_ERROR)


@case("6.9.2/1", "a later SETTINGS_INITIAL_WINDOW_SIZE opens a stream's window")
def _(client: Client) -> None:
    client.handshake((_INITIAL_WINDOW_SIZE, 0)).get()
    client.expect(HEADERS, 1)
    client.frame(SETTINGS, 0, 0, settings((_INITIAL_WINDOW_SIZE, 1)))
    _expect_content(client, 1)


@case("6.9.2/2", "a window that has become negative is counted as negative")
def _(client: Client) -> None:
    client.handshake((_INITIAL_WINDOW_SIZE, 3)).get()
    _expect_content(client, 3)
    client.frame(SETTINGS, 0, 0, settings((_INITIAL_WINDOW_SIZE, 2)))
    client.expect(SETTINGS, 0, ACK)
    client.frame(WINDOW_UPDATE, 0, 1, _word(2))
    _expect_content(client, 1)


@case("6.9.2/3", "SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1: FLOW_CONTROL_ERROR")
def _(client: Client) -> None:
    _bad_setting(client, _INITIAL_WINDOW_SIZE, 0xFFFFFFFF, FLOW_CONTROL_ERROR)


# ---------------------------------------------------------------- 6.10 CONTINUATION


@case("6.10/1", "several CONTINUATION frames are one field block")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, END_STREAM, 1, block(client.fields()))
    for number in range(3):
        client.frame(CONTINUATION, END_HEADERS if number == 2 else 0, 1, literal("x-dummy", str(number)))
    client.expect_response()


@case("6.10/2", "another frame between HEADERS and CONTINUATION: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, 0, 1, block(client.fields("POST")))
    client.frame(CONTINUATION, 0, 1, literal("x-dummy", "1"))
    client.frame(DATA, END_STREAM, 1, b"test")
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.10/3", "CONTINUATION on stream 0: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, END_STREAM, 1, block(client.fields()))
    client.frame(CONTINUATION, END_HEADERS, 0, literal("x-dummy", "1"))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.10/4", "CONTINUATION after HEADERS with END_HEADERS: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "1"))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.10/5", "CONTINUATION after CONTINUATION with END_HEADERS: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, 0, 1, block(client.fields("POST")))
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "1"))
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "2"))
    client.expect_connection_error(PROTOCOL_ERROR)


@case("6.10/6", "CONTINUATION after DATA: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(DATA, 0, 1, b"test")
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "1"))
    client.expect_connection_error(PROTOCOL_ERROR)


# ---------------------------------------------------------------- 7 error codes


@case("7/1", "GOAWAY with an unknown code has no special effect")
def _(client: Client) -> None:
    client.handshake().frame(GOAWAY, 0, 0, struct.pack(">LL", 0, 0xFF))
    client.frame(PING, 0, 0, b"conforms")
    while (received := client.read()) is not None:
        if received.kind in (PING, GOAWAY):
            return
    if not client.is_closed:
        raise Failed(f"an answer to PING or the end expected, but got {client.last}")


@case("7/2", "RST_STREAM with an unknown code has no special effect")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(RST_STREAM, 0, 1, _word(0xFF))
    client.expect_ping()
