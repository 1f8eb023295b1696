"""What is sent: responses within windows and frame sizes, and nothing on streams that are gone."""

import pytest

from tests.support.http2 import POST, begin, frames, head
from wiverno.http2.connection import ServerProtocol
from wiverno.http2.errors import ErrorCode
from wiverno.http2.events import WindowOpened
from wiverno.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    frame,
    reset_frame,
    window_update_frame,
)
from wiverno.http2.response_fields import response_block
from wiverno.http2.sending import GONE
from wiverno.http2.settings import Setting, settings_frame

BLOCK = response_block(200, [])


def asked(settings: dict[int, int] | None = None, *streams: int) -> ServerProtocol:
    protocol = begin(settings=settings)
    for stream_id in streams or (1,):
        protocol.receive(head(stream_id), 0.0)
    return protocol


def sent(protocol: ServerProtocol) -> list[tuple[int, int, int, bytes]]:
    return frames(protocol.output.take())


def test_whole_response() -> None:
    """Head and content leave together, and the stream is closed."""
    protocol = asked()
    assert protocol.output.respond(1, BLOCK, b"hello") == 5
    assert sent(protocol) == [(HEADERS, END_HEADERS, 1, BLOCK), (DATA, END_STREAM, 1, b"hello")]
    assert not protocol.streams.live
    assert not protocol.output


def test_empty_response() -> None:
    """Without content, HEADERS ends the stream."""
    protocol = asked()
    assert protocol.output.respond(1, BLOCK, b"") == 0
    assert sent(protocol) == [(HEADERS, END_HEADERS | END_STREAM, 1, BLOCK)]
    assert not protocol.streams.live


def test_streamed_response() -> None:
    """Interim responses, head, pieces and an empty last one."""
    protocol = asked()
    output = protocol.output
    assert output.informational(1, response_block(103, [])) == 0
    assert output.data(1, b"early", ends=False) == GONE
    assert output.headers(1, BLOCK, ends=False) == 0
    assert output.headers(1, BLOCK, ends=False) == GONE
    assert output.informational(1, BLOCK) == GONE
    assert output.respond(1, BLOCK, b"again") == GONE
    assert output.data(1, b"ab", ends=False) == 2
    assert output.data(1, b"", ends=False) == 0
    assert output.data(1, b"", ends=True) == 0
    assert [(kind, flags, payload) for kind, flags, _, payload in sent(protocol)] == [
        (HEADERS, END_HEADERS, response_block(103, [])),
        (HEADERS, END_HEADERS, BLOCK),
        (DATA, 0, b"ab"),
        (DATA, END_STREAM, b""),
    ]
    assert output.data(1, b"late", ends=True) == GONE


def test_windows() -> None:
    """Content is cut to the smaller window; the rest follows when it opens, the longest waiting first."""
    protocol = asked({Setting.INITIAL_WINDOW_SIZE: 40000}, 1, 3)
    output = protocol.output
    assert output.room(1) == 40000
    assert output.respond(1, BLOCK, bytes(50000)) == 40000
    assert output.respond(3, BLOCK, bytes(30000)) == 65535 - 40000
    assert output.room(1) == output.room(3) == output.room(5) == 0
    assert [len(payload) for kind, _, _, payload in sent(protocol) if kind == DATA] == [
        16384, 16384, 7232, 16384, 9151,
    ]  # fmt: skip
    assert protocol.receive(window_update_frame(1, 10000), 0.0) == []
    assert protocol.receive(window_update_frame(0, 11000), 0.0) == [WindowOpened(1), WindowOpened(3)]
    assert output.data(1, bytes(10000), ends=True) == 10000
    assert output.data(3, bytes(4465), ends=True) == 1000
    assert protocol.receive(window_update_frame(0, 5000), 0.0) == [WindowOpened(3)]
    assert output.data(3, bytes(3465), ends=True) == 3465
    assert not protocol.streams.live
    assert not output.blocked


def test_window_of_the_connection_first() -> None:
    """A stream's own window does not help where the connection's is closed."""
    protocol = asked()
    protocol.output.respond(1, BLOCK, bytes(65536))
    assert protocol.receive(window_update_frame(1, 100), 0.0) == []
    assert protocol.receive(window_update_frame(0, 100), 0.0) == [WindowOpened(1)]


