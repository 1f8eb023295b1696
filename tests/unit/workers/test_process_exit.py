"""The end of a process: threads and exit handlers get their time, and what blocks the end is logged and ended."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.forking import run_in_child
from tests.support.waiting import PATIENCE
from wiverno.workers import process_exit
from wiverno.workers.process_exit import (
    EndWatch,
    end_process,
    ends_with_pserve,
    find_blocking_threads,
    leave_to_parent,
    watch_end,
    watch_unserved,
)


def in_child(function: Callable[[], object], *, limit: float = PATIENCE * 2) -> tuple[int, str]:
    """Run it in a child without the exit handlers of the test run, which are not to be called there."""

    def child() -> None:
        atexit._clear()
        signal.alarm(int(limit))
        function()

    return run_in_child(child)


def say(text: str) -> None:
    os.write(2, text.encode() + b"\n")


def block() -> threading.Thread:
    """Start a thread of the application that does not end."""
    thread = threading.Thread(target=threading.Event().wait, name="poller")
    thread.start()
    return thread


def test_an_end_with_nothing_to_wait_for() -> None:
    """Exit handlers are called, and the status is kept."""

    def child() -> None:
        atexit.register(say, "exit handler")
        end_process(3, time.monotonic() + PATIENCE)

    assert in_child(child) == (3, "exit handler\n")


def test_a_thread_that_ends_in_time() -> None:
    def child() -> None:
        threading.Timer(0.05, say, ("job done",)).start()
        end_process(0, float("inf"))

    status, output = in_child(child)
    assert status == 0
    assert "job done" in output


def test_a_thread_that_does_not_end() -> None:
    """It is named with its stack, exit handlers are called, and the status is kept."""

    def child() -> None:
        atexit.register(say, "exit handler")
        block()
        end_process(3, time.monotonic())

    status, output = in_child(child)
    assert status == 3
    assert output.endswith("exit handler\n")


def test_a_forced_end_waits_for_no_thread() -> None:
    def child() -> None:
        atexit.register(say, "exit handler")
        block()
        end_process(0, 0.0)

    assert in_child(child)[0] == 0


def test_a_signal_forces_the_end() -> None:
    """The first one while threads run; exit handlers are still called."""

    def child() -> None:
        atexit.register(say, "exit handler")
        block()
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        end_process(0, float("inf"))

    status, output = in_child(child)
    assert status == 0
    assert "exit handler" in output


def test_a_second_signal_ends_at_once() -> None:
    def child() -> None:
        watch = EndWatch(float("inf"), 4)
        watch.force()
        watch.force()

    assert in_child(child) == (4, "")


def test_an_exit_handler_that_raises() -> None:
    """Others are called all the same."""

    def child() -> None:
        atexit.register(say, "other handler")
        atexit.register(sys.exit, 9)
        end_process(0, time.monotonic())

    status, output = in_child(child)
    assert status == 0
    assert "other handler" in output


def test_blocking_threads_are_named() -> None:
    """Daemons and the main thread do not hold the process."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="poller")
    thread.start()
    try:
        names, stacks = find_blocking_threads()
        assert "'poller'" in names
        assert "Thread 'poller':\n  File " in stacks
    finally:
        release.set()
        thread.join()


def test_a_program_that_ends_by_itself() -> None:
    """With at_exit the watch waits for the end of the main thread; only the first watch counts."""

    def child() -> None:
        watch_end(time.monotonic() + PATIENCE, 5, at_exit=True)
        watch_end(time.monotonic(), 6)
        [watch] = process_exit._watches
        assert not watch._begun.is_set()
        threading._shutdown()  # type: ignore[attr-defined]
        assert watch._begun.is_set()
        atexit._run_exitfuncs()
        say("ended")

    assert in_child(child) == (0, "ended\n")


def test_a_command_that_served_nothing() -> None:
    """Without threads of the application there is nothing to watch; otherwise they get two seconds."""

    def child() -> None:
        watch_unserved(2)
        assert not process_exit._watches
        block()
        process_exit.UNSERVED_TIMEOUT = 0.0  # type: ignore[misc]
        watch_unserved(2)
        threading._shutdown()  # type: ignore[attr-defined]

    assert in_child(child)[0] == 2


@pytest.mark.parametrize("is_pserve", [True, False])
def test_pserve(is_pserve: bool) -> None:
    """Only pserve's end is watched: another program may continue."""

    def child() -> None:
        sys.modules.pop("pyramid.scripts.pserve", None)
        if is_pserve:
            sys.modules["pyramid.scripts.pserve"] = sys
        with ends_with_pserve() as end:
            end.by = time.monotonic() + PATIENCE
        assert len(process_exit._watches) == is_pserve

    assert in_child(child) == (0, "")


def test_what_is_left_to_the_supervisor() -> None:
    """Finalizers and children of multiprocessing are its own; exit handlers run in each worker."""

    class Held:
        pass

    def child() -> None:
        import multiprocessing.process

        held = Held()
        finalizer: Any = weakref.finalize(held, os.write, 2, b"")
        multiprocessing.process._children.add(held)  # type: ignore[attr-defined]
        leave_to_parent()
        assert not finalizer.atexit
        assert not multiprocessing.process._children  # type: ignore[attr-defined]

    assert in_child(child) == (0, "")
