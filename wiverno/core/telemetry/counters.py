"""The counters of a process, in memory that other processes can read while it does.

A `Counters` is a row of float64 cells. In one process the row is private; under a supervisor it is a row of a shared
memory map, which the worker writes and the supervisor reads without asking: also that of a worker that hangs. Whole
numbers are exact up to 2⁵³. A row has one writer at a time (the thread with the recorder's lock, or the leader);
readers may see one cell a moment before another.
"""

import os
import sys
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from wiverno.core.telemetry.log_formats import Record

# Upper bounds of the histograms' buckets in seconds; the last bucket takes the rest.
BOUNDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip

SUM: Final = "sum"  # several processes have it together
OWN: Final = "own"  # one process has it; for several there is no such figure

# The gauges by name, and how those of several processes are combined.
GAUGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pid": OWN,
        "heartbeat": OWN,  # monotonic seconds of the last one
        "connections": SUM,
        "http2_connections": SUM,
        "http2_streams": SUM,  # requests of theirs that are received, run or are answered
        "busy": SUM,  # threads that are blocked in the application
        "threads": SUM,
        "max_threads": SUM,
        "queued": SUM,  # requests that wait for a thread
        "resident": SUM,  # bytes of memory; what processes share counts in each
        "draining": SUM,  # processes that finish their requests and take no new ones
        "idle_grace": OWN,  # seconds that a process may keep idle connections at its end
    }
)
TOTALS: Final = ("requests", "refused", "bytes", "seconds", "waited", "stuck", "redirects")
CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
# The statuses with which the server itself refuses a request.
REFUSALS: Final = (400, 403, 404, 405, 408, 411, 413, 414, 417, 421, 426, 431, 500, 501, 503, 505, 507)

_SUMS: Final = tuple(name for name, kind in GAUGES.items() if kind == SUM)
_BUCKETS: Final = len(BOUNDS) + 1
_TOTALS_AT: Final = len(GAUGES)
_CLASSES_AT: Final = _TOTALS_AT + len(TOTALS)
_LATENCY_AT: Final = _CLASSES_AT + len(CLASSES)
_WAIT_AT: Final = _LATENCY_AT + _BUCKETS
_REFUSALS_AT: Final = _WAIT_AT + _BUCKETS
WIDTH: Final = _REFUSALS_AT + len(REFUSALS)
CELL: Final = 8  # bytes

_REFUSAL_AT: Final = {code: _REFUSALS_AT + position for position, code in enumerate(REFUSALS)}
_AT: Final = {name: position for position, name in enumerate((*GAUGES, *TOTALS))}
_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True, slots=True)
class Counts:
    """A reading of one row, or the sum of several.

    Attributes:
        gauges: present values by name; in a sum only those that GAUGES calls SUM.
        totals: counts since the start, by name; times in seconds.
        classes: responses by class of status.
        latency: responses by time in the application, for the buckets of BOUNDS and one more.
        wait: the same by time waited before.
        refusals: the server's own responses by status.
    """

    gauges: dict[str, float] = field(default_factory=lambda: dict.fromkeys(GAUGES, 0.0))
    totals: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TOTALS, 0.0))
    classes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    latency: tuple[int, ...] = (0,) * _BUCKETS
    wait: tuple[int, ...] = (0,) * _BUCKETS
    refusals: dict[int, int] = field(default_factory=lambda: dict.fromkeys(REFUSALS, 0))

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            {name: self.gauges[name] + other.gauges[name] for name in _SUMS},
            {name: value + other.totals[name] for name, value in self.totals.items()},
            {name: value + other.classes[name] for name, value in self.classes.items()},
            tuple(map(sum, zip(self.latency, other.latency, strict=True))),
            tuple(map(sum, zip(self.wait, other.wait, strict=True))),
            {code: value + other.refusals[code] for code, value in self.refusals.items()},
        )

    def without_gauges(self) -> "Counts":
        """Return the counts without gauges: what remains of a process that has ended."""
        gauges = dict.fromkeys(_SUMS, 0.0)
        return Counts(gauges, self.totals, self.classes, self.latency, self.wait, self.refusals)


class Counters:
    """One row of cells."""

    __slots__ = ("_cells",)

    def __init__(self, cells: Any = None) -> None:
        """`cells` is WIDTH cells of float64; without it the row is private."""
        self._cells: Any = memoryview(bytearray(WIDTH * CELL)).cast("d") if cells is None else cells

    def clear(self) -> None:
        """Set everything to 0."""
        for position in range(WIDTH):
            self._cells[position] = 0.0

    def get(self, name: str) -> float:
        """Return a gauge or total."""
        return float(self._cells[_AT[name]])

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        self._cells[_AT[name]] = value

    def increase(self, name: str, amount: float = 1.0) -> None:
        """Add to a total."""
        self._cells[_AT[name]] += amount

    def add(self, batch: Sequence[Record]) -> None:
        """Count responses."""
        cells = self._cells
        sent_sum, seconds, waited, refused = 0, 0.0, 0.0, 0
        for _, _, _, head, sent, since, started, ended in batch:
            code = 500 if head is None else head.code
            cells[_CLASSES_AT - 1 + code // 100] += 1.0
            if started == ended:
                refused += 1  # the server's own response: no application ran
                if code in _REFUSAL_AT:
                    cells[_REFUSAL_AT[code]] += 1.0
                sent_sum += sent
                continue
            sent_sum += sent
            seconds += ended - started
            waited += started - since
            cells[_LATENCY_AT + bisect_left(BOUNDS, ended - started)] += 1.0
            cells[_WAIT_AT + bisect_left(BOUNDS, started - since)] += 1.0
        for name, amount in (
            ("requests", len(batch) - refused), ("refused", refused), ("bytes", sent_sum), ("seconds", seconds),
            ("waited", waited),
        ):  # fmt: skip
            cells[_AT[name]] += amount

    def read(self) -> Counts:
        """Return the present values."""
        cells = self._cells.tolist()
        return Counts(
            dict(zip(GAUGES, cells, strict=False)),
            dict(zip(TOTALS, cells[_TOTALS_AT:], strict=False)),
            {name: int(value) for name, value in zip(CLASSES, cells[_CLASSES_AT:], strict=False)},
            tuple(map(int, cells[_LATENCY_AT:_WAIT_AT])),
            tuple(map(int, cells[_WAIT_AT:_REFUSALS_AT])),
            {code: int(cells[position]) for code, position in _REFUSAL_AT.items()},
        )


def resident_bytes() -> int:
    """Return how much memory this process has in RAM, in bytes; 0 where that can't be told."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
