"""HPACK: representations, the dynamic table, the cache of blocks, and what ends the connection."""

import time

import pytest
from hpack import Decoder, Encoder

from tests.support.http2 import GET, block, decode_by_library, string
from wiverno.http2.errors import ConnectionFault, ErrorCode, Violation
from wiverno.http2.fields import BadRequest, Request
from wiverno.http2.header_blocks import MAX_CACHED, MAX_FIELDS, BlockDecoder


def decoder(max_list_size: int = 65536, max_fields: int = 100) -> BlockDecoder:
    return BlockDecoder(max_list_size=max_list_size, max_fields=max_fields)


def names(found: BlockDecoder, encoded: bytes) -> list[tuple[str, str]]:
    return [(entry[3], entry[1]) for entry in found.decode(encoded)]


# RFC 7541, appendix C.3 and C.4: three requests on one connection, plain and Huffman-coded.
EXAMPLES = [
    (
        "828684410f7777772e6578616d706c652e636f6d",
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    ),
    (
        "828684be58086e6f2d6361636865",
        "828684be5886a8eb10649cbf",
        [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
            ("cache-control", "no-cache"),
        ],
    ),
    (
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ],
    ),
]


@pytest.mark.parametrize("is_huffman", [False, True], ids=["plain", "huffman"])
def test_examples(is_huffman: bool) -> None:
    """The examples of RFC 7541, appendix C."""
    found = decoder()
    for plain, huffman, fields in EXAMPLES:
        assert names(found, bytes.fromhex(huffman if is_huffman else plain)) == fields


def test_against_the_library() -> None:
    """What the library's encoder writes, with table size changes and evictions, is decoded as its decoder does."""
    ours, theirs, encoder = decoder(), Decoder(), Encoder()
    for number in range(300):
        fields = [*GET, ("x-number", str(number % 40)), ("x-long", "v" * (number * 37 % 1500)), ("cookie", "a=1")]
        if number % 50 == 20:
            encoder.header_table_size = number * 13 % 4096
        encoded = encoder.encode(fields, huffman=number % 2 == 0)
        assert names(ours, encoded) == decode_by_library(theirs, encoded) == fields


def test_repeated_blocks_are_one_object() -> None:
    """A block that is sent again while the table has not changed gives the very same request."""
    found = decoder()
    encoder = Encoder()
    first = encoder.encode(GET)
    second = encoder.encode(GET)
    found.request(first)
    kept = found.request(second)
    assert isinstance(kept, Request)
    assert found.request(second) is kept


def test_cache_forgets_when_the_table_changes() -> None:
    """The same bytes mean something else once an entry was added, by whichever block."""
    found = decoder()
    found.request(b"\x82\x87\x84" + b"\x41" + string("a.example") + b"\x40" + string("x-a") + string("1"))
    encoded = b"\x82\x87\x84\xbf\xbe"
    before = found.request(encoded)
    assert isinstance(before, Request)
    assert before.variables["HTTP_X_A"] == "1"
    found.decode(b"\x41" + string("b.example") + b"\x40" + string("x-b") + string("2"))  # as trailers might
    after = found.request(encoded)
    assert isinstance(after, Request)
    assert after.variables["HTTP_HOST"] == "b.example"
    assert after.variables["HTTP_X_B"] == "2"


def test_cache_is_bounded_and_keeps_no_secret() -> None:
    """At most so many blocks are kept; none with a field that must never be indexed, none that is refused."""
    found = decoder()
    for number in range(3 * MAX_CACHED):
        found.request(block([*GET, ("x", str(number))]))
        assert len(found._cache) <= MAX_CACHED
    found._cache.clear()
    found.request(block([*GET, ("cookie", "secret")], 0x10))
    found.request(block(GET[:2]))
    found.request(block([*GET, ("x", "v" * 600)]))
    assert not found._cache


def test_eviction() -> None:
    """The oldest entries leave when there is no room, all of them for one that is too large (RFC 7541 §4.4)."""
    found = decoder()
    found.decode(b"\x3f\x41")  # 96 bytes: two entries of 2 + 32
    for name in "abc":
        found.decode(b"\x40" + string(name) + string("1"))
    assert names(found, b"\xbe\xbf") == [("c", "1"), ("b", "1")]
    with pytest.raises(Violation):
        found.decode(b"\xc0")
    found.decode(b"\x40" + string("d") + string("v" * 64))
    assert found._table == []
    assert found._size == 0


def test_name_of_an_entry_that_it_evicts() -> None:
    """A new entry may take its name from the one that leaves to make room for it (RFC 7541 §4.4)."""
    found = decoder()
    found.decode(b"\x3f\x03")  # 34 bytes
    found.decode(b"\x40" + string("a") + string("1"))
    assert names(found, b"\x7e" + string("2")) == [("a", "2")]
    assert names(found, b"\xbe") == [("a", "2")]


