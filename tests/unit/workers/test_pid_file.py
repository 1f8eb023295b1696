"""Which process can have written a pid file, where the file system has no locks."""

from __future__ import annotations

import os
import time

from wiverno.workers.pid_file import CLOCK_SLACK, _can_have_written, _start_of

NO_PROCESS = 999_999_999


def test_a_process_that_was_there() -> None:
    """It has to exist, and to be older than the file."""
    assert _can_have_written(os.getpid(), time.time())
    assert not _can_have_written(NO_PROCESS, time.time())


def test_a_process_that_came_later() -> None:
    """A process that start after the file was written has got the id of the one that wrote it."""
    start = _start_of(os.getpid())
    assert start is None or start <= time.time()
    if start is not None:  # elsewhere the system does not tell
        assert not _can_have_written(os.getpid(), start - 10 * CLOCK_SLACK)
    assert _start_of(NO_PROCESS) is None
