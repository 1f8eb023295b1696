"""The protocol object: frames of a client → events, and the errors of streams and of the connection."""

import gc
import struct
from typing import Any

import pytest

from tests.support.http2 import GET, POST, begin, block, frames, head, split_head, string
from wiverno.http2.connection import HANDLERS, ServerProtocol
from wiverno.http2.errors import ConnectionFault, ErrorCode
from wiverno.http2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    GoawayReceived,
    RequestReceived,
    RequestRefused,
    SettingsChanged,
    StreamEnded,
    StreamReset,
)
from wiverno.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAX_STREAM_ID,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    goaway_frame,
    reset_frame,
    window_update_frame,
)
from wiverno.http2.limits import Limits
from wiverno.http2.response_fields import response_block
from wiverno.http2.sending import DRAIN_PING
from wiverno.http2.settings import SETTINGS_ACK, Setting, read_settings, settings_frame
from wiverno.http2.state import State

BLOCK = response_block(200, [])
BODY = frame(DATA, END_STREAM, 1, b"body")


def names(events: list[Event]) -> list[Any]:
    """Requests without their variables, everything else as it is."""
    return [
        (event.stream_id, event.request.variables["REQUEST_METHOD"], event.ends)
        if isinstance(event, RequestReceived)
        else event
        for event in events
    ]


# What a client sends on a connection that has begun, the events, and the frames that answer at once.
TABLE: dict[str, tuple[bytes, list[Any], list[Any]]] = {
    "request": (head(1), [(1, "GET", True)], []),
    "two requests": (head(1) + head(3), [(1, "GET", True), (3, "GET", True)], []),
    "in pieces": (split_head(1, block(GET), 3), [(1, "GET", True)], []),
    "body": (
        head(1, POST, ends=False) + frame(DATA, 0, 1, b"bo") + frame(DATA, END_STREAM, 1, b"dy"),
        [(1, "POST", False), DataReceived(1, b"bo"), DataReceived(1, b"dy"), StreamEnded(1)],
        [],
    ),
    "padded body": (
        head(1, POST, ends=False) + frame(DATA, END_STREAM | PADDED, 1, b"\2body\0\0"),
        [(1, "POST", False), DataReceived(1, b"body"), StreamEnded(1)],
        [],
    ),
    "empty end": (
        head(1, [*POST, ("content-length", "2")], ends=False) + frame(DATA, 0, 1, b"bo") + frame(DATA, END_STREAM, 1),
        [(1, "POST", False), DataReceived(1, b"bo"), StreamEnded(1)],
        [],
    ),
    "trailers": (
        head(1, POST, ends=False) + frame(DATA, 0, 1, b"bo") + head(1, [("x-sum", "1")]),
        [(1, "POST", False), DataReceived(1, b"bo"), StreamEnded(1)],
        [],
    ),
    "reset": (
        head(1) + reset_frame(1, ErrorCode.CANCEL),
        [(1, "GET", True), StreamReset(1, ErrorCode.CANCEL, by_peer=True)],
        [],
    ),
    "ping": (frame(PING, 0, 0, b"12345678"), [], [(PING, ACK, 0, b"12345678")]),
    "acknowledged ping": (frame(PING, ACK, 0, b"12345678"), [], []),
    "settings": (settings_frame({3: 1}), [SettingsChanged()], [(SETTINGS, ACK, 0, b"")]),
    "goaway": (goaway_frame(0, 0, b"bye"), [GoawayReceived(0, 0, b"bye")], []),
    "priority": (frame(PRIORITY, 0, 9, b"\0\0\0\3\x10"), [], []),
    "unknown": (frame(0x20, 255, 77, b"anything"), [], []),
    "window": (window_update_frame(0, 5), [], []),
    "refused": (
        head(1, [(":method", "CONNECT"), (":authority", "a:1")]),
        [RequestRefused(1, 501, "CONNECT is not implemented", ends=True)],
        [],
    ),
    "malformed": (head(1, GET[:3]), [], [(RST_STREAM, 0, 1, b"\0\0\0\1")]),
    "malformed, and one more": (head(1, GET[:3]) + head(3), [(3, "GET", True)], [(RST_STREAM, 0, 1, b"\0\0\0\1")]),
    "length without body": (head(1, [*POST, ("content-length", "1")]), [], [(RST_STREAM, 0, 1, b"\0\0\0\1")]),
    "body too long": (
        head(1, [*POST, ("content-length", "3")], ends=False) + BODY,
        [(1, "POST", False), StreamReset(1, 1, by_peer=False)],
        [(RST_STREAM, 0, 1, b"\0\0\0\1")],
    ),
    "body too short": (
        head(1, [*POST, ("content-length", "5")], ends=False) + BODY,
        [(1, "POST", False), DataReceived(1, b"body"), StreamReset(1, 1, by_peer=False)],
        [(RST_STREAM, 0, 1, b"\0\0\0\1")],
    ),
    "trailers without end": (
        head(1, POST, ends=False) + head(1, [("x", "1")], ends=False),
        [(1, "POST", False), StreamReset(1, 1, by_peer=False)],
        [(RST_STREAM, 0, 1, b"\0\0\0\1")],
    ),
    "bad trailers": (
        head(1, POST, ends=False) + head(1, [("X", "1")]),
        [(1, "POST", False), StreamReset(1, 1, by_peer=False)],
        [(RST_STREAM, 0, 1, b"\0\0\0\1")],
    ),
    "data after the end": (
        head(1) + BODY,
        [(1, "GET", True), StreamReset(1, 5, by_peer=False)],
        [(RST_STREAM, 0, 1, b"\0\0\0\5")],
    ),
    "headers after the end": (
        head(1) + head(1),
        [(1, "GET", True), StreamReset(1, 5, by_peer=False)],
        [(RST_STREAM, 0, 1, b"\0\0\0\5")],
    ),
    "window of the stream overflows": (
        head(1) + window_update_frame(1, 0x7FFFFFFF),
        [(1, "GET", True), StreamReset(1, 3, by_peer=False)],
        [(RST_STREAM, 0, 1, b"\0\0\0\3")],
    ),
    "stream that depends on itself": (
        frame(HEADERS, END_HEADERS | END_STREAM | 0x20, 1, b"\0\0\0\1\x10" + block(GET)),
        [],
        [(RST_STREAM, 0, 1, b"\0\0\0\1")],
    ),
    "after our reset": (
        head(1, GET[:3], ends=False) + BODY + head(1, [("x", "1")]) + window_update_frame(1, 1) + reset_frame(1, 8),
        [],
        [(RST_STREAM, 0, 1, b"\0\0\0\1")],
    ),
}
each_row = pytest.mark.parametrize("name", TABLE)


