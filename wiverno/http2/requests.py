"""HEADERS, CONTINUATION, DATA and RST_STREAM: how requests come, one stream each (RFC 9113 §6.1, §6.2, §6.4, §8.1)."""

from typing import Final

from wiverno.http2.errors import ErrorCode, StreamFault, connection_violation
from wiverno.http2.events import DataReceived, RequestReceived, RequestRefused, StreamEnded
from wiverno.http2.fields import UNKNOWN, BadRequest, Request, check_trailers
from wiverno.http2.flow import ReceiveWindow
from wiverno.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PRIORITIZED,
    RST_STREAM,
    read_headers,
    read_reset,
    reset_frame,
    strip_padding,
)
from wiverno.http2.sending import MIN_WORK
from wiverno.http2.state import IN_BLOCK, READY, Block, State
from wiverno.http2.streams import (
    CLOSED,
    IDLE,
    ILLEGAL,
    MOVES,
    RECEIVE_DATA,
    RECEIVE_END,
    RECEIVE_HEADERS,
    Stream,
    illegal_move,
)

_UNUSUAL_HEADERS: Final = PADDED | PRIORITIZED


def take_headers(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Take a HEADERS frame."""
    if not stream_id & 1:
        raise connection_violation(ErrorCode.PROTOCOL_ERROR, "HEADERS frame on a stream that is not the client's")
    depends_on_itself = False
    if flags & _UNUSUAL_HEADERS:
        payload, depends_on_itself = read_headers(flags, stream_id, payload)
    if flags & END_HEADERS:
        _take_block(state, stream_id, flags, payload, depends_on_itself=depends_on_itself)
        return
    if not payload:
        state.spend_overhead()
    state.phase = IN_BLOCK
    state.block = Block(stream_id, flags, payload, depends_on_itself=depends_on_itself)


def take_continuation(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Take a CONTINUATION frame inside a field block."""
    block = state.block
    assert block is not None
    if stream_id != block.stream_id:
        raise connection_violation(ErrorCode.PROTOCOL_ERROR, "CONTINUATION frame of another stream")
    if not payload:
        state.spend_overhead()
    block.continuations += 1
    block.data += payload
    if block.continuations > state.limits.max_continuations or len(block.data) > state.limits.max_block_size:
        raise connection_violation(ErrorCode.ENHANCE_YOUR_CALM, "field block is too long")
    if flags & END_HEADERS:
        state.phase = READY
        state.block = None
        _take_block(state, stream_id, block.flags, bytes(block.data), depends_on_itself=block.depends_on_itself)


def _take_block(state: State, stream_id: int, flags: int, block: bytes, *, depends_on_itself: bool) -> None:
    """Take a whole field block: a request's, or trailers."""
    if len(block) > state.limits.max_block_size:
        raise connection_violation(ErrorCode.ENHANCE_YOUR_CALM, "field block is too long")
    streams = state.streams
    if stream_id <= streams.last_id:
        _take_trailers(state, stream_id, flags, block)
        return
    found = state.decoder.request(block)
    streams.note_new(stream_id)
    if depends_on_itself:
        _refuse(state, stream_id, ErrorCode.PROTOCOL_ERROR)
    elif stream_id > state.last_accepted:
        streams.note_reset(stream_id, by_peer=False)  # RFC 9113 §6.8: ignored; the client sends it elsewhere
    elif len(streams.live) + len(streams.running) >= state.limits.max_streams:
        _refuse(state, stream_id, ErrorCode.REFUSED_STREAM)
    else:
        _open(state, stream_id, found, ends=bool(flags & END_STREAM))


def _open(state: State, stream_id: int, found: Request | BadRequest, *, ends: bool) -> None:
    """Open a stream for a request, unless the request is malformed (RFC 9113 §8.1.1)."""
    following = MOVES[IDLE][RECEIVE_END if ends else RECEIVE_HEADERS]
    window = state.output.peer.initial_window_size
    if type(found) is Request:
        if ends and found.length > 0:
            _refuse(state, stream_id, ErrorCode.PROTOCOL_ERROR)  # Content-Length without a body
            return
        state.streams.live[stream_id] = Stream(stream_id, following, window, found.length)
        state.events.append(RequestReceived(stream_id, found, ends))
        return
    assert isinstance(found, BadRequest)
    if found.status == 400:
        _refuse(state, stream_id, ErrorCode.PROTOCOL_ERROR)
        return
    state.streams.live[stream_id] = Stream(stream_id, following, window, UNKNOWN)
    state.events.append(RequestRefused(stream_id, found.status, found.message, ends))


def _refuse(state: State, stream_id: int, code: ErrorCode) -> None:
    """Reset a stream that the owner does not know yet."""
    state.streams.note_reset(stream_id, by_peer=False)
    state.output.answer(reset_frame(stream_id, code))
    state.spend_reset()


def _take_trailers(state: State, stream_id: int, flags: int, block: bytes) -> None:
    """Take a second field block of a stream: it must be trailers, and end the request (RFC 9113 §8.1)."""
    entries = state.decoder.decode(block)
    stream = state.streams.live.get(stream_id)
    if stream is None:
        state.spend_overhead()
        state.streams.check_absent(HEADERS, stream_id)
        return
    if MOVES[stream.state][RECEIVE_HEADERS] == ILLEGAL:
        raise illegal_move(stream, HEADERS)
    reason = check_trailers(entries) if flags & END_STREAM else "HEADERS frame in the middle of a request"
    if reason:
        state.reset_for(StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, reason))
    else:
        _end(state, stream)


