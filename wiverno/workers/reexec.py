"""Re-exec: workers with new code for a program that loads its application before it asks for a server, as pserve does.

A fork of such a program has the code of the program. So after a reload a worker runs the program again, with the same
command, directory and environment, up to the point where it would serve. There it finds in the environment that a
supervisor has started it, and continues as one of its workers, with its sockets and settings.

    supervisor ── fork ── Program.exec_worker() ── exec ──→ the program ── … ── inherited_worker() ── ReexecWorker.run()

Every start asks `inherited_worker`, so what only such a worker needs is in reexec_worker.py.
"""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn

from wiverno.config.environment import follow_directory, read_environment, take_variable
from wiverno.core.loop.signals import IGNORED_AT_FIRST
from wiverno.importer import own_traceback

if TYPE_CHECKING:
    from wiverno.workers.reexec_worker import ReexecWorker
    from wiverno.workers.worker import Inheritance

VARIABLE: Final = "WIVERNO__WORKER_FD"


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

    def exec_worker(self, inheritance: "Inheritance", memory: int, row: slice) -> NoReturn:
        """Run it in this process, which was just forked, with all signals blocked.

        Args:
            inheritance: what the worker gets.
            memory: descriptor of the memory that workers count in.
            row: the bytes of the worker's row there.
        """
        import pickle

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
        for name in IGNORED_AT_FIRST:
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
    return Program((*executable, *sys.orig_argv[1:]), directory, dict(read_environment().variables))


@cache
def inherited_worker() -> "ReexecWorker | None":
    """Return the worker if a supervisor has started this program, else None.

    From the first call on, an exception that ends the program is reported to the supervisor.
    """
    handover_fd = take_variable(VARIABLE)
    if handover_fd is None:
        return None
    from wiverno.workers.reexec_worker import ReexecWorker

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
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
