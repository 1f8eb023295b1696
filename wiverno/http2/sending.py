"""What a server sends on a connection: responses cut to frames and windows, and the frames that keep it going.

Nothing is sent here: frames gather in a list until the owner takes them. It takes them when the transport has nothing
left to send, and leaves them here otherwise; so what a peer that does not read makes us keep is counted here.
"""

from typing import Final

from wiverno.http2.errors import ConnectionFault, ErrorCode, connection_violation
from wiverno.http2.flow import MAX_WINDOW, grow
from wiverno.http2.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_STREAM_ID,
    MIN_MAX_FRAME_SIZE,
    PING,
    frame,
    goaway_frame,
    headers_frames,
    reset_frame,
    window_update_frame,
    write_head,
)
from wiverno.http2.settings import DEFAULT_WINDOW, PeerSettings
from wiverno.http2.streams import CLOSED, ILLEGAL, MOVES, SEND_DATA, SEND_END, SEND_HEADERS, Stream, Streams

GONE: Final = -1
"""Returned when a stream can be sent to no longer: it was reset, or has been ended."""

MAX_QUEUED_ANSWERS: Final = 1000
"""Frames that a peer has provoked and not read: acknowledgements and resets (CVE-2019-9512, 9514, 9515). Below this a
good client that sends a burst while its own output stands still is safe; 1000 of them are 20 kB."""

MIN_WORK: Final = 256  # bytes of a DATA frame that is worth its header

DRAIN_PING: Final = b"draining"
_END_DATA: Final = END_STREAM
_WHOLE: Final = END_HEADERS


