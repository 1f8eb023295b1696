"""Why a process ended, in words: its exit status, or the signal and whether the kernel ran out of memory."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FAILED_TO_LOAD: Final = 3  # exit status of a worker that could not load the application

_CGROUPS: Final = "sys/fs/cgroup"


def oom_kills(root: Path = Path("/")) -> int:
    """Return how many processes the kernel has killed because it ran out of memory, as far as this process can see.

    Only its growth has a meaning: one kill may be counted in several places.

    Args:
        root: the directory that proc and sys are in.
    """
    total = 0
    for name in dict.fromkeys(_oom_files(root)):
        try:
            lines = (root / name).read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return total


def _oom_files(root: Path) -> Iterator[str]:
    """Yield the files with the kernel's counters: the machine's, and those of this process's control group (v1, v2)."""
    yield "proc/vmstat"
    yield f"{_CGROUPS}/memory.events"  # inside a container its own group is the root
    yield f"{_CGROUPS}/memory/memory.oom_control"
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:  # cgroups(7): hierarchy:controllers:path
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield f"{_CGROUPS}{path}/memory.events"
        elif controllers == "memory":
            yield f"{_CGROUPS}/memory{path}/memory.oom_control"


def describe_exit(status: int, *, oom_kills_before: int) -> str:
    """Return how a process ended, as what follows its name in a sentence: "was killed by SIGSEGV …".

    Args:
        status: the second value of os.waitpid().
        oom_kills_before: `oom_kills()` a moment before the end.
    """
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    text = f"was killed by {name}"
    if -code == signal.SIGKILL:
        if oom_kills() > oom_kills_before:
            return f"{text}: the kernel ran out of memory (see dmesg); use fewer workers or more memory"
        return f"{text} (out of memory, a limit, or an operator)"
    if -code in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE):
        return f"{text}: a fault in compiled code, probably of an extension module"
    return text
