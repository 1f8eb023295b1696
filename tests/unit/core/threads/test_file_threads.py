"""The threads for files: started when they are needed, bounded, ended."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.threads import file_threads
from wiverno.core.threads.file_threads import FileThreads


class Answers:
    """Remembers what was answered, and holds it until told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.begun: list[str] = []
        self.names: set[str] = set()

    def __call__(self, name: str) -> None:
        self.begun.append(name)
        self.names.add(threading.current_thread().name)
        assert self.go_on.wait(PATIENCE)


def ended(threads: FileThreads) -> bool:
    return threads.join(time.monotonic() + PATIENCE, time.monotonic) == 0


def test_they_are_bounded_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no thread is free for waits; the end comes after what has begun and what waits."""
    monkeypatch.setattr(file_threads, "MAX_FILE_THREADS", 2)
    answers = Answers()
    threads = FileThreads()
    assert all(threads.run(partial(answers, str(number))) for number in range(5))
    wait_until(lambda: len(answers.begun) == 2)
    assert len(threads) == 3
    answers.go_on.set()
    wait_until(lambda: len(answers.begun) == 5)
    assert (sorted(answers.begun), len(answers.names), len(threads)) == (list("01234"), 2, 0)
    assert ended(threads)
    assert not threads.run(partial(answers, "late"))


def test_a_waiting_thread_is_used_again_and_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread is started only when none waits."""
    monkeypatch.setattr(file_threads, "IDLE_TIMEOUT", 0.05)
    answers = Answers()
    answers.go_on.set()
    threads = FileThreads()
    threads.run(partial(answers, "1"))
    wait_until(lambda: not threads.count)
    threads.run(partial(answers, "2"))
    wait_until(lambda: len(answers.begun) == 2)
    assert ended(threads)


@pytest.mark.parametrize("error", [SystemExit, MemoryError])
def test_no_exception_ends_a_thread(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """A task raises nothing itself; but one may be thrown into the thread, and a thread that is gone is missing."""
    monkeypatch.setattr(file_threads, "MAX_FILE_THREADS", 1)

    def fail() -> None:
        raise error

    answers = Answers()
    answers.go_on.set()
    threads = FileThreads()
    for _ in range(3):
        assert threads.run(fail)
    assert threads.run(partial(answers, "1"))
    wait_until(lambda: answers.begun == ["1"])
    assert threads.count == 1
    assert answers.names == {"wiverno-file-0"}
    assert ended(threads)


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_no_thread_can_be_started(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The request is for the threads of the application then, and the log says why."""

    def refuse(_: threading.Thread) -> None:
        raise error

    threads = FileThreads()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert not threads.run(partial(Answers(), "1"))
    assert f"cannot start a thread for files: {error if error.args else 'out of memory'}" in caplog.text
    monkeypatch.undo()
    assert ended(threads)
