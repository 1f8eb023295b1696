"""The supervisor's hooks, each in a process forked for it.

A hook that hangs, exits, crashes or starts threads in the supervisor would take the service with it: the supervisor
reaps and replaces workers, reads signals, and forks. In a separate process it can do none of that, and it is killed
when it takes too long. It runs as the user that serves, without the server's sockets.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

from wiverno.application_process import prepare_process
from wiverno.core.forks import without_fork_warnings
from wiverno.foreign_code import guarded_logger
from wiverno.workers.hooks import ServerInfo, load_hook, run_logged
from wiverno.workers.privileges import drop_privileges

logger = guarded_logger("wiverno")

LIMIT: Final = 60.0  # seconds that a hook may take

# Windows has neither, and imports this module to say that it has no fork() either.
_NO_WAIT: Final[int] = getattr(os, "WNOHANG", 1)


@dataclass(slots=True)
class _HookProcess:
    pid: int
    name: str
    kill_at: float
    is_killed: bool = False

    def kill(self) -> None:
        self.is_killed = True
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class HookProcesses:
    """The processes of the supervisor's hooks; belongs to its main thread."""

    def __init__(self) -> None:
        self._running: list[_HookProcess] = []

    def start(self, name: str, server: ServerInfo) -> None:
        """Call the hook `name` in a new process, if the settings have one."""
        if name not in server.settings.hooks:
            return
        try:
            with without_fork_warnings():
                pid = os.fork()  # the child abandons the server's descriptors and signal handlers, see core/forks.py
        except OSError as error:
            logger.error("hook %s is not called: %s", name, error.strerror)
            return
        if not pid:
            _run(name, server)
        self._running.append(_HookProcess(pid, name, time.monotonic() + LIMIT))

    def reap(self) -> None:
        """Collect the processes that have ended, and kill those that take too long."""
        for process in list(self._running):
            status = _status(process.pid)
            if status is None:
                if not process.is_killed and time.monotonic() >= process.kill_at:
                    logger.error("hook %s has not returned within %g s; killing its process", process.name, LIMIT)
                    process.kill()  # it is collected later: it may wait for a disk, and the supervisor must not
                continue
            self._running.remove(process)
            if status < 0 and not process.is_killed:
                logger.error("hook %s: its process was killed by signal %d", process.name, -status)

    def close(self) -> None:
        """Kill those that are left."""
        for process in self._running:
            process.kill()
            _status(process.pid, 0)
        self._running.clear()


def _status(pid: int, options: int = _NO_WAIT) -> int | None:
    """Return the exit status of a process, negative for a signal; None if it runs."""
    try:
        found, status = os.waitpid(pid, options)
    except ChildProcessError:  # the application has taken it
        return 0
    return os.waitstatus_to_exitcode(status) if found else None


def _run(name: str, server: ServerInfo) -> NoReturn:
    status = 1
    settings = server.settings

    def call() -> None:
        if settings.umask is not None:
            os.umask(settings.umask)
        prepare_process(settings)
        drop_privileges(settings.user, settings.group)
        hook = load_hook(settings, name)
        assert hook is not None
        hook(server)

    try:
        status = 0 if run_logged(name, settings.hooks[name], call) else 1
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
    finally:
        os._exit(status)
