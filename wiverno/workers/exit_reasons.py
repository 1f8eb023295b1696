"""Why a process ended, in words: exit status, signal, and whether the kernel's memory killer was at work."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FAILED_TO_LOAD: Final = 3  # exit status of a worker that could not load the application

_CGROUPS: Final = "sys/fs/cgroup"


def oom_kills(root: Path = Path("/")) -> int:
    """Return how many processes the kernel has killed for want of memory, as far as can be seen from here.

    The number itself means nothing, since one kill may be seen in several places; it grows with each.

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
    """Yield where the kernel counts: for the machine, and for this process's control group of either version."""
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


def ending(status: int, *, oom_kills_before: int) -> str:
    """Describe what os.waitpid said of a process.

    Args:
        status: the second value of os.waitpid().
        oom_kills_before: `oom_kills()` a moment before the end.
    """
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"it ended with exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    text = f"it was killed by {name}"
    if -code == signal.SIGKILL:
        if oom_kills() > oom_kills_before:
            text += ": the kernel ran out of memory (dmesg tells more); lower workers, or give it more memory"
        else:
            text += ": by somebody, or by a container or service manager whose limit was reached, perhaps of memory"
    elif -code in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE):
        text += ": a fault in compiled code, of an extension module most likely"
    return text
