"""All pollers over real sockets: the same promises, kept by epoll, by selectors and by the selector of Windows."""

import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.poll_call import poll_call
from tests.support.waiting import PATIENCE
from wiverno.core.loop.poller import NOTHING, READ, WRITE, EpollPoller, Poller, SelectorsPoller, WakeUp, new_poller
from wiverno.core.loop.windows_poll import PollArraySelector

SETTINGS: dict[str, Callable[[], Poller]] = {"selectors": SelectorsPoller}
if hasattr(select, "epoll"):
    SETTINGS["epoll"] = EpollPoller
KINDS: dict[str, Callable[[], Poller]] = {**SETTINGS, "array": lambda: SelectorsPoller(PollArraySelector(poll_call()))}

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=KINDS)
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    made = KINDS[request.param]()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def ready(poller: Poller, timeout: float = 0.0) -> dict[int, int]:
    return dict(poller.wait(timeout))


def test_reports_what_is_readable_until_it_is_read(poller: Poller, pair: Pair) -> None:
    """Level-triggered: an event comes again until its cause has gone."""
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    assert ready(poller) == {}
    theirs.send(b"x")
    for _ in range(2):
        assert ready(poller, PATIENCE)[ours.fileno()] & READ
    ours.recv(1)
    assert ready(poller) == {}


def test_reports_what_is_writable(poller: Poller, pair: Pair) -> None:
    """WRITE is reported while there is room, and only where it was asked for."""
    ours, _ = pair
    poller.register(ours.fileno(), WRITE)
    assert ready(poller, PATIENCE)[ours.fileno()] & WRITE
    poller.arm(ours.fileno(), READ)
    assert ready(poller) == {}
    poller.arm(ours.fileno(), WRITE)
    assert ready(poller, PATIENCE)[ours.fileno()] & WRITE


def test_nothing_is_silent_even_after_a_hang_up(poller: Poller, pair: Pair) -> None:
    """A client that hangs up does not wake the loop again and again while its request runs."""
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    poller.arm(ours.fileno(), NOTHING)
    theirs.send(b"x")
    theirs.close()
    ready(poller, 0.01)  # epoll tells of a hang-up once
    started = time.monotonic()
    assert ready(poller, 0.05) == {}
    assert time.monotonic() - started >= 0.04
    poller.arm(ours.fileno(), READ)
    assert ready(poller, PATIENCE)[ours.fileno()] & READ


def test_an_unregistered_socket_is_silent(poller: Poller, pair: Pair) -> None:
    """What is unregistered reports nothing, and may be unregistered again."""
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    theirs.send(b"x")
    poller.unregister(ours.fileno())
    poller.unregister(ours.fileno())
    assert ready(poller) == {}


def test_a_number_that_is_given_out_again_is_a_new_socket(poller: Poller) -> None:
    """The descriptor of a closed socket may come back at once as another socket's."""
    first, other = socket.socketpair()
    number = first.fileno()
    poller.register(number, READ)
    ready(poller)
    poller.unregister(number)
    first.close()
    again, theirs = socket.socketpair()
    with other, again, theirs:
        assert number in (again.fileno(), theirs.fileno())
        watched, opposite = (again, theirs) if again.fileno() == number else (theirs, again)
        poller.register(number, READ)
        assert ready(poller) == {}
        opposite.send(b"x")
        assert ready(poller, PATIENCE)[watched.fileno()] & READ


def test_a_wait_ends_at_its_timeout(poller: Poller) -> None:
    """Without events a wait takes as long as it may, and no longer."""
    started = time.monotonic()
    assert poller.wait(0.05) == []
    assert 0.04 <= time.monotonic() - started < PATIENCE


def test_a_wake_before_the_wait_is_not_lost(poller: Poller) -> None:
    """`wake` counts for the next wait if none is in progress, and only for that one."""
    poller.wake()
    poller.wake()
    started = time.monotonic()
    assert poller.wait(PATIENCE) == []
    assert time.monotonic() - started < PATIENCE / 2
    assert poller.wait(0.02) == []
    assert time.monotonic() - started >= 0.02


def test_another_thread_wakes_a_wait(poller: Poller) -> None:
    """`wake` from another thread ends a wait in progress."""
    thread = threading.Thread(target=poller.wake)
    started = time.monotonic()
    thread.start()
    assert poller.wait(PATIENCE) == []
    assert time.monotonic() - started < PATIENCE / 2
    thread.join()


