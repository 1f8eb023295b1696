"""Stream states as a table of legal moves (RFC 9113 §5.1), and the streams of one connection.

Only a server without push is described, so the two reserved states do not exist. PRIORITY frames move nothing. A stream
without an object is idle or closed; `Streams.why_absent` tells which, and ON_ABSENT what a frame on it means.

    IDLE ──── HEADERS ───────────────→ OPEN ─── we end ───→ HALF_CLOSED_LOCAL ──┐
      │                                 │ peer ends                  peer ends │
      └── HEADERS with END_STREAM ──→ HALF_CLOSED_REMOTE ─── we end ─────────→ CLOSED ←── RST_STREAM from any
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from wiverno.http2.errors import ErrorCode, Violation, connection_violation, stream_violation
from wiverno.http2.flow import ReceiveWindow
from wiverno.http2.frames import DATA, HEADERS, RST_STREAM, WINDOW_UPDATE, name_of

IDLE: Final = 0
OPEN: Final = 1
HALF_CLOSED_LOCAL: Final = 2
HALF_CLOSED_REMOTE: Final = 3
CLOSED: Final = 4

STATES: Final = ("idle", "open", "half-closed (local)", "half-closed (remote)", "closed")

RECEIVE_HEADERS: Final = 0
RECEIVE_DATA: Final = 1
RECEIVE_END: Final = 2
SEND_HEADERS: Final = 3
SEND_DATA: Final = 4
SEND_END: Final = 5
RESET: Final = 6  # either side's RST_STREAM

ILLEGAL: Final = -1

# MOVES[state][move] → the state after it.
MOVES: Final[tuple[tuple[int, ...], ...]] = (
    # RECEIVE_HEADERS, RECEIVE_DATA, RECEIVE_END, SEND_HEADERS, SEND_DATA, SEND_END, RESET
    (OPEN, ILLEGAL, HALF_CLOSED_REMOTE, ILLEGAL, ILLEGAL, ILLEGAL, ILLEGAL),  # idle; RECEIVE_END: of a HEADERS frame
    (OPEN, OPEN, HALF_CLOSED_REMOTE, OPEN, OPEN, HALF_CLOSED_LOCAL, CLOSED),  # open
    (HALF_CLOSED_LOCAL, HALF_CLOSED_LOCAL, CLOSED, ILLEGAL, ILLEGAL, ILLEGAL, CLOSED),  # half-closed (local)
    (ILLEGAL, ILLEGAL, ILLEGAL, HALF_CLOSED_REMOTE, HALF_CLOSED_REMOTE, CLOSED, CLOSED),  # half-closed (remote)
    (ILLEGAL,) * 7,  # closed
)

# Why there is no stream of an identifier.
NEVER_OPENED: Final = 0  # idle
SKIPPED: Final = 1  # closed without having been open: a higher one was opened (RFC 9113 §5.1.1)
ENDED: Final = 2  # both sides ended it
RESET_BY_PEER: Final = 3
RESET_BY_US: Final = 4  # frames that the peer sent before it knew are ignored (RFC 9113 §5.1)

_IGNORE: Final = None
_STREAM: Final = False
_CONNECTION: Final = True

# What a frame on a stream that is not there means: (ends the connection, code), or nothing. DATA is counted against
# the connection's window and field blocks are decoded in any case.
ON_ABSENT: Final[dict[int, dict[int, tuple[bool, ErrorCode] | None]]] = {
    NEVER_OPENED: {
        DATA: (_CONNECTION, ErrorCode.PROTOCOL_ERROR),
        RST_STREAM: (_CONNECTION, ErrorCode.PROTOCOL_ERROR),
        WINDOW_UPDATE: (_CONNECTION, ErrorCode.PROTOCOL_ERROR),
    },
    SKIPPED: {
        DATA: (_CONNECTION, ErrorCode.STREAM_CLOSED),
        HEADERS: (_CONNECTION, ErrorCode.PROTOCOL_ERROR),
        RST_STREAM: _IGNORE,
        WINDOW_UPDATE: _IGNORE,
    },
    ENDED: {
        DATA: (_CONNECTION, ErrorCode.STREAM_CLOSED),
        HEADERS: (_CONNECTION, ErrorCode.STREAM_CLOSED),
        RST_STREAM: _IGNORE,
        WINDOW_UPDATE: _IGNORE,
    },
    RESET_BY_PEER: {
        DATA: (_STREAM, ErrorCode.STREAM_CLOSED),
        HEADERS: (_STREAM, ErrorCode.STREAM_CLOSED),
        RST_STREAM: _IGNORE,
        WINDOW_UPDATE: _IGNORE,
    },
    RESET_BY_US: {DATA: _IGNORE, HEADERS: _IGNORE, RST_STREAM: _IGNORE, WINDOW_UPDATE: _IGNORE},
}

MAX_REMEMBERED: Final = 256
"""Resets that are remembered, the newest. Older ones count as ENDED: the peer had long enough to learn of them."""
MAX_GAPS: Final = 16
"""Gaps between stream identifiers that are remembered. Clients leave none; it only chooses between two errors."""


class Stream:
    """One stream that is open or half-closed."""

    __slots__ = ("expected", "has_response", "received", "send_window", "state", "stream_id", "window")

    def __init__(self, stream_id: int, state: int, send_window: int, expected: int) -> None:
        self.stream_id = stream_id
        self.state = state
        self.send_window = send_window
        """Bytes that we may send."""
        self.expected = expected
        """Bytes of body that Content-Length announced, or fields.UNKNOWN."""
        self.received = 0
        """Bytes of body so far."""
        self.window: ReceiveWindow | None = None
        """Made with the first DATA frame: most requests have none."""
        self.has_response = False
        """The final response's HEADERS were sent."""

    def __repr__(self) -> str:
        return f"<Stream {self.stream_id} {STATES[self.state]}, may send {self.send_window}>"


