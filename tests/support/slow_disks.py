"""Files that are not in the page cache, and a disk that answers when the test says so.

That a file is not cached is real. A disk can't be made to block without a kernel's module, so it blocks where file
threads read from it (`file_segments.read_part`), which is what the kernel's waiting would look like to them.
"""

import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tests.support.programs import leave_out
from tests.support.waiting import PATIENCE
from wiverno.core.net import file_segments


def read_nothing_ahead(fd: int) -> None:
    """Keep the kernel from reading ahead, which a question with RWF_NOWAIT begins, too."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)


def drop_cache(path: Path) -> bool:
    """Have the kernel drop a file from its page cache; return whether it has, and its file system says so."""
    if not hasattr(os, "RWF_NOWAIT"):
        return False
    with path.open("rb") as file:
        read_nothing_ahead(file.fileno())
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            os.preadv(file.fileno(), [bytearray(1)], path.stat().st_size - 1, os.RWF_NOWAIT)
        except OSError as error:
            return error.errno == errno.EAGAIN
    return False


@contextmanager
def uncached_file(content: bytes, folder: Path) -> Iterator[Path]:
    """Write a file that is not in the page cache: in `folder`, or elsewhere where that is in memory, as tmpfs is."""
    (ROOT / "build").mkdir(exist_ok=True)
    for place in (folder, ROOT / "build", Path("/var/tmp")):
        with tempfile.TemporaryDirectory(prefix="wiverno-test-disk-", dir=place) as name:
            path = Path(name, "large.bin")
            path.write_bytes(content)
            if drop_cache(path):
                yield path
                return
    leave_out(f"neither {folder} nor {ROOT} nor /var/tmp is on a disk whose file system can tell what is cached")


class SlowDisk:
    """Reads of file threads.

    Attributes:
        begun: released with each read.
        go_on: set as soon as the disk answers.
        failure: what reads raise.
        reads: offset and end of each.
    """

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.failure: OSError | None = None
        self.reads: list[tuple[int, int]] = []

    def wait_begun(self) -> None:
        """Wait until a file thread reads."""
        assert self.begun.acquire(timeout=PATIENCE)


@contextmanager
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    """Block the reads of file threads until the test lets them go on, or the block ends."""
    disk = SlowDisk()
    read_part = file_segments.read_part

    def read(fd: int, offset: int, end: int) -> None:
        disk.reads.append((offset, end))
        disk.begun.release()
        assert disk.go_on.wait(PATIENCE * 2)
        if disk.failure is not None:
            raise disk.failure
        read_part(fd, offset, end)

    monkeypatch.setattr(file_segments, "read_part", read)
    try:
        yield disk
    finally:
        disk.go_on.set()
