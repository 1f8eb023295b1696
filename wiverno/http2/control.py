"""SETTINGS, PING, GOAWAY, WINDOW_UPDATE, PRIORITY, PUSH_PROMISE and frames of unknown types (RFC 9113 §5.5, §6)."""

from wiverno.http2.errors import ErrorCode, connection_violation
from wiverno.http2.events import GoawayReceived, SettingsChanged, WindowOpened
from wiverno.http2.flow import grow
from wiverno.http2.frames import (
    ACK,
    MAX_STREAM_ID,
    WINDOW_UPDATE,
    check_ping,
    check_priority,
    read_goaway,
    read_window_update,
)
from wiverno.http2.sending import DRAIN_PING
from wiverno.http2.settings import SETTINGS_ACK, Setting, read_settings
from wiverno.http2.state import FIRST, READY, State


def take_settings(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Apply the peer's settings in their order and acknowledge them (RFC 9113 §6.5.3)."""
    values = read_settings(flags, stream_id, payload)
    if state.phase == FIRST:
        if values is None:
            raise connection_violation(ErrorCode.PROTOCOL_ERROR, "the connection begins with an acknowledgement")
        state.phase = READY
    else:
        state.spend_overhead()
    if values is None:
        state.acknowledge_settings()
        return
    output = state.output
    for name, value in values:
        if name == Setting.MAX_FRAME_SIZE:
            output.peer.max_frame_size = value
        elif name == Setting.INITIAL_WINDOW_SIZE:
            output.change_initial_window(value)
    output.answer(SETTINGS_ACK)
    state.events.append(SettingsChanged())
    _tell_unblocked(state)


def take_ping(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Answer a PING; the answer to our own tells that the peer knows that we drain."""
    check_ping(stream_id, payload)
    state.spend_overhead()
    if not flags & ACK:
        state.output.acknowledge_ping(payload)
    elif payload == DRAIN_PING and state.is_draining:
        end_drain(state)


def end_drain(state: State) -> None:
    """Tell the last stream that is served; later ones are ignored (RFC 9113 §6.8)."""
    if state.last_accepted == MAX_STREAM_ID:
        state.last_accepted = state.streams.last_id
        state.output.goaway(state.last_accepted, ErrorCode.NO_ERROR)


def take_goaway(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Take a GOAWAY frame: streams go on, for a server opens none."""
    last_stream_id, code, debug = read_goaway(stream_id, payload)
    state.spend_overhead()
    state.events.append(GoawayReceived(code, last_stream_id, debug))


def take_window_update(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Let a window grow; streams whose data waited for it may send again."""
    increment = read_window_update(stream_id, payload)
    state.spend_overhead()
    if not stream_id:
        state.output.grow(increment)
    else:
        stream = state.streams.live.get(stream_id)
        if stream is None:
            state.streams.check_absent(WINDOW_UPDATE, stream_id)
            return
        stream.send_window = grow(stream.send_window, increment, stream_id)
    if state.output.blocked:
        _tell_unblocked(state)


def _tell_unblocked(state: State) -> None:
    state.events += [WindowOpened(stream_id) for stream_id in state.output.unblocked()]


def take_priority(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Check a PRIORITY frame and ignore it (RFC 9113 §5.3.2)."""
    state.spend_overhead()
    check_priority(stream_id, payload)


def refuse_push(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Refuse PUSH_PROMISE: a client can't push (RFC 9113 §8.4)."""
    raise connection_violation(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE frame from a client")


def refuse_continuation(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Refuse CONTINUATION outside a field block (RFC 9113 §6.10)."""
    raise connection_violation(ErrorCode.PROTOCOL_ERROR, "CONTINUATION frame outside a field block")


def refuse_inside_block(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Refuse all but CONTINUATION inside a field block, unknown types too (RFC 9113 §4.3, §5.5)."""
    raise connection_violation(ErrorCode.PROTOCOL_ERROR, "a frame other than CONTINUATION inside a field block")


def refuse_first(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Refuse what is not SETTINGS as the first frame (RFC 9113 §3.4)."""
    raise connection_violation(ErrorCode.PROTOCOL_ERROR, "the connection does not begin with SETTINGS")


def ignore_unknown(state: State, flags: int, stream_id: int, payload: bytes) -> None:
    """Ignore a frame of an unknown type (RFC 9113 §5.5)."""
    state.spend_overhead()
