"""Re-exec: workers with new code for a program that loads its application before it asks for a server, as pserve does.

A fork of such a program has the code of the program. So after a reload a worker runs the program again, with the same
command, directory and environment, up to the point where it would serve. There it finds in the environment that a
supervisor has started it, and continues as one of its workers, with its sockets and settings.

    supervisor ── fork ── Program.exec_worker() ── exec ──→ the program ── … ── inherited_worker() ── ReexecWorker.run()
"""

import mmap
import os
import pickle
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Final, NoReturn

from wiverno.config.environment import environment, follow_directory, take_variable
from wiverno.config.settings import Adjustments
from wiverno.core import forks
from wiverno.core.loop.signals import remember_ignored
from wiverno.core.telemetry.counters import Counters
from wiverno.importer import own_traceback
from wiverno.workers.plan import Plan
from wiverno.workers.worker import Inheritance, report, run_worker
from wiverno.wsgi_types import Application

VARIABLE: Final = "WIVERNO__WORKER_FD"

# What the supervisor may send while the program has no handlers yet; SIGTERM and SIGQUIT end it.
_IGNORED_AT_FIRST: Final = ("SIGINT", "SIGHUP", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2")


@dataclass(frozen=True, slots=True)
class Program:
    """How this program was started.

    Attributes:
        command: the interpreter and its arguments.
        directory: the working directory.
        environment: the variables.
    """

    command: tuple[str, ...]
    directory: str
    environment: Mapping[str, str]

    def exec_worker(self, inheritance: Inheritance, memory: int, row: slice) -> NoReturn:
        """Run it in this process, which was just forked, with all signals blocked.

        Args:
            inheritance: what the worker gets.
            memory: descriptor of the memory that workers count in.
            row: the bytes of the worker's row there.
        """
        handover_fd = memory_file()
        sockets = [(one.socket.fileno(), type(one), one.host, one.port) for one in inheritance.listeners]
        words = (inheritance.plan.adjustments, sockets, memory, row, inheritance.report, inheritance.life)
        with os.fdopen(os.dup(handover_fd), "wb") as file:
            pickle.dump(words, file)
        for fd in (handover_fd, memory, inheritance.report, inheritance.life, *(number for number, *_ in sockets)):
            os.set_inheritable(fd, True)
        # A pending signal is delivered when the mask is cleared: it must not reach the supervisor's handlers.
        signal.set_wakeup_fd(-1)
        for name in ("SIGTERM", "SIGQUIT"):
            signal.signal(signal.Signals[name], signal.SIG_DFL)
        for name in _IGNORED_AT_FIRST:
            signal.signal(signal.Signals[name], signal.SIG_IGN)
        os.chdir(self.directory)
        variables = {**self.environment, VARIABLE: str(handover_fd)}
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execve(self.command[0], self.command, variables)


@cache
def this_program() -> Program | None:
    """Return how this program was started, None if it can't be run again: from standard input, or interactive.

    The first call decides, so make it before the application can change the environment.
    """
    main = sys.modules.get("__main__")
    if getattr(main, "__file__", None) is None or not sys.executable:
        return None
    executable = [sys.executable]
    directory = follow_directory(executable)
    return Program((*executable, *sys.orig_argv[1:]), directory, dict(environment().variables))


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
        remember_ignored(signal.Signals[name] for name in _IGNORED_AT_FIRST)
        plan = Plan(self._adjustments, lambda: application, reloads_code=False)
        run_worker(Inheritance(plan, application, *self._inherited))


@cache
def inherited_worker() -> ReexecWorker | None:
    """Return the worker if a supervisor has started this program, else None.

    From the first call on, an exception that ends the program is reported to the supervisor.
    """
    handover_fd = take_variable(VARIABLE)
    if handover_fd is None:
        return None
    worker = ReexecWorker(int(handover_fd))
    earlier = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, Exception):
            worker.report_failure(own_traceback(error))
        else:
            earlier(kind, error, trace)

    sys.excepthook = hook
    return worker


def memory_file() -> int:
    """Return the descriptor of a file without a name, in memory if the system can do that."""
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create("wiverno")
        except OSError:
            pass  # forbidden by a container's rules, perhaps
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
