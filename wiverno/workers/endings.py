"""Why a process ended, in words: exit status, signal, and whether the kernel's memory killer was at work."""

import os
import signal
from pathlib import Path
from typing import Final

FAILED_TO_LOAD: Final = 3  # exit status of a worker that could not load the application

_OOM_FILES: Final = ("/sys/fs/cgroup/memory.events", "/proc/vmstat")


def oom_kills() -> int:
    """Return how many processes the kernel has killed for want of memory, as far as can be seen from here."""
    total = 0
    for name in _OOM_FILES:
        try:
            lines = Path(name).read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return total


def ending(status: int, *, oom_kills_before: int) -> str:
    """Describe what os.waitpid said of a process.

    Args:
        status: the second value of os.waitpid().
        oom_kills_before: `oom_kills()` when the process was started.
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
            text += ": somebody sent that, or a limit of its container or service manager was reached"
    elif -code in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE):
        text += ": a fault in compiled code, of an extension module most likely"
    return text
