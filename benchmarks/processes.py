"""Child processes that are pinned to one CPU and end in every case.

Each child leads a new session, so everything it forks is found by the session's number and ended with it. The
kernel ends the child when the benchmark itself is killed (PR_SET_PDEATHSIG). Memory and CPU time are read from /proc
for the whole session, because gunicorn, granian and uWSGI serve from a process that they fork. Linux only.
"""

import contextlib
import ctypes
import functools
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

SERVER_CPU = 0
CLIENT_CPU = 1
STOP_SECONDS = 4.0
TICK = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)  # loaded before any fork


class ChildFailed(RuntimeError):
    """A child ended, or did not do what it was started for; the message ends with its last lines."""


def _clean_environment() -> dict[str, str]:
    """The caller's environment without settings for any of the servers."""
    foreign = ("WIVERNO_", "GUNICORN_", "GRANIAN_", "UWSGI_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def _settle_in(cpu: int, parent: int) -> None:
    """Run in the child between fork and exec."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
    os.sched_setaffinity(0, {cpu})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Child:
    """One command, running from entry to exit of the `with` block.

    Args:
        command: program and arguments.
        cpu: the CPU that the child and all its children are bound to.
        log: where its output goes.
        directory: its working directory.
        variables: added to the environment.
    """

    def __init__(
        self, command: list[str], *, cpu: int, log: Path, directory: Path, variables: dict[str, str] | None = None
    ) -> None:
        self.log = log
        self._output: IO[bytes] = log.open("wb")
        settle_in = functools.partial(_settle_in, cpu, os.getpid())
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=_clean_environment() | (variables or {}),
            start_new_session=True,
            preexec_fn=settle_in,  # noqa: PLW1509 - this program has one thread
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def members(self) -> list[int]:
        """Every live process of the child's session."""
        return [pid for pid, session, state in _sessions() if session == self.process.pid and state != "Z"]

    def stop(self) -> None:
        """Ask with SIGTERM, insist with SIGKILL, and leave only when nothing of the session lives."""
        try:
            if self.alive:
                self.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(STOP_SECONDS)
        finally:
            deadline = time.monotonic() + STOP_SECONDS
            while members := self.members():
                for pid in members:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                if time.monotonic() > deadline:  # after the kill: on a busy machine to look took all of the time
                    break
                time.sleep(0.01)  # between two looks; the deadline ends them
            self.process.wait()
            if self.process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    self.process.stdin.close()
            self._output.close()

    def last_lines(self, count: int = 8) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def fail(self, message: str) -> ChildFailed:
        """An error to raise, with the end of the child's output."""
        return ChildFailed(f"{message}\n{self.last_lines()}".rstrip())

    def cpu_seconds(self) -> float:
        """User and system time of the session so far, in seconds."""
        return sum(_stat_times(pid) for pid in self.members())

    def memory_bytes(self) -> int:
        """Proportional set size of the session: shared pages are counted once."""
        return sum(_pss_bytes(pid) for pid in self.members())


def _sessions() -> Iterator[tuple[int, int, str]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = _stat_fields(int(entry.name))
                yield int(entry.name), int(fields[3]), fields[0]


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name (which may contain anything): state, ppid, pgrp, session, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def _stat_times(pid: int) -> float:
    try:
        fields = _stat_fields(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def _pss_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024


@dataclass(frozen=True, slots=True)
class MachineClock:
    """CPU time used by everything on the machine, in seconds, and the monotonic time it was read at."""

    busy: float
    now: float

    @classmethod
    def read(cls) -> Self:
        """Sum of user, nice, system and steal over all CPUs; interrupts belong to no process and are left out."""
        first = Path("/proc/stat").read_text().splitlines()[0].split()
        user, nice, system, steal = (int(first[column]) for column in (1, 2, 3, 8))
        return cls((user + nice + system + steal) / TICK, time.monotonic())


def reaped_seconds() -> float:
    """CPU time of all children that have ended so far, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
