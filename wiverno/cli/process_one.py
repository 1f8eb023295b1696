"""Process 1 of a container: it starts the server as its child, hands signals on, and reaps orphans.

The kernel gives process 1 the children of every process that has ended, and they stay as zombies until it waits for
them. The server can't do that beside the application: a wait for any child would take the exit status of a process that
the application itself waits for, with subprocess or multiprocessing. So process 1 does nothing else, before anything is
imported, as tini and docker --init do; and like these it has the server in a process group of its own, which is the
terminal's foreground group, so that Ctrl-C comes once.
"""

import os
import signal
from contextlib import suppress
from typing import Final, NoReturn

KILLED: Final = 128  # added to the number of the signal that ended the server, as shells do

# A fault of this process itself, and what can't be caught.
_NOT_HANDED_ON: Final = frozenset(
    ("SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT", "SIGSYS", "SIGTTIN")
) | {"SIGTTOU"}


def fork_server() -> None:
    """Return in a child; this process stays, and ends with the child's status."""
    waited: set[int] = {number for number in signal.valid_signals() if _name(number) not in _NOT_HANDED_ON}
    # SIGTTOU: a background process that takes the terminal's foreground for itself would be stopped.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited | {signal.SIGTTOU})
    child = os.fork()
    if child:
        with suppress(OSError):  # the child does the same, and one of them is first
            os.setpgid(child, child)
        _serve(child, waited)
    with suppress(OSError):
        os.setpgid(0, 0)
        if os.isatty(0):
            os.tcsetpgrp(0, os.getpid())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(child: int, waited: set[int]) -> NoReturn:
    while True:
        number = signal.sigwait(waited)
        if number != signal.SIGCHLD:
            with suppress(ProcessLookupError):
                os.kill(child, number)
            continue
        status = _reap(child)
        if status is not None:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else KILLED - code)


def _reap(child: int) -> int | None:
    """Wait for all that have ended; return the status of the server if it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == child:
            found = status
        if not pid:
            return found


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return ""
