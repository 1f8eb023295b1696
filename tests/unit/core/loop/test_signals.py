"""Signals while a server runs: handed on, and put back afterwards."""

import faulthandler
import os
import signal
import socket
import threading
from typing import Any

import pytest

from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.loop import signals
from wiverno.core.loop.signals import REFRESH_SIGNALS, STOP_SIGNALS, signals_wake, stop_signals


def test_signals_are_handed_on_and_old_handlers_come_back() -> None:
    before = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, *REFRESH_SIGNALS)}
    seen: list[signal.Signals] = []
    with stop_signals(seen.append):
        for number in before:
            os.kill(os.getpid(), number)
            wait_until(lambda number=number: number in seen)  # type: ignore[misc]
    assert {number: signal.getsignal(number) for number in before} == before
    assert seen == list(before)


def test_a_handler_of_the_program_is_left_alone() -> None:
    theirs: list[int] = []
    old = signal.signal(signal.SIGTERM, lambda number, frame: theirs.append(number))
    try:
        ours: list[signal.Signals] = []
        with stop_signals(ours.append):
            os.kill(os.getpid(), signal.SIGTERM)
            wait_until(lambda: theirs)
        assert not ours
    finally:
        signal.signal(signal.SIGTERM, old)


def test_other_threads_install_nothing() -> None:
    """Only the main thread may set handlers; in other threads nothing is installed."""
    before = signal.getsignal(signal.SIGTERM)
    inside: list[object] = []

    def run() -> None:
        with stop_signals(lambda number: None):
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert inside == [before]


def test_handlers_come_back_after_an_exception() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        with stop_signals(lambda number: None):
            raise RuntimeError("meant")
    except RuntimeError:
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_signals_write_to_a_socket_and_the_old_one_comes_back() -> None:
    """Whichever thread gets it, a signal is readable on the descriptor."""
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        reader.settimeout(PATIENCE)
        before = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(before)
        with signals_wake(writer.fileno()), stop_signals(lambda number: None):
            thread = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM))
            thread.start()
            assert reader.recv(1) == bytes([signal.SIGTERM])
            thread.join()
        after = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(after)
        assert after == before


def test_other_threads_leave_the_descriptor_for_signals_alone() -> None:
    done: list[int] = []

    def run() -> None:
        with signals_wake(12345):
            done.append(1)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [1]


def test_a_signal_that_was_ignored_across_an_exec_is_given_back_to_pythons_default() -> None:
    """Children of the application must not inherit that the server had the signal ignored for a moment."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)}
    try:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        signals.remember_ignored(before)
        signals.restore_signals()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
        assert not signals._taken
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_child_has_no_signal_that_prints_stacks() -> None:
    """Stacks are printed to standard error's descriptor, and the child's is its own."""
    unregister: Any = faulthandler.unregister  # returns whether there was one
    signals.print_stacks_on(signal.SIGUSR2)
    assert unregister(signal.SIGUSR2)
    signals.print_stacks_on(signal.SIGUSR2)
    signals.restore_signals()
    assert not unregister(signal.SIGUSR2)


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_child_is_not_woken_through_its_parents_descriptor(is_ours: bool) -> None:
    """A wake-up descriptor that the program has set meanwhile stays."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    with signals_wake(ours.fileno()):
        if not is_ours:
            signal.set_wakeup_fd(theirs.fileno())
        signals.restore_signals()
        assert signal.set_wakeup_fd(-1) == (-1 if is_ours else theirs.fileno())
    ours.close()
    theirs.close()


def test_a_wake_up_descriptor_that_was_closed_meanwhile_is_not_set_again() -> None:
    """Its number may stand for anything by then."""
    gone, ours = socket.socketpair()
    gone.setblocking(False)
    ours.setblocking(False)
    signal.set_wakeup_fd(gone.fileno())
    with signals_wake(ours.fileno()):
        gone.close()
    assert signal.set_wakeup_fd(-1) == -1
    ours.close()


def test_a_worker_is_woken_by_its_own_descriptor_only() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with signals_wake(ours.fileno()):
        signals.clear_wake_up()
        assert signal.set_wakeup_fd(-1) == -1
    ours.close()
    theirs.close()
