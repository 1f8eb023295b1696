"""Process 1 of a container: it starts the server as its child, forwards signals, and reaps orphans.

The kernel makes process 1 the parent of orphans, and they stay as zombies until it waits for them. The server can't do
that beside the application: a wait for any child would take the exit status of a process that the application itself
waits for, with subprocess or multiprocessing. So process 1 does nothing else, before anything is imported, as tini and
docker --init do. Like them it puts the server into a new process group, the terminal's foreground group, so that Ctrl-C
arrives once.
"""

import os
import signal
from contextlib import suppress
from typing import Final, NoReturn

KILLED: Final = 128  # added to the number of the signal that ended the server, as shells do

# Faults of this process, and signals that cannot be caught.
_NOT_HANDED_ON: Final = frozenset(
    ("SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT", "SIGSYS", "SIGTTIN")
) | {"SIGTTOU"}


def fork_server() -> None:
    """Fork: return in the child; the parent stays as process 1 and ends with the child's status."""
    waited: set[int] = {number for number in signal.valid_signals() if _name(number) not in _NOT_HANDED_ON}
    # SIGTTOU would stop a background process that takes the terminal's foreground.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited | {signal.SIGTTOU})
    child = os.fork()
    if child:
        with suppress(OSError):  # the child does the same; either may be first
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
    """Reap all ended children; return the status of the server if it is among them."""
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
