"""The supervisor: keeps as many workers serving as are wanted, and changes them for others without losing a request.

It binds the sockets, forks, and never touches a request. Its own loop is an engine with one thread that serves nothing
but the admin application, so it answers whatever the workers do. Everything here runs in the main thread; signal
handlers and the pipes of the workers only ask for a look at how things stand.

    a worker dies            → another one at once; after a second death in short time, later and later
    a worker gives no sign   → its stacks are printed, it is killed, another one
    a worker is worn         → (max_requests, max_rss, stuck requests) another one first, then it leaves
    reload                   → settings are read and checked, new workers load the application; when all of them serve,
                               the old ones leave; if one of them fails, the new ones go and nothing has happened
    stop                     → not ready, after drain_delay no new connections, then the end; a second signal forces it

A worker that leaves drains as any engine does (engine.py).
"""

import errno
import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Any, Final

from wiverno.config.settings import ConfigError
from wiverno.core import forks
from wiverno.core.engine import Engine
from wiverno.core.log_files import provide_log_files
from wiverno.core.loop.signals import give_back_signal, take_signal
from wiverno.core.loop.timers import EVERY_SECOND, Repeating
from wiverno.core.net.listeners import Listener
from wiverno.core.ownership import future_owner
from wiverno.core.telemetry.status import READY, STARTING, STOPPING, RefusedError, ServiceStatus
from wiverno.files import SetupError, error_text
from wiverno.foreign_code import guarded_logger
from wiverno.workers.admin_listener import Admin, admin_engine
from wiverno.workers.pid_file import pid_file
from wiverno.workers.plan import LoadFailedError, Plan, difference, why_kept
from wiverno.workers.process import WorkerProcess
from wiverno.workers.sd_notify import Notifier
from wiverno.workers.shared_sockets import SharedSockets
from wiverno.workers.worker_pool import Generation, WorkerPool

logger = guarded_logger("wiverno")

# Seconds that a kept-alive connection of a leaving worker may take to send its next request, as long as others serve:
# nobody waits for the end of that worker, and a client whose request crosses the close has lost it.
PATIENCE: Final = 3.0
MOST_WORKERS: Final = 512  # as many as the setting allows
FORCED: Final = 1.0  # seconds that a worker gets when the end is forced
SETTLED: Final = 10.0  # seconds after which a worker's death is no sign that the next will die too
NO_ROOM: Final = 2.0  # seconds until another attempt when the system has no room for a process
LONGEST_PAUSE: Final = 30.0  # seconds between two attempts to start a worker that dies at once


class StartFailedError(Exception):
    """No worker could begin to serve; the text says why."""