class Streams:
    """The streams of one connection by their identifier."""

    __slots__ = ("_gaps", "_resets", "last_id", "live", "running")

    def __init__(self) -> None:
        self.live: dict[int, Stream] = {}
        """Those that are open or half-closed. A closed one is taken out at once."""
        self.running: set[int] = set()
        """Closed ones whose request the owner has not released yet; see events.StreamReset."""
        self.last_id = 0
        """The highest identifier that the peer has used."""
        self._resets: dict[int, int] = {}
        self._gaps: deque[tuple[int, int]] = deque(maxlen=MAX_GAPS)

    @property
    def count(self) -> int:
        """How many count against SETTINGS_MAX_CONCURRENT_STREAMS."""
        return len(self.live) + len(self.running)

    def note_new(self, stream_id: int) -> None:
        """Take a new identifier, which closes the lower ones that were never used."""
        if stream_id != self.last_id + 2 and stream_id > self.last_id + 1:
            self._gaps.append((self.last_id, stream_id))
        self.last_id = stream_id

    def note_reset(self, stream_id: int, *, by_peer: bool) -> Stream | None:
        """Close a stream by RST_STREAM; return it if it was live."""
        resets = self._resets
        if len(resets) >= MAX_REMEMBERED:
            del resets[next(iter(resets))]
        resets[stream_id] = RESET_BY_PEER if by_peer else RESET_BY_US
        return self.live.pop(stream_id, None)

    def why_absent(self, stream_id: int) -> int:
        """Tell why there is no live stream of this identifier."""
        if stream_id > self.last_id or not stream_id & 1:
            return NEVER_OPENED
        known = self._resets.get(stream_id)
        if known is not None:
            return known
        if any(low < stream_id < high for low, high in self._gaps):
            return SKIPPED
        return ENDED

    def check_absent(self, kind: int, stream_id: int) -> None:
        """Obey ON_ABSENT for a frame on a stream that is not live.

        Raises:
            Violation: the frame is not one that may still arrive.
        """
        verdict = ON_ABSENT[self.why_absent(stream_id)][kind]
        if verdict is None:
            return
        is_fatal, code = verdict
        reason = f"{name_of(kind)} frame on a stream that is not open"
        raise connection_violation(code, reason) if is_fatal else stream_violation(stream_id, code, reason)

    def __iter__(self) -> Iterator[Stream]:
        return iter(self.live.values())


def illegal_move(stream: Stream, kind: int) -> Violation:
    """Return the error for a frame that the stream's state does not allow (RFC 9113 §5.1)."""
    return stream_violation(
        stream.stream_id, ErrorCode.STREAM_CLOSED, f"{name_of(kind)} frame on a stream that is {STATES[stream.state]}"
    )
