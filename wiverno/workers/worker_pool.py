"""The worker processes of all generations: forks them, reads what they count, reaps them. Decides nothing."""

import errno
import mmap
import os
import signal
from collections.abc import Callable
from typing import Any, Final

from wiverno.core.engine import Engine
from wiverno.core.log_files import provide_log_files
from wiverno.core.telemetry.counters import CELL, WIDTH, Counters, Counts
from wiverno.core.telemetry.status import WorkerStatus
from wiverno.workers.exit_reasons import oom_kills
from wiverno.workers.generation import Generation
from wiverno.workers.process import WorkerProcess
from wiverno.workers.reconcile import WorkerView
from wiverno.workers.reexec import memory_file
from wiverno.workers.shared_sockets import SharedSockets, copy_listeners
from wiverno.workers.worker import Inheritance, run_worker

ROWS: Final = 1200  # processes that can be counted at a time: two generations of 512 workers, and workers that drain
CERTIFICATE_WAIT: Final = 1.0  # seconds that a worker's start waits for certificates that are read again


class WorkerPool:
    """All worker processes, the memory they count in, and the pipe that tells them when the supervisor has ended."""

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

    def fork(self, generation: Generation, engine: Engine) -> WorkerProcess:
        """Start a worker; `engine` is the supervisor's own.

        Raises:
            OSError: the system has no room for another process, or for its pipe.
        """
        if not self._free:
            raise OSError(errno.EAGAIN, f"there are {ROWS} already")
        if generation.certificates is not None:
            # The worker itself may not be allowed to read them.
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
            listeners = copy_listeners(generation.listeners)
            inherited = Inheritance(
                generation.plan, generation.application, listeners, counters, report, self._life,
                generation.certificates,
            )  # fmt: skip
            if generation.application is None and generation.plan.program is not None:
                place = slice(row * WIDTH * CELL, (row + 1) * WIDTH * CELL)
                generation.plan.program.exec_worker(inherited, self._memory_file, place)
            run_worker(inherited)

        worker.fork(exec_worker)
        self._free.remove(row)
        self.workers.append(worker)
        return worker

    def _abandon_pipes(self) -> None:
        """Close, in a child, the supervisor's end of the life line and the pipes of the other workers."""
        os.close(self._life_end)
        for worker in self.workers:
            worker.abandon()

    def abandon(self) -> None:
        """Close everything in a process that the application forked from the supervisor."""
        self._abandon_pipes()
        for fd in (self._life, self._memory_file):
            os.close(fd)

    def get(self, pid: int) -> WorkerProcess:
        """Return the worker with this process id.

        Raises:
            KeyError: there is none.
        """
        for worker in self.workers:
            if worker.pid == pid:
                return worker
        raise KeyError(pid)

    def views(self, now: float) -> list[WorkerView]:
        """Return the workers as `reconcile` looks at them."""
        return [worker.view(now) for worker in self.workers]

    def statuses(self) -> tuple[WorkerStatus, ...]:
        """Return the workers as /status shows them."""
        return tuple(worker.status() for worker in self.workers if worker.pid)

    def retire(self, generation: Generation, reason: str) -> None:
        """Have all workers of a generation replaced."""
        for worker in self.workers:
            if worker.generation == generation.number:
                worker.retire(reason)

    def send(self, number: signal.Signals) -> None:
        """Send all of them a signal."""
        for worker in self.workers:
            worker.send(number)

    def reap(self, now: float) -> list[WorkerView]:
        """Collect the workers that have ended, remove them, and return them as they were."""
        gone = []
        oom_kills_before, self._oom_kills = self._oom_kills, oom_kills()
        for worker in list(self.workers):
            if worker.reap(oom_kills_before):
                self.workers.remove(worker)
                self.ended += worker.counters.read().without_gauges()
                self._free.append(worker.row)
                gone.append(worker.view(now))
        return gone

    def close(self) -> None:
        """Kill the workers that are left."""
        self.send(signal.SIGKILL)
        for worker in self.workers:
            worker.wait()
        pipes = self._life, self._life_end, self._memory_file
        self._life = self._life_end = self._memory_file = -1  # the numbers belong to whatever gets them next
        for fd in pipes:
            if fd >= 0:
                os.close(fd)
