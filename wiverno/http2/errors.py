"""Errors as values: what the peer did wrong, and whether the stream or the connection ends (RFC 9113 §5.4, §7).

Functions of this room raise `Violation` with one of the two values inside. It never leaves the room: the protocol
object turns it into a RST_STREAM or GOAWAY frame and an event.
"""

import enum
from dataclasses import dataclass


class ErrorCode(enum.IntEnum):
    """RFC 9113 §7."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


@dataclass(frozen=True, slots=True)
class ConnectionFault:
    """The connection can serve nothing more: it ends with GOAWAY (RFC 9113 §5.4.1)."""

    code: ErrorCode
    reason: str
    """What was wrong, safe to log: it names frames and fields, never their values."""


@dataclass(frozen=True, slots=True)
class StreamFault:
    """One stream ends with RST_STREAM; the others go on (RFC 9113 §5.4.2)."""

    stream_id: int
    code: ErrorCode
    reason: str


class Violation(Exception):
    """Carries a fault to the protocol object."""

    def __init__(self, fault: ConnectionFault | StreamFault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


def connection_violation(code: ErrorCode, reason: str) -> Violation:
    """Return the exception for a connection error."""
    return Violation(ConnectionFault(code, reason))


def stream_violation(stream_id: int, code: ErrorCode, reason: str) -> Violation:
    """Return the exception for a stream error."""
    return Violation(StreamFault(stream_id, code, reason))
