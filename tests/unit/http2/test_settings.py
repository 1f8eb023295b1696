"""SETTINGS: read, checked, written."""

import struct

import pytest

from wiverno.http2.errors import ErrorCode, Violation
from wiverno.http2.frames import ACK
from wiverno.http2.settings import MAX_ENTRIES, Setting, read_settings, settings_frame


def _payload(*pairs: tuple[int, int]) -> bytes:
    return b"".join(struct.pack(">HL", *pair) for pair in pairs)


def test_what_is_written_is_read() -> None:
    """Settings come back in their order, unknown ones and repeated ones included."""
    written = settings_frame({3: 1, 4: 0x7FFFFFFF, 5: 16384, 0xFF: 7})
    assert read_settings(0, 0, written[9:]) == [(3, 1), (4, 0x7FFFFFFF), (5, 16384), (0xFF, 7)]
    assert read_settings(0, 0, _payload((4, 1), (4, 2))) == [(4, 1), (4, 2)]
    assert read_settings(0, 0, b"") == []


def test_acknowledgement() -> None:
    """An acknowledgement says nothing else."""
    assert read_settings(ACK, 0, b"") is None


@pytest.mark.parametrize(
    ("flags", "stream_id", "payload", "code"),
    [
        (0, 1, b"", ErrorCode.PROTOCOL_ERROR),
        (ACK, 1, b"", ErrorCode.PROTOCOL_ERROR),
        (ACK, 0, bytes(6), ErrorCode.FRAME_SIZE_ERROR),
        (0, 0, bytes(5), ErrorCode.FRAME_SIZE_ERROR),
        (0, 0, bytes(7), ErrorCode.FRAME_SIZE_ERROR),
        (0, 0, _payload((Setting.ENABLE_PUSH, 2)), ErrorCode.PROTOCOL_ERROR),
        (0, 0, _payload((Setting.INITIAL_WINDOW_SIZE, 1 << 31)), ErrorCode.FLOW_CONTROL_ERROR),
        (0, 0, _payload((Setting.MAX_FRAME_SIZE, 16383)), ErrorCode.PROTOCOL_ERROR),
        (0, 0, _payload((Setting.MAX_FRAME_SIZE, 1 << 24)), ErrorCode.PROTOCOL_ERROR),
        (0, 0, _payload((Setting.ENABLE_CONNECT_PROTOCOL, 2)), ErrorCode.PROTOCOL_ERROR),
        (0, 0, _payload((Setting.NO_RFC7540_PRIORITIES, 2)), ErrorCode.PROTOCOL_ERROR),
        (0, 0, _payload((1, 1), (2, 9)), ErrorCode.PROTOCOL_ERROR),
        (0, 0, _payload(*[(0xFF, 0)] * (MAX_ENTRIES + 1)), ErrorCode.ENHANCE_YOUR_CALM),
    ],
)
def test_refused(flags: int, stream_id: int, payload: bytes, code: ErrorCode) -> None:
    """Each rule of RFC 9113 §6.5 has its code; the number of settings in a frame is bounded."""
    with pytest.raises(Violation) as raised:
        read_settings(flags, stream_id, payload)
    assert raised.value.fault.code == code
