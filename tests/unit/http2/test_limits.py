"""The bounds, attacked: each ends the connection with the right code, and a good client never meets it."""

import tracemalloc

import pytest

from tests.support.h2_attacks import FLOODS, PINGED
from tests.support.http2 import GET, POST, begin, block, frames, head, string
from wiverno.http2.connection import ServerProtocol
from wiverno.http2.errors import ErrorCode
from wiverno.http2.events import DataReceived, RequestReceived, StreamReset
from wiverno.http2.frames import (
    DATA,
    END_HEADERS,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    frame,
    reset_frame,
    window_update_frame,
)
from wiverno.http2.limits import DEFAULT_LIMITS, Limits
from wiverno.http2.response_fields import response_block
from wiverno.http2.sending import MAX_QUEUED_ANSWERS

BLOCK = response_block(200, [])


@pytest.mark.parametrize("name", FLOODS)
def test_attacks(name: str) -> None:
    """A peer that keeps on is told to calm down soon, in one moment and at a slow pace, and costs little memory."""
    for pause in (0.0, 0.001):
        protocol = begin()
        requests = 0
        tracemalloc.start()
        for number, data in enumerate(FLOODS[name]()):
            for event in protocol.receive(data, number * pause):
                requests += isinstance(event, RequestReceived)
                if isinstance(event, StreamReset):
                    protocol.release(event.stream_id)
            if protocol.fault is not None:
                break
            assert number < 1500
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert protocol.fault is not None
        assert protocol.fault.code == ErrorCode.ENHANCE_YOUR_CALM
        assert requests <= DEFAULT_LIMITS.reset_burst + DEFAULT_LIMITS.reset_rate + 2
        assert peak < 1_500_000


def test_tiny_windows() -> None:
    """A client that lets a large content come byte by byte is told to calm down (CVE-2019-9511)."""
    protocol = begin(settings={4: 0})
    protocol.receive(head(1), 0.0)
    protocol.output.headers(1, BLOCK, ends=False)
    protocol.output.data(1, bytes(100000), ends=True)
    for number in range(1500):
        protocol.receive(window_update_frame(1, 1), number * 0.001)
        protocol.output.data(1, bytes(100000), ends=True)
        protocol.output.take()
    assert protocol.fault is not None
    assert protocol.fault.code == ErrorCode.ENHANCE_YOUR_CALM


def test_running_requests_count_as_streams() -> None:
    """Resetting a stream makes no room for another one while its request runs (CVE-2023-44487)."""
    protocol = begin(Limits(max_streams=3))
    for stream_id in (1, 3, 5):
        protocol.receive(head(stream_id) + reset_frame(stream_id, ErrorCode.CANCEL), 0.0)
    assert protocol.receive(head(7), 0.0) == []
    assert frames(protocol.output.take()) == [(RST_STREAM, 0, 7, b"\0\0\0\x07")]
    protocol.release(3)
    assert len(protocol.receive(head(9), 0.0)) == 1
    protocol.release(1000)


def test_stream_limit() -> None:
    """One stream too many is refused, which the client may try again; the others go on."""
    protocol = begin(Limits(max_streams=2))
    assert len(protocol.receive(head(1) + head(3) + head(5), 0.0)) == 2
    assert frames(protocol.output.take()) == [(RST_STREAM, 0, 5, b"\0\0\0\x07")]
    protocol.output.respond(1, BLOCK, b"")
    assert len(protocol.receive(head(7), 0.0)) == 1


def test_resets_after_the_response_are_free() -> None:
    """A client may reset what has been answered already: it cost what it was worth."""
    protocol = begin()
    for stream_id in range(1, 2001, 2):
        protocol.receive(head(stream_id, POST, ends=False), 0.0)
        protocol.output.respond(stream_id, BLOCK, b"early")
        protocol.receive(reset_frame(stream_id, ErrorCode.NO_ERROR), 0.0)
        protocol.output.take()
    assert protocol.fault is None
    assert not protocol.streams.count


def test_answers_that_are_not_read() -> None:
    """With generous budgets, what the peer does not read is bounded by itself (CVE-2019-9512)."""
    protocol = begin(Limits(overhead_burst=10**9))
    for _ in range(MAX_QUEUED_ANSWERS):
        protocol.receive(PINGED, 0.0)
    assert protocol.fault is None
    protocol.receive(PINGED, 0.0)
    assert protocol.fault is not None
    assert protocol.fault.code == ErrorCode.ENHANCE_YOUR_CALM
    protocol = begin(Limits(overhead_burst=10**9))
    for _ in range(3 * MAX_QUEUED_ANSWERS):
        protocol.receive(PINGED, 0.0)
        protocol.output.take()
    assert protocol.fault is None


def test_a_page_that_is_left() -> None:
    """A browser resets all it had open, twice within a second, and goes on."""
    protocol = begin()
    stream_id = 1
    for now in (0.0, 0.5):
        for _ in range(DEFAULT_LIMITS.max_streams):
            protocol.receive(head(stream_id), now)
            stream_id += 2
        for past in range(stream_id - 200, stream_id, 2):
            for event in protocol.receive(reset_frame(past, ErrorCode.CANCEL), now):
                assert isinstance(event, StreamReset)
                protocol.release(event.stream_id)
    assert protocol.fault is None


def test_a_long_download() -> None:
    """Two WINDOW_UPDATE frames for each DATA frame, as some clients send, are no flood."""
    protocol = begin()
    protocol.receive(head(1), 0.0)
    protocol.output.headers(1, BLOCK, ends=False)
    for _ in range(5000):
        assert protocol.output.data(1, bytes(16384), ends=False) == 16384
        protocol.receive(window_update_frame(1, 16384) + window_update_frame(0, 16384), 0.0)
        protocol.output.take()
    assert protocol.fault is None


def test_a_long_upload() -> None:
    """Thousands of DATA frames are no flood, with a PING among them each time."""
    protocol = begin()
    protocol.receive(head(1, POST, ends=False), 0.0)
    for _ in range(5000):
        for event in protocol.receive(frame(DATA, 0, 1, bytes(16384)) + PINGED, 0.0):
            assert isinstance(event, DataReceived)
            protocol.acknowledge(1, len(event.data))
        protocol.output.take()
    assert protocol.fault is None


def test_many_requests() -> None:
    """Ten thousand requests on one connection, each with a PRIORITY frame, leave nothing behind."""
    protocol = begin()
    for stream_id in range(1, 20001, 2):
        protocol.receive(frame(PRIORITY, 0, stream_id, b"\0\0\0\0\x10") + head(stream_id), 0.0)
        protocol.output.respond(stream_id, BLOCK, b"")
        protocol.output.take()
    assert protocol.fault is None
    assert not protocol.streams.live
    assert not protocol.streams._resets
    assert not protocol.streams._gaps


def test_block_of_one_frame() -> None:
    """The bound on a field block holds for a single frame as well."""
    protocol = begin(Limits(max_block_size=1000))
    protocol.receive(frame(HEADERS, END_HEADERS, 1, block(GET) + b"\0" + string("x") + string("v" * 1000)), 0.0)
    assert protocol.fault is not None
    assert protocol.fault.code == ErrorCode.ENHANCE_YOUR_CALM


def test_memory_of_an_idle_connection() -> None:
    """A connection that has begun and waits takes a few kilobytes."""
    begin()
    tracemalloc.start()
    protocols: list[ServerProtocol] = [begin() for _ in range(100)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / len(protocols) < 8000
