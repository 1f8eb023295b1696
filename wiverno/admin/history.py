"""The last five minutes of a server, one row a second: the data of the status page's plots."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from wiverno.core.telemetry.counters import BOUNDS, Counts
from wiverno.core.telemetry.status import ServiceStatus

LENGTH: Final = 300  # rows
QUANTILES: Final = (0.5, 0.9, 0.99)

# The columns of a row; age is the seconds since the start.
COLUMNS: Final = (
    "age", "requests", "errors", "p50", "p90", "p99", "wait99", "busy", "threads", "queued", "connections", "resident",
)  # fmt: skip


class History:
    """Rows of rates and gauges. `sample` belongs to one thread, which also reads."""

    def __init__(self) -> None:
        self.rows: deque[tuple[float, ...]] = deque(maxlen=LENGTH)
        self._last: tuple[float, Counts] | None = None

    def sample(self, status: ServiceStatus) -> None:
        """Add a row for the time since the last call."""
        total = status.total
        last, self._last = self._last, (status.age, total)
        if last is None or status.age <= last[0]:
            return
        span, before = status.age - last[0], last[1]
        latency = [now - then for now, then in zip(total.latency, before.latency, strict=True)]
        wait = [now - then for now, then in zip(total.wait, before.wait, strict=True)]
        responses = sum(total.classes.values()) - sum(before.classes.values())
        errors = total.classes["5xx"] - before.classes["5xx"]
        gauges = total.gauges
        self.rows.append(
            (
                round(status.age, 1),
                round(max(responses, 0) / span, 1),
                round(max(errors, 0) / span, 1),
                *(round(estimate_quantile(latency, share), 6) for share in QUANTILES),
                round(estimate_quantile(wait, 0.99), 6),
                gauges["busy"],
                gauges["threads"],
                gauges["queued"],
                gauges["connections"],
                gauges["resident"],
            )
        )

    def since(self, age: float) -> list[tuple[float, ...]]:
        """Return the rows after `age`, in seconds."""
        return [row for row in self.rows if row[0] > age]


def estimate_quantile(buckets: Sequence[int], share: float) -> float:
    """Return the time below which `share` of the observations lie, in seconds; within a bucket it is interpolated."""
    count = sum(buckets)
    if count <= 0:
        return 0.0
    rank = share * count
    below = 0.0
    for position, value in enumerate(buckets):
        if value > 0 and below + value >= rank:
            low = BOUNDS[position - 1] if position else 0.0
            high = BOUNDS[position] if position < len(BOUNDS) else BOUNDS[-1]
            return low + (high - low) * (rank - below) / value
        below += max(value, 0)
    return BOUNDS[-1]
