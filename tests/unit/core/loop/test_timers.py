"""Timers among the deadlines of a loop: called by the leader, once or again and again."""

import time
from collections.abc import Iterator

import pytest

from tests.support.rig import POLLERS
from tests.support.waiting import PATIENCE
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.timers import EVERY_SECOND, Repeating, Timer


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop(POLLERS["selectors"]())
    yield made
    made.poller.close()


def turn(loop: Loop) -> None:
    """Wait once, without sleeping."""
    loop.wake_at = time.monotonic()
    loop.wait()


def test_repeating_at_once(loop: Loop) -> None:
    """The first call comes after the next wait, the second one with a later second of the clock."""
    calls: list[float] = []
    Repeating(loop, 100.0, lambda: calls.append(time.monotonic()), at_once=True)
    turn(loop)
    assert len(calls) == 1
    turn(loop)
    assert len(calls) == 1
    assert calls[0] + 100 <= loop.deadlines.soonest <= calls[0] + 102


def test_repeating_every_second(loop: Loop) -> None:
    """Two calls are about a second apart, and the loop sleeps meanwhile."""
    calls: list[float] = []
    Repeating(loop, EVERY_SECOND, lambda: calls.append(time.monotonic()))
    started = time.monotonic()
    waits = 0
    while len(calls) < 2:
        loop.wait()
        waits += 1
        assert time.monotonic() - started < PATIENCE
    assert calls[1] - calls[0] > 0.5
    assert waits < 10


def test_an_exception_does_not_end_the_calls(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the next call is due as usual."""

    def fail() -> None:
        raise RuntimeError("not foreseen")

    Repeating(loop, 100.0, fail, at_once=True)
    turn(loop)
    assert "not foreseen" in caplog.text
    assert loop.deadlines.soonest > time.monotonic() + 90


def test_a_timer_calls_once(loop: Loop) -> None:
    """It can be set again, and setting it to a later time moves the call."""
    calls: list[None] = []
    timer = Timer(loop, lambda: calls.append(None))
    timer.set(time.monotonic() - 5)
    turn(loop)
    turn(loop)
    assert len(calls) == 1
    timer.set(time.monotonic() - 5)
    timer.set(time.monotonic() + 1000)
    turn(loop)
    assert len(calls) == 1
    timer.set(float("inf"))
    for item in loop.deadlines.due(time.monotonic() + 5000):
        assert item.deadline() == float("inf")
