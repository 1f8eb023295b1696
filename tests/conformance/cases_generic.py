"""What every server must be able to do, in the order of frame types, messages and HPACK representations."""

import struct

from tests.conformance.client import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    NO_ERROR,
    PADDED,
    PRIORITIZED,
    PRIORITY,
    RST_STREAM,
    WINDOW_UPDATE,
    Client,
    Failed,
    block,
    integer,
    literal,
    priority,
    string,
)
from tests.conformance.registry import case

_WHOLE = END_STREAM | END_HEADERS


@case("generic/1/1", "answers the preface with SETTINGS")
def _(client: Client) -> None:
    client.handshake()


# ---------------------------------------------------------------- streams


@case("generic/2/1", "takes PRIORITY on an idle stream")
def _(client: Client) -> None:
    client.handshake().frame(PRIORITY, 0, 1, priority(0))
    client.expect_ping()


@case("generic/2/2", "takes WINDOW_UPDATE on a stream whose request has ended")
def _(client: Client) -> None:
    client.handshake().get()
    client.frame(WINDOW_UPDATE, 0, 1, struct.pack(">L", 100))
    client.expect_response()


@case("generic/2/3", "takes PRIORITY on a stream whose request has ended")
def _(client: Client) -> None:
    client.handshake().get()
    client.frame(PRIORITY, 0, 1, priority(0, 256))
    client.expect_response()


@case("generic/2/4", "takes RST_STREAM on a stream whose request has ended")
def _(client: Client) -> None:
    client.handshake().get()
    client.frame(RST_STREAM, 0, 1, struct.pack(">L", CANCEL))
    client.expect_ping()


@case("generic/2/5", "takes PRIORITY on a closed stream")
def _(client: Client) -> None:
    client.handshake().get()
    client.expect_response()
    client.frame(PRIORITY, 0, 1, priority(0, 256))
    client.expect_ping()


# ---------------------------------------------------------------- frame types


@case("generic/3.1/1", "takes a request with one DATA frame")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(DATA, END_STREAM, 1, b"test")
    client.expect_response()


@case("generic/3.1/2", "takes a request with several DATA frames")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(DATA, 0, 1, b"te")
    client.frame(DATA, END_STREAM, 1, b"st")
    client.expect_response()


@case("generic/3.1/3", "takes DATA with padding")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(DATA, END_STREAM | PADDED, 1, b"\x06test" + bytes(6))
    client.expect_response()


@case("generic/3.2/1", "takes HEADERS")
def _(client: Client) -> None:
    client.handshake().get()
    client.expect_response()


@case("generic/3.2/2", "takes HEADERS with padding")
def _(client: Client) -> None:
    client.handshake()
    client.frame(HEADERS, _WHOLE | PADDED, 1, b"\x06" + block(client.fields()) + bytes(6))
    client.expect_response()


@case("generic/3.2/3", "takes HEADERS with priority")
def _(client: Client) -> None:
    client.handshake()
    client.frame(HEADERS, _WHOLE | PRIORITIZED, 1, priority(0, 256) + block(client.fields()))
    client.expect_response()


def _takes_priority(client: Client, payload: bytes) -> None:
    client.handshake().frame(PRIORITY, 0, 1, payload)
    client.get()
    client.expect_response()


@case("generic/3.3/1", "takes PRIORITY with the least weight")
def _(client: Client) -> None:
    _takes_priority(client, priority(0, 1))


@case("generic/3.3/2", "takes PRIORITY with the greatest weight")
def _(client: Client) -> None:
    _takes_priority(client, priority(0, 256))


@case("generic/3.3/3", "takes PRIORITY that depends on another stream")
def _(client: Client) -> None:
    _takes_priority(client, priority(3))


@case("generic/3.3/4", "takes PRIORITY that depends exclusively")
def _(client: Client) -> None:
    _takes_priority(client, priority(3, exclusive=True))


@case("generic/3.3/5", "serves a stream below one that only PRIORITY has named")
def _(client: Client) -> None:
    client.handshake().frame(PRIORITY, 0, 5, priority(0))
    client.get(3)
    client.expect_response(3)


@case("generic/3.4/1", "takes RST_STREAM and goes on")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(RST_STREAM, 0, 1, struct.pack(">L", CANCEL))
    client.get(3)
    client.expect_response(3)


@case("generic/3.5/1", "acknowledges SETTINGS")
def _(client: Client) -> None:
    client.handshake((0x3, 100), (0x4, 65535))


@case("generic/3.7/1", "answers PING")
def _(client: Client) -> None:
    client.handshake().expect_ping(b"h2spec\x00\xff")


@case("generic/3.8/1", "survives GOAWAY: it closes, or answers what is open")
def _(client: Client) -> None:
    client.handshake().frame(GOAWAY, 0, 0, struct.pack(">LL", 0, NO_ERROR))
    client.frame(6, 0, 0, b"conforms")
    while (received := client.read()) is not None:
        if received.kind in (6, GOAWAY):
            return
    if not client.is_closed:
        raise Failed(f"an answer to PING, GOAWAY or the end expected, but got {client.last}")


@case("generic/3.9/1", "takes WINDOW_UPDATE of the connection")
def _(client: Client) -> None:
    client.handshake().frame(WINDOW_UPDATE, 0, 0, struct.pack(">L", 1))
    client.get()
    client.expect_response()


