"""What the supervisor has to do now: decided from the wanted workers, the workers that there are, and the time.

`reconcile` starts no process, reads no clock and sends no signal. It returns actions, and the supervisor performs them
in their order. Each pass looks at everything again, so an action that failed is simply decided again.

    hung or overdue workers    → dump the stacks, kill
    workers that have ended    → restart them, with growing pauses if they keep dying; or fail the start or the reload
    too few workers            → start them
    workers that retire        → drain one for each replacement that is ready
    too many workers           → drain them
    workers of other reloads   → drain them
    a reload's workers ready   → complete the reload: drain the old ones
    a stop                     → after drain_delay end those that start, then drain all; end when all of them are gone
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from wiverno.workers.actions import (
    AbortReload,
    Action,
    AnnounceReady,
    CompleteReload,
    Drain,
    DumpStacks,
    FailReload,
    FailStart,
    Finish,
    Kill,
    Restart,
    Retire,
    StartWorker,
    StopAccepting,
)  # fmt: skip
from wiverno.workers.restarts import NO_FAILURES, Restarts
from wiverno.workers.states import ServiceState, WorkerState

# Seconds that an idle keep-alive connection of a draining worker may take to send its next request while other workers
# serve: the worker's end is not urgent then, and a request that crosses the close of its connection is lost.
IDLE_GRACE: Final = 3.0
FORCED_TIMEOUT: Final = 1.0  # seconds that a worker gets when the end is forced
STARTING_TIMEOUT: Final = 2.5  # seconds that a stop waits for workers that start, which are killed after FORCED_TIMEOUT
MIN_AGE: Final = 2.0  # seconds before a worker is replaced for its memory: the next one may need as much
HUNG: Final = "hung"
NEVER: Final = float("inf")
OVER: Final = (WorkerState.DRAINING, WorkerState.KILLED, WorkerState.GONE)


# ---------------------------------------------------------------- what is looked at


@dataclass(frozen=True, slots=True)
class WantedWorkers:
    """The workers that one configuration should have.

    Attributes:
        generation: the number of the configuration.
        count: how many workers.
        grace: seconds after which a draining worker is killed, 0 for never.
        max_rss: bytes of memory above which a worker is replaced, 0 for no limit.
    """

    generation: int
    count: int
    grace: float = 0.0
    max_rss: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the service should be.

    Attributes:
        current: the workers of the current configuration.
        next: those of a reload in progress.
        state: the service's.
        stop_at: monotonic seconds at which a stopping service begins to drain.
        worker_timeout: seconds without a heartbeat after which a worker is killed, 0 for no limit.
        restarts: when the next worker may start.
    """

    current: WantedWorkers
    next: WantedWorkers | None = None
    state: ServiceState = ServiceState.READY
    stop_at: float = NEVER
    worker_timeout: float = 0.0
    restarts: Restarts = NO_FAILURES


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker as it is now.

    Attributes:
        pid: its process id.
        generation: the number of the configuration that it serves.
        state: as the supervisor knows it.
        age: seconds since its start.
        silence: seconds since its last heartbeat.
        resident: bytes of memory.
        kill_at: monotonic seconds at which it is killed.
        retire_reason: why it is replaced, "" if it is not.
        was_ready: whether it has ever been ready.
        is_exit_expected: whether it was told to end.
        exit_reason: what follows "worker 7 " in the log, if it is gone.
    """

    pid: int
    generation: int
    state: WorkerState
    age: float = 60.0
    silence: float = 0.0
    resident: float = 0.0
    kill_at: float = NEVER
    retire_reason: str = ""
    was_ready: bool = True
    is_exit_expected: bool = False
    exit_reason: str = ""


# ---------------------------------------------------------------- the decision


def reconcile(wanted: Wanted, workers: Iterable[WorkerView], now: float) -> list[Action]:
    """Return what has to be done, in this order, to bring the workers to what is wanted."""
    workers = list(workers)
    hung: list[Action] = [DumpStacks(worker.pid, wanted.worker_timeout) for worker in _hung(wanted, workers)]
    silent = {worker.pid for worker in _hung(wanted, workers)}
    kills: list[Action] = [
        Kill(worker.pid, worker.retire_reason == HUNG)
        for worker in workers
        if worker.state is not WorkerState.GONE and worker.kill_at <= now
    ]
    exits, wanted = _exits(wanted, [worker for worker in workers if worker.state is WorkerState.GONE], workers, now)
    actions = hung + kills + exits
    drained = {action.pid for action in exits if isinstance(action, Drain)}
    alive = [worker for worker in workers if worker.state is not WorkerState.GONE]
    if wanted.state not in (ServiceState.STARTING, ServiceState.READY):
        return actions + _stop(wanted, alive, now)
    able = [worker for worker in alive if worker.pid not in silent | drained]
    may_start = now >= wanted.restarts.not_before
    is_complete = wanted.next is not None and _is_ready(wanted.next, able)
    if not is_complete:  # else a worker that starts in place of an old one would be no longer wanted
        actions += _scale(wanted.current, able, may_start) + _drain_unwanted(wanted, able)
    if wanted.next is not None:
        actions += _scale(wanted.next, able, may_start)
        if is_complete:
            actions += complete_reload(wanted.current, wanted.next, alive)
    if wanted.state is ServiceState.STARTING:
        first = wanted.next if is_complete and wanted.next is not None else wanted.current
        if _is_ready(first, able):
            actions.append(AnnounceReady(first.count))
    return actions


def _hung(wanted: Wanted, workers: Iterable[WorkerView]) -> list[WorkerView]:
    """Return the workers without a heartbeat; one that starts may load its application for as long as that takes."""
    never = (WorkerState.STARTING, WorkerState.KILLED, WorkerState.GONE)
    limit = wanted.worker_timeout
    return [worker for worker in workers if limit and worker.state not in never and worker.silence > limit]


def _exits(
    wanted: Wanted, gone: Iterable[WorkerView], workers: Sequence[WorkerView], now: float
) -> tuple[list[Action], Wanted]:
    """Decide what the end of each worker means; return that, and what is wanted afterwards."""
    actions: list[Action] = []
    for worker in gone:
        if worker.is_exit_expected:
            continue
        reason = f"worker {worker.pid} {worker.exit_reason}"
        if wanted.next is not None and worker.generation == wanted.next.generation:
            actions += [FailReload(reason), *_drain_next(wanted.next, workers)]
            wanted = replace(wanted, next=None)
            continue
        if wanted.state not in (ServiceState.STARTING, ServiceState.READY):
            continue
        if worker.generation != wanted.current.generation:
            continue  # of a reload that has failed in this pass
        if wanted.state is ServiceState.STARTING and not worker.was_ready:
            actions.append(FailStart(reason))
            wanted = replace(wanted, state=ServiceState.STOPPING, stop_at=now)
            continue
        wanted = replace(wanted, restarts=wanted.restarts.after_exit(worker.age, now))
        pause = max(wanted.restarts.not_before - now, 0.0)
        counted_as = worker.retire_reason or "died"
        actions.append(Restart(worker.pid, worker.exit_reason, counted_as, wanted.restarts, pause))
    return actions, wanted


def _scale(wanted: WantedWorkers, workers: Iterable[WorkerView], may_start: bool) -> list[Action]:
    """Start the workers that are missing, drain those that are too many, and those whose replacement is ready."""
    actions: list[Action] = []
    lasting: list[WorkerView] = []
    retiring: list[WorkerView] = []
    for worker in _members(wanted, workers):
        if worker.retire_reason:
            retiring.append(worker)
        elif 0 < wanted.max_rss < worker.resident and worker.age >= MIN_AGE:
            actions.append(Retire(worker.pid, "max_rss"))
            retiring.append(replace(worker, retire_reason="max_rss"))
        else:
            lasting.append(worker)
    missing = wanted.count - len(lasting)
    if may_start:
        actions += [StartWorker(wanted.generation)] * missing
    lasting.sort(key=lambda worker: worker.state is WorkerState.READY)  # one that starts serves no client yet
    superfluous = lasting[: max(-missing, 0)]
    actions += [Drain(worker.pid, wanted.grace, IDLE_GRACE) for worker in superfluous]
    # One drains for each that is ready. If all had to be ready at the same time, workers that retire soon after their
    # start (max_rss below what the application needs) would become more and more.
    ready = [worker for worker in lasting[len(superfluous) :] if worker.state is WorkerState.READY]
    replaced = retiring[: max(len(ready) + len(retiring) - wanted.count, 0)]
    actions += [Drain(worker.pid, wanted.grace, IDLE_GRACE, worker.retire_reason) for worker in replaced]
    return actions


def _drain_unwanted(wanted: Wanted, workers: Iterable[WorkerView]) -> list[Action]:
    """Drain the workers of earlier generations and of reloads that failed, if that has not been done."""
    generations = {wanted.current.generation, wanted.next and wanted.next.generation}
    return [
        Drain(worker.pid, wanted.current.grace, IDLE_GRACE)
        for worker in workers
        if worker.generation not in generations and worker.state not in OVER
    ]


def _members(wanted: WantedWorkers, workers: Iterable[WorkerView]) -> list[WorkerView]:
    """Return the workers of a generation that still count for it."""
    return [worker for worker in workers if worker.generation == wanted.generation and worker.state not in OVER]


def _is_ready(wanted: WantedWorkers, workers: Iterable[WorkerView]) -> bool:
    """Tell whether as many workers as wanted serve."""
    return sum(worker.state is not WorkerState.STARTING for worker in _members(wanted, workers)) >= wanted.count


def _stop(wanted: Wanted, alive: Sequence[WorkerView], now: float) -> list[Action]:
    """Drain when drain_delay is over; end when no worker is left.

    A worker that loads the application holds the listening sockets open and accepts nothing: a client that connects
    after the others have stopped accepting is reset. So those workers end first, unless that takes long.
    """
    actions: list[Action] = []
    starting = [worker for worker in alive if not worker.was_ready]
    serves = len(starting) < len(alive)
    if wanted.state is ServiceState.STOPPING and now >= wanted.stop_at:
        if starting and serves and now < wanted.stop_at + STARTING_TIMEOUT:
            return [Drain(worker.pid, wanted.current.grace) for worker in starting if worker.state not in OVER]
        actions.append(StopAccepting(len(alive)))
        actions += [Drain(worker.pid, wanted.current.grace) for worker in alive]
    elif wanted.state is ServiceState.DRAINING:  # those that could not be told
        actions += [Drain(worker.pid, wanted.current.grace) for worker in alive if worker.state not in OVER]
    if not alive and wanted.state is not ServiceState.STOPPED:
        actions.append(Finish())
    return actions


# ---------------------------------------------------------------- decisions that signals ask for


def complete_reload(old: WantedWorkers, new: WantedWorkers, workers: Iterable[WorkerView]) -> list[Action]:
    """Return what makes `new` the current generation."""
    others = [worker for worker in workers if worker.generation != new.generation]
    return [CompleteReload(), *(Drain(worker.pid, old.grace, IDLE_GRACE) for worker in others)]


def abort_reload(new: WantedWorkers, workers: Iterable[WorkerView], reason: str) -> list[Action]:
    """Return what ends a reload in progress."""
    return [AbortReload(reason), *_drain_next(new, workers)]


def _drain_next(new: WantedWorkers, workers: Iterable[WorkerView]) -> list[Action]:
    """A new worker that is ready has accepted connections and must drain; one that starts can simply end."""
    return [
        Drain(worker.pid, FORCED_TIMEOUT if worker.state is WorkerState.STARTING else new.grace, IDLE_GRACE)
        for worker in _members(new, workers)
    ]


def force_stop(workers: Iterable[WorkerView]) -> list[Action]:
    """Return what ends all workers at once."""
    return [Drain(worker.pid, FORCED_TIMEOUT) for worker in workers]