def _outcome(protocol: ServerProtocol, events: list[Event]) -> tuple[list[Any], list[Any]]:
    return names(events), frames(protocol.output.take())


@each_row
def test_whole(name: str) -> None:
    """What a client sends in one piece gives these events and frames."""
    data, events, answers = TABLE[name]
    protocol = begin()
    assert _outcome(protocol, protocol.receive(data, 0.0)) == (events, answers)
    assert protocol.fault is None


@each_row
def test_byte_by_byte(name: str) -> None:
    """The same comes of single bytes, preface included."""
    data, events, answers = TABLE[name]
    protocol = ServerProtocol(0.0)
    protocol.output.take()
    found: list[Event] = []
    for byte in PREFACE + settings_frame({}) + data:
        found += protocol.receive(bytes([byte]), 0.0)
    assert _outcome(protocol, found) == ([SettingsChanged(), *events], [(SETTINGS, ACK, 0, b""), *answers])
    assert not protocol.is_mid_frame


# What ends the connection, and the code of its GOAWAY.
FATAL: dict[str, tuple[bytes, ErrorCode]] = {
    "even stream": (head(2), ErrorCode.PROTOCOL_ERROR),
    "headers on stream 0": (head(0), ErrorCode.PROTOCOL_ERROR),
    "data on stream 0": (frame(DATA, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR),
    "data on an idle stream": (BODY, ErrorCode.PROTOCOL_ERROR),
    "reset of an idle stream": (reset_frame(1, 8), ErrorCode.PROTOCOL_ERROR),
    "window of an idle stream": (window_update_frame(1, 8), ErrorCode.PROTOCOL_ERROR),
    "window update of 0": (window_update_frame(0, 0), ErrorCode.PROTOCOL_ERROR),
    "window overflows": (window_update_frame(0, 0x7FFFFFFF), ErrorCode.FLOW_CONTROL_ERROR),
    "lower stream": (head(5) + head(3), ErrorCode.PROTOCOL_ERROR),
    "idle stream depends on itself": (frame(PRIORITY, 0, 9, b"\0\0\0\x09\x10"), ErrorCode.PROTOCOL_ERROR),
    "push": (frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4)), ErrorCode.PROTOCOL_ERROR),
    "lone continuation": (frame(CONTINUATION, END_HEADERS, 1), ErrorCode.PROTOCOL_ERROR),
    "another frame inside a block": (frame(HEADERS, 0, 1) + frame(PING, 0, 0, bytes(8)), ErrorCode.PROTOCOL_ERROR),
    "unknown frame inside a block": (frame(HEADERS, 0, 1) + frame(99, 0, 0), ErrorCode.PROTOCOL_ERROR),
    "continuation of another stream": (frame(HEADERS, 0, 1) + frame(CONTINUATION, 4, 3), ErrorCode.PROTOCOL_ERROR),
    "too much padding": (head(1, POST, ends=False) + frame(DATA, PADDED, 1, b"\5x"), ErrorCode.PROTOCOL_ERROR),
    "undecodable": (frame(HEADERS, 5, 1, b"\x80"), ErrorCode.COMPRESSION_ERROR),
    "undecodable trailers": (
        head(1, POST, ends=False) + frame(HEADERS, 5, 1, b"\x80"),
        ErrorCode.COMPRESSION_ERROR,
    ),
    "too long": (frame(0x20, 0, 0, bytes(16385)), ErrorCode.FRAME_SIZE_ERROR),
    "bad setting": (settings_frame({2: 2}), ErrorCode.PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", FATAL)
def test_connection_errors(name: str) -> None:
    """GOAWAY tells code and last stream, one event tells the owner, and nothing more is read."""
    data, code = FATAL[name]
    protocol = begin()
    events = protocol.receive(data + head(101), 0.0)
    terminated = events[-1]
    assert isinstance(terminated, ConnectionTerminated)
    assert terminated.fault.code == code
    kind, _, _, payload = frames(protocol.output.take())[-1]
    assert (kind, payload) == (
        GOAWAY,
        struct.pack(">LL", terminated.last_stream_id, code) + terminated.fault.reason.encode(),
    )
    assert protocol.fault == terminated.fault
    assert protocol.receive(head(103), 0.0) == []
    assert protocol.terminate(ErrorCode.NO_ERROR, "again") == []
    protocol.begin_drain()
    protocol.end_drain()
    assert not protocol.output


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"X",
        PREFACE[:-1] + b"X",
        PREFACE + head(1),
        PREFACE + SETTINGS_ACK,
        PREFACE + frame(PING, 0, 0, bytes(8)),
        PREFACE + frame(99, 0, 0),
        PREFACE + frame(CONTINUATION, 4, 1),
    ],
)
def test_bad_beginnings(data: bytes) -> None:
    """A client begins with its preface and SETTINGS, nothing else; the server's SETTINGS still comes first."""
    protocol = ServerProtocol(0.0)
    events = protocol.receive(data, 0.0)
    assert [type(event) for event in events] == [ConnectionTerminated]
    assert protocol.fault is not None
    assert protocol.fault.code == ErrorCode.PROTOCOL_ERROR
    assert not protocol.has_preface
    kinds = [kind for kind, *_ in frames(protocol.output.take())]
    assert (kinds[0], kinds[-1]) == (SETTINGS, GOAWAY)


