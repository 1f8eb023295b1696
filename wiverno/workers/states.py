"""The states of a worker, of a reload and of the whole service, and the legal moves between them.

    worker    starting → ready → retiring → draining → killed → gone
    reload    none → reading → starting → succeeded | failed | aborted → reading …
    service   starting → ready → stopping → draining → stopped

Each owner of a state has one method that sets it; that method calls `check_move`, which raises for a move that the
table does not have and logs the others at DEBUG.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeVar

from wiverno.core.telemetry import status
from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")


class WorkerState(Enum):
    """What a worker process does, as the supervisor knows it."""

    STARTING = "starting"  # it loads the application
    READY = "ready"  # it serves
    RETIRING = "retiring"  # it serves until another worker is ready in its place
    DRAINING = "draining"  # it got SIGTERM and finishes its requests
    KILLED = "killed"  # it hung, or was too slow to drain: SIGKILL follows or was sent
    GONE = "gone"  # the process has ended and was reaped


class ReloadState(Enum):
    """How far the last reload has come."""

    NONE = "none"  # there was none yet
    READING = "reading"  # the configuration is read and checked
    STARTING = "starting"  # the new workers start
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the configuration is wrong, or a new worker could not start
    ABORTED = "aborted"  # another reload or a stop was requested


class ServiceState(Enum):
    """What the supervisor does."""

    STARTING = "starting"  # the first workers start
    READY = "ready"  # as many workers as wanted have been ready once
    STOPPING = "stopping"  # not ready, but serving until drain_delay is over
    DRAINING = "draining"  # the workers drain
    STOPPED = "stopped"  # all workers are gone


_W, _R, _S = WorkerState, ReloadState, ServiceState

WORKER_MOVES: Final[Mapping[WorkerState, frozenset[WorkerState]]] = MappingProxyType(
    {
        _W.STARTING: frozenset({_W.READY, _W.RETIRING, _W.DRAINING, _W.KILLED, _W.GONE}),
        _W.READY: frozenset({_W.RETIRING, _W.DRAINING, _W.KILLED, _W.GONE}),
        _W.RETIRING: frozenset({_W.DRAINING, _W.KILLED, _W.GONE}),
        _W.DRAINING: frozenset({_W.KILLED, _W.GONE}),
        _W.KILLED: frozenset({_W.GONE}),
        _W.GONE: frozenset(),
    }
)

RELOAD_MOVES: Final[Mapping[ReloadState, frozenset[ReloadState]]] = MappingProxyType(
    {
        _R.NONE: frozenset({_R.READING}),
        _R.READING: frozenset({_R.STARTING, _R.FAILED}),
        _R.STARTING: frozenset({_R.SUCCEEDED, _R.FAILED, _R.ABORTED}),
        _R.SUCCEEDED: frozenset({_R.READING}),
        _R.FAILED: frozenset({_R.READING}),
        _R.ABORTED: frozenset({_R.READING}),
    }
)

SERVICE_MOVES: Final[Mapping[ServiceState, frozenset[ServiceState]]] = MappingProxyType(
    {
        _S.STARTING: frozenset({_S.READY, _S.STOPPING, _S.DRAINING}),
        _S.READY: frozenset({_S.STOPPING, _S.DRAINING}),
        _S.STOPPING: frozenset({_S.DRAINING, _S.STOPPED}),
        _S.DRAINING: frozenset({_S.STOPPED}),
        _S.STOPPED: frozenset(),
    }
)

SHOWN: Final[Mapping[WorkerState, str]] = MappingProxyType(
    {
        _W.STARTING: status.STARTING,
        _W.READY: status.READY,
        _W.RETIRING: status.READY,  # it still serves
        _W.DRAINING: status.LEAVING,
        _W.KILLED: status.LEAVING,
        _W.GONE: status.LEAVING,
    }
)
"""The documented words of /status and of the metrics for a worker's states."""

State = TypeVar("State", WorkerState, ReloadState, ServiceState)


def check_move(moves: Mapping[State, frozenset[State]], before: State, after: State, subject: object) -> State:
    """Return `after`, if the table has that move.

    Raises:
        AssertionError: it does not; a mistake in wiverno.
    """
    if after not in moves[before]:
        raise AssertionError(f"{subject}: no move from {before.value} to {after.value}")
    logger.debug("%s: %s → %s", str(subject), before.value, after.value)
    return after
