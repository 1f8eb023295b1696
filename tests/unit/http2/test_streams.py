"""Stream states: the table, and what is known of streams that are not there."""

import pytest

from wiverno.http2.errors import ConnectionFault, ErrorCode, StreamFault, Violation
from wiverno.http2.frames import DATA, HEADERS, RST_STREAM, WINDOW_UPDATE
from wiverno.http2.streams import (
    CLOSED,
    ENDED,
    HALF_CLOSED_LOCAL,
    HALF_CLOSED_REMOTE,
    IDLE,
    ILLEGAL,
    MAX_GAPS,
    MAX_REMEMBERED,
    MOVES,
    NEVER_OPENED,
    ON_ABSENT,
    OPEN,
    RECEIVE_DATA,
    RECEIVE_END,
    RECEIVE_HEADERS,
    RESET,
    RESET_BY_PEER,
    RESET_BY_US,
    SEND_DATA,
    SEND_END,
    SEND_HEADERS,
    SKIPPED,
    STATES,
    Stream,
    Streams,
    illegal_move,
)


def test_the_table_is_whole() -> None:
    """Every state has every move."""
    assert len(MOVES) == len(STATES) == CLOSED + 1
    assert {len(row) for row in MOVES} == {RESET + 1}
    assert all(ILLEGAL <= state <= CLOSED for row in MOVES for state in row)


@pytest.mark.parametrize(
    ("moves", "state"),
    [
        ((RECEIVE_END, SEND_HEADERS, SEND_DATA, SEND_END), CLOSED),
        ((RECEIVE_HEADERS, RECEIVE_DATA, RECEIVE_END, SEND_HEADERS, SEND_END), CLOSED),
        ((RECEIVE_HEADERS, SEND_HEADERS, SEND_END), HALF_CLOSED_LOCAL),
        ((RECEIVE_HEADERS, SEND_HEADERS, SEND_END, RECEIVE_DATA, RECEIVE_END), CLOSED),
        ((RECEIVE_HEADERS, RECEIVE_DATA, RECEIVE_HEADERS, RECEIVE_END), HALF_CLOSED_REMOTE),
        ((RECEIVE_HEADERS, SEND_HEADERS, RESET), CLOSED),
        ((RECEIVE_HEADERS,), OPEN),
        # what no side may do (RFC 9113 §5.1)
        ((RECEIVE_DATA,), ILLEGAL),
        ((SEND_HEADERS,), ILLEGAL),
        ((RESET,), ILLEGAL),
        ((RECEIVE_END, RECEIVE_DATA), ILLEGAL),
        ((RECEIVE_END, RECEIVE_HEADERS), ILLEGAL),
        ((RECEIVE_END, RECEIVE_END), ILLEGAL),
        ((RECEIVE_HEADERS, SEND_END, SEND_DATA), ILLEGAL),
        ((RECEIVE_HEADERS, SEND_END, SEND_END), ILLEGAL),
        ((RECEIVE_END, SEND_END, SEND_HEADERS), ILLEGAL),
        ((RECEIVE_HEADERS, RESET, RECEIVE_DATA), ILLEGAL),
    ],
)
def test_lives(moves: tuple[int, ...], state: int) -> None:
    """A stream's life ends in the state that RFC 9113 §5.1 draws."""
    now = IDLE
    for move in moves:
        assert now != ILLEGAL
        now = MOVES[now][move]
    assert now == state


def streams() -> Streams:
    """1 was served, 3 is open, 5 was reset by the peer, 7 by us, 9 and 11 were skipped, 13 was served."""
    found = Streams()
    for stream_id in (1, 3, 5, 7, 13):
        found.note_new(stream_id)
        found.live[stream_id] = Stream(stream_id, OPEN, 65535, -1)
    del found.live[1], found.live[13]
    assert found.note_reset(5, by_peer=True) is not None
    assert found.note_reset(7, by_peer=False) is not None
    return found


def test_why_absent() -> None:
    """For each identifier it is known why there is no stream, even ones included."""
    found = streams()
    expected = {
        1: ENDED, 5: RESET_BY_PEER, 7: RESET_BY_US, 9: SKIPPED, 11: SKIPPED, 13: ENDED, 15: NEVER_OPENED,
        2: NEVER_OPENED, 1001: NEVER_OPENED,
    }  # fmt: skip
    assert {stream_id: found.why_absent(stream_id) for stream_id in expected} == expected
    assert [stream.stream_id for stream in found] == [3]
    assert found.count == 1


def test_memory_of_resets_and_gaps_is_bounded() -> None:
    """Only the newest are remembered; older ones count as ended."""
    found = Streams()
    last = 2 * (MAX_REMEMBERED + 10)
    for stream_id in range(1, last, 2):
        found.note_new(stream_id)
        found.note_reset(stream_id, by_peer=True)
    assert len(found._resets) == MAX_REMEMBERED
    assert found.why_absent(1) == ENDED
    assert found.why_absent(last - 1) == RESET_BY_PEER
    for number in range(100):
        found.note_new(last + 101 + number * 100)
    assert len(found._gaps) == MAX_GAPS


def _verdict(stream_id: int, kind: int) -> str:
    try:
        streams().check_absent(kind, stream_id)
    except Violation as violation:
        scope = {StreamFault: "stream", ConnectionFault: "connection"}[type(violation.fault)]
        return f"{scope} {ErrorCode(violation.fault.code).name}"
    return ""


@pytest.mark.parametrize(
    ("stream_id", "headers", "data", "reset_and_window"),
    [
        (1, "connection STREAM_CLOSED", "connection STREAM_CLOSED", ""),
        (5, "stream STREAM_CLOSED", "stream STREAM_CLOSED", ""),
        (7, "", "", ""),
        (9, "connection PROTOCOL_ERROR", "connection STREAM_CLOSED", ""),
        (15, None, "connection PROTOCOL_ERROR", "connection PROTOCOL_ERROR"),
        (2, None, "connection PROTOCOL_ERROR", "connection PROTOCOL_ERROR"),
    ],
)
def test_frames_on_absent_streams(stream_id: int, headers: str | None, data: str, reset_and_window: str) -> None:
    """What a frame on a stream that is not there means is a table too."""
    if headers is not None:
        assert _verdict(stream_id, HEADERS) == headers
    assert _verdict(stream_id, DATA) == data
    assert _verdict(stream_id, RST_STREAM) == reset_and_window
    assert _verdict(stream_id, WINDOW_UPDATE) == reset_and_window
    assert set(ON_ABSENT) == {NEVER_OPENED, SKIPPED, ENDED, RESET_BY_PEER, RESET_BY_US}


def test_words() -> None:
    """A stream and an illegal move are told in the RFC's words."""
    stream = Stream(7, HALF_CLOSED_REMOTE, 10, -1)
    assert repr(stream) == "<Stream 7 half-closed (remote), may send 10>"
    fault = illegal_move(stream, DATA).fault
    assert fault == StreamFault(7, ErrorCode.STREAM_CLOSED, "DATA frame on a stream that is half-closed (remote)")
