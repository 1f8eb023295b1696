"""What an operator wants to read on the status page beside the figures: events, stuck requests, the slowest paths.

Everything is bounded in number and length, and holds no query of a request: a query may hold secrets.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Final

MOST_EVENTS: Final = 50
MOST_STUCK: Final = 10
MOST_PATHS: Final = 10
LONGEST_TEXT: Final = 2000  # characters of an event
LONGEST_STACK: Final = 8000  # characters
LONGEST_PATH: Final = 200  # characters
SLOW: Final = 0.1  # seconds in the application from which a request may be one of the slowest

Slow = tuple[str, float, float]  # method and path, seconds in the application, Unix time of the end


class Notes:
    """The notes of a service; any thread may add and read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._stuck: deque[dict[str, Any]] = deque(maxlen=MOST_STUCK)
        self._slowest: dict[str, tuple[float, float]] = {}

    def add_event(self, text: str) -> None:
        """Note something that happened to the service: a worker that ended, a reload."""
        with self._lock:
            self._events.append({"at": round(time.time(), 3), "text": text[:LONGEST_TEXT]})

    def add_stuck(self, pid: int, text: str) -> None:
        """Note a request that runs for longer than `request_timeout`, with its stack."""
        with self._lock:
            self._stuck.append({"at": round(time.time(), 3), "pid": pid, "text": text[:LONGEST_STACK]})

    def add_slow(self, found: Iterable[Slow]) -> None:
        """Merge the slowest paths of a process."""
        with self._lock:
            for name, seconds, at in found:
                if seconds > self._slowest.get(name, (0.0, 0.0))[0]:
                    self._slowest[name] = seconds, at
            for name in sorted(self._slowest, key=lambda name: -self._slowest[name][0])[MOST_PATHS:]:
                del self._slowest[name]

    def take_report(self, pid: int, words: Mapping[str, Any]) -> None:
        """Add what a worker has reported; the application may have written into the pipe, so it may be anything."""
        text = words.get("stuck")
        if isinstance(text, str):
            self.add_stuck(pid, text)
        rows = words.get("slowest")
        if isinstance(rows, list):
            try:
                found = [(str(name)[:LONGEST_PATH], float(seconds), float(at)) for name, seconds, at in rows]
            except (TypeError, ValueError):
                return
            # JSON has no infinity, which the status page would not be able to read.
            self.add_slow(row for row in found if isfinite(row[1]) and isfinite(row[2]))

    def read(self) -> dict[str, list[dict[str, Any]]]:
        """Return everything for the status page, the latest and the slowest first."""
        with self._lock:
            slowest = sorted(self._slowest.items(), key=lambda item: -item[1][0])
            return {
                "events": list(reversed(self._events)),
                "stuck": list(reversed(self._stuck)),
                "slowest": [{"path": name, "seconds": round(spent, 3), "at": at} for name, (spent, at) in slowest],
            }


class SlowestPaths:
    """The slowest paths of a process; any thread may add.

    Attributes:
        least: seconds in the application from which a request is noted; the caller compares, so that a quick request
            costs a comparison.
        has_changed: something was noted since the last `read`.
    """

    __slots__ = ("_found", "_lock", "has_changed", "least")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, float]] = {}
        self.least = SLOW
        self.has_changed = False

    def add(self, method: str, target: str, seconds: float) -> None:
        """Note a request; the query is left out."""
        name = f"{method} {target.partition('?')[0]}"[:LONGEST_PATH]
        with self._lock:
            if seconds <= self._found.get(name, (0.0, 0.0))[0]:
                return
            self._found[name] = round(seconds, 6), round(time.time(), 3)
            self.has_changed = True
            if len(self._found) > MOST_PATHS:
                del self._found[min(self._found, key=lambda name: self._found[name][0])]
            if len(self._found) == MOST_PATHS:
                self.least = min(seconds for seconds, _ in self._found.values())

    def read(self) -> list[Slow]:
        """Return what was found."""
        with self._lock:
            self.has_changed = False
            return [(name, seconds, at) for name, (seconds, at) in self._found.items()]
