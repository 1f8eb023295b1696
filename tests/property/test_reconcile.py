"""Whatever happens to workers in whatever order, the supervisor's decisions bring them to what is wanted."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from wiverno.workers import actions as to_do
from wiverno.workers.reconcile import Wanted, WantedWorkers, WorkerView, abort_reload, force_stop, reconcile
from wiverno.workers.restarts import Restarts
from wiverno.workers.states import WORKER_MOVES, ServiceState, WorkerState

EVENTS = st.sampled_from(
    [
        "ready", "ready", "ready", "exit", "hang", "retire", "grow", "reload", "abort", "more", "fewer", "tick", "stop",
        "force",
    ]
)  # fmt: skip
OVER = (WorkerState.DRAINING, WorkerState.KILLED)


class Simulation:
    """Workers without processes; every action is performed as the supervisor would, and checked."""

    def __init__(self, count: int) -> None:
        self.wanted = Wanted(WantedWorkers(1, count, 30.0, 100), state=ServiceState.STARTING, worker_timeout=5.0)
        self.workers: dict[int, WorkerView] = {}
        self.now = 0.0
        self.pids = 0
        self.numbers = 1

    def set(self, pid: int, state: WorkerState, **changes: object) -> None:
        before = self.workers[pid]
        assert state in WORKER_MOVES[before.state], f"{before} → {state}"
        self.workers[pid] = replace(before, state=state, **changes)  # type: ignore[arg-type]

    def perform(self, action: to_do.Action) -> None:
        wanted = self.wanted
        match action:
            case to_do.StartWorker(generation):
                assert wanted.state in (ServiceState.STARTING, ServiceState.READY)
                assert generation in {wanted.current.generation, wanted.next and wanted.next.generation}
                self.pids += 1
                self.workers[self.pids] = WorkerView(
                    self.pids, generation, WorkerState.STARTING, was_ready=False, age=5.0
                )
            case to_do.Drain(pid, grace):
                worker = self.workers[pid]
                kill_at = min(worker.kill_at, self.now + grace if grace else float("inf"))
                self.workers[pid] = replace(worker, is_exit_expected=True, kill_at=kill_at)
                if WorkerState.DRAINING in WORKER_MOVES[worker.state]:
                    self.set(pid, WorkerState.DRAINING)
            case to_do.Retire(pid, reason):
                self.set(pid, WorkerState.RETIRING, retire_reason=reason)
            case to_do.DumpStacks(pid):
                self.set(pid, WorkerState.KILLED, retire_reason="hung", kill_at=self.now + 1.0)
            case to_do.Kill(pid):
                self.end(pid)
            case to_do.Restart():
                self.wanted = replace(wanted, restarts=action.restarts)
            case to_do.FailStart():
                self.wanted = replace(wanted, state=ServiceState.STOPPING, stop_at=self.now)
            case to_do.AbortReload() | to_do.FailReload():
                assert wanted.next is not None
                self.wanted = replace(wanted, next=None)
            case to_do.CompleteReload():
                assert wanted.next is not None
                self.wanted = replace(wanted, current=wanted.next, next=None, restarts=Restarts())
            case to_do.AnnounceReady(count):
                assert wanted.state is ServiceState.STARTING
                assert count == self.wanted.current.count
                self.wanted = replace(wanted, state=ServiceState.READY)
            case to_do.StopAccepting():
                self.wanted = replace(wanted, state=ServiceState.DRAINING)
            case to_do.Finish():
                assert not self.workers
                self.wanted = replace(wanted, state=ServiceState.STOPPED)

    def end(self, pid: int) -> None:
        if self.workers[pid].state is not WorkerState.GONE:
            self.set(pid, WorkerState.GONE, exit_reason="exited with status 1")

    def reconcile(self) -> None:
        views = list(self.workers.values())
        gone = {view.pid for view in views if view.state is WorkerState.GONE}
        self.workers = {pid: view for pid, view in self.workers.items() if pid not in gone}
        if self.wanted.state is not ServiceState.STOPPED:
            for action in reconcile(self.wanted, views, self.now):
                self.perform(action)
            self.check()

    def check(self) -> None:
        """Each worker that is not about to end belongs to the current generation, or to the reload in progress."""
        wanted = self.wanted
        generations = {wanted.current.generation, wanted.next and wanted.next.generation}
        lasting = [view for view in self.workers.values() if view.state not in (*OVER, WorkerState.GONE)]
        if wanted.state in (ServiceState.STARTING, ServiceState.READY):
            assert all(view.generation in generations for view in lasting), lasting
        elif wanted.state is ServiceState.DRAINING:
            assert not lasting

    def count(self, *states: WorkerState) -> int:
        generation = self.wanted.current.generation
        return sum(view.state in states and view.generation == generation for view in self.workers.values())

    def happen(self, event: str, number: int) -> None:
        """Let something happen, to the worker of this number if it concerns one."""
        self.now += 1.0
        is_running = self.wanted.state in (ServiceState.STARTING, ServiceState.READY)
        if event in ("ready", "exit", "hang", "retire", "grow"):
            if self.workers:
                self._happen_to(list(self.workers.values())[number % len(self.workers)], event)
        elif event == "tick":
            self.now += 40.0
        elif event in ("reload", "abort"):
            if self.wanted.next is not None:
                for action in abort_reload(self.wanted.next, self.workers.values(), "requested"):
                    self.perform(action)
            if event == "reload" and is_running:
                self.numbers += 1
                following = replace(self.wanted.current, generation=self.numbers)
                self.wanted = replace(self.wanted, next=following)
        elif event in ("more", "fewer"):
            count = max(self.wanted.current.count + (1 if event == "more" else -1), 1)
            self.wanted = replace(self.wanted, current=replace(self.wanted.current, count=count))
        elif event == "stop" and is_running:
            self.wanted = replace(self.wanted, state=ServiceState.STOPPING, stop_at=self.now + 2.0, next=None)
        elif event == "force" and not is_running and self.wanted.state is ServiceState.STOPPING:
            self.wanted = replace(self.wanted, state=ServiceState.DRAINING, stop_at=0.0)
            for action in force_stop(self.workers.values()):
                self.perform(action)

    def _happen_to(self, worker: WorkerView, event: str) -> None:
        if event == "exit":
            self.end(worker.pid)
        elif event == "ready" and worker.state is WorkerState.STARTING:
            self.set(worker.pid, WorkerState.READY, was_ready=True)
        elif event == "retire" and worker.state is WorkerState.READY:
            self.set(worker.pid, WorkerState.RETIRING, retire_reason="max_requests")
        elif event == "hang":
            self.workers[worker.pid] = replace(worker, silence=6.0)
        elif event == "grow":
            self.workers[worker.pid] = replace(worker, resident=101.0)

    def settle(self) -> None:
        """Let all go well from now on: workers become ready, and draining ones end."""
        for _ in range(200):
            self.now += 40.0
            for worker in list(self.workers.values()):
                if worker.state is WorkerState.STARTING:
                    self._happen_to(worker, "ready")
                elif worker.state in OVER:
                    self.end(worker.pid)
            self.reconcile()


# An old worker ends, or hangs, and the workers of a reload are ready before its replacement has started.
@example(1, [("hang", 0), ("reload", 0)])
@example(1, [("ready", 0), ("exit", 0), ("reload", 0), ("exit", 0)])
@settings(max_examples=examples(600), deadline=None)
@given(st.integers(1, 4), st.lists(st.tuples(EVENTS, st.integers(0, 11)), max_size=60))
def test_workers_come_to_what_is_wanted(count: int, events: list[tuple[str, int]]) -> None:
    """Every move is legal, workers never multiply, and after all trouble there are as many as wanted, or none."""
    simulation = Simulation(count)
    simulation.reconcile()
    for event, number in events:
        simulation.happen(event, number)
        simulation.reconcile()
        wanted = simulation.wanted.current.count
        assert simulation.count(WorkerState.STARTING, WorkerState.READY) <= max(wanted, count + len(events))
        assert simulation.count(WorkerState.READY, WorkerState.RETIRING) <= 2 * max(wanted, 1) + count
    simulation.settle()
    if simulation.wanted.state is ServiceState.STOPPED:
        assert not simulation.workers
    else:
        assert simulation.wanted.state is ServiceState.READY
        assert simulation.count(WorkerState.READY) == len(simulation.workers) == simulation.wanted.current.count