def take_data(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Take a DATA frame; all of it counts for the windows, padding included (RFC 9113 §6.9.1)."""
    if not stream_id:
        raise connection_violation(ErrorCode.PROTOCOL_ERROR, "DATA frame on stream 0")
    size = len(payload)
    data = strip_padding(DATA, payload) if flags & PADDED else payload
    state.take_window(size)
    stream = state.streams.live.get(stream_id)
    if stream is None:
        state.give_back(size)
        state.spend_overhead()
        state.streams.check_absent(DATA, stream_id)
        return
    if MOVES[stream.state][RECEIVE_DATA] == ILLEGAL:
        state.give_back(size)
        raise illegal_move(stream, DATA)
    window = stream.window
    if window is None:
        window = stream.window = ReceiveWindow(state.stream_window)
    stream.received += len(data)
    if not window.take(size):
        fault = StreamFault(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "more data than the stream's window allows")
    elif 0 <= stream.expected < stream.received:
        fault = StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "more data than Content-Length says")
    else:
        if len(data) < size:
            state.acknowledge(stream_id, size - len(data))  # padding takes no memory
        if data:
            if len(data) >= MIN_WORK:
                state.data_frames += 1
            state.events.append(DataReceived(stream_id, data))
        elif not flags & END_STREAM:
            state.spend_overhead()
        if flags & END_STREAM:
            _end(state, stream)
        return
    state.give_back(size)
    state.reset_for(fault)


def _end(state: State, stream: Stream) -> None:
    """Take the end of a request with a body."""
    if 0 <= stream.expected != stream.received:
        reason = "less data than Content-Length says"
        state.reset_for(StreamFault(stream.stream_id, ErrorCode.PROTOCOL_ERROR, reason))
        return
    stream.state = MOVES[stream.state][RECEIVE_END]
    if stream.state == CLOSED:
        del state.streams.live[stream.stream_id]
    state.events.append(StreamEnded(stream.stream_id))


def take_reset(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Take a RST_STREAM frame."""
    code = read_reset(stream_id, payload)
    if stream_id not in state.streams.live:
        state.spend_overhead()
        state.streams.check_absent(RST_STREAM, stream_id)
        return
    stream = state.streams.note_reset(stream_id, by_peer=True)
    assert stream is not None
    state.forget(stream, code, by_peer=True)
