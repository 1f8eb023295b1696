"""The selector of Windows, on this system's own call: any number of sockets, in any order of coming and going."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from selectors import EVENT_READ, EVENT_WRITE

import pytest

from tests.support.poll_call import poll_call
from tests.support.waiting import PATIENCE
from wiverno.core.loop.windows_poll import FIRST_CAPACITY, PollArraySelector

BOTH = EVENT_READ | EVENT_WRITE


@pytest.fixture
def selector() -> Iterator[PollArraySelector]:
    with PollArraySelector(poll_call()) as made:
        yield made


def events(selector: PollArraySelector, timeout: float = PATIENCE) -> dict[int, int]:
    return {key.fd: mask for key, mask in selector.select(timeout)}


def test_more_sockets_than_there_was_room_for(selector: PollArraySelector) -> None:
    """The array grows with what is registered, and what was registered first is still reported."""
    with ExitStack() as stack:
        pairs = [tuple(map(stack.enter_context, socket.socketpair())) for _ in range(2 * FIRST_CAPACITY + 1)]
        for ours, _ in pairs:
            selector.register(ours, EVENT_READ)
        assert events(selector, 0) == {}
        for _, theirs in pairs[::7]:
            theirs.send(b"x")
        assert events(selector) == {ours.fileno(): EVENT_READ for ours, _ in pairs[::7]}
        assert len(selector.get_map()) == len(pairs)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_the_last_entry_fills_the_place_of_one_that_leaves(selector: PollArraySelector, gone: int) -> None:
    """Whichever leaves, the others are reported as before; and one that comes back is reported again."""
    with ExitStack() as stack:
        pairs = [tuple(map(stack.enter_context, socket.socketpair())) for _ in range(3)]
        for ours, theirs in pairs:
            selector.register(ours, EVENT_READ)
            theirs.send(b"x")
        left = selector.unregister(pairs[gone][0])
        others = {ours.fileno(): EVENT_READ for ours, _ in pairs if ours is not left.fileobj}
        assert events(selector) == others
        selector.register(pairs[gone][0], EVENT_WRITE)
        assert events(selector) == {**others, left.fd: EVENT_WRITE}


def test_what_is_asked_for_is_reported(selector: PollArraySelector) -> None:
    """Reading, writing or both; the end of the other side is for the reader and the writer."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        selector.register(ours.fileno(), BOTH, "data")
        assert events(selector) == {ours.fileno(): EVENT_WRITE}
        theirs.send(b"x")
        assert events(selector) == {ours.fileno(): BOTH}
        theirs.close()
        for asked in (EVENT_READ, EVENT_WRITE):
            selector.unregister(ours.fileno())
            selector.register(ours.fileno(), asked)
            assert events(selector) == {ours.fileno(): asked}


def test_a_wait_is_never_shorter_than_asked(selector: PollArraySelector) -> None:
    """Less than a millisecond is a millisecond: zero would make the loop turn without a pause until a deadline."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        selector.register(ours, EVENT_READ)
        started = time.monotonic()
        assert selector.select(0.0101) == []
        assert time.monotonic() - started >= 0.0101
        theirs.send(b"x")
        assert selector.select() != []
        assert selector.select(-1.0) != []


def test_mistakes_are_those_of_other_selectors(selector: PollArraySelector) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        selector.register(ours, EVENT_READ)
        with pytest.raises(KeyError, match="registered already"):
            selector.register(ours, EVENT_READ)
        with pytest.raises(KeyError):
            selector.unregister(theirs)
        assert selector.modify(ours, EVENT_WRITE).events == EVENT_WRITE
        assert events(selector) == {ours.fileno(): EVENT_WRITE}


def test_an_error_of_the_call_is_an_error_of_the_wait() -> None:
    """The number of the system's error is kept."""
    poll = poll_call()
    failing = PollArraySelector(type(poll)(lambda *_: -1, poll.entry, poll.read, poll.write, lambda: 22))
    with pytest.raises(OSError, match="poll of 0 sockets failed: error 22") as caught:
        failing.select(0)
    assert caught.value.errno == 22
