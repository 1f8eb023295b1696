"""The supervisor: keeps as many workers running as are wanted, and replaces them without losing a request.

It binds the sockets, forks, and never serves a request of a client. Its own event loop is an engine with one thread
for the admin application, so that the admin listener answers whatever the workers do. Everything here runs in the main
thread; signal handlers and the workers' pipes only ask the loop to reconcile.

    a worker exits           → another one starts: at once, after further exits with growing pauses
    a worker hangs           → its stacks are printed, it is killed, another one starts
    a worker retires         → (max_requests, max_rss, stuck requests, certificates) another one starts; when that is
                               ready, it drains
    reload                   → the configuration is read and checked, new workers load the application; when all of them
                               are ready, the old ones drain; if one of them fails, the old ones continue
    stop                     → not ready; after drain_delay all workers drain; a second signal forces the end

What to do is decided by `reconcile` (reconcile.py), a pure function. This class gathers what it has to know, asks it,
and performs the actions. A worker drains as every engine does (core/engine.py).
"""

import errno
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Any

from wiverno.core import forks
from wiverno.core.engine import Engine
from wiverno.core.log_files import provide_log_files
from wiverno.core.loop.signals import AGAIN, handle_signals
from wiverno.core.loop.timers import EVERY_SECOND, Repeating
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.ownership import future_owner
from wiverno.core.telemetry import status
from wiverno.core.telemetry.notes import Notes
from wiverno.core.telemetry.status import RefusedError, ServiceStatus
from wiverno.files import SetupError, error_text
from wiverno.foreign_code import guarded_logger
from wiverno.workers import actions as to_do
from wiverno.workers.admin_listener import Admin, admin_engine
from wiverno.workers.events import count, describe_action
from wiverno.workers.generation import Generation
from wiverno.workers.hook_processes import HookProcesses
from wiverno.workers.hooks import describe_server
from wiverno.workers.pid_file import pid_file
from wiverno.workers.plan import Plan, StartFailedError
from wiverno.workers.process import WorkerProcess
from wiverno.workers.reconcile import NEVER, Wanted, abort_reload, force_stop, reconcile
from wiverno.workers.reload import Reload
from wiverno.workers.restarts import NO_FAILURES, NO_ROOM_PAUSE, Restarts
from wiverno.workers.sd_notify import Notifier
from wiverno.workers.shared_sockets import SharedSockets
from wiverno.workers.states import SERVICE_MOVES, ReloadState, ServiceState, check_move
from wiverno.workers.worker_pool import WorkerPool

logger = guarded_logger("wiverno")


