"""A worker in a program that was run again (reexec.py): it reads what the supervisor has written, then serves."""

import mmap
import os
import pickle
import signal
import socket
from typing import NoReturn

from wiverno.config.settings import Adjustments
from wiverno.core import forks
from wiverno.core.loop.signals import IGNORED_AT_FIRST, remember_ignored
from wiverno.core.telemetry.counters import Counters
from wiverno.workers.plan import Plan
from wiverno.workers.worker import Inheritance, report, run_worker
from wiverno.wsgi_types import Application


class ReexecWorker:
    """A worker in a program that a supervisor has run again: it loads the application, then serves."""

    def __init__(self, handover_fd: int) -> None:
        """Read what the supervisor has written; children of the application do not inherit the descriptors."""
        with os.fdopen(handover_fd, "rb") as file:
            file.seek(0)
            adjustments, sockets, memory, row, self._report, life = pickle.load(file)
        self._adjustments: Adjustments = adjustments
        listeners = [
            kind(socket.socket(fileno=number), host, port, is_listening=True) for number, kind, host, port in sockets
        ]
        rows = memoryview(mmap.mmap(memory, 0))[row].cast("d")
        os.close(memory)
        for fd in (self._report, life, *(one.socket.fileno() for one in listeners)):
            os.set_inheritable(fd, False)
        self._inherited = (listeners, Counters(rows), self._report, life)
        forks.register(self)

    def abandon(self) -> None:
        """Close this process's copies, after the program has forked while it loads the application."""
        listeners, _, *pipes = self._inherited
        for listener in listeners:
            listener.socket.close()
        for fd in pipes:
            os.close(fd)

    def report_failure(self, reason: str) -> None:
        """Report to the supervisor why the application can't be loaded."""
        report(self._report, failed=reason)

    def run(self, application: Application) -> NoReturn:
        """Serve as a worker; never returns."""
        forks.unregister(self)  # the worker registers
        remember_ignored(signal.Signals[name] for name in IGNORED_AT_FIRST)
        plan = Plan(self._adjustments, lambda: application, reloads_code=False)
        run_worker(Inheritance(plan, application, *self._inherited))
