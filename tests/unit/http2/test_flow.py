"""Windows: what may be sent, what may be received, and when more is announced."""

import pytest

from wiverno.http2.errors import ConnectionFault, ErrorCode, StreamFault, Violation
from wiverno.http2.flow import MAX_WINDOW, ReceiveWindow, grow


def test_grow_up_to_the_end() -> None:
    """A window may reach 2^31-1, also from below zero."""
    assert grow(1, MAX_WINDOW - 1, 0) == MAX_WINDOW
    assert grow(-5, 3, 1) == -2


def test_overflow() -> None:
    """Beyond it, the stream or the connection ends (RFC 9113 §6.9.1)."""
    with pytest.raises(Violation) as raised:
        grow(1, MAX_WINDOW, 3)
    assert isinstance(raised.value.fault, StreamFault)
    assert (raised.value.fault.stream_id, raised.value.fault.code) == (3, ErrorCode.FLOW_CONTROL_ERROR)
    with pytest.raises(Violation) as raised:
        grow(1, MAX_WINDOW, 0)
    assert isinstance(raised.value.fault, ConnectionFault)
    assert raised.value.fault.code == ErrorCode.FLOW_CONTROL_ERROR


def test_receiving() -> None:
    """The peer may use the window to its last byte, and no further."""
    window = ReceiveWindow(10)
    assert window.take(10)
    assert window.available == 0
    assert not window.take(1)


def test_lowered() -> None:
    """A window that was made smaller is negative until enough was consumed; empty frames are allowed."""
    window = ReceiveWindow(100)
    window.take(50)
    assert window.lower(90) == 0
    assert window.available == -40
    assert window.take(0)
    assert window.consume(50) == 50
    assert window.available == 10
    assert not window.take(11)


def test_lowered_below_what_was_consumed() -> None:
    """What was too little to be announced may be enough for the new size; nothing else would announce it."""
    window = ReceiveWindow(100)
    window.take(40)
    assert window.consume(40) == 0
    assert window.lower(80) == 40
    assert window.available == 20


def test_announcing() -> None:
    """More is announced once half of the window has been consumed, all at a time."""
    window = ReceiveWindow(10)
    window.take(10)
    assert window.consume(4) == 0
    assert window.available == 0
    assert window.consume(1) == 5
    assert window.available == 5
    assert window.consume(5) == 5
    assert window.available == 10
