"""Statuses of services as tests of the admin room need them: plain values, no process."""

from typing import Any

from wiverno.core.telemetry.counters import Counters, Counts
from wiverno.core.telemetry.status import READY, ServiceStatus, WorkerStatus


def counts(
    *, classes: dict[str, int] | None = None, refusals: dict[int, int] | None = None, **values: float
) -> Counts:  # fmt: skip
    """Return a reading; keywords are gauges and totals by name."""
    row = Counters()
    for name, value in values.items():
        row.set(name, value)
    found = row.read()
    found.classes.update(classes or {})
    found.refusals.update(refusals or {})
    return found


def worker(pid: int = 11, state: str = READY, silence: float = 0.1, **more: Any) -> WorkerStatus:
    """Return a worker of the first generation that was started ten seconds ago."""
    found = counts(**{"threads": 4, "max_threads": more.get("threads", 4), **more})
    return WorkerStatus(pid=pid, state=state, generation=1, age=10.0, silence=silence, counts=found)


def service(*workers: WorkerStatus, state: str = READY, age: float = 60.0, **more: Any) -> ServiceStatus:
    """Return a service of one address with these workers."""
    return ServiceStatus(
        state=state, pid=7, version="2.0", age=age, addresses=("http://127.0.0.1:80",), workers=workers,
        wanted=len(workers), **more,
    )  # fmt: skip