class Supervisor:
    """One service of several processes."""

    def __init__(
        self, plan: Plan, configure: Callable[[], Plan] | None = None, *, notifier: Notifier, version: str = "",
        on_gone: Callable[[int], None] | None = None,
    ) -> None:  # fmt: skip
        """Bind the sockets, and load the application if the supervisor loads it.

        Args:
            plan: what to serve.
            configure: reads the configuration again for a reload; without it the same plan is served again.
            notifier: the service manager.
            version: wiverno's.
            on_gone: called with the process id of each worker that has ended.

        Raises:
            OSError: an address can't be bound.
        """
        if not hasattr(os, "fork"):
            raise SetupError(errno.ENOSYS, "workers need fork(), which this system does not have: leave workers at 0")
        self._notifier = notifier
        self._version = version
        self._on_gone = on_gone
        self._sockets = SharedSockets()
        self._pool = WorkerPool(self._sockets, self._on_report)
        self._state = ServiceState.STARTING
        self._is_interrupted = False  # Ctrl-C
        self._reload = Reload(configure, self._sockets, notifier)
        self._notes = Notes()
        self._restart_counts: Counter[str] = Counter()
        self._restarts: Restarts = NO_FAILURES
        self._start_failure = ""
        self._started = time.monotonic()
        self._stop_at = NEVER
        self._hooks = HookProcesses()
        self._engine: Engine
        self._performers: dict[type, Callable[[Any], None]] = {
            to_do.Kill: self._kill,
            to_do.DumpStacks: self._dump_stacks,
            to_do.Retire: lambda action: self._pool.get(action.pid).retire(action.reason),
            to_do.StartWorker: self._start_worker,
            to_do.Drain: self._drain,
            to_do.Restart: self._restart,
            to_do.FailStart: self._fail_start,
            to_do.AbortReload: lambda action: self._reload.abort(action.reason, self._current),
            to_do.FailReload: lambda action: self._reload.fail(action.reason, self._current),
            to_do.CompleteReload: self._complete_reload,
            to_do.AnnounceReady: self._announce_ready,
            to_do.StopAccepting: self._stop_accepting,
            to_do.Finish: self._finish,
        }
        forks.register(self)
        try:
            self._current = Generation(1, plan, self._sockets.open(plan.adjustments))
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<supervisor {self._state.value}, {count(len(self._pool.workers))}>"

    def abandon(self) -> None:
        """Close this process's copies of everything, after the application has forked in the supervisor."""
        self._pool.abandon()
        self._sockets.release(())

    # ---------------------------------------------------------------- running

    @property
    def listeners(self) -> list[Listener]:
        """Where clients are accepted."""
        return self._current.listeners

    def run(self, admin: Admin, announce: Callable[[], None]) -> None:
        """Serve until a signal ends it; `admin` answers on the admin listener, `announce` says that clients may come.

        Raises:
            StartFailedError: the application could not be loaded.
            OSError: the admin address can't be bound, or the pid file not written.
        """
        settings = self._current.plan.adjustments
        with ExitStack() as stack:
            stack.enter_context(pid_file(settings.pid_file, future_owner(settings)))
            self._engine = engine = admin_engine(settings, admin)
            stack.callback(engine.close)
            requests = self._signal_requests()

            def handle(number: int, frame: FrameType | None) -> None:
                self._engine.loop.call_soon_threadsafe(lambda: self._act(requests[number]))

            stack.enter_context(handle_signals(requests, handle))
            announce()

            def sample() -> None:
                if self._current.has_new_certificates():
                    self._pool.retire(self._current, "certificates")
                self._reconcile()
                admin.sample()
                if self._notifier.watchdog:
                    self._notifier.reset_watchdog()

            Repeating(engine.loop, EVERY_SECOND, sample, at_once=True)
            engine.run()
        if self._start_failure:
            raise StartFailedError(self._start_failure)

    @property
    def stop_by(self) -> float:
        """Monotonic seconds until which threads in this process may run after the end; 0 if the end was forced."""
        return self._stop_at and self._stop_at + (self._current.plan.adjustments.graceful_timeout or NEVER)

    def close(self) -> None:
        """Kill the workers that are left, and close the sockets."""
        forks.unregister(self)
        self._hooks.close()
        self._pool.close()
        self._sockets.close()

    def _move(self, state: ServiceState) -> None:
        self._state = check_move(SERVICE_MOVES, self._state, state, self)

    @property
    def _is_stopping(self) -> bool:
        return self._state not in (ServiceState.STARTING, ServiceState.READY)

    # ---------------------------------------------------------------- requests: signals and the admin listener

    def _signal_requests(self) -> dict[int, Callable[[], object]]:
        return {
            signal.SIGHUP: self.reload,
            signal.SIGTERM: self.stop,
            signal.SIGINT: self._interrupt,
            signal.SIGQUIT: self.force_stop,
            signal.SIGUSR1: self.reopen_logs,
            signal.SIGTTIN: lambda: self.scale(1),
            signal.SIGTTOU: lambda: self.scale(-1),
            signal.SIGCHLD: lambda: None,
        }

    def _act(self, request: Callable[[], object]) -> None:
        try:
            request()
        except RefusedError as error:
            logger.warning("%s", error)
        self._reconcile()

    def ask(self, action: str) -> str:
        """Do soon what the admin listener asks for; return what is said about it."""
        if self._is_stopping and action != "stop":
            raise RefusedError("the server is stopping")
        wanted = self._current.wanted
        request, words = {
            "reload": (self.reload, "reloading; wiverno ctl status shows the result"),
            "stop": (self.stop, "stopping: finishing the requests in progress"),
            "reopen": (self.reopen_logs, "reopening the log files"),
            "more": (lambda: self.scale(1), f"{wanted + 1} workers wanted"),
            "fewer": (lambda: self.scale(-1), f"{max(wanted - 1, 1)} workers wanted"),
        }[action]
        # Not now: the response to this request is sent first.
        self._engine.loop.call_soon_threadsafe(lambda: self._act(request))
        return words

    def reload(self) -> None:
        """Start workers with the present configuration and code; they become the current ones if all are ready.

        Raises:
            RefusedError: the server is stopping.
        """
        if self._is_stopping:
            raise RefusedError("no reload: the server is stopping")
        self._abort_reload_for("another reload was requested")
        self._reload.read(self._current)
        if self._reload.state is ReloadState.FAILED:
            self._notes.add_event(
                f"reload failed, still running the previous configuration: {self._reload.last_failure}"
            )

    def _interrupt(self) -> None:
        self._is_interrupted = True
        self.stop()

    def stop(self) -> None:
        """Drain and end; the second time, end at once."""
        if self._is_stopping:
            self.force_stop()
            return
        self._abort_reload_for("the server is stopping")
        self._move(ServiceState.STOPPING)
        delay = self._current.plan.adjustments.drain_delay
        self._stop_at = time.monotonic() + delay
        logger.info("shutting down: not ready%s", f", draining in {delay:g} s" if delay else "")
        self._notifier.stopping("stopping")

    def force_stop(self) -> None:
        """End at once."""
        logger.warning("shutting down at once: closing the connections of %s", count(len(self._pool.workers)))
        if not self._is_stopping:
            self._notifier.stopping("stopping at once")
        if ServiceState.DRAINING in SERVICE_MOVES[self._state]:
            self._move(ServiceState.DRAINING)
        self._stop_at = 0.0
        self._perform(force_stop(self._pool.views(time.monotonic())))
        self._pool.send(signal.SIGQUIT)
        self._sockets.close()

    def reopen_logs(self) -> None:
        """Have every process open its log files again."""
        provide_log_files(self._current.plan.adjustments)
        self._pool.send(signal.SIGUSR1)
        self._engine.refresh()

    def scale(self, by: int) -> None:
        """Want more workers, or fewer."""
        self._current.scale(by)
        logger.info("workers wanted: %d", self._current.wanted)

    # ---------------------------------------------------------------- reconciling

    def status(self) -> ServiceStatus:
        """Return the service as /status shows it."""
        shown = {ServiceState.STARTING: status.STARTING, ServiceState.READY: status.READY}
        return ServiceStatus(
            state=shown.get(self._state, status.STOPPING),
            pid=os.getpid(),
            version=self._version,
            age=time.monotonic() - self._started,
            addresses=tuple(map(str, self._current.listeners)),
            workers=self._pool.statuses(),
            wanted=self._current.wanted,
            ended=self._pool.ended,
            restarts=dict(self._restart_counts),
            reloads=self._reload.counts,
            last_failure=self._reload.last_failure,
            notes=self._notes.read(),
        )

    def _on_report(self, worker: WorkerProcess, words: Mapping[str, Any]) -> None:
        self._notes.take_report(worker.pid, words)
        self._engine.loop.call_soon_threadsafe(self._reconcile)

    def _reconcile(self) -> None:
        """Reconcile the running workers with the wanted state."""
        now = time.monotonic()
        gone = self._pool.reap(now)
        self._hooks.reap()
        if self._on_gone is not None:
            for worker in gone:
                self._on_gone(worker.pid)
        if self._state is not ServiceState.STOPPED:
            self._perform(reconcile(self._wanted(), [*gone, *self._pool.views(now)], now))

    def _wanted(self) -> Wanted:
        following = self._reload.generation
        return Wanted(
            current=self._current.wanted_workers(),
            next=following.wanted_workers() if following is not None else None,
            state=self._state,
            stop_at=self._stop_at,
            worker_timeout=self._current.plan.adjustments.worker_timeout,
            restarts=self._restarts,
        )

    def _perform(self, actions: Iterable[to_do.Action]) -> None:
        for action in actions:
            if text := describe_action(action):
                self._notes.add_event(text)
            self._performers[type(action)](action)

    def _kill(self, action: to_do.Kill) -> None:
        if not action.is_hung:
            logger.warning("worker %d did not finish in time; killing it", action.pid)
        self._pool.get(action.pid).kill()

    def _dump_stacks(self, action: to_do.DumpStacks) -> None:
        logger.error("%s", describe_action(action))
        self._pool.get(action.pid).dump_stacks(action.limit)

    def _start_worker(self, action: to_do.StartWorker) -> None:
        generations = (self._current, self._reload.generation)
        [generation] = [one for one in generations if one is not None and one.number == action.generation]
        now = time.monotonic()
        if now < self._restarts.not_before:
            return  # the fork before this one failed
        try:
            self._pool.fork(generation, self._engine)
        except OSError as error:
            self._restarts = self._restarts.after_failed_fork(now)
            logger.error("cannot start a worker: %s; trying again in %g s", error_text(error), NO_ROOM_PAUSE)

    def _drain(self, action: to_do.Drain) -> None:
        if action.replaced:
            logger.info("%s", describe_action(action))
            self._restart_counts[action.replaced] += 1
        self._pool.get(action.pid).drain(action.grace, idle_grace=action.idle_grace)

    def _restart(self, action: to_do.Restart) -> None:
        self._restarts = action.restarts
        self._restart_counts[action.counted_as] += 1
        logger.error("%s", describe_action(action))

    def _fail_start(self, action: to_do.FailStart) -> None:
        self._start_failure = action.reason
        self._move(ServiceState.STOPPING)
        self._stop_at = time.monotonic()

    def _abort_reload_for(self, reason: str) -> None:
        """Abort the reload, if one is in progress."""
        if self._reload.generation is not None:
            views = self._pool.views(time.monotonic())
            self._perform(abort_reload(self._reload.generation.wanted_workers(), views, reason))

    def _complete_reload(self, action: to_do.CompleteReload) -> None:
        self._current = generation = self._reload.complete()
        self._restarts = Restarts(0, self._restarts.not_before)
        logger.info("reloaded: %s ready, draining the old ones", count(generation.wanted, "new worker"))
        self._notifier.ready(f"ready: {count(generation.wanted)} since the last reload")
        self._call_hook("on_reload")

    def _announce_ready(self, action: to_do.AnnounceReady) -> None:
        self._move(ServiceState.READY)
        logger.info("ready: %s", count(action.count))
        self._notifier.ready(f"ready: {count(action.count)}")
        self._call_hook("when_ready")

    def _call_hook(self, name: str) -> None:
        generation = self._current
        self._hooks.start(name, describe_server(generation.plan.adjustments, os.getpid(), generation.listeners))

    def _stop_accepting(self, action: to_do.StopAccepting) -> None:
        self._move(ServiceState.DRAINING)
        again = AGAIN if self._is_interrupted else ""
        logger.info("shutting down: no new connections; draining %s%s", count(action.count), again)
        self._sockets.close()

    def _finish(self, action: to_do.Finish) -> None:
        self._move(ServiceState.STOPPED)
        logger.info("stopped")
        self._engine.stop(force=True)
