"""The `h2` library as the server: what our frames and field blocks say, it understands; what it writes, we read."""

import h2.config
import h2.connection
import h2.events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.reading import split
from wiverno.http2.frames import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    FrameReader,
    frame,
    goaway_frame,
    headers_frames,
    read_goaway,
    read_reset,
    read_window_update,
    reset_frame,
    window_update_frame,
)
from wiverno.http2.header_blocks import BlockDecoder
from wiverno.http2.response_fields import encode_field
from wiverno.http2.settings import SETTINGS_ACK, read_settings, settings_frame

_values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
_fields = st.lists(st.tuples(st.sampled_from(["x-a", "accept", "cookie", "set-cookie", "etag"]), _values), max_size=4)


def server() -> h2.connection.H2Connection:
    """Return a library's server that has had our client's beginning."""
    config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1", normalize_inbound_headers=False)
    found = h2.connection.H2Connection(config)
    found.initiate_connection()
    found.receive_data(PREFACE + settings_frame({4: 100000, 5: 20000}) + SETTINGS_ACK)
    return found


def block(fields: list[tuple[str, str]], *, huffman: bool) -> bytes:
    return b"".join(encode_field(name, value, huffman=huffman) for name, value in fields)


@given(_fields, st.integers(0, 400), st.booleans(), st.integers(1, 50), st.sets(st.integers(1, 300), max_size=5))
@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_our_requests(more: list[tuple[str, str]], size: int, huffman: bool, max_size: int, cuts: set[int]) -> None:
    """A request of our writers arrives with the same fields, body and trailers, in any pieces."""
    fields = [(":method", "POST"), (":scheme", "https"), (":path", "/x"), (":authority", "a"), *more]
    data = headers_frames(1, block(fields, huffman=huffman), ends=False, max_size=max(max_size, 16))
    data += frame(DATA, 0, 1, bytes(size)) + headers_frames(1, block([("x-sum", "1")], huffman=huffman), ends=True)
    data += (
        frame(PING, 0, 0, b"12345678")
        + window_update_frame(0, 7)
        + headers_frames(3, block(fields, huffman=False), ends=False)
    )
    data += reset_frame(3, 8) + goaway_frame(0, 0, b"bye")
    found = server()
    events: list[h2.events.Event] = []
    for piece in split(data, cuts):
        events += found.receive_data(piece)
    by_type = {type(event).__name__: event for event in reversed(events)}
    request = by_type["RequestReceived"]
    assert isinstance(request, h2.events.RequestReceived)
    assert [(str(name), str(value)) for name, value in request.headers or []] == fields
    received = [event.data for event in events if isinstance(event, h2.events.DataReceived)]
    assert b"".join(piece or b"" for piece in received) == bytes(size)
    assert {"TrailersReceived", "StreamEnded", "PingReceived", "WindowUpdated", "StreamReset"} <= set(by_type)
    assert isinstance(events[-1], h2.events.ConnectionTerminated)
    assert events[-1].additional_data == b"bye"


@given(_fields, st.integers(0, 40000), st.sets(st.integers(1, 300), max_size=5))
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_its_answers(fields: list[tuple[str, str]], size: int, cuts: set[int]) -> None:
    """What the library's server writes is read by our reader and decoder, frame by frame."""
    found = server()
    head = block([(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")], huffman=True)
    found.receive_data(headers_frames(1, head, ends=True) + headers_frames(3, head, ends=True))
    found.receive_data(frame(PING, 0, 0, b"12345678"))
    found.send_headers(1, [(":status", "200"), *fields])
    for start in range(0, size, 20000):
        found.send_data(1, bytes(min(20000, size - start)))
    found.end_stream(1)
    found.reset_stream(3, 11)
    found.increment_flow_control_window(99)
    found.close_connection(2, b"bye", 3)
    reader = FrameReader(20000)
    decoder = BlockDecoder(max_list_size=65536, max_fields=100)
    received, kinds = b"", []
    for piece in split(found.data_to_send(), cuts):
        for kind, flags, stream_id, payload in reader.read(piece):
            kinds.append((kind, flags & (ACK | END_STREAM)))
            if kind == HEADERS:
                decoded = [(entry[3], entry[1]) for entry in decoder.decode(payload)]
                assert decoded[0][0] == ":status"
                assert decoded[1:] == fields
            elif kind == DATA:
                received += payload
            elif kind == SETTINGS:
                assert (read_settings(flags, stream_id, payload) is None) == bool(flags & ACK)
            elif kind == RST_STREAM:
                assert (stream_id, read_reset(stream_id, payload)) == (3, 11)
            elif kind == WINDOW_UPDATE:
                assert read_window_update(stream_id, payload) == 99
            elif kind == GOAWAY:
                assert read_goaway(stream_id, payload) == (3, 2, b"bye")
    assert received == bytes(size)
    assert not reader.has_partial
    assert {(SETTINGS, 0), (SETTINGS, ACK), (PING, ACK), (DATA, END_STREAM), (GOAWAY, 0)} <= set(kinds)
