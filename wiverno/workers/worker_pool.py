"""The workers of a service, of whatever generation: started, counted, watched, buried. Decides nothing."""

import errno
import mmap
import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final

from wiverno.core.context import new_certificates
from wiverno.core.engine import Engine
from wiverno.core.log_files import provide_log_files
from wiverno.core.net.listeners import Listener
from wiverno.core.telemetry.counters import CELL, WIDTH, Counters, Counts
from wiverno.core.telemetry.status import LEAVING, READY, STARTING, WorkerStatus
from wiverno.foreign_code import guarded_logger
from wiverno.workers.exit_reasons import oom_kills
from wiverno.workers.plan import Plan
from wiverno.workers.process import WorkerProcess
from wiverno.workers.reexec import memory_file
from wiverno.workers.shared_sockets import SharedSockets, copies
from wiverno.workers.worker import Inheritance, live
from wiverno.wsgi.gateway import Application

logger = guarded_logger("wiverno")

ROWS: Final = 1200  # processes that can be counted at a time: two generations of 512 workers and some
GRACE: Final = 3.0  # seconds that a worker gets beyond graceful_timeout
CERTIFICATE_WAIT: Final = 1.0  # seconds that a worker's start waits for certificates that are read again
STACK_DUMP_TIMEOUT: Final = 1.0  # seconds that a hung worker gets to print its stacks


class Generation:
    """A plan that workers serve.

    Attributes:
        number: 1 for the configuration of the start.
        wanted: how many workers there should be.
        application: loaded already, or None if each worker loads it.
        certificates: read by whoever started the server, who may be the only one allowed to. Workers that have them
            from one process take one another's session tickets: a client resumes its TLS session wherever it comes to.
    """

    __slots__ = ("application", "certificates", "listeners", "number", "plan", "wanted")

    def __init__(self, number: int, plan: Plan, listeners: list[Listener]) -> None:
        """Load the application here if that is wanted.

        Raises:
            OSError: the certificates can't be read or used.
            ConfigError: the configuration names no application.
            LoadFailedError: the application raised something while it was loaded.
        """
        self.certificates = new_certificates(plan.adjustments)
        self.number = number
        self.plan = plan
        self.listeners = listeners
        self.wanted = max(plan.adjustments.workers, 1)
        is_loaded_here = plan.adjustments.preload or (not plan.reloads_code and plan.program is None)
        self.application: Application | None = plan.load() if is_loaded_here else None

    @property
    def grace(self) -> float:
        """Seconds after which a leaving worker is killed, 0 for never."""
        timeout = self.plan.adjustments.graceful_timeout
        return timeout + GRACE if timeout else 0.0


class WorkerPool:
    """All worker processes, the memory they count in, and the pipe by which they know that the supervisor lives."""

    def __init__(self, sockets: SharedSockets, on_report: Callable[[WorkerProcess, dict[str, Any]], None]) -> None:
        self._sockets = sockets
        self.workers: list[WorkerProcess] = []
        self.ended = Counts()
        self._on_report = on_report
        self._oom_kills = oom_kills()
        self._memory_file = memory_file()
        os.ftruncate(self._memory_file, ROWS * WIDTH * CELL)
        self._memory = memoryview(mmap.mmap(self._memory_file, 0)).cast("d")
        self._free = list(range(ROWS))
        self._life, self._life_end = os.pipe()

    def fork(self, generation: Generation, engine: Engine) -> None:
        """Start a worker; `engine` is the supervisor's own.

        Raises:
            OSError: the system has no room for another process, or for its pipe.
        """
        if not self._free:
            raise OSError(errno.EAGAIN, f"there are {ROWS} already")
        if generation.certificates is not None:
            # The worker itself may not be allowed to.
            generation.certificates.renew(only_if_changed=True, wait=CERTIFICATE_WAIT)
        provide_log_files(generation.plan.adjustments)
        row = self._free[0]
        counters = Counters(self._memory[row * WIDTH : (row + 1) * WIDTH])
        counters.clear()
        worker = WorkerProcess(generation.number, counters, row, engine.loop, self._on_report)

        def exec_worker(report: int) -> None:
            self._abandon_pipes()
            engine.abandon()
            self._sockets.release(generation.listeners)
            listeners = copies(generation.listeners)
            inherited = Inheritance(
                generation.plan, generation.application, listeners, counters, report, self._life,
                generation.certificates,
            )  # fmt: skip
            if generation.application is None and generation.plan.program is not None:
                place = slice(row * WIDTH * CELL, (row + 1) * WIDTH * CELL)
                generation.plan.program.exec_worker(inherited, self._memory_file, place)
            live(inherited)

        worker.fork(exec_worker)
        self._free.remove(row)
        self.workers.append(worker)

    def _abandon_pipes(self) -> None:
        """Close, in a child, what tells workers that the supervisor lives and what other workers report through."""
        os.close(self._life_end)
        for worker in self.workers:
            worker.abandon()

    def abandon(self) -> None:
        """Close everything in a process that the application forked from the supervisor."""
        self._abandon_pipes()
        for fd in (self._life, self._memory_file):
            os.close(fd)

    def of(self, generation: Generation) -> list[WorkerProcess]:
        """Return the workers of a generation that have not been told to leave."""
        return [one for one in self.workers if one.generation == generation.number and one.state != LEAVING]

    def serving(self, generation: Generation) -> list[WorkerProcess]:
        """Return those of them that serve and are to stay."""
        return [one for one in self.of(generation) if one.state == READY and not one.retire_reason]

    def statuses(self) -> tuple[WorkerStatus, ...]:
        """Return what can be said of each."""
        return tuple(worker.status() for worker in self.workers if worker.pid)

    def send(self, number: signal.Signals) -> None:
        """Send all of them a signal."""
        for worker in self.workers:
            worker.send(number)

    def reap_worker(self, now: float) -> list[tuple[WorkerProcess, int, str]]:
        """Kill what is overdue, and return what has ended: the worker, its process id, the reason."""
        gone = []
        oom_kills_before, self._oom_kills = self._oom_kills, oom_kills()
        for worker in list(self.workers):
            if worker.stop_by <= now:
                if worker.retire_reason != "hung":
                    logger.warning("worker %d has not finished in time and is killed", worker.pid)
                worker.stop_by = float("inf")
                worker.send(signal.SIGKILL)
            pid, reason = worker.pid, worker.reap(oom_kills_before)
            if reason is not None:
                self.workers.remove(worker)
                self.ended += worker.counters.read().without_gauges()
                self._free.append(worker.row)
                gone.append((worker, pid, worker.kill_reason or reason))
        return gone

    def find_hung_workers(self, limit: float, now: float) -> None:
        """Have those that gave no sign of life for `limit` seconds print their stacks, and then killed."""
        for worker in self.workers:
            if not limit or worker.retire_reason == "hung" or worker.state == STARTING or worker.silence(now) <= limit:
                continue
            worker.retire_reason = "hung"
            worker.kill_reason = f"it gave no sign of life for {limit:g} s (worker_timeout)"
            logger.error("worker %d gave no sign of life for %g s; its threads' stacks follow", worker.pid, limit)
            worker.send(signal.SIGUSR2)
            worker.stop_by = min(worker.stop_by, time.monotonic() + STACK_DUMP_TIMEOUT)

    def close(self) -> None:
        """Kill what is left."""
        self.send(signal.SIGKILL)
        for worker in self.workers:
            worker.wait()
        for fd in (self._life, self._life_end, self._memory_file):
            os.close(fd)