def test_beginning() -> None:
    """The server's preface tells its limits; the flags of the beginning follow what has come."""
    limits = Limits(max_streams=7, table_size=100, stream_window=70000, connection_window=200000, max_list_size=9000)
    protocol = ServerProtocol(0.0, limits)
    first, second = frames(protocol.output.take())
    assert dict(read_settings(*first[1:]) or []) == {
        Setting.HEADER_TABLE_SIZE: 100,
        Setting.MAX_CONCURRENT_STREAMS: 7,
        Setting.INITIAL_WINDOW_SIZE: 70000,
        Setting.MAX_FRAME_SIZE: 16384,
        Setting.MAX_HEADER_LIST_SIZE: 9000,
        Setting.NO_RFC7540_PRIORITIES: 1,
    }
    assert second == (WINDOW_UPDATE, 0, 0, struct.pack(">L", 200000 - 65535))
    protocol.receive(PREFACE[:5], 0.0)
    protocol.receive(PREFACE[5:], 0.0)
    assert (protocol.has_preface, protocol.has_settings_ack) == (False, False)
    protocol.receive(settings_frame({}), 0.0)
    assert (protocol.has_preface, protocol.has_settings_ack) == (True, False)
    protocol.receive(SETTINGS_ACK, 0.0)
    assert protocol.has_settings_ack
    protocol.receive(SETTINGS_ACK + head(1), 0.0)
    assert protocol.fault == ConnectionFault(
        ErrorCode.COMPRESSION_ERROR,
        "no dynamic table size update after SETTINGS_HEADER_TABLE_SIZE was lowered",
    )


