"""Frames: one table feeds reader and writers, and every payload is checked as RFC 9113 §6 says."""

from typing import Any

import pytest

from wiverno.http2.errors import ConnectionFault, ErrorCode, StreamFault, Violation
from wiverno.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITIZED,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    FrameReader,
    check_ping,
    check_priority,
    frame,
    goaway_frame,
    headers_frames,
    name_of,
    read_goaway,
    read_headers,
    read_reset,
    read_window_update,
    reset_frame,
    strip_padding,
    window_update_frame,
)
from wiverno.http2.settings import SETTINGS_ACK, settings_frame

# What a writer gives, its bytes, and the frames that the reader makes of them.
TABLE: list[tuple[bytes, str, list[Frame]]] = [
    (frame(DATA, 0, 1, b"ab"), "000002 00 00 00000001 6162", [(DATA, 0, 1, b"ab")]),
    (frame(DATA, END_STREAM, 3), "000000 00 01 00000003", [(DATA, END_STREAM, 3, b"")]),
    (headers_frames(1, b"x", ends=True), "000001 01 05 00000001 78", [(HEADERS, 5, 1, b"x")]),
    (headers_frames(1, b"x", ends=False), "000001 01 04 00000001 78", [(HEADERS, END_HEADERS, 1, b"x")]),
    (
        headers_frames(1, b"abcde", ends=True, max_size=2),
        "000002 01 01 00000001 6162 000002 09 00 00000001 6364 000001 09 04 00000001 65",
        [(HEADERS, 1, 1, b"ab"), (CONTINUATION, 0, 1, b"cd"), (CONTINUATION, 4, 1, b"e")],
    ),
    (
        headers_frames(1, b"abcd", ends=False, max_size=2),
        "000002 01 00 00000001 6162 000002 09 04 00000001 6364",
        [(HEADERS, 0, 1, b"ab"), (CONTINUATION, 4, 1, b"cd")],
    ),
    (reset_frame(5, 8), "000004 03 00 00000005 00000008", [(RST_STREAM, 0, 5, b"\0\0\0\x08")]),
    (settings_frame({}), "000000 04 00 00000000", [(SETTINGS, 0, 0, b"")]),
    (settings_frame({3: 100}), "000006 04 00 00000000 0003 00000064", [(SETTINGS, 0, 0, b"\0\3\0\0\0\x64")]),
    (SETTINGS_ACK, "000000 04 01 00000000", [(SETTINGS, ACK, 0, b"")]),
    (goaway_frame(7, 2, b"x"), "000009 07 00 00000000 00000007 00000002 78", [(GOAWAY, 0, 0, b"\0\0\0\7\0\0\0\2x")]),
    (window_update_frame(1, 256), "000004 08 00 00000001 00000100", [(WINDOW_UPDATE, 0, 1, b"\0\0\1\0")]),
    (frame(PING, ACK, 0, b"12345678"), "000008 06 01 00000000 3132333435363738", [(PING, ACK, 0, b"12345678")]),
]
each_row = pytest.mark.parametrize(("written", "text", "read"), TABLE)


@each_row
def test_writers(written: bytes, text: str, read: list[Frame]) -> None:
    """A writer gives these bytes."""
    assert written == bytes.fromhex(text)


@each_row
def test_reader_whole(written: bytes, text: str, read: list[Frame]) -> None:
    """The reader makes frames of them, also where more follows."""
    assert list(FrameReader().read(written)) == read
    reader = FrameReader()
    assert list(reader.read(written + b"\0\0")) == read
    assert reader.has_partial


@each_row
def test_reader_byte_by_byte(written: bytes, text: str, read: list[Frame]) -> None:
    """The same comes of single bytes."""
    reader = FrameReader()
    assert [found for byte in written for found in reader.read(bytes([byte]))] == read
    assert not reader.has_partial


def test_all_rows_in_one_read() -> None:
    """Many frames in one read come out in order."""
    assert list(FrameReader().read(b"".join(row[0] for row in TABLE))) == [found for row in TABLE for found in row[2]]


def test_reserved_bit_is_ignored() -> None:
    """The highest bit of the stream identifier has no meaning (§4.1)."""
    assert list(FrameReader().read(frame(DATA, 0, 0x80000001))) == [(DATA, 0, 1, b"")]