@pytest.mark.parametrize("interest", [READ, WRITE])
def test_another_thread_arms_beside_a_wait(poller: Poller, pair: Pair, interest: int) -> None:
    """What a thread arms while the leader waits is watched by that very wait."""
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    poller.arm(ours.fileno(), NOTHING)
    theirs.send(b"x")
    assert ready(poller) == {}
    found: list[dict[int, int]] = []

    def lead() -> None:
        end = time.monotonic() + PATIENCE
        while not found and time.monotonic() < end:
            if events := ready(poller, PATIENCE):
                found.append(events)

    leader = threading.Thread(target=lead)
    leader.start()
    poller.arm(ours.fileno(), interest)
    leader.join(PATIENCE)
    assert found
    assert found[0][ours.fileno()] & interest


def test_many_events_come_in_portions(poller: Poller) -> None:
    """More sockets than one wait returns are all reported, if not at once."""
    pairs = [socket.socketpair() for _ in range(300)]
    try:
        for ours, theirs in pairs:
            poller.register(ours.fileno(), READ)
            theirs.send(b"x")
        seen: set[int] = set()
        by_number = {ours.fileno(): ours for ours, _ in pairs}
        end = time.monotonic() + PATIENCE
        while len(seen) < 300 and time.monotonic() < end:
            for number in ready(poller, 0.1):
                by_number[number].recv(1)
                seen.add(number)
        assert len(seen) == 300
    finally:
        for ours, theirs in pairs:
            ours.close()
            theirs.close()


def wake_often(poller: Poller, count: int) -> None:
    for _ in range(count):
        poller.wake()


def test_wakes_from_many_threads_leave_the_poller_awake(poller: Poller) -> None:
    """However wakes and waits fall together, a later wake still ends a wait."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=wake_often, args=(poller, 2000)) for _ in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            poller.wait(0.001)
        poller.wait(0)
    finally:
        sys.setswitchinterval(interval)
    poller.wake()
    started = time.monotonic()
    poller.wait(PATIENCE)
    assert time.monotonic() - started < PATIENCE / 2


def test_signals_are_told_from_wakes(poller: Poller) -> None:
    """A number written by a signal ends a wait and is told; a wake is not taken for one."""
    heard: list[int] = []
    descriptor = poller.wake_on_signal(lambda: heard.append(1))
    poller.wake()
    poller.wait(PATIENCE)
    assert not heard
    os.write(descriptor, b"\x0f")
    poller.wake()
    started = time.monotonic()
    assert poller.wait(PATIENCE) == []
    assert time.monotonic() - started < PATIENCE / 2
    assert heard == [1]


class Interrupted:
    """The reading end of a wake-up whose every receive is interrupted by another thread's `set`."""

    def __init__(self, wake_up: WakeUp, reader: socket.socket) -> None:
        self._wake_up = wake_up
        self._reader = reader

    def recv(self, count: int) -> bytes:
        self._wake_up.set()
        return self._reader.recv(count)


def test_a_wake_in_the_middle_of_clearing_is_not_the_last() -> None:
    """A `set` that comes while another thread clears does not make the wake-up deaf for ever."""
    wake_up = WakeUp()
    reader = wake_up._reader
    wake_up.set()
    wake_up._reader = Interrupted(wake_up, reader)  # type: ignore[assignment]
    wake_up.clear()
    wake_up._reader = reader
    wake_up.set()
    assert select.select([wake_up.fileno()], [], [], 0)[0]
    wake_up.close()


def test_a_closed_wake_up_may_be_set() -> None:
    """A wake that comes after the end is harmless."""
    wake_up = WakeUp()
    wake_up.close()
    wake_up.set()


def test_calls_after_the_end_are_harmless(poller: Poller) -> None:
    """A thread that finishes after the loop may still unregister and wake."""
    poller.close()
    poller.unregister(3)
    poller.wake()


def test_the_setting_names_the_poller() -> None:
    """auto is the best there is."""
    for kind, expected in {**SETTINGS, "auto": SETTINGS.get("epoll", SelectorsPoller)}.items():
        made = new_poller(kind)
        assert type(made) is expected
        made.close()


def test_epoll_where_there_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """auto takes selectors there; epoll by name is refused in words."""
    monkeypatch.delattr(select, "epoll", raising=False)
    with pytest.raises(OSError, match="poller = epoll: this system has no epoll; auto takes what there is"):
        new_poller("epoll")
    made = new_poller("auto")
    assert type(made) is SelectorsPoller
    made.close()