def test_no_window_update_for_a_small_window() -> None:
    """Where the connection's window is the default, nothing has to be announced."""
    assert len(frames(ServerProtocol(0.0, Limits(connection_window=65535)).output.take())) == 1


def test_small_window_holds_from_the_acknowledgement_on() -> None:
    """Before it has our settings, a client may use the default window; streams that are open are cut then."""
    limits = Limits(stream_window=100, connection_window=1)
    protocol = ServerProtocol(0.0, limits)
    heads = [head(number, POST, ends=False) for number in (1, 3, 5)]
    protocol.receive(PREFACE + settings_frame({}) + b"".join(heads), 0.0)
    assert protocol.receive(frame(DATA, 0, 1, bytes(1000)), 0.0) == [DataReceived(1, bytes(1000))]
    protocol.receive(SETTINGS_ACK, 0.0)
    protocol.acknowledge(1, 1000)
    assert protocol.receive(frame(DATA, 0, 1, bytes(100)), 0.0) == [DataReceived(1, bytes(100))]
    for stream_id, data in ((1, b"x"), (3, bytes(101)), (5, bytes(101))):
        assert protocol.receive(frame(DATA, 0, stream_id, data), 0.0) == [StreamReset(stream_id, 3, by_peer=False)]
    assert protocol.fault is None


def test_mid_frame() -> None:
    """The owner's deadlines can see a frame or a block that does not end."""
    protocol = begin()
    protocol.receive(head(1)[:5], 0.0)
    assert protocol.is_mid_frame
    protocol.receive(head(1)[5:], 0.0)
    assert not protocol.is_mid_frame
    protocol.receive(frame(HEADERS, 0, 3, block(GET)), 0.0)
    assert protocol.is_mid_frame


def test_windows_for_receiving() -> None:
    """Acknowledged bytes are announced again, for the stream and for the connection; padding by itself."""
    protocol = begin(Limits(stream_window=1000, connection_window=65535))
    protocol.receive(head(1, POST, ends=False) + frame(DATA, PADDED, 1, b"\xc8" + bytes(400) + bytes(200)), 0.0)
    assert frames(protocol.output.take()) == []
    protocol.acknowledge(1, 400)
    assert frames(protocol.output.take()) == [(WINDOW_UPDATE, 0, 1, struct.pack(">L", 601))]
    protocol.receive(frame(DATA, 0, 1, bytes(1000)), 0.0)
    assert protocol.fault is None
    events = protocol.receive(frame(DATA, 0, 1, b"x"), 0.0)
    assert events == [StreamReset(1, ErrorCode.FLOW_CONTROL_ERROR, by_peer=False)]


def test_window_of_the_connection_comes_back() -> None:
    """Bytes of streams that were reset return to the connection's window, acknowledged or not delivered."""
    protocol = begin(Limits(stream_window=65535, connection_window=65535))
    for stream_id in range(1, 41, 2):
        protocol.receive(head(stream_id, POST, ends=False) + frame(DATA, 0, stream_id, bytes(10000)), 0.0)
        protocol.output.reset(stream_id, ErrorCode.CANCEL)
        protocol.receive(frame(DATA, 0, stream_id, bytes(10000)), 0.0)  # the client does not know yet
        protocol.acknowledge(stream_id, 10000)
    assert protocol.fault is None


