"""Which process can have written a pid file, where the file system has no locks."""

from __future__ import annotations

import os
import time

from wiverno.workers.pid_file import CLOCK_SLACK, _began, _wrote

NO_PROCESS = 999_999_999


def test_a_process_that_was_there() -> None:
    """It has to exist, and to be older than the file."""
    assert _wrote(os.getpid(), time.time())
    assert not _wrote(NO_PROCESS, time.time())


def test_a_process_that_came_later() -> None:
    """A process that began after the file was written has got the id of the one that wrote it."""
    began = _began(os.getpid())
    assert began is None or began <= time.time()
    if began is not None:  # elsewhere the system does not tell
        assert not _wrote(os.getpid(), began - 10 * CLOCK_SLACK)
    assert _began(NO_PROCESS) is None
