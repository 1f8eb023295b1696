"""The frame layer: bytes ↔ frames (RFC 9113 §4, §6).

`FrameReader` cuts received bytes into frames, however they were split, and checks nothing but the length. What a
payload must look like for its type is checked by the `read_…` functions, one a type; what it means for a stream or the
connection is decided elsewhere. The `…_frame` functions write.

Strategy: a frame is a bare tuple, because a request is one frame and a tuple is what the hot path can afford. Bytes of
an incomplete frame are kept in one bytearray that is looked at again only when the frame is complete, so that a peer
that sends single bytes costs no more than its bytes.
"""

import struct
from collections.abc import Iterator
from typing import Final

from wiverno.http2.errors import ErrorCode, connection_violation, stream_violation

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first (RFC 9113 §3.4)."""

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

NAMES: Final = (
    "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE",
    "CONTINUATION",
)  # fmt: skip

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITIZED: Final = 0x20

HEAD_SIZE: Final = 9  # bytes of a frame's header
MIN_MAX_FRAME_SIZE: Final = 16384  # bytes: every peer accepts payloads of this size (RFC 9113 §4.2)
MAX_MAX_FRAME_SIZE: Final = 16777215
MAX_STREAM_ID: Final = 0x7FFFFFFF
MAX_INCREMENT: Final = 0x7FFFFFFF

Frame = tuple[int, int, int, bytes]
"""Type, flags, stream identifier, payload."""

_HEAD: Final = struct.Struct(">HBBBL")  # the length's 24 bits are 16 and 8
_read_head: Final = _HEAD.unpack_from
write_head: Final = _HEAD.pack
"""(length >> 8, length & 255, type, flags, stream identifier) → the nine bytes before a payload."""

_read_word: Final = struct.Struct(">L").unpack_from
_write_word: Final = struct.Struct(">L").pack
_write_words: Final = struct.Struct(">LL").pack


class FrameReader:
    """Cuts a stream of bytes into frames. Belongs to one connection."""

    __slots__ = ("_max_size", "_needed", "_partial")

    def __init__(self, max_size: int = MIN_MAX_FRAME_SIZE) -> None:
        """`max_size` in bytes: the SETTINGS_MAX_FRAME_SIZE that the peer has been told."""
        self._max_size = max_size
        self._partial = bytearray()
        self._needed = 0

    @property
    def has_partial(self) -> bool:
        """Tell whether a frame has begun and not ended."""
        return bool(self._partial)

    def read(self, data: bytes) -> Iterator[Frame]:
        """Give the frames that `data` completes; what follows the last whole one is kept.

        The generator must be run to its end before more is read, unless the connection ends.

        Raises:
            Violation: a frame longer than allowed (RFC 9113 §4.2). It ends the connection whatever its type: what
                follows could be read only by receiving it in full.
        """
        partial = self._partial
        if partial:
            partial += data
            if len(partial) < self._needed:
                return
            data = bytes(partial)
            partial.clear()
        position = 0
        size = len(data)
        max_size = self._max_size
        while size - position >= HEAD_SIZE:
            high, low, kind, flags, stream_id = _read_head(data, position)
            length = high << 8 | low
            if length > max_size:
                raise connection_violation(ErrorCode.FRAME_SIZE_ERROR, f"{name_of(kind)} frame is too long")
            start = position + HEAD_SIZE
            end = start + length
            if end > size:
                self._needed = end - position
                break
            position = end
            # RFC 9113 §4.1: the reserved bit is ignored.
            yield kind, flags, stream_id & 0x7FFFFFFF, data[start:end]
        else:
            self._needed = HEAD_SIZE
        if position < size:
            partial += data[position:]


def name_of(kind: int) -> str:
    """Return the name of a frame type for messages."""
    return NAMES[kind] if kind < len(NAMES) else "unknown"


# ---------------------------------------------------------------- reading payloads


def strip_padding(kind: int, payload: bytes) -> bytes:
    """Return a padded payload without its padding (RFC 9113 §6.1, §6.2)."""
    if not payload:
        raise connection_violation(ErrorCode.FRAME_SIZE_ERROR, f"padded {name_of(kind)} frame is empty")
    padding = payload[0]
    if padding >= len(payload):
        raise connection_violation(ErrorCode.PROTOCOL_ERROR, f"padding is longer than the {name_of(kind)} frame")
    return payload[1 : len(payload) - padding]


def read_headers(flags: int, stream_id: int, payload: bytes) -> tuple[bytes, bool]:
    """Return a HEADERS frame's fragment, and whether its stream depends on itself (RFC 9113 §6.2).

    Self-dependency is an error of the stream (RFC 7540 §5.3.1), but the fragment has to be decoded all the same.
    """
    if flags & PADDED:
        payload = strip_padding(HEADERS, payload)
    if not flags & PRIORITIZED:
        return payload, False
    if len(payload) < 5:
        raise connection_violation(ErrorCode.FRAME_SIZE_ERROR, "HEADERS frame is too short for its priority")
    return payload[5:], _read_word(payload)[0] & 0x7FFFFFFF == stream_id


def check_priority(stream_id: int, payload: bytes) -> None:
    """Check a PRIORITY frame (RFC 9113 §6.3), which has no effect (§5.3.2)."""
    if not stream_id:
        raise connection_violation(ErrorCode.PROTOCOL_ERROR, "PRIORITY frame on stream 0")
    if len(payload) != 5:
        raise stream_violation(stream_id, ErrorCode.FRAME_SIZE_ERROR, "PRIORITY frame does not have 5 bytes")
    if _read_word(payload)[0] & 0x7FFFFFFF == stream_id:
        raise stream_violation(stream_id, ErrorCode.PROTOCOL_ERROR, "stream depends on itself")


def read_reset(stream_id: int, payload: bytes) -> int:
    """Return the error code of a RST_STREAM frame (RFC 9113 §6.4)."""
    if not stream_id:
        raise connection_violation(ErrorCode.PROTOCOL_ERROR, "RST_STREAM frame on stream 0")
    if len(payload) != 4:
        raise connection_violation(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM frame does not have 4 bytes")
    code: int = _read_word(payload)[0]
    return code


def check_ping(stream_id: int, payload: bytes) -> None:
    """Check a PING frame (RFC 9113 §6.7)."""
    if stream_id:
        raise connection_violation(ErrorCode.PROTOCOL_ERROR, "PING frame on a stream")
    if len(payload) != 8:
        raise connection_violation(ErrorCode.FRAME_SIZE_ERROR, "PING frame does not have 8 bytes")


def read_goaway(stream_id: int, payload: bytes) -> tuple[int, int, bytes]:
    """Return last stream identifier, error code and debug data of a GOAWAY frame (RFC 9113 §6.8)."""
    if stream_id:
        raise connection_violation(ErrorCode.PROTOCOL_ERROR, "GOAWAY frame on a stream")
    if len(payload) < 8:
        raise connection_violation(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY frame has less than 8 bytes")
    return _read_word(payload)[0] & 0x7FFFFFFF, _read_word(payload, 4)[0], payload[8:]


def read_window_update(stream_id: int, payload: bytes) -> int:
    """Return the increment in bytes of a WINDOW_UPDATE frame (RFC 9113 §6.9)."""
    if len(payload) != 4:
        raise connection_violation(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE frame does not have 4 bytes")
    increment: int = _read_word(payload)[0] & 0x7FFFFFFF
    if increment:
        return increment
    reason = "WINDOW_UPDATE frame with an increment of 0"
    if stream_id:
        raise stream_violation(stream_id, ErrorCode.PROTOCOL_ERROR, reason)
    raise connection_violation(ErrorCode.PROTOCOL_ERROR, reason)


# ---------------------------------------------------------------- writing


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return a whole frame."""
    length = len(payload)
    return write_head(length >> 8, length & 255, kind, flags, stream_id) + payload


def headers_frames(stream_id: int, block: bytes, *, ends: bool, max_size: int = MIN_MAX_FRAME_SIZE) -> bytes:
    """Return a field block as one HEADERS frame and as many CONTINUATION frames as it needs (RFC 9113 §4.3)."""
    flags = END_STREAM if ends else 0
    if len(block) <= max_size:
        return frame(HEADERS, flags | END_HEADERS, stream_id, block)
    parts = [frame(HEADERS, flags, stream_id, block[:max_size])]
    for start in range(max_size, len(block), max_size):
        is_last = start + max_size >= len(block)
        parts.append(frame(CONTINUATION, END_HEADERS if is_last else 0, stream_id, block[start : start + max_size]))
    return b"".join(parts)


def reset_frame(stream_id: int, code: int) -> bytes:
    """Return a RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, _write_word(code))


def goaway_frame(last_stream_id: int, code: int, debug: bytes = b"") -> bytes:
    """Return a GOAWAY frame."""
    return frame(GOAWAY, 0, 0, _write_words(last_stream_id, code) + debug)


def window_update_frame(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame; `increment` in bytes."""
    return frame(WINDOW_UPDATE, 0, stream_id, _write_word(increment))
