"""Changes found by polling, for systems without file notifications or without any left.

Every file below the folders is looked at a few times a second, with longer pauses where that takes long. Folders that
cannot be read are left out, and so are those that never matter.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from watchfiles import Change, DefaultFilter

# Seconds between two scans, and the share of the time that scans may take.
_PAUSE = 0.25
_SHARE = 0.1
# A burst ends when two scans this many seconds apart found the same.
_QUIET = 0.1

Status = tuple[int, int, int]  # time of change, size and number
State = dict[str, Status]


def poll(folders: Iterable[Path], longest: float, stopping: threading.Event) -> Iterator[set[tuple[Change, str]]]:
    """Yield each burst of changes, and an empty set when nothing happened.

    Args:
        folders: What to look at, with everything below.
        longest: After how many seconds a burst that does not end is yielded nevertheless.
        stopping: Ends the iteration.
    """
    places = list(folders)
    before = scan(places)
    pause = _PAUSE
    while not stopping.wait(pause):
        began = time.monotonic()
        now = scan(places)
        pause = max(_PAUSE, (time.monotonic() - began) / _SHARE)
        last = now if now != before else before
        while last is not before and not stopping.wait(_QUIET):
            now = scan(places)
            if now == last or time.monotonic() - began > longest:
                break
            last = now
        yield set(find_changes(before, now))
        before = now


def scan(folders: Iterable[Path]) -> State:
    """Return each file's time of change, size and number."""
    found: State = {}
    for folder in folders:
        for place, names, files in os.walk(folder):
            names[:] = [name for name in names if name not in DefaultFilter.ignore_dirs]
            for name in files:
                path = os.path.join(place, name)
                if status := status_of(path):
                    found[path] = status
    return found


def status_of(path: str) -> Status | None:
    """Return a file's time of change, size and number, None if it can't be looked at."""
    try:
        status = os.stat(path)  # noqa: PTH116  # thousands of files
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def find_changes(before: State, now: State) -> Iterator[tuple[Change, str]]:
    """Yield the files that were added, modified and deleted between two scans."""
    for path in before.keys() | now.keys():
        if path not in before:
            yield Change.added, path
        elif path not in now:
            yield Change.deleted, path
        elif before[path] != now[path]:
            yield Change.modified, path
