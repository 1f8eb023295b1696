"""The status of a running service, and the requests that the admin listener can make: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, Final, Protocol

from wiverno.core.telemetry.counters import Counts

# Seconds without a turn of its loop after which a process counts as one that serves no requests. With several threads
# the leader is blocked for milliseconds; the loop of a process of one thread waits as long as a request takes.
LONGEST_SILENCE: Final = 5.0
LONGEST_SILENCE_ALONE: Final = 30.0

STARTING: Final = "starting"
READY: Final = "ready"
LEAVING: Final = "leaving"  # finishes its requests, takes no new ones
STOPPING: Final = "stopping"


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One process that serves.

    Attributes:
        pid: its process id.
        state: starting, ready or leaving.
        generation: 1 for the configuration of the start, one more for each reload.
        age: seconds since it was started.
        silence: seconds since its last heartbeat.
        counts: what it has counted.
    """

    pid: int
    state: str
    generation: int
    age: float
    silence: float
    counts: Counts

    @property
    def is_turning(self) -> bool:
        """Whether its loop turns, so that requests are served."""
        is_alone = self.counts.gauges["max_threads"] <= 1
        return self.silence <= (LONGEST_SILENCE_ALONE if is_alone else LONGEST_SILENCE)


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The whole service.

    Attributes:
        state: starting, ready or stopping.
        pid: the main process, which takes the signals.
        version: wiverno's.
        age: seconds since the start.
        addresses: where it listens.
        workers: the processes that serve; in one process that one.
        wanted: how many of them there should be.
        ended: the counts of processes that have ended.
        restarts: processes replaced, by reason.
        reloads: reloads that succeeded, and that failed.
        last_failure: why the last reload failed, "" if it did not.
        notes: what `Notes.read` returns.
    """

    state: str
    pid: int
    version: str
    age: float
    addresses: tuple[str, ...]
    workers: tuple[WorkerStatus, ...]
    wanted: int
    ended: Counts = field(default_factory=Counts)
    restarts: Mapping[str, int] = field(default_factory=dict)
    reloads: tuple[int, int] = (0, 0)
    last_failure: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> Counts:
        """The sum over all processes, with those that have ended; gauges of a single process are not included."""
        return reduce(add, (worker.counts for worker in self.workers), self.ended.without_gauges())

    @property
    def is_serving(self) -> bool:
        """Whether the loop of a process turns, by the heartbeats."""
        return any(worker.is_turning for worker in self.workers)

    @property
    def is_ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.state == READY and any(worker.state == READY and worker.is_turning for worker in self.workers)


class RefusedError(Exception):
    """The request can't be carried out; the text says why."""


class Control(Protocol):
    """The service as the admin room sees it; any thread may call it."""

    def status(self) -> ServiceStatus:
        """Return the present status."""

    def ask(self, action: str) -> str:
        """Begin an action: reload, stop, reopen, more, fewer; return a sentence about it.

        Raises:
            RefusedError: it can't be done here.
        """
