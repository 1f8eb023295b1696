"""The server's end of one HTTP/2 connection: bytes in → events, calls → bytes out (RFC 9113).

    owner                                  ServerProtocol
      receive(bytes, now) ───────────────→ frames → field blocks → requests ──→ [RequestReceived, DataReceived, …]
      output.respond(stream, block, body) → frames
      output.take() ←──────────────────────────────── bytes to send

It knows no socket, thread, clock or setting. The owner calls it from one thread at a time, which with several threads
takes a lock; hands in the time; sends what `output` holds whenever the transport has nothing else left to send; keeps
what windows did not take until WindowOpened comes; and acknowledges body bytes when they take no more memory.

An error of a stream becomes RST_STREAM, one of the connection GOAWAY and ConnectionTerminated, after which nothing more
is read. Which frames may come in which phase is a table; every bound is in `Limits`.
"""

from collections.abc import Callable
from typing import Final, cast

from wiverno.http2.control import (
    end_drain,
    ignore_unknown,
    refuse_continuation,
    refuse_first,
    refuse_inside_block,
    refuse_push,
    take_goaway,
    take_ping,
    take_priority,
    take_settings,
    take_window_update,
)
from wiverno.http2.errors import ConnectionFault, ErrorCode, StreamFault, Violation, connection_violation
from wiverno.http2.events import ConnectionTerminated, Event
from wiverno.http2.frames import CONTINUATION, MAX_STREAM_ID, PREFACE, SETTINGS, FrameReader
from wiverno.http2.limits import DEFAULT_LIMITS, Limits
from wiverno.http2.requests import take_continuation, take_data, take_headers, take_reset
from wiverno.http2.settings import DEFAULT_WINDOW, Setting, settings_frame
from wiverno.http2.state import FIRST, State

Handler = Callable[[State, int, int, bytes], None]

_KNOWN: Final = 10
"""Frame types of RFC 9113, from 0 on; the entry behind them is for all others."""

_FIRST: Final = [refuse_first] * (_KNOWN + 1)
_FIRST[SETTINGS] = take_settings
_IN_BLOCK: Final[list[Handler]] = [refuse_inside_block] * (_KNOWN + 1)
_IN_BLOCK[CONTINUATION] = take_continuation

# HANDLERS[phase][frame type]
HANDLERS: Final[tuple[tuple[Handler, ...], ...]] = (
    tuple(_FIRST),
    (
        take_data,
        take_headers,
        take_priority,
        take_reset,
        take_settings,
        refuse_push,
        take_ping,
        take_goaway,
        take_window_update,
        refuse_continuation,
        ignore_unknown,
    ),
    tuple(_IN_BLOCK),
)