@pytest.mark.parametrize(
    "encoded",
    [
        "80",  # index 0
        "be",  # beyond the static table, with an empty dynamic one
        "ff8080808080808001",  # an index of seven bytes
        "ffffffffff7f",
        "ff",  # no more bytes
        "7e0161",  # a name's index beyond both tables
        "40",
        "4001",
        "400161",
        "40016105616263",  # a value beyond the block
        "0085616263",
        "000161",
        "823f11",  # a size update after a field
        "3fe21f",  # 4097 bytes
        "0001618249" + "40",  # Huffman padding of zeros
        "00016185" + "1fffffffff",  # EOS
    ],
)
def test_undecodable(encoded: str) -> None:
    """What is no field block ends the connection with COMPRESSION_ERROR (RFC 9113 §4.3)."""
    with pytest.raises(Violation) as raised:
        decoder().request(bytes.fromhex(encoded))
    assert isinstance(raised.value.fault, ConnectionFault)
    assert raised.value.fault.code == ErrorCode.COMPRESSION_ERROR


def test_size_update_that_we_asked_for() -> None:
    """Once the peer has acknowledged a smaller table, its next block must begin with the update (RFC 7541 §4.2)."""
    found = decoder()
    found.allow_table_size(100)
    with pytest.raises(Violation, match="no dynamic table size update"):
        found.request(block(GET))
    found = decoder()
    found.allow_table_size(100)
    assert isinstance(found.request(b"\x3f\x45" + block(GET)), Request)
    assert isinstance(found.request(block(GET)), Request)
    with pytest.raises(Violation, match="beyond SETTINGS_HEADER_TABLE_SIZE"):
        found.request(b"\x3f\x46")


def test_a_larger_table_needs_no_update() -> None:
    """A peer may go on with the table that it has, or take the larger one."""
    found = decoder()
    found.allow_table_size(8192)
    assert isinstance(found.request(block(GET)), Request)
    assert isinstance(found.request(b"\x3f\xe1\x3f" + block(GET)), Request)


def test_same_field_in_two_trailers() -> None:
    """An entry that is larger than the whole table empties it and is decoded all the same."""
    found = decoder()
    found.decode(b"\x3f\x11")  # 48 bytes
    assert names(found, b"\x40" + string("x") + string("v" * 20)) == [("x", "v" * 20)]
    assert not found._table


def test_too_large() -> None:
    """Too many fields, or too many bytes of them, are a 431, and the table is kept in step all the same."""
    found = decoder(max_list_size=300)
    large = block(GET) + b"\x40" + string("x-large") + string("v" * 200)
    assert found.request(large) == BadRequest(431, "request header fields too large")
    assert names(found, b"\xbe") == [("x-large", "v" * 200)]
    assert decoder(max_fields=5).request(block([*GET, ("a", "1"), ("b", "2")])) == BadRequest(
        431, "too many header fields"
    )


def test_cookie_crumbs_are_one_field() -> None:
    """A browser with many cookies sends each in a separate field; HTTP/1.1 has one."""
    crumbs = [("cookie", f"c{number}=1") for number in range(300)]
    found = decoder(max_fields=6).request(block([*GET, *crumbs, ("accept", "x")]))
    assert isinstance(found, Request)
    assert found.variables["HTTP_COOKIE"].count("; ") == 299
    assert decoder(max_fields=5).request(block([*GET, *crumbs, ("accept", "x")])) == BadRequest(
        431, "too many header fields"
    )


def test_joining_crumbs_takes_linear_time() -> None:
    """A block of 2.6 kB that names one long cookie 2,600 times is no work of a quarter of a second."""
    found = decoder(max_list_size=262144)
    found.request(block([*GET, ("cookie", "c" * 60)], 0x40))
    times = []
    for _ in range(3):
        begin = time.thread_time()
        request = found.request(block(GET) + b"\xbe" * 2600)
        times.append(time.thread_time() - begin)
        assert isinstance(request, Request)
        assert len(request.variables["HTTP_COOKIE"]) == 2600 * 62 - 2
    assert min(times) < 0.05


@pytest.mark.parametrize("literal", [b"\x00\x01a\x00", b"\x40\x01a\x00", b"\x10\x01A\x00", b"\x0f\x11\x00"])
def test_thousands_of_literals_end_the_connection(literal: bytes) -> None:
    """Each is work for every byte of it, with the connection's lock held; before the end of the block it is over."""
    found = decoder(max_list_size=1 << 20)
    fields = block(GET)
    assert isinstance(found.request(fields + literal * (MAX_FIELDS - 4)), Request | BadRequest)
    with pytest.raises(Violation) as raised:
        found.request(fields + literal * (MAX_FIELDS - 3))
    assert raised.value.fault == ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many fields in a field block")


def test_many_table_size_updates_end_the_connection() -> None:
    """Two may stand before the fields; a block of nothing else is work without a request."""
    assert isinstance(decoder().request(b"\x20\x3f\xe1\x1f" + block(GET)), Request)
    assert isinstance(decoder().request(b"\x20" * 32 + block(GET)), Request)
    with pytest.raises(Violation) as raised:
        decoder().request(b"\x20" * 33 + block(GET))
    assert raised.value.fault.code == ErrorCode.COMPRESSION_ERROR


def test_bomb_is_refused_without_memory() -> None:
    """A large entry that is referred to many times exists once (an HPACK bomb)."""
    found = decoder()
    bomb = block(GET) + b"\x40" + string("x-bomb") + string("v" * 4000) + b"\xbe" * 30000
    assert found.request(bomb) == BadRequest(431, "too many header fields")
    entries = found.decode(b"\xbe" * 30000)
    assert len({id(entry) for entry in entries}) == 1
