"""HTTP/2 in any pieces means the same: frames good, bad and mutated give the same events and the same answers."""

from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.http2 import GET, POST, block, frames, head, split_head
from tests.support.reading import split
from wiverno.http2.connection import ServerProtocol
from wiverno.http2.events import DataReceived, Event
from wiverno.http2.frames import (
    CONTINUATION,
    DATA,
    END_STREAM,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    frame,
    goaway_frame,
    reset_frame,
    window_update_frame,
)
from wiverno.http2.settings import settings_frame

_ids = st.sampled_from([0, 1, 1, 3, 3, 5, 7, 2, 0x7FFFFFFF])
_fields = st.sampled_from(
    [
        GET,
        POST,
        [*POST, ("content-length", "4")],
        [*GET, ("cookie", "a=1"), ("cookie", "b=2")],
        GET[:3],
        [("x-trailer", "1")],
        [(":method", "CONNECT"), (":authority", "a:1")],
        [*GET, ("connection", "close")],
    ]
)


def _data(number: int, flags: int, size: int) -> bytes:
    return frame(DATA, flags, number, bytes(size))


def _padded_data(number: int, padding: int) -> bytes:
    return frame(DATA, PADDED | END_STREAM, number, bytes([padding]) + bytes(4))


good_frames = st.one_of(
    st.builds(lambda number, fields, ends: head(number, fields, ends=ends), _ids, _fields, st.booleans()),
    st.builds(
        lambda number, fields, pieces: split_head(number, block(fields), pieces), _ids, _fields, st.integers(2, 5)
    ),
    st.builds(
        lambda number, flags, size: frame(DATA, flags, number, bytes(size)),
        _ids,
        st.sampled_from([0, 1]),
        st.integers(0, 9),
    ),
    st.builds(
        lambda number, size: frame(DATA, PADDED | END_STREAM, number, bytes([size]) + bytes(4)), _ids, st.integers(0, 6)
    ),
    st.builds(reset_frame, _ids, st.integers(0, 20)),
    st.builds(window_update_frame, _ids, st.sampled_from([0, 1, 65535, 0x7FFFFFFF])),
    st.builds(lambda size: settings_frame({4: size}), st.sampled_from([0, 1, 65535, 0x7FFFFFFF, 0x80000000])),
    st.builds(lambda data: frame(PING, 0, 0, data), st.binary(min_size=7, max_size=9)),
    st.builds(goaway_frame, _ids, st.integers(0, 20)),
)
any_frames = good_frames | st.builds(
    lambda kind, flags, number, payload: frame(kind, flags, number, payload),
    st.integers(0, 11),
    st.integers(0, 255),
    _ids,
    st.binary(max_size=40),
)
streams_of_bytes = st.builds(
    lambda parts, junk: b"".join([PREFACE, settings_frame({}), *parts]) + junk,
    st.lists(any_frames, max_size=12),
    st.binary(max_size=5),
)
cuts = st.sets(st.integers(1, 400), max_size=12)


def read(pieces: Iterable[bytes]) -> tuple[list[Event], list[Any], bool]:
    """Return what a connection makes of the pieces: events, frames sent, whether it goes on."""
    protocol = ServerProtocol(0.0)
    events: list[Event] = []
    for piece in pieces:
        for event in protocol.receive(piece, 0.0):
            events.append(event)
            if isinstance(event, DataReceived):
                protocol.acknowledge(event.stream_id, len(event.data))
    return events, frames(protocol.output.take()), protocol.fault is None


@given(streams_of_bytes, cuts)
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(PREFACE + settings_frame({}) + frame(HEADERS, 0, 1) + frame(CONTINUATION, 4, 1, block(GET)), {30})
def test_any_split(data: bytes, cut: set[int]) -> None:
    """Whole, in random pieces and byte by byte; nothing escapes, whatever the bytes."""
    whole = read([data])
    assert read(split(data, cut)) == whole
    assert read(split(data, set(range(len(data))))) == whole


@given(st.binary(max_size=300), cuts)
@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes(data: bytes, cut: set[int]) -> None:
    """Random bytes after a good beginning are an error or wait for more; never an exception."""
    beginning = PREFACE + settings_frame({})
    assert read([beginning, *split(data, cut)]) == read([beginning + data])