def test_window_of_the_connection_is_a_bound() -> None:
    """What is not acknowledged is not announced; more is FLOW_CONTROL_ERROR."""
    protocol = begin(Limits(connection_window=65535))
    protocol.receive(head(1, POST, ends=False) + head(3, POST, ends=False), 0.0)
    for number in range(4):
        protocol.receive(frame(DATA, 0, 1 + 2 * (number % 2), bytes(16383)), 0.0)
    assert protocol.fault is None
    protocol.receive(frame(DATA, 0, 1, bytes(4)), 0.0)
    assert protocol.fault == ConnectionFault(
        ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection's window allows"
    )


def test_too_large_is_answered() -> None:
    """A head beyond the limits is refused on its stream with 431; the connection and its table go on."""
    protocol = begin(Limits(max_list_size=500))
    large = block(GET) + b"\x40" + string("x-large") + string("v" * 600)
    (event,) = protocol.receive(frame(HEADERS, END_HEADERS, 1, large), 0.0)
    assert event == RequestRefused(1, 431, "request header fields too large", ends=False)
    assert protocol.output.respond(1, response_block(431, []), b"too large") == 9
    (event,) = protocol.receive(head(3), 0.0)
    assert isinstance(event, RequestReceived)


def test_drain() -> None:
    """First GOAWAY names the largest stream; after the client's answer the last one, and later ones are ignored."""
    protocol = begin()
    protocol.receive(head(1), 0.0)
    protocol.begin_drain()
    protocol.begin_drain()
    assert frames(protocol.output.take()) == [
        (GOAWAY, 0, 0, struct.pack(">LL", MAX_STREAM_ID, 0)),
        (PING, 0, 0, DRAIN_PING),
    ]
    assert protocol.is_draining
    assert len(protocol.receive(head(3), 0.0)) == 1
    protocol.receive(frame(PING, ACK, 0, DRAIN_PING), 0.0)
    assert frames(protocol.output.take()) == [(GOAWAY, 0, 0, struct.pack(">LL", 3, 0))]
    late = head(5, POST, ends=False) + frame(DATA, END_STREAM, 5, b"late")
    assert protocol.receive(late, 0.0) == []
    assert protocol.fault is None
    assert not protocol.is_drained
    protocol.output.respond(1, BLOCK, b"")
    protocol.output.respond(3, BLOCK, b"")
    assert protocol.is_drained
    protocol.end_drain()
    assert [kind for kind, *_ in frames(protocol.output.take())] == [HEADERS, HEADERS]


def test_drain_without_an_answer() -> None:
    """The owner may end the drain itself; a stray acknowledgement of PING changes nothing."""
    protocol = begin()
    protocol.receive(frame(PING, ACK, 0, DRAIN_PING), 0.0)
    assert not protocol.is_draining
    protocol.end_drain()
    assert protocol.is_draining
    assert protocol.is_drained


def test_waiting_connection_keeps_no_body() -> None:
    """What was received belongs to the owner; the connection holds no piece of it."""
    protocol = begin()
    events = protocol.receive(head(1, POST, ends=False) + frame(DATA, 0, 1, bytes(16384)), 0.0)
    assert len(events) == 2
    assert [found for found in gc.get_referrers(events) if isinstance(found, State)] == []
    assert not protocol.is_mid_frame
    assert protocol.receive(b"", 0.0) == []


def test_terminate() -> None:
    """The owner's deadlines end a connection with a code and a reason."""
    protocol = begin()
    protocol.receive(head(1), 0.0)
    fault = ConnectionFault(ErrorCode.SETTINGS_TIMEOUT, "no acknowledgement of SETTINGS in 10 seconds")
    assert protocol.terminate(fault.code, fault.reason) == [ConnectionTerminated(fault, 1)]
    assert frames(protocol.output.take())[-1][0] == GOAWAY
    assert repr(protocol).startswith("<ServerProtocol 1 streams, last 1, ConnectionFault(")


def test_handlers_are_whole() -> None:
    """Each phase has an entry for each type, and one for unknown types."""
    assert {len(row) for row in HANDLERS} == {11}
    assert len(HANDLERS) == 3
