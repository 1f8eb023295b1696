"""What the supervisor decides, for each situation: a table of workers and what has to be done about them."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
)
from wiverno.workers.reconcile import (
    FORCED_TIMEOUT,
    HUNG,
    IDLE_GRACE,
    STARTING_TIMEOUT,
    Wanted,
    WantedWorkers,
    WorkerView,
    abort_reload,
    force_stop,
    reconcile,
)
from wiverno.workers.restarts import Restarts
from wiverno.workers.states import ServiceState, WorkerState

NOW = 1000.0
GRACE = 33.0
MIB = 1 << 20

ONE = WantedWorkers(1, 1, GRACE)
TWO = WantedWorkers(1, 2, GRACE)
NEXT = WantedWorkers(2, 2, 13.0)
STARTING = ServiceState.STARTING
STOPPING = ServiceState.STOPPING
DRAINING = ServiceState.DRAINING


def worker(pid: int, state: WorkerState = WorkerState.READY, generation: int = 1, **changes: object) -> WorkerView:
    view = WorkerView(pid, generation, state, was_ready=state is not WorkerState.STARTING)
    return replace(view, **changes)  # type: ignore[arg-type]


def starting(pid: int, generation: int = 1) -> WorkerView:
    return worker(pid, WorkerState.STARTING, generation)


def retiring(pid: int, reason: str = "max_requests", generation: int = 1) -> WorkerView:
    return worker(pid, WorkerState.RETIRING, generation, retire_reason=reason)


def draining(pid: int, generation: int = 1, **changes: object) -> WorkerView:
    return worker(pid, WorkerState.DRAINING, generation, is_exit_expected=True, **changes)


def gone(pid: int, generation: int = 1, **changes: object) -> WorkerView:
    return worker(pid, WorkerState.GONE, generation, exit_reason="exited with status 7", **changes)


def drain(pid: int, replaced: str = "", grace: float = GRACE) -> Drain:
    return Drain(pid, grace, IDLE_GRACE, replaced)


START = StartWorker(1)
START_NEXT = StartWorker(2)

CASES: dict[str, tuple[Wanted, list[WorkerView], list[Action]]] = {
    # starting
    "the first workers start": (Wanted(TWO, state=STARTING), [], [START, START]),
    "workers that start are waited for": (Wanted(TWO, state=STARTING), [worker(7), starting(8)], []),
    "the service is ready with its workers": (
        Wanted(TWO, state=STARTING), [worker(7), worker(8)], [AnnounceReady(2)],
    ),
    "a first worker that cannot start ends the service": (
        Wanted(TWO, state=STARTING), [gone(7, was_ready=False), starting(8)],
        [FailStart("worker 7 exited with status 7"), StopAccepting(1), Drain(8, GRACE)],
    ),
    "two first workers that cannot start end it once": (
        Wanted(TWO, state=STARTING), [gone(7, was_ready=False), gone(8, was_ready=False)],
        [FailStart("worker 7 exited with status 7"), StopAccepting(0), Finish()],
    ),
    "a first worker that was ready is restarted": (
        Wanted(TWO, state=STARTING), [gone(7), starting(8)],
        [Restart(7, "exited with status 7", "died", Restarts(0, NOW), 0.0), START],
    ),
    # scaling
    "nothing to do": (Wanted(TWO), [worker(7), worker(8)], []),
    "a missing worker starts": (Wanted(TWO), [worker(7)], [START]),
    "draining and killed workers do not count": (
        Wanted(TWO), [worker(7), draining(8), worker(9, WorkerState.KILLED)], [START],
    ),
    "scaled down: the oldest drains": (Wanted(ONE), [worker(7), worker(8)], [drain(7)]),
    "scaled down: one that still starts drains first": (Wanted(ONE), [worker(7), starting(8)], [drain(8)]),
    "scaled down by more than one": (Wanted(ONE), [worker(7), worker(8), worker(9)], [drain(7), drain(8)]),
    "no room for a fork: wait until the pause is over": (
        Wanted(TWO, restarts=Restarts().after_failed_fork(NOW)), [worker(7)], [],
    ),
    "after the pause the next attempt": (
        Wanted(TWO, restarts=Restarts().after_failed_fork(NOW - 2.0)), [worker(7)], [START],
    ),
    # retiring
    "a replacement starts first": (Wanted(ONE), [retiring(7)], [START]),
    "the replacement is not ready": (Wanted(ONE), [retiring(7), starting(8)], []),
    "the replacement is ready": (Wanted(ONE), [retiring(7), worker(8)], [drain(7, "max_requests")]),
    "two retire, one replacement is ready": (
        Wanted(TWO), [retiring(7), retiring(8), worker(9), starting(10)], [drain(7, "max_requests")],
    ),
    "two retire, both are replaced": (
        Wanted(TWO), [retiring(7), retiring(8, "stuck"), worker(9), worker(10)],
        [drain(7, "max_requests"), drain(8, "stuck")],
    ),
    "too much memory": (
        Wanted(replace(ONE, max_rss=100 * MIB)), [worker(7, resident=101.0 * MIB)], [Retire(7, "max_rss"), START],
    ),
    "too much memory at once": (
        Wanted(replace(ONE, max_rss=100 * MIB)), [worker(7, resident=101.0 * MIB, age=1.9)], [],
    ),
    "no limit for memory": (Wanted(ONE), [worker(7, resident=1e12)], []),
    "a worker with too much memory serves, so the service is ready": (
        Wanted(replace(ONE, max_rss=100 * MIB), state=STARTING), [worker(7, resident=101.0 * MIB)],
        [Retire(7, "max_rss"), START, AnnounceReady(1)],
    ),
    # exits
    "a worker that was told to end": (Wanted(ONE), [gone(7, is_exit_expected=True), worker(8)], []),
    "a worker that exits after long": (
        Wanted(ONE, restarts=Restarts(5, 0.0)), [gone(7, age=3600.0)],
        [Restart(7, "exited with status 7", "died", Restarts(0, NOW), 0.0), START],
    ),
    "the first early exit: at once": (
        Wanted(ONE), [gone(7, age=1.0)],
        [Restart(7, "exited with status 7", "died", Restarts(1, NOW), 0.0), START],
    ),
    "the second early exit: after a second": (
        Wanted(ONE, restarts=Restarts(1)), [gone(7, age=1.0)],
        [Restart(7, "exited with status 7", "died", Restarts(2, NOW + 1), 1.0)],
    ),
    "the last worker cannot start: never more than half a minute": (
        Wanted(ONE, restarts=Restarts(40)), [gone(7, age=0.1, was_ready=False)],
        [Restart(7, "exited with status 7", "died", Restarts(41, NOW + 30), 30.0)],
    ),
    "an exit counts under the reason for which it retired": (
        Wanted(ONE), [gone(7, retire_reason=HUNG)],
        [Restart(7, "exited with status 7", HUNG, Restarts(0, NOW), 0.0), START],
    ),
    # hung and overdue
    "no heartbeat": (
        Wanted(TWO, worker_timeout=5.0), [worker(7, silence=5.1), worker(8, silence=4.9)],
        [DumpStacks(7, 5.0), START],
    ),
    "no heartbeat while draining": (
        Wanted(ONE, worker_timeout=5.0), [draining(7, silence=6.0), worker(8)], [DumpStacks(7, 5.0)],
    ),
    "no heartbeat while it loads the application": (
        Wanted(ONE, worker_timeout=5.0), [replace(starting(7), silence=60.0)], [],
    ),
    "no limit for heartbeats": (Wanted(ONE), [worker(7, silence=60.0)], []),
    "a hung worker gets time for its stacks": (
        Wanted(ONE, worker_timeout=5.0),
        [worker(7, WorkerState.KILLED, retire_reason=HUNG, silence=6.0, kill_at=NOW + 1), worker(8)], [],
    ),
    "a hung worker is killed": (
        Wanted(ONE, worker_timeout=5.0),
        [worker(7, WorkerState.KILLED, retire_reason=HUNG, silence=7.0, kill_at=NOW), worker(8)], [Kill(7, True)],
    ),
    "a worker drains for too long": (Wanted(ONE), [draining(7, kill_at=NOW - 0.1), worker(8)], [Kill(7)]),
    # reloading
    "a reload starts its workers beside the old ones": (
        Wanted(TWO, NEXT), [worker(7), worker(8)], [START_NEXT, START_NEXT],
    ),
    "a reload waits for all of them": (Wanted(ONE, NEXT), [worker(7), worker(8, generation=2), starting(9, 2)], []),
    "a reload is complete": (
        Wanted(TWO, NEXT), [worker(7), starting(8), draining(5), worker(9, generation=2), worker(10, generation=2)],
        [CompleteReload(), drain(7), drain(8), drain(5)],
    ),
    "a reload is complete before the start was": (
        Wanted(ONE, NEXT, STARTING), [starting(7), worker(9, generation=2), worker(10, generation=2)],
        [CompleteReload(), drain(7), AnnounceReady(2)],
    ),
    "an old worker exits as the reload is complete: none starts in its place": (
        Wanted(TWO, NEXT), [gone(7), worker(8), worker(9, generation=2), worker(10, generation=2)],
        [Restart(7, "exited with status 7", "died", Restarts(0, NOW), 0.0), CompleteReload(), drain(8)],
    ),
    "an old worker hangs as the reload is complete": (
        Wanted(ONE, NEXT, worker_timeout=5.0),
        [worker(7, silence=5.1), worker(9, generation=2), worker(10, generation=2)],
        [DumpStacks(7, 5.0), CompleteReload(), drain(7)],
    ),
    "an old worker retires as the reload is complete": (
        Wanted(ONE, NEXT), [retiring(7), worker(9, generation=2), worker(10, generation=2)],
        [CompleteReload(), drain(7)],
    ),
    "workers of an earlier generation that were not told drain": (
        Wanted(NEXT),
        [worker(7), starting(8), draining(5), worker(6, WorkerState.KILLED), worker(9, generation=2),
         worker(10, generation=2)],
        [drain(7, grace=13.0), drain(8, grace=13.0)],
    ),
    "workers of a failed reload that were not told drain beside the next one": (
        Wanted(ONE, replace(NEXT, generation=3)), [worker(7), worker(8, generation=2), starting(9, 3), starting(10, 3)],
        [drain(8)],
    ),
    "a new worker fails: the other new ones end": (
        Wanted(ONE, NEXT), [gone(9, 2), worker(7), worker(10, generation=2), starting(11, 2)],
        [FailReload("worker 9 exited with status 7"), drain(10, grace=13.0), drain(11, grace=FORCED_TIMEOUT)],
    ),
    "two new workers fail: one failed reload": (
        Wanted(ONE, NEXT), [gone(9, 2), gone(10, 2), worker(7)], [FailReload("worker 9 exited with status 7")],
    ),
    "a new and an old worker exit": (
        Wanted(ONE, NEXT), [gone(9, 2), gone(7)],
        [
            FailReload("worker 9 exited with status 7"),
            Restart(7, "exited with status 7", "died", Restarts(0, NOW), 0.0), START,
        ],
    ),
    "an old worker exits during a reload": (
        Wanted(ONE, NEXT), [gone(7), starting(9, 2), starting(10, 2)],
        [Restart(7, "exited with status 7", "died", Restarts(0, NOW), 0.0), START],
    ),
    # stopping
    "within drain_delay nothing happens": (Wanted(TWO, state=STOPPING, stop_at=NOW + 1), [worker(7)], []),
    "a worker that exits within drain_delay is not restarted": (
        Wanted(TWO, state=STOPPING, stop_at=NOW + 1), [gone(7), worker(8)], [],
    ),
    "all workers exit within drain_delay": (Wanted(ONE, state=STOPPING, stop_at=NOW + 1), [gone(7)], [Finish()]),
    "after drain_delay all drain": (
        Wanted(TWO, state=STOPPING, stop_at=NOW), [worker(7), draining(9)],
        [StopAccepting(2), Drain(7, GRACE), Drain(9, GRACE)],
    ),
    "workers that start end before those that serve": (
        Wanted(TWO, state=STOPPING, stop_at=NOW), [worker(7), starting(8)], [Drain(8, GRACE)],
    ),
    "those of a reload, too": (
        Wanted(TWO, state=STOPPING, stop_at=NOW - 1), [worker(7), draining(8, generation=2, was_ready=False)], [],
    ),
    "a worker that does not end while it starts is not waited for": (
        Wanted(TWO, state=STOPPING, stop_at=NOW - STARTING_TIMEOUT), [worker(7), draining(8, was_ready=False)],
        [StopAccepting(2), Drain(7, GRACE), Drain(8, GRACE)],
    ),
    "workers that all start end at once": (
        Wanted(TWO, state=STOPPING, stop_at=NOW), [starting(7), starting(8)],
        [StopAccepting(2), Drain(7, GRACE), Drain(8, GRACE)],
    ),
    "workers that were not told drain": (
        Wanted(TWO, state=DRAINING, stop_at=NOW),
        [worker(7), starting(8), retiring(9), draining(10), worker(11, WorkerState.KILLED)],
        [Drain(7, GRACE), Drain(8, GRACE), Drain(9, GRACE)],
    ),
    "draining is waited for": (Wanted(TWO, state=DRAINING, stop_at=NOW), [draining(7)], []),
    "an overdue worker is killed at the end": (
        Wanted(TWO, state=DRAINING, stop_at=0.0), [draining(7, kill_at=NOW)], [Kill(7)],
    ),
    "the last worker is gone": (
        Wanted(TWO, state=DRAINING, stop_at=NOW), [gone(7, is_exit_expected=True)], [Finish()],
    ),
    "it finishes once": (Wanted(TWO, state=ServiceState.STOPPED, stop_at=NOW), [], []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_decisions(name: str) -> None:
    """Each situation leads to exactly these actions, in this order."""
    wanted, workers, actions = CASES[name]
    assert reconcile(wanted, workers, NOW) == actions


def test_a_reload_that_is_aborted_drains_only_its_workers() -> None:
    """One that is ready has accepted clients and gets the usual time, one that starts can end at once."""
    workers = [worker(7), worker(9, generation=2), starting(10, 2), draining(11, 2), gone(12, 2)]
    assert abort_reload(NEXT, workers, "stop") == [
        AbortReload("stop"), drain(9, grace=13.0), drain(10, grace=FORCED_TIMEOUT),
    ]  # fmt: skip


def test_a_forced_stop_takes_all() -> None:
    """Every worker gets one second, whatever it does."""
    assert force_stop([worker(7), draining(8)]) == [Drain(7, FORCED_TIMEOUT), Drain(8, FORCED_TIMEOUT)]


def test_pauses_grow_while_workers_keep_exiting() -> None:
    """0, 1, 2, 4 … seconds, 30 at most; a worker that has lasted starts the count again."""
    restarts, pauses = Restarts(), []
    for _ in range(8):
        restarts = restarts.after_exit(0.5, NOW)
        pauses.append(restarts.not_before - NOW)
    assert pauses == [0, 1, 2, 4, 8, 16, 30, 30]
    assert restarts.after_exit(11.0, NOW) == Restarts(0, NOW)


def test_a_limit_below_what_the_application_needs_does_not_multiply_workers() -> None:
    """Each worker retires as soon as it is ready: they are replaced one by one, and stay as many as wanted."""
    wanted = Wanted(replace(TWO, max_rss=100 * MIB))
    workers: dict[int, WorkerView] = {}
    pids = iter(range(1, 1000))
    for step in range(50):
        for action in reconcile(wanted, workers.values(), NOW + step):
            if isinstance(action, StartWorker):
                pid = next(pids)
                workers[pid] = starting(pid)
            elif isinstance(action, Retire):
                workers[action.pid] = replace(workers[action.pid], state=WorkerState.RETIRING, retire_reason="max_rss")
            else:
                assert isinstance(action, Drain)
                del workers[action.pid]
        assert len(workers) <= 4
        first = next((one for one in workers.values() if one.state is WorkerState.STARTING), None)
        if first is not None:  # they become ready one after the other
            workers[first.pid] = replace(first, state=WorkerState.READY, resident=101.0 * MIB)
    assert next(pids) > 40
