"""Signals while a server runs: handed on, and put back afterwards."""

import os
import signal
import threading

from tests.support.waiting import wait_until
from wiverno.core.signals import REFRESH_SIGNALS, STOP_SIGNALS, stop_signals


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
    """Only the main thread may set handlers; elsewhere whoever started the thread decides."""
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