def test_frame_beyond_the_limit() -> None:
    """A frame that is too long is refused by its header alone; one of the limit's size is not (§4.2)."""
    assert list(FrameReader(20).read(frame(DATA, 0, 1, bytes(20)))) == [(DATA, 0, 1, bytes(20))]
    with pytest.raises(Violation) as raised:
        list(FrameReader(20).read(frame(DATA, 0, 1, bytes(21))[:9]))
    assert raised.value.fault == ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "DATA frame is too long")


def test_unknown_types_have_a_name() -> None:
    """Messages can name any type."""
    assert [name_of(kind) for kind in (0, 9, 10, 255)] == ["DATA", "CONTINUATION", "unknown", "unknown"]


@pytest.mark.parametrize(("payload", "rest"), [(b"\0ab", b"ab"), (b"\1ab\0", b"ab"), (b"\0", b""), (b"\2\0\0", b"")])
def test_padding(payload: bytes, rest: bytes) -> None:
    """The padding and its length are cut off."""
    assert strip_padding(DATA, payload) == rest


def test_headers_with_priority() -> None:
    """The priority is cut off; a stream that depends on itself is told."""
    assert read_headers(PADDED | PRIORITIZED, 1, b"\1\0\0\0\3\x10block\0") == (b"block", False)
    assert read_headers(PRIORITIZED, 1, b"\x80\0\0\1\x10block") == (b"block", True)
    assert read_headers(0, 1, b"block") == (b"block", False)


def test_good_payloads() -> None:
    """What the frames say is read."""
    check_priority(1, b"\0\0\0\3\x10")
    check_ping(0, bytes(8))
    assert read_reset(1, b"\0\0\1\0") == 256
    assert read_goaway(0, b"\x80\0\0\5\0\0\0\2why") == (5, 2, b"why")
    assert read_window_update(1, b"\x80\0\0\5") == 5


_CODES = ErrorCode


@pytest.mark.parametrize(
    ("read", "arguments", "stream_id", "code"),
    [
        (strip_padding, (DATA, b""), 0, _CODES.FRAME_SIZE_ERROR),
        (strip_padding, (DATA, b"\1"), 0, _CODES.PROTOCOL_ERROR),
        (strip_padding, (HEADERS, b"\3ab"), 0, _CODES.PROTOCOL_ERROR),
        (read_headers, (PRIORITIZED, 1, b"1234"), 0, _CODES.FRAME_SIZE_ERROR),
        (check_priority, (0, bytes(5)), 0, _CODES.PROTOCOL_ERROR),
        (check_priority, (1, bytes(4)), 1, _CODES.FRAME_SIZE_ERROR),
        (check_priority, (1, b"\x80\0\0\1\0"), 1, _CODES.PROTOCOL_ERROR),
        (read_reset, (0, bytes(4)), 0, _CODES.PROTOCOL_ERROR),
        (read_reset, (1, bytes(5)), 0, _CODES.FRAME_SIZE_ERROR),
        (check_ping, (1, bytes(8)), 0, _CODES.PROTOCOL_ERROR),
        (check_ping, (0, bytes(7)), 0, _CODES.FRAME_SIZE_ERROR),
        (read_goaway, (1, bytes(8)), 0, _CODES.PROTOCOL_ERROR),
        (read_goaway, (0, bytes(7)), 0, _CODES.FRAME_SIZE_ERROR),
        (read_window_update, (1, bytes(3)), 0, _CODES.FRAME_SIZE_ERROR),
        (read_window_update, (0, bytes(4)), 0, _CODES.PROTOCOL_ERROR),
        (read_window_update, (1, bytes(4)), 1, _CODES.PROTOCOL_ERROR),
    ],
)
def test_bad_payloads(read: Any, arguments: tuple[Any, ...], stream_id: int, code: ErrorCode) -> None:
    """Each rule of §6 has its code, and ends the stream (of this number) or the connection (0)."""
    with pytest.raises(Violation) as raised:
        read(*arguments)
    fault = raised.value.fault
    assert fault.code == code
    assert (fault.stream_id if isinstance(fault, StreamFault) else 0) == stream_id