class Output:
    """The sending side of one connection."""

    __slots__ = ("_answers", "_frames", "_streams", "blocked", "data_frames", "peer", "window")

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._frames: list[bytes | memoryview] = []
        self._answers = 0
        self.peer = PeerSettings()
        self.window = DEFAULT_WINDOW
        """Bytes that the connection's window lets us send."""
        self.blocked: dict[int, None] = {}
        """Streams whose data did not fit into the windows, the longest waiting first."""
        self.data_frames = 0
        """DATA frames sent that a good peer may answer with WINDOW_UPDATE. Small ones that the peer's own windows have
        cut are not counted: it could ask for a large content byte by byte (CVE-2019-9511)."""

    # ---------------------------------------------------------------- taking

    def __bool__(self) -> bool:
        return bool(self._frames)

    @property
    def size(self) -> int:
        """Bytes that wait to be taken."""
        return sum(map(len, self._frames))

    def take(self) -> bytes:
        """Take all that waits, as one piece."""
        frames = self._frames
        data = b"".join(frames)
        frames.clear()
        self._answers = 0
        return data

    def discard(self) -> None:
        """Drop what waits: the connection has ended."""
        self._frames.clear()
        self.blocked.clear()

    # ---------------------------------------------------------------- responses

    def respond(self, stream_id: int, block: bytes, content: bytes) -> int:
        """Send a whole response; return how many bytes of content the windows took, or GONE.

        What was not taken must be sent with `data` once WindowOpened comes.
        """
        stream = self._streams.live.get(stream_id)
        length = len(content)
        size = len(block)
        if (
            stream is None
            or length > stream.send_window
            or length > self.window
            or length > self.peer.max_frame_size
            or size > MIN_MAX_FRAME_SIZE
        ):
            taken = self.headers(stream_id, block, ends=not length)
            return taken if taken or not length else self.data(stream_id, content, ends=True)
        if MOVES[stream.state][SEND_HEADERS] == ILLEGAL or stream.has_response:
            return GONE
        head = write_head(size >> 8, size & 255, HEADERS, _WHOLE if length else _WHOLE | END_STREAM, stream_id)
        if length:
            self._frames += (head, block, write_head(length >> 8, length & 255, DATA, _END_DATA, stream_id), content)
            stream.send_window -= length
            self.window -= length
            self.data_frames += 1
        else:
            self._frames += (head, block)
        self._end(stream)
        return length

    def headers(self, stream_id: int, block: bytes, *, ends: bool) -> int:
        """Send the final response's field block; return 0, or GONE."""
        stream = self._streams.live.get(stream_id)
        if stream is None or stream.has_response or MOVES[stream.state][SEND_HEADERS] == ILLEGAL:
            return GONE
        stream.has_response = True
        self._frames.append(headers_frames(stream_id, block, ends=ends, max_size=self.peer.max_frame_size))
        if ends:
            self._end(stream)
        return 0

    def informational(self, stream_id: int, block: bytes) -> int:
        """Send a 1xx response before the final one (RFC 9113 §8.1); return 0, or GONE."""
        stream = self._streams.live.get(stream_id)
        if stream is None or stream.has_response or MOVES[stream.state][SEND_HEADERS] == ILLEGAL:
            return GONE
        self._frames.append(headers_frames(stream_id, block, ends=False, max_size=self.peer.max_frame_size))
        return 0

    def data(self, stream_id: int, content: bytes | memoryview, *, ends: bool) -> int:
        """Send what the windows take of `content`; return how many bytes that was, or GONE.

        If it was not all, WindowOpened follows. `ends` ends the stream with the last byte, and an empty `content` ends
        it alone.
        """
        stream = self._streams.live.get(stream_id)
        if stream is None or not stream.has_response or MOVES[stream.state][SEND_DATA] == ILLEGAL:
            return GONE
        length = len(content)
        room = max(min(length, stream.send_window, self.window), 0)
        step = self.peer.max_frame_size
        if length > step and type(content) is bytes:
            content = memoryview(content)
        position = 0
        while position < room:
            size = min(step, room - position)
            flags = _END_DATA if ends and position + size == length else 0
            self._frames += (
                write_head(size >> 8, size & 255, DATA, flags, stream_id),
                content[position : position + size],
            )
            position += size
            if size >= MIN_WORK or position == length:
                self.data_frames += 1
        stream.send_window -= room
        self.window -= room
        if room < length:
            self.blocked[stream_id] = None
            return room
        if self.blocked:
            self.blocked.pop(stream_id, None)
        if ends:
            if not length:
                self._frames.append(frame(DATA, END_STREAM, stream_id))
            self._end(stream)
        return room

    def room(self, stream_id: int) -> int:
        """Return how many bytes the windows take now, 0 for a stream that is gone."""
        stream = self._streams.live.get(stream_id)
        return 0 if stream is None else max(min(stream.send_window, self.window), 0)

    def _end(self, stream: Stream) -> None:
        state = MOVES[stream.state][SEND_END]
        if state == CLOSED:
            del self._streams.live[stream.stream_id]
        stream.state = state
        stream.has_response = True

    # ---------------------------------------------------------------- control frames

    def reset(self, stream_id: int, code: int) -> None:
        """Send RST_STREAM unless the stream is closed.

        NO_ERROR after a response says that the rest of the request is not needed (RFC 9113 §8.1).
        """
        if self._streams.note_reset(stream_id, by_peer=False) is not None:
            self.blocked.pop(stream_id, None)
            self._frames.append(reset_frame(stream_id, code))

    def answer(self, data: bytes) -> None:
        """Send a frame that the peer has provoked.

        Raises:
            Violation: MAX_QUEUED_ANSWERS have not been taken.
        """
        self._answers += 1
        if self._answers > MAX_QUEUED_ANSWERS:
            raise connection_violation(ErrorCode.ENHANCE_YOUR_CALM, "too many answers that the peer does not read")
        self._frames.append(data)

    def put(self, data: bytes) -> None:
        """Send a whole frame."""
        self._frames.append(data)

    def goaway(self, last_stream_id: int, code: int, debug: bytes = b"") -> None:
        """Send GOAWAY."""
        self._frames.append(goaway_frame(last_stream_id, code, debug))

    def terminate(self, fault: ConnectionFault, last_stream_id: int) -> None:
        """Send GOAWAY as the last frame, with what is wrong as its debug data."""
        self.blocked.clear()
        self.goaway(last_stream_id, fault.code, fault.reason.encode("latin-1", "replace"))

    def announce(self, stream_id: int, increment: int) -> None:
        """Send WINDOW_UPDATE; `increment` in bytes."""
        self._frames.append(window_update_frame(stream_id, increment))

    def begin_drain(self) -> None:
        """Tell the peer to open no more streams, and learn by a PING when it knows (RFC 9113 §6.8)."""
        self.goaway(MAX_STREAM_ID, ErrorCode.NO_ERROR)
        self._frames.append(frame(PING, 0, 0, DRAIN_PING))

    def acknowledge_ping(self, payload: bytes) -> None:
        """Answer PING."""
        self.answer(frame(PING, ACK, 0, payload))

    # ---------------------------------------------------------------- windows

    def grow(self, increment: int) -> None:
        """Take a WINDOW_UPDATE of the connection."""
        self.window = grow(self.window, increment, 0)

    def change_initial_window(self, size: int) -> None:
        """Take SETTINGS_INITIAL_WINDOW_SIZE, which changes the windows of all streams (RFC 9113 §6.9.2)."""
        difference = size - self.peer.initial_window_size
        self.peer.initial_window_size = size
        if not difference:
            return
        for stream in self._streams:
            stream.send_window += difference
            if stream.send_window > MAX_WINDOW:
                raise connection_violation(
                    ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE lets a stream's window overflow"
                )

    def unblocked(self) -> list[int]:
        """Return the blocked streams that may send again, the longest waiting first, and forget that they waited."""
        if self.window <= 0:
            return []
        live = self._streams.live
        found = []
        for stream_id in tuple(self.blocked):
            stream = live.get(stream_id)
            if stream is None or stream.send_window > 0:
                del self.blocked[stream_id]
                if stream is not None:
                    found.append(stream_id)
        return found
