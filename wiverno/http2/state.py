"""What a connection remembers, and the few actions that every kind of frame may lead to.

The modules `requests` and `control` take one frame each and change this; `connection` chooses between them.
"""

from typing import Final

from wiverno.http2.budgets import Budget
from wiverno.http2.errors import ConnectionFault, ErrorCode, StreamFault, connection_violation
from wiverno.http2.events import Event, StreamReset
from wiverno.http2.flow import ReceiveWindow
from wiverno.http2.frames import MAX_STREAM_ID, reset_frame
from wiverno.http2.header_blocks import BlockDecoder
from wiverno.http2.limits import Limits
from wiverno.http2.sending import Output
from wiverno.http2.settings import DEFAULT_WINDOW
from wiverno.http2.streams import HALF_CLOSED_LOCAL, NEVER_OPENED, OPEN, Stream, Streams

# Phases of a connection: which frames may come.
FIRST: Final = 0  # the client's preface must be followed by SETTINGS (RFC 9113 §3.4)
READY: Final = 1
IN_BLOCK: Final = 2  # only CONTINUATION of the same stream (RFC 9113 §6.10)


class Block:
    """A field block whose END_HEADERS has not come."""

    __slots__ = ("continuations", "data", "depends_on_itself", "flags", "stream_id")

    def __init__(self, stream_id: int, flags: int, fragment: bytes, *, depends_on_itself: bool) -> None:
        self.stream_id = stream_id
        self.flags = flags
        self.data = bytearray(fragment)
        self.continuations = 0
        self.depends_on_itself = depends_on_itself


class State:
    """The state of one connection. Belongs to the thread that calls the protocol object."""

    __slots__ = (
        "_overhead", "_resets", "_seen_work", "_window", "block", "data_frames", "decoder", "events", "fault",
        "has_settings_ack", "is_draining", "last_accepted", "limits", "now", "output", "phase", "stream_window",
        "streams",
    )  # fmt: skip

    def __init__(self, now: float, limits: Limits, prefix: str) -> None:
        self.limits = limits
        self.now = now
        self.phase = FIRST
        self.has_settings_ack = False
        self.decoder = BlockDecoder(max_list_size=limits.max_list_size, max_fields=limits.max_fields, prefix=prefix)
        self.block: Block | None = None
        self.events: list[Event] = []
        self.streams = Streams()
        self.output = Output(self.streams)
        self.last_accepted = MAX_STREAM_ID
        """The highest stream that is served; lower than MAX_STREAM_ID once the last GOAWAY has told it."""
        self.is_draining = False
        self.fault: ConnectionFault | None = None
        self.data_frames = 0
        """DATA frames received that were worth their header."""
        self._seen_work = 0
        # Until the peer acknowledges our settings it may act on the default (RFC 9113 §6.5.3); the connection's window
        # can't be made smaller at all (§6.9.2).
        self.stream_window = max(limits.stream_window, DEFAULT_WINDOW)
        self._window = ReceiveWindow(max(limits.connection_window, DEFAULT_WINDOW))
        self._resets = Budget(limits.reset_burst, limits.reset_rate, now)
        self._overhead = Budget(limits.overhead_burst, limits.overhead_rate, now)

    # ---------------------------------------------------------------- windows for receiving

    def take_window(self, count: int) -> None:
        """Take the bytes of a DATA frame from the connection's window."""
        if not self._window.take(count):
            raise connection_violation(ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection's window allows")

    def acknowledge_settings(self) -> None:
        """Let our settings take effect: a stream's window smaller than the default one holds from now on."""
        if not self.has_settings_ack:
            self.decoder.allow_table_size(self.limits.table_size)
        self.has_settings_ack = True
        difference = self.stream_window - self.limits.stream_window
        self.stream_window = self.limits.stream_window
        if difference:
            for stream in self.streams:
                if stream.window is None:
                    stream.window = ReceiveWindow(self.stream_window)
                    continue
                increment = stream.window.lower(difference)
                if increment and stream.state in _RECEIVING:
                    self.output.announce(stream.stream_id, increment)

    def give_back(self, count: int) -> None:
        """Return bytes to the connection's window."""
        increment = self._window.consume(count)
        if increment:
            self.output.announce(0, increment)

    def acknowledge(self, stream_id: int, count: int) -> None:
        """Return bytes to the windows of a stream, if it still receives, and of the connection."""
        stream = self.streams.live.get(stream_id)
        if stream is not None and stream.window is not None and stream.state in _RECEIVING:
            increment = stream.window.consume(count)
            if increment:
                self.output.announce(stream_id, increment)
        self.give_back(count)

    # ---------------------------------------------------------------- streams that end early

    def reset_for(self, fault: StreamFault) -> None:
        """End a stream for the peer's fault. It may have been closed before."""
        stream_id = fault.stream_id
        if self.streams.why_absent(stream_id) == NEVER_OPENED:
            # RFC 9113 §5.1: RST_STREAM on an idle stream would be an error of ours.
            raise connection_violation(fault.code, fault.reason)
        stream = self.streams.note_reset(stream_id, by_peer=False)
        self.output.answer(reset_frame(stream_id, fault.code))
        if stream is None:
            self.spend_reset()
        else:
            self.forget(stream, fault.code, by_peer=False)

    def forget(self, stream: Stream, code: int, *, by_peer: bool) -> None:
        """Tell the owner of a reset, which counts if the response was not complete."""
        self.output.blocked.pop(stream.stream_id, None)
        self.events.append(StreamReset(stream.stream_id, code, by_peer))
        if stream.state != HALF_CLOSED_LOCAL:
            self.streams.running.add(stream.stream_id)
            self.spend_reset()

    # ---------------------------------------------------------------- budgets

    def spend_overhead(self) -> None:
        """Count a frame that brings nothing; requests and data, in either direction, make some of them free."""
        work = self.output.data_frames + self.data_frames + (self.streams.last_id >> 1)
        earned = (work - self._seen_work) * self.limits.overhead_per_work
        self._seen_work = work
        if not self._overhead.spend(self.now, earned):
            raise connection_violation(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that bring nothing")

    def spend_reset(self) -> None:
        """Count a stream that ended early, whichever side reset it."""
        if not self._resets.spend(self.now):
            raise connection_violation(ErrorCode.ENHANCE_YOUR_CALM, "too many streams were reset")


_RECEIVING: Final = (OPEN, HALF_CLOSED_LOCAL)
