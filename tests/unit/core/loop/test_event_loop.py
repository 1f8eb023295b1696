"""The loop's tables and clock: waiting, resumed connections, callbacks, deadlines."""

import math
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.rig import POLLERS
from tests.support.waiting import PATIENCE
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import READ


class Recording:
    """A handler that counts how often it expired."""

    def __init__(self, fd: int = -1, when: float = math.inf) -> None:
        self.fd = fd
        self.tick = 0
        self.when = when
        self.expired = 0

    def ready(self, events: int) -> None:
        pass

    def deadline(self) -> float:
        return self.when

    def expire(self) -> None:
        self.expired += 1


@pytest.fixture(params=POLLERS)
def loop(request: pytest.FixtureRequest) -> Iterator[Loop]:
    made = Loop(POLLERS[request.param]())
    yield made
    made.poller.close()


def test_resume_from_another_thread_ends_a_wait(loop: Loop) -> None:
    """A resumed connection gets an event without bits, at once."""
    thread = threading.Thread(target=loop.resume, args=(7,))
    started = time.monotonic()
    thread.start()
    loop.wait()
    if not loop.ready:
        loop.wait()
    thread.join()
    assert list(loop.ready) == [(7, 0)]
    assert time.monotonic() - started < PATIENCE
    assert started <= loop.now <= time.monotonic()


def test_a_callback_is_called_once(loop: Loop) -> None:
    """Any thread may ask; the leader calls it after its wait."""
    done: list[int] = []
    loop.call_soon_threadsafe(lambda: done.append(threading.get_ident()))
    loop.wait()
    loop.wake_at = time.monotonic()
    loop.wait()
    assert done == [threading.get_ident()]


def test_a_wait_ends_at_the_soonest_deadline(loop: Loop) -> None:
    """The loop sleeps until an item is due, and no longer."""
    handler = Recording(when=time.monotonic() + 0.2)
    loop.watch(handler, handler.when)
    started = time.monotonic()
    while not handler.expired:
        loop.wait()
        assert time.monotonic() - started < PATIENCE
    assert 0.2 <= time.monotonic() - started < 2.5
    assert loop.deadlines.soonest == math.inf


def test_a_deadline_that_moved_is_kept_for_later(loop: Loop) -> None:
    """A handler that has been active since is asked again, not ended."""
    handler = Recording(when=math.inf)
    loop.watch(handler, time.monotonic() - 5)
    handler.when = time.monotonic() + 1000
    loop.wait()
    assert not handler.expired
    assert loop.deadlines.soonest >= handler.when
    handler.when = math.inf
    loop.now = time.monotonic()
    for item in loop.deadlines.due(loop.now + 5000):
        loop.watch(handler, handler.deadline())
        assert item is handler
    assert loop.deadlines.soonest == math.inf


def test_what_has_come_goes_before_a_deadline_of_the_same_moment(loop: Loop) -> None:
    """A loop that was blocked handles events first; a second time it does not."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop.now = time.monotonic() - 100
        handler = Recording(ours.fileno(), time.monotonic() - 50)
        silent = Recording(-2, time.monotonic() - 50)
        loop.handlers[handler.fd] = handler
        for item in (handler, silent):
            loop.watch(item, item.when)
        loop.poller.register(ours.fileno(), READ)
        theirs.send(b"x")
        loop.wait()
        assert [fd for fd, _ in loop.ready] == [ours.fileno()]
        assert (handler.expired, silent.expired) == (0, 1)
        loop.poller.unregister(ours.fileno())  # which would end each of the waits at once
        while not handler.expired:
            loop.ready.clear()
            loop.ready.append((ours.fileno(), READ))
            loop.wait()


def test_an_exception_at_a_deadline_is_logged(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """The others are asked all the same, and the loop goes on."""

    class Broken(Recording):
        def expire(self) -> None:
            raise RuntimeError("not foreseen")

    handlers: list[Any] = [Broken(when=0.0), Recording(when=0.0)]
    for handler in handlers:
        loop.watch(handler, handler.when)
    loop.wait()
    assert handlers[1].expired == 1
    assert "not foreseen" in caplog.text


def test_a_forgotten_handler_is_in_no_table(loop: Loop) -> None:
    """A handler that has gone is not asked; one that has taken its number stays."""
    old, new = Recording(5, 0.0), Recording(5)
    loop.handlers[5] = old
    loop.connections.add(old)  # type: ignore[arg-type]
    loop.watch(old, 0.0)
    loop.forget(old)
    assert not loop.handlers
    assert not loop.connections
    assert loop.deadlines.soonest == math.inf
    loop.handlers[5] = new
    loop.forget(old)
    assert loop.handlers == {5: new}


@pytest.mark.parametrize("why", ["limit", "draining"])
def test_a_closed_connection_wakes_the_loop_that_counts_them(loop: Loop, why: str) -> None:
    """At the limit of connections, and while draining, the loop waits for the next one to be closed."""
    loop.limit_reached = why == "limit"
    loop.keep_alive = why != "draining"
    rooms: list[int] = []
    loop.on_connection_closed = lambda: rooms.append(1)
    loop.forget(Recording())
    started = time.monotonic()
    loop.wait()
    assert time.monotonic() - started < PATIENCE
    assert rooms == ([1] if why == "limit" else [])


def test_the_scratch_is_one(loop: Loop) -> None:
    assert loop.scratch is loop.scratch
