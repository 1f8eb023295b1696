"""Which part of a file can be sent without its disk, and who reads the rest."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import SelectorsPoller
from wiverno.core.net import file_segments
from wiverno.core.net.buffers import Pending
from wiverno.core.net.file_segments import PART, FileSegment, read_from_disk

SIZE = 3 * PART + 100


class Disk:
    """Says which bytes are cached (set by the test), and runs or keeps what file threads are given."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.uncached: set[int] = set()
        self.tasks: list[Callable[[], object]] = []
        self.has_threads = True

    def is_cached(self, _: int, offset: int) -> bool:
        self.asked.append(offset)
        return offset not in self.uncached

    def run(self, task: Callable[[], object]) -> bool:
        if self.has_threads:
            self.tasks.append(task)
        return self.has_threads


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(file_segments, "_is_cached", made.is_cached)
    return made


@pytest.fixture
def loop(disk: Disk) -> Iterator[Loop]:
    made = Loop(SelectorsPoller())
    made.file_threads = disk
    yield made
    made.poller.close()


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[FileSegment]:
    (tmp_path / "file").write_bytes(bytes(SIZE))
    with (tmp_path / "file").open("rb") as file:
        yield FileSegment(file.fileno(), 0, SIZE, None)


class Sink:
    """A client that takes everything."""

    def __init__(self) -> None:
        self.taken = 0

    def send(self, data: bytes) -> int:
        self.taken += len(data)
        return len(data)


def pending_of(segment: FileSegment) -> Pending:
    pending = Pending(1000, 0.0)
    pending.add_file(segment)
    return pending


def flush(pending: Pending, sink: Any, *, waits: bool = False) -> FileSegment | None:
    with pending.lock:
        return pending.flush(sink, plain=False, waits=waits)


def test_each_part_is_asked_for_once(disk: Disk, segment: FileSegment) -> None:
    """By its last byte, and the first part of a flush by its first byte, too."""
    pending, sink = pending_of(segment), Sink()
    assert flush(pending, sink) is None
    assert sink.taken == SIZE
    assert disk.asked == [0, PART - 1, 2 * PART - 1, 3 * PART - 1, SIZE - 1]


def test_who_may_wait_does_not_ask(disk: Disk, segment: FileSegment) -> None:
    """Nothing changes for a thread that may wait for the disk."""
    assert flush(pending_of(segment), Sink(), waits=True) is None
    assert not disk.asked


@pytest.mark.parametrize(("missing", "sent"), [(0, 0), (PART - 1, 0), (2 * PART - 1, PART), (SIZE - 1, 3 * PART)])
def test_sending_ends_before_what_is_not_cached(disk: Disk, segment: FileSegment, missing: int, sent: int) -> None:
    """What was sent before stays sent."""
    disk.uncached = {missing}
    pending, sink = pending_of(segment), Sink()
    assert flush(pending, sink) is segment
    assert (sink.taken, pending.sent, pending.size) == (sent, sent, SIZE - sent)


def test_what_was_read_is_sent_even_if_it_is_gone_again(disk: Disk, loop: Loop, segment: FileSegment) -> None:
    """One part, without a further question: else a system short of memory would read for ever."""
    disk.uncached = {0, PART - 1, PART}
    pending, sink, resumed = pending_of(segment), Sink(), []
    assert flush(pending, sink) is segment
    with pending.lock:
        pending.read_first(segment, loop, lambda: resumed.append(sink.taken))
    assert pending.is_reading
    disk.tasks.pop()()
    assert not resumed  # the leader does that
    loop.wait(0)
    assert (resumed, pending.is_reading) == ([0], False)
    assert flush(pending, sink) is None
    assert sink.taken == SIZE
    assert disk.asked == [0, 2 * PART - 1, 3 * PART - 1, SIZE - 1]


@pytest.mark.parametrize(
    ("error", "text"), [(OSError(errno.EIO, "Input/output error"), "Input/output"), (MemoryError(), "no memory")]
)
def test_a_part_that_cannot_be_read(
    disk: Disk, loop: Loop, segment: FileSegment, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    """The next flush raises what reading has raised, and asks the disk no more."""

    def fail(*_: int) -> None:
        raise error

    monkeypatch.setattr(file_segments, "read_part", fail)
    pending = pending_of(segment)
    with pending.lock:
        pending.read_first(segment, loop, lambda: None)
    disk.tasks.pop()()
    loop.wait(0)
    with pytest.raises(OSError, match=text):
        flush(pending, Sink())


def test_a_response_that_is_dropped_while_its_file_is_read(disk: Disk, loop: Loop, segment: FileSegment) -> None:
    """The file is closed at once, the thread reads from its own descriptor, and nothing is resumed."""
    closed: list[bool] = []
    segment.on_close = lambda: closed.append(True)
    pending, resumed = pending_of(segment), []
    with pending.lock:
        pending.read_first(segment, loop, lambda: resumed.append(True))
        pending.close()
    assert closed == [True]
    disk.tasks.pop()()
    loop.wait(0)
    assert not resumed


@pytest.mark.parametrize("lacks", ["threads", "a thread", "a descriptor"])
def test_no_thread_can_read(
    disk: Disk, loop: Loop, segment: FileSegment, lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next flush waits for the disk, as it does where there are no file threads."""

    def refuse(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    disk.uncached = {0}
    if lacks == "threads":
        loop.file_threads = None
    elif lacks == "a thread":
        disk.has_threads = False
    else:
        monkeypatch.setattr(os, "dup", refuse)
    assert not read_from_disk(segment, loop, lambda _: None)
    assert flush(pending_of(segment), Sink(), waits=loop.file_threads is None) is None


def test_a_file_system_that_cannot_be_asked(segment: FileSegment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything counts as cached, as on systems without the flag."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert FileSegment(ours.fileno(), 0, 100, None).find_cached() == 100  # ESPIPE: sending fails, too
    monkeypatch.setattr(file_segments, "_NOWAIT", 0)
    assert segment.find_cached() == PART


def test_a_part_that_was_just_written_is_cached(segment: FileSegment) -> None:
    """The kernel's own answer."""
    assert segment.find_cached() == PART


def test_reading_ends_with_the_file(segment: FileSegment) -> None:
    """A file that became shorter is no error here: sending finds out."""
    file_segments.read_part(segment.fd, SIZE - 10, SIZE + PART)