def test_initial_window_changes() -> None:
    """SETTINGS_INITIAL_WINDOW_SIZE moves the windows of open streams, below zero too (RFC 9113 §6.9.2)."""
    protocol = asked({Setting.INITIAL_WINDOW_SIZE: 10})
    assert protocol.output.respond(1, BLOCK, bytes(20)) == 10
    protocol.receive(settings_frame({Setting.INITIAL_WINDOW_SIZE: 5}), 0.0)
    assert protocol.streams.live[1].send_window == -5
    assert protocol.output.room(1) == 0
    assert protocol.output.data(1, bytes(10), ends=True) == 0
    assert protocol.receive(window_update_frame(1, 5), 0.0) == []
    assert protocol.receive(window_update_frame(1, 1), 0.0) == [WindowOpened(1)]
    assert protocol.output.data(1, bytes(10), ends=True) == 1
    assert WindowOpened(1) in protocol.receive(settings_frame({Setting.INITIAL_WINDOW_SIZE: 65535}), 0.0)
    assert protocol.output.data(1, bytes(9), ends=True) == 9


def test_initial_window_overflow() -> None:
    """A change that lets a window pass 2^31-1 ends the connection (RFC 9113 §6.9.2)."""
    protocol = asked()
    protocol.receive(window_update_frame(1, 0x7FFFFFFF - 65535), 0.0)
    protocol.receive(settings_frame({Setting.INITIAL_WINDOW_SIZE: 65536}), 0.0)
    assert protocol.fault is not None
    assert protocol.fault.code == ErrorCode.FLOW_CONTROL_ERROR


@pytest.mark.parametrize("size", [16384, 20000])
def test_frame_size_of_the_peer(size: int) -> None:
    """Frames are as long as the peer takes them, blocks are cut into CONTINUATION frames."""
    protocol = asked({Setting.MAX_FRAME_SIZE: size})
    protocol.output.respond(1, bytes(41000), bytes(41000))
    found = sent(protocol)
    assert [len(payload) for *_, payload in found] == [size, size, 41000 - 2 * size] * 2
    assert [kind for kind, *_ in found] == [HEADERS, CONTINUATION, CONTINUATION, DATA, DATA, DATA]
    assert [flags for _, flags, *_ in found] == [0, 0, END_HEADERS, 0, 0, END_STREAM]


def test_early_response() -> None:
    """A response may end before the request; the stream stays half-closed until the request ends or is reset."""
    protocol = begin()
    protocol.receive(head(1, POST, ends=False), 0.0)
    protocol.output.respond(1, BLOCK, b"enough")
    protocol.output.take()
    assert protocol.output.headers(1, BLOCK, ends=True) == GONE
    protocol.output.reset(1, ErrorCode.NO_ERROR)
    assert sent(protocol) == [(RST_STREAM, 0, 1, bytes(4))]
    assert protocol.receive(frame(DATA, END_STREAM, 1, b"late"), 0.0) == []
    assert protocol.fault is None


def test_gone() -> None:
    """On a stream that the client has reset nothing is sent, and no second reset."""
    protocol = asked()
    protocol.receive(reset_frame(1, ErrorCode.CANCEL), 0.0)
    output = protocol.output
    assert (
        output.respond(1, BLOCK, b"") == output.respond(1, BLOCK, b"x") == output.headers(1, BLOCK, ends=True) == GONE
    )
    assert output.data(1, b"x", ends=True) == output.informational(1, BLOCK) == GONE
    output.reset(1, ErrorCode.INTERNAL_ERROR)
    assert not output


def test_data_that_does_not_wait_for_the_event() -> None:
    """A stream that was sent to the end without WindowOpened waits no longer."""
    protocol = asked({Setting.INITIAL_WINDOW_SIZE: 10}, 1)
    assert protocol.output.respond(1, BLOCK, bytes(20)) == 10
    protocol.streams.live[1].send_window = 10
    assert protocol.output.data(1, bytes(10), ends=True) == 10
    assert not protocol.output.blocked


def test_stream_that_was_reset_while_it_waited() -> None:
    """It waits no longer: neither side's reset leaves it among the blocked streams."""
    protocol = asked(None, 1, 3, 5)
    for stream_id in (1, 3, 5):
        protocol.output.respond(stream_id, BLOCK, bytes(40000))
    assert list(protocol.output.blocked) == [3, 5]
    protocol.output.reset(3, ErrorCode.INTERNAL_ERROR)
    protocol.receive(reset_frame(5, ErrorCode.CANCEL), 0.0)
    assert not protocol.output.blocked
    assert protocol.receive(window_update_frame(0, 100000), 0.0) == []
