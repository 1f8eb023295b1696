"""Field blocks of responses: the same bytes for every connection, and no trace in any table."""

import time

import pytest
from hpack import Decoder
from hpack.struct import NeverIndexedHeaderTuple

from tests.support.http2 import decode_by_library
from wiverno.http.response import MAX_HEADS
from wiverno.http2 import response_fields
from wiverno.http2.response_fields import content_length_block, encode_field, response_block, status_block

HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("X-Own", "v"), ("Cache-Control", "no-store")]


@pytest.fixture(autouse=True)
def _empty_tables() -> None:
    response_fields._blocks.clear()
    response_fields._fields.clear()


def test_decodes_to_what_was_given() -> None:
    """A block says status and fields, names in lower case, and adds nothing to the dynamic table."""
    decoder = Decoder()
    encoded = response_block(200, HEADERS) + content_length_block(1234567)
    expected = [(":status", "200"), *((name.lower(), value) for name, value in HEADERS), ("content-length", "1234567")]
    assert decode_by_library(decoder, encoded) == expected
    assert not decoder.header_table.dynamic_entries


def test_blocks_one_after_the_other() -> None:
    """Blocks can be put together: a head, its length, and what is made once a second."""
    encoded = status_block(404) + content_length_block(0) + encode_field("Date", "x") + encode_field("server", "y")
    fields = [(":status", "404"), ("content-length", "0"), ("date", "x"), ("server", "y")]
    assert decode_by_library(Decoder(), encoded) == fields


@pytest.mark.parametrize("name", ["Set-Cookie", "X-Own", "Content-Type"])
def test_whitespace_around_a_value_is_not_sent(name: str) -> None:
    """Django's cookies begin with a space, which HTTP/1.1 skips and RFC 9113 §8.2.1 forbids."""
    encoded = response_block(200, [(name, " \ta b\t ")])
    assert decode_by_library(Decoder(), encoded) == [(":status", "200"), (name.lower(), "a b")]


@pytest.mark.parametrize("code", [100, 103, 200, 204, 206, 299, 304, 400, 404, 418, 500, 599])
def test_statuses(code: int) -> None:
    """Every status is encoded; the usual ones take one byte."""
    assert decode_by_library(Decoder(), status_block(code)) == [(":status", str(code))]
    assert (len(status_block(code)) == 1) == (code in (200, 204, 206, 304, 400, 404, 500))


def test_same_block_is_kept() -> None:
    """The second time it is the same object."""
    assert response_block(200, HEADERS) is response_block(200, list(HEADERS))
    assert response_block(201, HEADERS) is not response_block(200, HEADERS)


def test_personal_fields_are_never_indexed_nor_kept() -> None:
    """Cookies and credentials are marked for proxies (RFC 7541 §7.1.3), and stay out of the tables."""
    encoded = response_block(200, [*HEADERS, ("Set-Cookie", "id=1")])
    field = list(Decoder().decode(encoded, raw=True))[-1]
    assert field == (b"set-cookie", b"id=1")
    assert isinstance(field, NeverIndexedHeaderTuple)
    assert not response_fields._blocks
    assert not any(name.lower() == "set-cookie" for name, _ in response_fields._fields)


def test_tables_are_bounded() -> None:
    """Neither table grows beyond its bound, and long heads are not kept."""
    for number in range(response_fields.MAX_FIELDS + 10):
        response_block(200, [("X", str(number))])
        assert len(response_fields._fields) <= response_fields.MAX_FIELDS
        assert len(response_fields._blocks) <= MAX_HEADS
    response_fields._blocks.clear()
    response_fields._fields.clear()
    response_block(200, [("X", "v" * 3000)])
    assert not response_fields._blocks
    assert not response_fields._fields


def test_bytes_above_ascii() -> None:
    """A value is latin-1, byte for byte; long ones take a longer length."""
    for value in ("caf\xe9", "\xff" * 300, "a" * 300, ""):
        assert Decoder().decode(encode_field("x-v", value), raw=True) == [(b"x-v", value.encode("latin-1"))]


@pytest.mark.parametrize("size", [1000, 1024, 1025, 100_000])
def test_long_values_take_linear_time(size: int) -> None:
    """A redirect to an address that a client made long is encoded in milliseconds, not in seconds."""
    fields = [("location", "/" + "a" * (size - 1)), ("x-" + "b" * size, "c")]
    times = []
    for _ in range(3):
        response_fields._fields.clear()
        begin = time.thread_time()
        encoded = response_block(302, fields)
        times.append(time.thread_time() - begin)
    assert decode_by_library(Decoder(max_header_list_size=1 << 20), encoded) == [(":status", "302"), *fields]
    assert min(times) < 0.05
