"""A worker as its supervisor sees it: the fork, the pipe of its reports, its counters, its end."""

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
from wiverno.core.telemetry.status import LEAVING, READY, STARTING, WorkerStatus
from wiverno.foreign_code import guarded_logger
from wiverno.workers.exit_reasons import ending

logger = guarded_logger("wiverno")

REPORT_READ: Final = 65536

OnReport = Callable[["WorkerProcess", dict[str, Any]], None]


class WorkerProcess:
    """One child; also the handler of its reports in the supervisor's loop.

    Attributes:
        generation: number of the configuration that it serves.
        counters: its row.
        state: starting, ready or leaving.
        worn: why it is to be replaced while it serves, "" if it is not.
        fault: why it was killed by the supervisor, "" if it was not.
        stop_by: monotonic seconds at which a leaving worker is killed.
    """

    def __init__(self, generation: int, counters: Counters, row: int, loop: Loop, on_report: OnReport) -> None:
        self.generation = generation
        self.counters = counters
        self.row = row
        self.pid = 0
        self.state = STARTING
        self.retire_reason = ""
        self.kill_reason = ""
        self.stop_by = float("inf")
        self.started = time.monotonic()
        self.tick = 0
        self.fd, self._writer = os.pipe()
        self._loop = loop
        self._on_report = on_report
        self._received = b""

    def fork(self, child: Callable[[int], None]) -> None:
        """Start the process; `child` gets the descriptor to report to, and never returns."""
        # A signal between the fork and the child's own handlers would run the supervisor's handlers in the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            try:
                with own_fork():
                    pid = os.fork()
            except OSError:
                os.close(self.fd)
                os.close(self._writer)
                raise
            if not pid:
                self._live(child)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self.pid = pid
        self.counters.set("pid", pid)
        os.close(self._writer)
        os.set_blocking(self.fd, False)
        self._loop.handlers[self.fd] = self
        self._loop.poller.register(self.fd, READ)

    def _live(self, child: Callable[[int], None]) -> NoReturn:
        """Be the child; whatever happens, it never comes back to do the supervisor's work a second time."""
        try:
            # What was there before stays, and a collection that looked at it would make a copy of its pages.
            gc.freeze()
            os.close(self.fd)
            child(self._writer)
        except BaseException:
            logger.exception("worker %d could not begin", os.getpid())
        finally:
            os._exit(1)

    # ---------------------------------------------------------------- reports

    def ready(self, events: int) -> None:
        """Take what it reports."""
        try:
            data = os.read(self.fd, REPORT_READ)
        except (BlockingIOError, InterruptedError):
            return
        if not data:
            self._close_pipe()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        if len(self._received) > REPORT_READ:
            self._received = b""  # no report is as long
        for line in lines:
            # The application can write here by mistake, into a descriptor that it took for one of its own.
            with suppress(ValueError):
                words = json.loads(line)
                if isinstance(words, dict):
                    self._on_report(self, words)

    def drain_reports(self) -> None:
        """Take what it has reported before it ended."""
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
        """Return infinity: the supervisor keeps the time."""
        return float("inf")

    def expire(self) -> None:
        """Do nothing."""

    # ---------------------------------------------------------------- life and death

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it is gone."""
        if self.pid:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    def drain(self, grace: float, *, patience: float = 0.0) -> None:
        """Have it finish.

        Args:
            grace: seconds after which it is killed, 0 for never.
            patience: seconds that its idle connections may stay for one more request, if more than usual.
        """
        if self.state != LEAVING:
            self.counters.set("patience", patience)
            self.state = LEAVING
            self.stop_by = time.monotonic() + grace if grace else float("inf")
            self.send(signal.SIGTERM)

    def reap(self, oom_kills_before: int) -> str | None:
        """Return why it ended, None if it lives; the argument is for `ending`."""
        status: int | None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, None
        if not pid:
            return None
        self.drain_reports()
        self._close_pipe()
        self.pid = 0
        if status is None:
            return "it ended, and code of the application in the main process has taken its exit status (os.wait)"
        return ending(status, oom_kills_before=oom_kills_before)

    def abandon(self) -> None:
        """Close the pipe in a process that the application forked; the worker is its parent's."""
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

    @property
    def is_told_to_leave(self) -> bool:
        """Whether its end is what it was asked for."""
        return self.state == LEAVING

    def silence(self, now: float) -> float:
        """Return the seconds since its last sign of life."""
        return now - max(self.counters.get("heartbeat"), self.started)

    def status(self) -> WorkerStatus:
        """Return what can be said of it."""
        now = time.monotonic()
        counts: Counts = self.counters.read()
        state = self.state if self.state != READY or not counts.gauges["draining"] else LEAVING
        return WorkerStatus(self.pid, state, self.generation, now - self.started, self.silence(now), counts)
