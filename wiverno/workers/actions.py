"""What `reconcile` can decide: values that the supervisor performs."""

from dataclasses import dataclass
from typing import TypeAlias

from wiverno.workers.restarts import Restarts


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill a worker that has not ended in time."""

    pid: int
    is_hung: bool = False


@dataclass(frozen=True, slots=True)
class DumpStacks:
    """Have a hung worker print the stacks of its threads; it is killed a moment later."""

    pid: int
    limit: float


@dataclass(frozen=True, slots=True)
class Retire:
    """Replace a worker: it serves until another one is ready."""

    pid: int
    reason: str


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start a worker of a generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Have a worker finish its requests and end.

    Attributes:
        pid: the worker.
        grace: seconds after which it is killed, 0 for never.
        idle_grace: seconds that its idle connections may stay for one more request.
        replaced: why it was replaced, "" if it was not.
    """

    pid: int
    grace: float
    idle_grace: float = 0.0
    replaced: str = ""


@dataclass(frozen=True, slots=True)
class Restart:
    """Note that a worker has ended by itself; another one starts after a pause."""

    pid: int
    reason: str
    counted_as: str
    restarts: Restarts
    pause: float


@dataclass(frozen=True, slots=True)
class FailStart:
    """End the service: the first workers can't start."""

    reason: str


@dataclass(frozen=True, slots=True)
class AbortReload:
    """Forget the reload in progress; the current workers continue."""

    reason: str


@dataclass(frozen=True, slots=True)
class FailReload:
    """Forget the reload in progress, because a new worker could not start."""

    reason: str


@dataclass(frozen=True, slots=True)
class CompleteReload:
    """Make the next generation the current one."""


@dataclass(frozen=True, slots=True)
class AnnounceReady:
    """Say that the service is ready."""

    count: int


@dataclass(frozen=True, slots=True)
class StopAccepting:
    """Close the listening sockets; all workers drain."""

    count: int


@dataclass(frozen=True, slots=True)
class Finish:
    """End the supervisor: all workers are gone."""


Action: TypeAlias = (
    Kill | DumpStacks | Retire | StartWorker | Drain | Restart | FailStart | AbortReload | FailReload | CompleteReload
    | AnnounceReady | StopAccepting | Finish
)  # fmt: skip