class Supervisor:
    """One service of several processes."""

    def __init__(
        self, plan: Plan, configure: Callable[[], Plan] | None = None, *, notifier: Notifier, version: str = "",
        on_gone: Callable[[int], None] | None = None,
    ) -> None:  # fmt: skip
        """Bind the sockets, and load the application if it is to be loaded before the workers.

        Args:
            plan: what to serve.
            configure: reads the configuration anew for a reload; None serves the same plan again.
            notifier: the service manager.
            version: wiverno's.
            on_gone: called with the process id of each worker that has ended.

        Raises:
            OSError: an address can't be bound.
        """
        if not hasattr(os, "fork"):
            raise SetupError(errno.ENOSYS, "workers need fork(), which this system does not have: leave workers at 0")
        self._configure = configure
        self._notifier = notifier
        self._version = version
        self._on_gone = on_gone
        self._sockets = SharedSockets()
        self._pool = WorkerPool(self._sockets, self._on_report)
        self._restarts: Counter[str] = Counter()
        self._reloads = [0, 0]
        self._last_failure = ""
        self._fatal = ""
        self._failures = 0
        self._not_before = 0.0
        self._started = time.monotonic()
        self._stop_at = float("inf")
        self._is_stopping = self._is_draining = self._is_announced = False
        self._numbers = 1
        self._next: Generation | None = None
        self._engine: Engine
        forks.register(self)
        try:
            self._current = Generation(1, plan, self._sockets.open(plan.adjustments))
        except BaseException:
            forks.unregister(self)
            self._sockets.close()
            raise

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
            self._take_signals(stack)
            announce()

            def tick() -> None:
                self._reconcile()
                admin.sample()
                if self._notifier.watchdog:
                    self._notifier.alive()

            Repeating(engine.loop, EVERY_SECOND, tick, at_once=True)
            engine.run()
        if self._fatal:
            raise StartFailedError(self._fatal)

    @property
    def stop_by(self) -> float:
        """Monotonic seconds at which `graceful_timeout` is over, for what runs in this process; 0 if it was forced."""
        return self._stop_at and self._stop_at + (self._current.plan.adjustments.graceful_timeout or float("inf"))

    def close(self) -> None:
        """Kill what is left of the workers, and close the sockets."""
        forks.unregister(self)
        self._pool.close()
        self._sockets.close()

    def _take_signals(self, stack: ExitStack) -> None:
        actions: dict[int, Callable[[], object]] = {
            signal.SIGHUP: self._reload,
            signal.SIGTERM: self._stop,
            signal.SIGINT: self._stop,
            signal.SIGQUIT: self._force,
            signal.SIGUSR1: self._reopen,
            signal.SIGTTIN: lambda: self._change(1),
            signal.SIGTTOU: lambda: self._change(-1),
            signal.SIGCHLD: lambda: None,
        }

        def handle(number: int, frame: FrameType | None) -> None:
            self._engine.loop.ask(lambda: self._act(actions[number]))

        for number in actions:
            take_signal(number, handle)
            stack.callback(give_back_signal, number)

    def _act(self, action: Callable[[], object]) -> None:
        try:
            action()
        except RefusedError as error:
            logger.warning("%s", error)
        self._reconcile()

    # ---------------------------------------------------------------- what it can be asked to do

    def ask(self, action: str) -> str:
        """Do what the admin room asks for."""
        if self._is_stopping and action != "stop":
            raise RefusedError("the server is stopping")
        act, words = {
            "reload": (self._reload, "reloading; wiverno ctl status tells how it went"),
            "stop": (self._stop, "stopping: what is under way is finished"),
            "reopen": (self._reopen, "log files are opened anew"),
            "more": (lambda: self._change(1), f"{self._current.wanted + 1} workers wanted"),
            "fewer": (lambda: self._change(-1), f"{max(self._current.wanted - 1, 1)} workers wanted"),
        }[action]
        # Not now: the answer to this request goes out first.
        self._engine.loop.ask(lambda: self._act(act))
        return words

    def _reload(self) -> None:
        """Change to the configuration and the code as they are now, once that is known to work."""
        if self._is_stopping:
            raise RefusedError("no reload: the server is stopping")
        if self._next is not None:
            self._abort_reload("another reload has been asked for")
        self._notifier.reloading()
        try:
            plan = self._configure() if self._configure is not None else self._current.plan
            listeners = self._sockets.open(plan.adjustments)
            self._numbers += 1
            generation = Generation(self._numbers, plan, listeners)
        except Exception as error:  # noqa: BLE001 - reading the configuration runs code of others too
            if isinstance(error, ConfigError):
                self._reload_failed(error.reasons)
            elif isinstance(error, OSError | LoadFailedError):
                self._reload_failed(error_text(error))
            else:
                self._reload_failed("".join(traceback.format_exception(error)))
            return
        changes = difference(self._current.plan.adjustments, plan.adjustments)
        logger.info("reloading: %s", "; ".join(changes) or "no setting has changed")
        if generation.application is not None:
            logger.warning("reloading: the application's code stays as it is: %s", why_kept(plan))
        self._next = generation

    def _stop(self) -> None:
        """Let everything finish and end; the second time, end at once."""
        if self._is_stopping:
            self._force()
            return
        self._is_stopping = True
        if self._next is not None:
            self._abort_reload("the server is stopping")
        delay = self._current.plan.adjustments.drain_delay
        self._stop_at = time.monotonic() + delay
        logger.info("stopping: not ready any more%s", f"; serving for another {delay:g} s" if delay else "")
        self._notifier.stopping("stopping")

    def _force(self) -> None:
        """End at once."""
        logger.warning("stopping at once: %d worker(s) are cut off", len(self._pool.workers))
        if not self._is_stopping:
            self._notifier.stopping("stopping at once")
        self._is_stopping = self._is_draining = True
        self._stop_at = 0.0
        for worker in self._pool.workers:
            worker.drain(FORCED)
            worker.stop_by = min(worker.stop_by, time.monotonic() + FORCED)
        self._pool.send(signal.SIGQUIT)
        self._sockets.close()

    def _reopen(self) -> None:
        """Have every process open its log files anew."""
        provide_log_files(self._current.plan.adjustments)
        self._pool.send(signal.SIGUSR1)
        self._engine.refresh()

    def _change(self, by: int) -> None:
        """Want more workers, or fewer."""
        self._current.wanted = min(max(self._current.wanted + by, 1), MOST_WORKERS)
        logger.info("%d worker(s) wanted", self._current.wanted)

    # ---------------------------------------------------------------- how things stand

    def status(self) -> ServiceStatus:
        """Return what can be said now."""
        return ServiceStatus(
            state=STOPPING if self._is_stopping else READY if self._is_announced else STARTING,
            pid=os.getpid(),
            version=self._version,
            age=time.monotonic() - self._started,
            addresses=tuple(map(str, self._current.listeners)),
            workers=self._pool.statuses(),
            wanted=self._current.wanted,
            ended=self._pool.ended,
            restarts=dict(self._restarts),
            reloads=(self._reloads[0], self._reloads[1]),
            last_failure=self._last_failure,
        )

    def _reconcile(self) -> None:
        """See how things stand and do what is to be done about it."""
        now = time.monotonic()
        self._pool.find_hung_workers(self._current.plan.adjustments.worker_timeout, now)
        for worker, pid, reason in self._pool.reap_worker(now):
            if self._on_gone is not None:
                self._on_gone(pid)
            self._on_worker_exit(worker, pid, reason, now)
        if self._is_stopping:
            self._look_after_stop(now)
            return
        for generation in (self._current, self._next):
            if generation is not None:
                self._scale(generation, now)
        if self._next is not None and len(self._pool.serving(self._next)) >= self._next.wanted:
            self._complete_reload(self._next)
        if not self._is_announced and len(self._pool.serving(self._current)) >= self._current.wanted:
            self._is_announced = True
            logger.info("%d worker(s) serve", self._current.wanted)
            self._notifier.ready(f"{self._current.wanted} worker(s) serve")

    def _scale(self, generation: Generation, now: float) -> None:
        """Start what is missing, and let go what is too many or worn."""
        staff, limit = self._pool, generation.plan.adjustments.max_rss
        for one in staff.of(generation):
            if limit and not one.retire_reason and one.counters.get("resident") > limit:
                one.retire_reason = "max_rss"
        lively = [one for one in staff.of(generation) if not one.retire_reason]
        missing = generation.wanted - len(lively)
        if now >= self._not_before:
            try:
                for _ in range(missing):
                    staff.fork(generation, self._engine)
            except OSError as error:
                self._not_before = now + NO_ROOM
                logger.error("no worker can be started: %s; trying again in %g s", error_text(error), NO_ROOM)
        for one in lively[: max(-missing, 0)]:
            one.drain(generation.grace, patience=PATIENCE)
        if len(staff.serving(generation)) < generation.wanted:
            return
        for one in staff.of(generation):
            if one.retire_reason and one.retire_reason != "hung":
                logger.info("worker %d leaves, another one has taken its place: %s", one.pid, one.retire_reason)
                self._restarts[one.retire_reason] += 1
                one.drain(generation.grace, patience=PATIENCE)

    def _on_report(self, worker: WorkerProcess, words: Mapping[str, Any]) -> None:
        if words.get("ready") and worker.state == STARTING:
            worker.state = READY
        if "retire_reason" in words and not worker.retire_reason:
            worker.retire_reason = str(words["retire_reason"])
        if "failed" in words:
            worker.kill_reason = str(words["failed"])
        self._engine.loop.ask(self._reconcile)

    # ---------------------------------------------------------------- ends

    def _on_worker_exit(self, worker: WorkerProcess, pid: int, reason: str, now: float) -> None:
        """Decide what an end means."""
        if worker.is_told_to_leave:
            return
        if self._next is not None and worker.generation == self._next.number:
            self._abort_reload("a new worker could not begin")
            self._reload_failed(reason)
            return
        if self._is_stopping:
            return
        self._restarts[worker.retire_reason or "died"] += 1
        if not self._is_announced and worker.state == STARTING:
            self._fatal = f"a worker could not begin to serve: {reason}"
            self._is_stopping = True
            self._stop_at = now
            return
        self._failures = 0 if now - worker.started > SETTLED else self._failures + 1
        pause = min(2.0 ** (self._failures - 2), LONGEST_PAUSE) if self._failures > 1 else 0.0
        self._not_before = now + pause
        logger.error("worker %d is gone: %s; another one starts %s", pid, reason, f"in {pause:g} s" if pause else "now")

    def _complete_reload(self, generation: Generation) -> None:
        """The new generation serves: the old one leaves."""
        old, self._current, self._next = self._current, generation, None
        for worker in self._pool.workers:
            if worker.generation != generation.number:
                worker.drain(old.grace, patience=PATIENCE)
        self._sockets.keep_only(generation.listeners)
        self._sockets.adjust(generation.plan.adjustments)
        self._reloads[0] += 1
        self._last_failure = ""
        self._failures = 0
        logger.info("reloaded: %d new worker(s) serve, the old ones finish", generation.wanted)
        self._notifier.ready(f"{generation.wanted} worker(s) serve since the last reload")

    def _abort_reload(self, reason: str) -> None:
        generation, self._next = self._next, None
        assert generation is not None
        logger.warning("the reload is given up: %s", reason)
        for worker in self._pool.of(generation):
            # One that is ready has been accepting clients, who are owed their answers.
            worker.drain(generation.grace if worker.state == READY else FORCED, patience=PATIENCE)
        self._sockets.keep_only(self._current.listeners)

    def _reload_failed(self, reason: str) -> None:
        self._reloads[1] += 1
        self._last_failure = reason
        logger.error("reload failed, still running the previous configuration:\n%s", reason)
        self._notifier.ready("the last reload failed, the previous configuration serves")

    def _look_after_stop(self, now: float) -> None:
        staff = self._pool
        if now >= self._stop_at and not self._is_draining:
            self._is_draining = True
            logger.info("stopping: no new connections; %d worker(s) finish what is under way", len(staff.workers))
            for worker in staff.workers:
                worker.drain(self._current.grace)
            self._sockets.close()
        if not staff.workers and not self._engine.is_stopping:
            logger.info("stopped")
            self._engine.stop(force=True)
