"""The chunked decoder: any split of the bytes gives the same content, and what encodes a chunk is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.request_tables import InvalidRequest, ValidRequest, invalid_requests, valid_requests
from wiverno.http import body
from wiverno.http.body import LAST_CHUNK, MAX_CHUNK_LINE, MAX_EXTENSIONS, MAX_TRAILERS, ChunkedDecoder, chunk_prefix
from wiverno.http.errors import ProtocolError

VALID = [request for request in valid_requests() if request.length < 0]
INVALID = [request for request in invalid_requests() if request.name.startswith("chunked:")]


def decode(*pieces: bytes) -> tuple[bytes, bytes]:
    """Feed the pieces and return the content and what follows the body."""
    decoder = ChunkedDecoder()
    content: list[bytes | memoryview] = []
    for number, piece in enumerate(pieces):
        content += decoder.feed(piece)
        if decoder.is_done:
            return b"".join(content), decoder.rest + b"".join(pieces[number + 1 :])
    raise EOFError("incomplete")


def bytewise(data: bytes) -> list[bytes]:
    return [data[position : position + 1] for position in range(len(data))]


@pytest.mark.parametrize("request_", VALID, ids=lambda request: request.name)
def test_valid(request_: ValidRequest) -> None:
    """Whole, byte by byte and cut in two anywhere, with and without the next request behind."""
    data = request_.payload
    for rest in (b"", b"GET / HTTP/1.1\r\n\r\n"):
        assert decode(data + rest) == (request_.body, rest)
        assert decode(*bytewise(data + rest)) == (request_.body, rest)
        for cut in range(1, len(data)):
            assert decode(data[:cut], data[cut:] + rest) == (request_.body, rest)


@pytest.mark.parametrize("request_", INVALID, ids=lambda request: request.name)
def test_invalid(request_: InvalidRequest) -> None:
    """Refused whole, byte by byte and cut in two anywhere."""
    data = request_.data.partition(b"\r\n\r\n")[2]
    splits = [[data], bytewise(data), *([data[:cut], data[cut:]] for cut in range(1, len(data)))]
    for pieces in splits:
        with pytest.raises(ProtocolError) as raised:
            decode(*pieces)
        assert raised.value.status in request_.statuses


@pytest.mark.parametrize("cut", range(13))
def test_incomplete(cut: int) -> None:
    """A body that is cut anywhere is not done."""
    data = b"3\r\nabc\r\n0\r\n\r\n"
    decoder = ChunkedDecoder()
    decoder.feed(data[:cut])
    assert not decoder.is_done


@pytest.mark.parametrize(
    ("endless", "limit", "status"),
    [
        (b"0", MAX_CHUNK_LINE, 400),
        (b"1;a=", MAX_CHUNK_LINE, 400),
        (b"0\r\nX: y", MAX_TRAILERS, 431),
        (b"0\r\nX: y\r\n", MAX_TRAILERS, 431),
    ],
)
@pytest.mark.parametrize("step", [1, 1000, 10**6])
def test_endless_lines_are_cut_off(endless: bytes, limit: int, status: int, step: int) -> None:
    """A chunk line or trailer section without an end is refused within its limit (at most 8 KiB)."""
    assert limit <= 8192
    decoder = ChunkedDecoder()
    decoder.feed(endless)
    fed = len(endless)
    refused = None
    filler = b"X: y\r\n" if endless.endswith(b"\n") else b"a"
    while fed <= limit + 100:
        fed += len(filler) * step
        try:
            decoder.feed(filler * step)
        except ProtocolError as error:
            refused = error.status
            break
    assert refused == status


def test_extensions_are_bounded_over_the_whole_body() -> None:
    """Extensions, which are not read, can't be most of what is sent."""
    extension = b";" + b"a" * 1000
    decoder = ChunkedDecoder()
    for _ in range(MAX_EXTENSIONS // len(extension)):
        decoder.feed(b"1" + extension + b"\r\nx\r\n")
    with pytest.raises(ProtocolError) as raised:
        decoder.feed(b"1" + extension + b"\r\nx\r\n")
    assert raised.value.status == 400


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10), st.data())
def test_what_is_encoded_is_decoded(pieces: list[bytes], data: st.DataObject) -> None:
    """Encode then decode is the identity in any split."""
    encoded = b"".join(chunk_prefix(len(piece)) + piece + b"\r\n" for piece in pieces) + LAST_CHUNK
    cuts = sorted(data.draw(st.sets(st.integers(1, len(encoded) - 1), max_size=8)))
    split = [encoded[start:end] for start, end in zip([0, *cuts], [*cuts, len(encoded)], strict=True)]
    assert decode(*split) == (b"".join(pieces), b"")


def test_a_chunk_larger_than_the_memory_is_only_counted() -> None:
    """A size of 16 digits is taken as it is; the limit on bodies is the engine's."""
    decoder = ChunkedDecoder()
    assert decoder.feed(b"ffffffffffffffff\r\nabc") == [b"abc"]
    assert not decoder.is_done


def test_known_sizes_are_bounded() -> None:
    """However many sizes strangers use, few are remembered, and remembering changes no result."""
    for _ in range(2):
        for size in range(1, body.MAX_SIZES + 50):
            data = b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
            assert decode(data) == (b"x" * size, b"")
    assert len(body._sizes) <= body.MAX_SIZES


@pytest.mark.parametrize("end", [b"x\r\n", b"\n\r\n", b"\r\r\n", b"", b"\r"])
def test_known_size_with_a_wrong_end(end: bytes) -> None:
    """A size line that is known does not excuse what follows its data."""
    assert decode(b"3\r\nabc\r\n0\r\n\r\n") == (b"abc", b"")
    decoder = ChunkedDecoder()
    if end in (b"", b"\r"):
        assert decoder.feed(b"3\r\nabc" + end) == [b"abc"]
        assert not decoder.is_done
        return
    with pytest.raises(ProtocolError):
        decoder.feed(b"3\r\nabc" + end)