@case("generic/3.9/2", "takes WINDOW_UPDATE of a stream")
def _(client: Client) -> None:
    client.handshake().get()
    client.frame(WINDOW_UPDATE, 0, 1, struct.pack(">L", 1))
    client.expect_response()


@case("generic/3.10/1", "takes CONTINUATION")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, END_STREAM, 1, block(client.fields()))
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "1"))
    client.expect_response()


@case("generic/3.10/2", "takes several CONTINUATION frames")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, END_STREAM, 1, block(client.fields()))
    client.frame(CONTINUATION, 0, 1, literal("x-dummy", "1"))
    client.frame(CONTINUATION, END_HEADERS, 1, literal("x-dummy", "2"))
    client.expect_response()


# ---------------------------------------------------------------- messages


@case("generic/4/1", "answers GET")
def _(client: Client) -> None:
    client.handshake().get()
    client.expect_response()


@case("generic/4/2", "answers HEAD without content")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, _WHOLE, 1, block(client.fields("HEAD")))
    while (received := client.read()) is not None:
        if received.kind == DATA and received.payload:
            raise Failed("content in an answer to HEAD")
        if received.kind in (HEADERS, DATA) and received.flags & END_STREAM:
            return
    raise Failed(f"a response expected, but got {client.last}")


@case("generic/4/3", "answers POST with a body")
def _(client: Client) -> None:
    client.handshake().post(1, ("content-length", "4"))
    client.frame(DATA, END_STREAM, 1, b"test")
    client.expect_response()


@case("generic/4/4", "answers POST with a body and trailers")
def _(client: Client) -> None:
    client.handshake().post(1, ("trailer", "x-test"))
    client.frame(DATA, 0, 1, b"test")
    client.frame(HEADERS, _WHOLE, 1, literal("x-test", "ok"))
    client.expect_response()


# ---------------------------------------------------------------- HPACK


def _answers(client: Client, field: bytes, times: int = 1) -> None:
    """A request with this field in it, sent so many times on streams of one connection, is answered."""
    client.handshake()
    for number in range(times):
        client.frame(HEADERS, _WHOLE, 1 + 2 * number, block(client.fields()) + field)
        client.expect_response(1 + 2 * number)


_HUFFMAN_NAME = b"\x88" + bytes.fromhex("25a849e95ba97d7f")  # custom-key
_HUFFMAN_VALUE = b"\x89" + bytes.fromhex("25a849e95bb8e8b4bf")  # custom-value


@case("generic/5/1", "decodes an indexed field")
def _(client: Client) -> None:
    scheme = 7 if client.scheme == "https" else 6
    client.handshake()
    fields = bytes([0x80 | 2, 0x80 | scheme, 0x80 | 4]) + literal(":authority", client.authority)
    client.frame(HEADERS, _WHOLE, 1, fields)
    client.expect_response()


@case("generic/5/2", "decodes a literal with incremental indexing and an indexed name")
def _(client: Client) -> None:
    _answers(client, integer(58, 6, 0x40) + string("test"), 2)


@case("generic/5/3", "decodes the same, Huffman-coded")
def _(client: Client) -> None:
    _answers(client, integer(58, 6, 0x40) + _HUFFMAN_VALUE, 2)


@case("generic/5/4", "decodes a literal with incremental indexing and a new name")
def _(client: Client) -> None:
    _answers(client, literal("x-test", "test", 0x40), 2)


@case("generic/5/5", "decodes the same, Huffman-coded")
def _(client: Client) -> None:
    _answers(client, b"\x40" + _HUFFMAN_NAME + _HUFFMAN_VALUE, 2)


@case("generic/5/6", "decodes a literal without indexing and an indexed name")
def _(client: Client) -> None:
    _answers(client, integer(58, 4, 0x00) + string("test"))


@case("generic/5/7", "decodes the same, Huffman-coded")
def _(client: Client) -> None:
    _answers(client, integer(58, 4, 0x00) + _HUFFMAN_VALUE)


@case("generic/5/8", "decodes a literal without indexing and a new name")
def _(client: Client) -> None:
    _answers(client, literal("x-test", "test", 0x00))


@case("generic/5/9", "decodes the same, Huffman-coded")
def _(client: Client) -> None:
    _answers(client, b"\x00" + _HUFFMAN_NAME + _HUFFMAN_VALUE)


@case("generic/5/10", "decodes a literal that is never indexed, with an indexed name")
def _(client: Client) -> None:
    _answers(client, integer(58, 4, 0x10) + string("test"))


@case("generic/5/11", "decodes the same, Huffman-coded")
def _(client: Client) -> None:
    _answers(client, integer(58, 4, 0x10) + _HUFFMAN_VALUE)


@case("generic/5/12", "decodes a literal that is never indexed, with a new name")
def _(client: Client) -> None:
    _answers(client, literal("x-test", "test", 0x10))


@case("generic/5/13", "decodes the same, Huffman-coded")
def _(client: Client) -> None:
    _answers(client, b"\x10" + _HUFFMAN_NAME + _HUFFMAN_VALUE)


@case("generic/5/14", "obeys a dynamic table size update")
def _(client: Client) -> None:
    client.handshake().frame(HEADERS, _WHOLE, 1, integer(128, 5, 0x20) + block(client.fields()))
    client.expect_response()


@case("generic/5/15", "obeys two dynamic table size updates")
def _(client: Client) -> None:
    updates = integer(128, 5, 0x20) + integer(4096, 5, 0x20)
    client.handshake().frame(HEADERS, _WHOLE, 1, updates + block(client.fields()))
    client.expect_response()
