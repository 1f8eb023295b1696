"""Changes that were not reported, found by looking a moment after others were.

Notifications can be lost: the system drops what does not fit into its queue (inotify(7), IN_Q_OVERFLOW: a large
checkout beside a busy log file), and watchfiles forgets what arrives while it hands over a burst. Both need other
changes at the same time, so nothing is looked at while nothing happens.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from watchfiles import Change

from wiverno.dev.polling import Status, find_changes, scan, status_of

# Seconds from a report to the look, and the share of the time that looks may take.
_PAUSE = 1.0
_SHARE = 0.02


Burst = set[tuple[Change, str]]


def with_missed(folders: Iterable[Path], reported: Iterable[Burst]) -> Iterator[Burst]:
    """Yield bursts of changes, with those that were missed a moment before.

    Args:
        folders: What is watched, with everything below.
        reported: The bursts as they were reported; empty ones when nothing happened.
    """
    places = list(folders)
    known = scan(places)
    due, earliest = time.monotonic() + _PAUSE, 0.0  # what changed before the system began to report
    for burst in reported:
        now = time.monotonic()
        for _, path in burst:
            _note(known, path)
        missed: Burst = set()
        if now >= due:
            found = scan(places)
            missed = set(find_changes(known, found))
            known = found
            due, earliest = math.inf, now + (time.monotonic() - now) / _SHARE
        if burst:
            due = min(due, max(now + _PAUSE, earliest))
        yield burst | missed


def _note(known: dict[str, Status], path: str) -> None:
    """Take what was reported for known, as it is now: it is no news to the next look."""
    if os.path.isdir(path):  # noqa: PTH112  # thousands of files
        known.update(scan([Path(path)]))
    elif (status := status_of(path)) is None:
        known.pop(path, None)
    else:
        known[path] = status
