"""What a process holds open, as Linux tells it (proc(5))."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def temporary_files(pid: int | str = "self") -> list[int]:
    """Return the sizes in bytes of a process's open files that have no name any more: its temporary files."""
    sizes = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if str(entry.readlink()).endswith(" (deleted)"):
                sizes.append(entry.stat().st_size)
        except FileNotFoundError:
            pass  # closed meanwhile
    return sizes


def links(pid: int | str = "self") -> list[str]:
    """Return what each of a process's descriptors is: a path, or pipe:[NUMBER], socket:[NUMBER], anon_inode:NAME."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(entry.readlink()))
    return found


def descriptors(pid: int | str = "self") -> int:
    """Count a process's open descriptors."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def resident(pid: int | str = "self", field: str = "VmRSS") -> int:
    """Return a process's resident memory in bytes; field VmHWM is the most it ever was."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    message = f"no {field} in /proc/{pid}/status"
    raise AssertionError(message)


def threads_of(pid: int) -> int:
    """Count a process's threads."""
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


def context_switches(pid: int) -> int:
    """Return how often the threads of a process have gone to wait: each wake-up from an idle wait is one."""
    lines = [line for status in _of_each_thread(pid, "status") for line in status.splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches:"))


def processor_time(pid: int) -> int:
    """Return the nanoseconds that the threads of a process have run (the first number of schedstat)."""
    return sum(int(schedstat.split()[0]) for schedstat in _of_each_thread(pid, "schedstat"))


def _of_each_thread(pid: int, name: str) -> Iterator[str]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile, before or after the file was opened
            yield (task / name).read_text(encoding="ascii")
