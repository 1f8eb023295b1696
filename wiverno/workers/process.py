"""A worker as its supervisor sees it: the fork, the pipe of its reports, its counters, its exit."""

import gc
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

from wiverno.core.forks import own_fork
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import READ
from wiverno.core.telemetry.counters import Counters, Counts
from wiverno.core.telemetry.status import LEAVING, WorkerStatus
from wiverno.foreign_code import guarded_logger
from wiverno.workers.exit_reasons import describe_exit
from wiverno.workers.reconcile import HUNG, NEVER, WorkerView
from wiverno.workers.states import SHOWN, WORKER_MOVES, WorkerState, check_move

logger = guarded_logger("wiverno")

REPORT_READ: Final = 65536  # bytes
STACK_DUMP_TIMEOUT: Final = 1.0  # seconds that a hung worker gets to print its stacks

OnReport = Callable[["WorkerProcess", dict[str, Any]], None]


class WorkerProcess:
    """One child process; also the handler of its reports in the supervisor's loop.

    Attributes:
        generation: number of the configuration that it serves.
        counters: its row.
        state: changed by `_move` only.
        retire_reason: why it is replaced, "" if it is not.
        exit_reason: why it ended, if the supervisor knows before the exit; follows "worker 7 " in the log.
        is_exit_expected: whether it was told to end.
        kill_at: monotonic seconds at which it is killed.
    """

    def __init__(self, generation: int, counters: Counters, row: int, loop: Loop, on_report: OnReport) -> None:
        self.generation = generation
        self.counters = counters
        self.row = row
        self.pid = 0
        self.state = WorkerState.STARTING
        self.retire_reason = ""
        self.exit_reason = ""
        self.is_exit_expected = self._was_ready = False
        self.kill_at = NEVER
        self.started = time.monotonic()
        self.tick = 0
        self.fd, self._writer = os.pipe()
        self._loop = loop
        self._on_report = on_report
        self._received = b""

    def __repr__(self) -> str:
        retires = f", retires: {self.retire_reason}" if self.retire_reason else ""
        return f"<worker {self.pid} {self.state.value}, generation {self.generation}{retires}>"

    def fork(self, child: Callable[[int], None]) -> None:
        """Start the process; `child` gets the descriptor to report to, and never returns.

        Raises:
            OSError: the system has no room for another process.
        """
        # A signal between the fork and the child's own handlers would run the supervisor's handlers in the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            try:
                with own_fork():
                    pid = os.fork()
            except BaseException:  # a hook of the application's may raise as well
                os.close(self.fd)
                os.close(self._writer)
                self.fd = self._writer = -1
                raise
            if not pid:
                self._run_child(child)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self.pid = pid
        self.counters.set("pid", pid)
        os.close(self._writer)
        os.set_blocking(self.fd, False)
        self._loop.handlers[self.fd] = self
        self._loop.poller.register(self.fd, READ)
        logger.debug("%s started", repr(self))

    def _run_child(self, child: Callable[[int], None]) -> NoReturn:
        """Be the child; it never returns, since it must not do the supervisor's work a second time."""
        try:
            # Objects from before the fork stay, and a collection that looked at them would copy their pages.
            gc.freeze()
            os.close(self.fd)
            child(self._writer)
        except BaseException:  # whatever it is, it must not get into the supervisor's code
            logger.exception("worker %d failed to start", os.getpid())
        finally:
            os._exit(1)

    # ---------------------------------------------------------------- reports

    def ready(self, events: int) -> None:
        """Read what it reports."""
        try:
            data = os.read(self.fd, REPORT_READ)
        except (BlockingIOError, InterruptedError):
            return
        if not data:
            self._close_pipe()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        if len(self._received) > REPORT_READ:
            self._received = b""  # longer than any report
        for line in lines:
            # The application can write here by mistake, into a descriptor that it took for its own.
            with suppress(ValueError):
                words = json.loads(line)
                if isinstance(words, dict):
                    self._take_report(words)

    def _take_report(self, words: dict[str, Any]) -> None:
        if words.get("ready"):
            self._was_ready = True
            if self.state is WorkerState.STARTING:
                self._move(WorkerState.READY)
        if "retire_reason" in words:
            self.retire(str(words["retire_reason"]))
        if "failed" in words:
            self.exit_reason = f"failed to start: {words['failed']}"
        self._on_report(self, words)

    def drain_reports(self) -> None:
        """Read what it has reported before it ended."""
        while self.fd >= 0:
            before = self._received
            self.ready(READ)
            if self._received is before:
                self._close_pipe()

    def _close_pipe(self) -> None:
        if self.fd >= 0:
            self._loop.forget(self)
            self._loop.poller.unregister(self.fd)
            os.close(self.fd)
            self.fd = -1

    def deadline(self) -> float:
        """Return infinity: `reconcile` watches the time."""
        return NEVER

    def expire(self) -> None:
        """Do nothing: it has no deadline."""

    # ---------------------------------------------------------------- from ready to gone

    def _move(self, state: WorkerState) -> None:
        self.state = check_move(WORKER_MOVES, self.state, state, self)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.pid:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    def retire(self, reason: str) -> None:
        """Have it replaced; it serves until another worker is ready."""
        if not self.retire_reason:
            self.retire_reason = reason
            if self.state in (WorkerState.STARTING, WorkerState.READY):
                self._move(WorkerState.RETIRING)

    def drain(self, grace: float, *, idle_grace: float = 0.0) -> None:
        """Have it finish its requests and end; a second call can only shorten the time.

        Args:
            grace: seconds after which it is killed, 0 for never.
            idle_grace: seconds that its idle connections may stay for one more request, if more than usual.
        """
        self.is_exit_expected = True
        self.kill_at = min(self.kill_at, time.monotonic() + grace if grace else NEVER)
        if WorkerState.DRAINING in WORKER_MOVES[self.state]:
            self.counters.set("idle_grace", idle_grace)
            self._move(WorkerState.DRAINING)
            self.send(signal.SIGTERM)

    def dump_stacks(self, limit: float) -> None:
        """Have it print its threads' stacks before it is killed: it had no heartbeat for `limit` seconds."""
        self.retire_reason = HUNG
        self.exit_reason = f"was killed: no heartbeat for {limit:g} s (worker_timeout)"
        self._move(WorkerState.KILLED)
        self.send(signal.SIGUSR2)
        self.kill_at = min(self.kill_at, time.monotonic() + STACK_DUMP_TIMEOUT)

    def kill(self) -> None:
        """Kill it."""
        if self.state is not WorkerState.KILLED:
            self._move(WorkerState.KILLED)
        self.kill_at = NEVER
        self.send(signal.SIGKILL)

    def reap(self, oom_kills_before: int) -> bool:
        """Collect its exit status, if it has ended; tell whether it has. The argument is for `describe_exit`."""
        status: int | None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, None
        if not pid:
            return False
        self.drain_reports()
        self._close_pipe()
        if not self.exit_reason and status is None:
            self.exit_reason = "ended; the application took its exit status in the main process (os.wait)"
        elif not self.exit_reason and status is not None:
            self.exit_reason = describe_exit(status, oom_kills_before=oom_kills_before)
        self._move(WorkerState.GONE)
        return True

    def abandon(self) -> None:
        """Close the pipe in a process that the application forked; the worker belongs to its parent."""
        if self.pid and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.pid = 0

    def wait(self) -> None:
        """Wait for the end of a process that was killed."""
        if self.pid:
            try:
                os.waitpid(self.pid, 0)
            except ChildProcessError:
                pass
            self._close_pipe()
            self.pid = 0

    # ---------------------------------------------------------------- what it looks like

    def silence(self, now: float) -> float:
        """Return the seconds since its last heartbeat."""
        return now - max(self.counters.get("heartbeat"), self.started)

    def view(self, now: float) -> WorkerView:
        """Return it as `reconcile` looks at it."""
        return WorkerView(
            self.pid, self.generation, self.state, now - self.started, self.silence(now), self.counters.get("resident"),
            self.kill_at, self.retire_reason, self._was_ready, self.is_exit_expected, self.exit_reason,
        )  # fmt: skip

    def status(self) -> WorkerStatus:
        """Return it as /status shows it."""
        now = time.monotonic()
        counts: Counts = self.counters.read()
        state = LEAVING if counts.gauges["draining"] and self.state is not WorkerState.STARTING else SHOWN[self.state]
        return WorkerStatus(self.pid, state, self.generation, now - self.started, self.silence(now), counts)