class ServerProtocol:
    """One connection. All of it belongs to the thread that calls."""

    __slots__ = ("_preface", "_reader", "_state", "output", "streams")

    def __init__(self, now: float, limits: Limits = DEFAULT_LIMITS, *, prefix: str = "") -> None:
        """Put the server's preface, a SETTINGS frame, into the output (RFC 9113 §3.4).

        Args:
            now: seconds of a monotonic clock, as in `receive`.
            limits: what the peer may hold and do.
            prefix: the part of the path that becomes SCRIPT_NAME, "" for none.
        """
        self._state = State(now, limits, prefix)
        self._reader = FrameReader(limits.max_frame_size)
        self._preface = PREFACE  # what of the client's preface has not come yet
        self.streams = self._state.streams
        self.output = self._state.output
        """What is sent; responses go to it."""
        self.output.put(_our_settings(limits))
        if limits.connection_window > DEFAULT_WINDOW:
            self.output.announce(0, limits.connection_window - DEFAULT_WINDOW)

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take received bytes; return what they mean, in order. After an error of the connection: nothing."""
        state = self._state
        if state.fault is not None:
            return []
        state.now = now
        events = state.events
        try:
            if self._preface:
                data = self._take_preface(data)
            for kind, flags, stream_id, payload in self._reader.read(data):
                try:
                    HANDLERS[state.phase][min(kind, _KNOWN)](state, flags, stream_id, payload)
                except Violation as violation:
                    if type(violation.fault) is not StreamFault:
                        raise
                    state.reset_for(violation.fault)
        except Violation as violation:
            self._terminate(cast("ConnectionFault", violation.fault))
        state.events = []  # the owner's list is its own: a waiting connection keeps no body
        return events

    def _take_preface(self, data: bytes) -> bytes:
        """Check the client's preface as far as it has come; return what follows it (RFC 9113 §3.4)."""
        expected = self._preface
        if data[: len(expected)] != expected[: len(data)]:
            raise connection_violation(ErrorCode.PROTOCOL_ERROR, "invalid connection preface")
        self._preface = expected[len(data) :]
        return data[len(expected) :]

    def acknowledge(self, stream_id: int, count: int) -> None:
        """Take back `count` bytes of body that take no more memory; also after the stream has ended or was reset."""
        self._state.acknowledge(stream_id, count)

    def release(self, stream_id: int) -> None:
        """Note that the request of a stream that was reset runs no longer."""
        self.streams.running.discard(stream_id)

    # ---------------------------------------------------------------- the end

    def begin_drain(self) -> None:
        """Ask the client to open no more streams. `end_drain` follows when it has answered, or when it is called."""
        state = self._state
        if not state.is_draining and state.fault is None:
            state.is_draining = True
            self.output.begin_drain()

    def end_drain(self) -> None:
        """Tell the last stream that is served; what the client opens after it is ignored (RFC 9113 §6.8)."""
        if self._state.fault is None:
            self._state.is_draining = True
            end_drain(self._state)

    def terminate(self, code: ErrorCode, reason: str) -> list[Event]:
        """End the connection for a reason of the owner's, such as a deadline; return the event."""
        if self._state.fault is not None:
            return []
        self._terminate(ConnectionFault(code, reason))
        events, self._state.events = self._state.events, []
        return events

    def _terminate(self, fault: ConnectionFault) -> None:
        state = self._state
        state.fault = fault
        state.block = None
        last = min(self.streams.last_id, state.last_accepted)
        self.output.terminate(fault, last)
        state.events.append(ConnectionTerminated(fault, last))

    # ---------------------------------------------------------------- what the owner's deadlines ask

    @property
    def fault(self) -> ConnectionFault | None:
        """Why the connection was terminated."""
        return self._state.fault

    @property
    def has_preface(self) -> bool:
        """Tell whether the client's preface, its first SETTINGS included, has come."""
        return self._state.phase != FIRST

    @property
    def has_settings_ack(self) -> bool:
        """Tell whether the client has acknowledged our settings (RFC 9113 §6.5.3)."""
        return self._state.has_settings_ack

    @property
    def is_mid_frame(self) -> bool:
        """Tell whether a frame or a field block has begun and not ended."""
        return self._state.block is not None or self._reader.has_partial

    @property
    def is_draining(self) -> bool:
        """Tell whether the client has been asked to open no more streams."""
        return self._state.is_draining

    @property
    def is_drained(self) -> bool:
        """Tell whether the last GOAWAY was sent and no stream is left: time to close."""
        return self._state.last_accepted != MAX_STREAM_ID and not self.streams.count

    def __repr__(self) -> str:
        return f"<ServerProtocol {len(self.streams.live)} streams, last {self.streams.last_id}, {self.fault or 'open'}>"


def _our_settings(limits: Limits) -> bytes:
    return settings_frame(
        {
            Setting.HEADER_TABLE_SIZE: limits.table_size,
            Setting.MAX_CONCURRENT_STREAMS: limits.max_streams,
            Setting.INITIAL_WINDOW_SIZE: limits.stream_window,
            Setting.MAX_FRAME_SIZE: limits.max_frame_size,
            Setting.MAX_HEADER_LIST_SIZE: limits.max_list_size,
            Setting.NO_RFC7540_PRIORITIES: 1,
        }
    )
