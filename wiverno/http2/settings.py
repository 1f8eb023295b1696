"""SETTINGS: what each end tells the other about itself (RFC 9113 §6.5).

The peer's values take effect as soon as they are read. Ours take effect when the peer has acknowledged them; until then
it may still act on the defaults.
"""

import enum
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wiverno.http2.errors import ErrorCode, connection_violation
from wiverno.http2.frames import ACK, MAX_INCREMENT, MAX_MAX_FRAME_SIZE, MIN_MAX_FRAME_SIZE, SETTINGS, frame

DEFAULT_WINDOW: Final = 65535  # bytes, of a stream and of the connection (RFC 9113 §6.9.2)
DEFAULT_TABLE_SIZE: Final = 4096  # bytes of HPACK's dynamic table (RFC 9113 §6.5.2)

MAX_ENTRIES: Final = 32
"""Settings in one frame. Nine are registered; a frame could hold 2,730, each of them work (CVE-2019-9515)."""

_pair: Final = struct.Struct(">HL")


class Setting(enum.IntEnum):
    """RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1."""

    HEADER_TABLE_SIZE = 0x1
    ENABLE_PUSH = 0x2
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_FRAME_SIZE = 0x5
    MAX_HEADER_LIST_SIZE = 0x6
    ENABLE_CONNECT_PROTOCOL = 0x8
    NO_RFC7540_PRIORITIES = 0x9


@dataclass(slots=True)
class PeerSettings:
    """What a client says that matters to a server. HPACK's table size does not: responses never use the table."""

    initial_window_size: int = DEFAULT_WINDOW
    max_frame_size: int = MIN_MAX_FRAME_SIZE


# setting → least and greatest value, and the error code for others (RFC 9113 §6.5.2; RFC 8441 §3; RFC 9218 §2.1).
_RANGES: Final[Mapping[int, tuple[int, int, ErrorCode]]] = {
    Setting.ENABLE_PUSH: (0, 1, ErrorCode.PROTOCOL_ERROR),
    Setting.INITIAL_WINDOW_SIZE: (0, MAX_INCREMENT, ErrorCode.FLOW_CONTROL_ERROR),
    Setting.MAX_FRAME_SIZE: (MIN_MAX_FRAME_SIZE, MAX_MAX_FRAME_SIZE, ErrorCode.PROTOCOL_ERROR),
    Setting.ENABLE_CONNECT_PROTOCOL: (0, 1, ErrorCode.PROTOCOL_ERROR),
    Setting.NO_RFC7540_PRIORITIES: (0, 1, ErrorCode.PROTOCOL_ERROR),
}


def read_settings(flags: int, stream_id: int, payload: bytes) -> list[tuple[int, int]] | None:
    """Return the settings of a frame in their order, unknown ones left out; None for an acknowledgement.

    Raises:
        Violation: the frame breaks RFC 9113 §6.5, or holds more than MAX_ENTRIES.
    """
    if stream_id:
        raise connection_violation(ErrorCode.PROTOCOL_ERROR, "SETTINGS frame on a stream")
    if flags & ACK:
        if payload:
            raise connection_violation(ErrorCode.FRAME_SIZE_ERROR, "acknowledgement of SETTINGS is not empty")
        return None
    if len(payload) % 6:
        raise connection_violation(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS frame does not hold whole settings")
    if len(payload) > 6 * MAX_ENTRIES:
        raise connection_violation(ErrorCode.ENHANCE_YOUR_CALM, "too many settings in one frame")
    found = []
    for name, value in _pair.iter_unpack(payload):
        low, high, code = _RANGES.get(name, _ANY)
        if not low <= value <= high:
            raise connection_violation(code, f"SETTINGS_{Setting(name).name} is out of range")
        found.append((name, value))
    return found


_ANY: Final = (0, 0xFFFFFFFF, ErrorCode.NO_ERROR)


def settings_frame(values: Mapping[int, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_pair.pack(name, value) for name, value in values.items()))


SETTINGS_ACK: Final = frame(SETTINGS, ACK, 0)
