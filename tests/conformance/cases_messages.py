"""RFC 9113 §8, messages, and RFC 7541, HPACK. Numbers are those that h2spec's cases have (§8.1.2 is RFC 7540's)."""

from collections.abc import Iterable

from tests.conformance.client import (
    COMPRESSION_ERROR,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    Client,
    block,
    integer,
    literal,
    string,
)
from tests.conformance.registry import case

_WHOLE = END_STREAM | END_HEADERS


def _malformed(client: Client, fields: Iterable[tuple[str, str]]) -> None:
    client.handshake().frame(HEADERS, _WHOLE, 1, block(fields))
    client.expect_stream_error(PROTOCOL_ERROR)


def _without(client: Client, name: str) -> list[tuple[str, str]]:
    return [field for field in client.fields() if field[0] != name]


@case("8.1/1", "a second HEADERS frame without END_STREAM: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(HEADERS, END_HEADERS, 1, literal("x-test", "ok"))
    client.expect_stream_error(PROTOCOL_ERROR)


@case("8.1.2/1", "an upper-case field name: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, client.fields("GET", ("X-TEST", "ok")))


@case("8.1.2.1/1", "an unknown pseudo-field: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, [*client.fields(), (":test", "ok")])


@case("8.1.2.1/2", "a response's pseudo-field: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, [*client.fields(), (":status", "200")])


@case("8.1.2.1/3", "a pseudo-field in trailers: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(DATA, 0, 1, b"test")
    client.frame(HEADERS, _WHOLE, 1, block([(":method", "200"), ("x-test", "ok")]))
    client.expect_stream_error(PROTOCOL_ERROR)


@case("8.1.2.1/4", "a pseudo-field after a field: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, [*_without(client, ":path"), ("x-test", "ok"), (":path", "/")])


@case("8.1.2.2/1", "a connection-specific field: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, client.fields("GET", ("connection", "keep-alive")))


@case("8.1.2.2/2", "te other than trailers: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, client.fields("GET", ("trailers", "test"), ("te", "trailers, deflate")))


@case("8.1.2.3/1", "an empty :path: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, [*_without(client, ":path"), (":path", "")])


@case("8.1.2.3/2", "no :method: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, _without(client, ":method"))


@case("8.1.2.3/3", "no :scheme: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, _without(client, ":scheme"))


@case("8.1.2.3/4", "no :path: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, _without(client, ":path"))


@case("8.1.2.3/5", ":method twice: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, [*client.fields(), (":method", "GET")])


@case("8.1.2.3/6", ":scheme twice: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, [*client.fields(), (":scheme", client.scheme)])


@case("8.1.2.3/7", ":path twice: PROTOCOL_ERROR")
def _(client: Client) -> None:
    _malformed(client, [*client.fields(), (":path", "/")])


@case("8.1.2.6/1", "content-length that one DATA frame does not have: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().post(1, ("content-length", "1"))
    client.frame(DATA, END_STREAM, 1, b"test")
    client.expect_stream_error(PROTOCOL_ERROR)


@case("8.1.2.6/2", "content-length that several DATA frames do not have: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().post(1, ("content-length", "9"))
    client.frame(DATA, 0, 1, b"test")
    client.frame(DATA, END_STREAM, 1, b"test")
    client.expect_stream_error(PROTOCOL_ERROR)


@case("8.2/1", "PUSH_PROMISE from a client: PROTOCOL_ERROR")
def _(client: Client) -> None:
    client.handshake().post()
    client.frame(PUSH_PROMISE, END_HEADERS, 1, bytes([0, 0, 0, 2]) + block(client.fields()))
    client.expect_connection_error(PROTOCOL_ERROR)


# ---------------------------------------------------------------- RFC 7541


def _undecodable(client: Client, before: bytes, after: bytes = b"") -> None:
    client.handshake().frame(HEADERS, _WHOLE, 1, before + block(client.fields()) + after)
    client.expect_connection_error(COMPRESSION_ERROR)


@case("hpack/2.3.3/1", "an index beyond both tables: COMPRESSION_ERROR")
def _(client: Client) -> None:
    _undecodable(client, b"", integer(70, 7, 0x80))


@case("hpack/2.3.3/2", "a name's index beyond both tables: COMPRESSION_ERROR")
def _(client: Client) -> None:
    _undecodable(client, b"", integer(70, 6, 0x40) + string("value"))


@case("hpack/4.2/1", "a dynamic table size update at the end of a block: COMPRESSION_ERROR")
def _(client: Client) -> None:
    _undecodable(client, b"", integer(128, 5, 0x20))


@case("hpack/5.2/1", "Huffman padding of more than 7 bits: COMPRESSION_ERROR")
def _(client: Client) -> None:
    _undecodable(client, b"", b"\x00" + string("x-test") + b"\x83" + bytes.fromhex("497fff"))


@case("hpack/5.2/2", "Huffman padding of zeros: COMPRESSION_ERROR")
def _(client: Client) -> None:
    _undecodable(client, b"", b"\x00" + string("x-test") + b"\x82" + bytes.fromhex("4940"))


@case("hpack/5.2/3", "a Huffman-coded string with EOS: COMPRESSION_ERROR")
def _(client: Client) -> None:
    _undecodable(client, b"", b"\x00" + string("x-test") + b"\x85" + bytes.fromhex("1fffffffff"))


@case("hpack/6.1/1", "index 0: COMPRESSION_ERROR")
def _(client: Client) -> None:
    _undecodable(client, b"", b"\x80")


@case("hpack/6.3/1", "a table size above SETTINGS_HEADER_TABLE_SIZE: COMPRESSION_ERROR")
def _(client: Client) -> None:
    client.handshake()
    limit = client.peer.get(0x1, 4096)
    client.frame(HEADERS, _WHOLE, 1, integer(limit + 1, 5, 0x20) + block(client.fields()))
    client.expect_connection_error(COMPRESSION_ERROR)
