"""Why a process ended, in words."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from wiverno.workers.exit_reasons import describe_exit, oom_kills

TREES = {
    "no counter": {},
    "machine": {"proc/vmstat": "nr_free_pages 5\noom_kill {}\n"},
    "container": {"sys/fs/cgroup/memory.events": "low 0\noom 7\noom_kill {}\n"},
    "version 2": {"proc/self/cgroup": "0::/a.slice\n", "sys/fs/cgroup/a.slice/memory.events": "oom_kill {}\n"},
    "version 1": {
        "proc/self/cgroup": "9:name=systemd:/\n4:memory:/a:b\n0::/\n",
        "sys/fs/cgroup/memory/a:b/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n",
    },
}


@pytest.mark.parametrize("name", TREES)
def test_out_of_memory_kills_are_counted(tmp_path: Path, name: str) -> None:
    """In each file in which a kernel shows them."""
    found = []
    for count in (1, 3):
        for place, text in TREES[name].items():
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).write_text(text.format(count))
        found.append(oom_kills(tmp_path))
    assert found == ([0, 0] if name == "no counter" else [1, 3])


def status_of(number: int) -> int:
    """Return what waitpid says of a process that a signal has ended."""
    pid = os.posix_spawnp("sleep", ["sleep", "60"], os.environ)
    os.kill(pid, number)
    return os.waitpid(pid, 0)[1]


def test_killed_by_sigkill() -> None:
    """The kernel is named when its count has grown meanwhile, and suspected when it has not."""
    status = status_of(signal.SIGKILL)
    now = oom_kills()
    assert "was killed by SIGKILL: the kernel ran out of memory" in describe_exit(status, oom_kills_before=now - 1)
    text = describe_exit(status, oom_kills_before=oom_kills())
    assert text == "was killed by SIGKILL (out of memory, a limit, or an operator)"


def test_other_exits() -> None:
    """A status, a signal, a fault in compiled code, a signal without a name."""
    assert describe_exit(status_of(signal.SIGTERM), oom_kills_before=0) == "was killed by SIGTERM"
    assert describe_exit(7 << 8, oom_kills_before=0) == "exited with status 7"
    assert describe_exit(int(signal.SIGSEGV), oom_kills_before=0).startswith("was killed by SIGSEGV: a fault in comp")
    assert describe_exit(int(signal.SIGRTMIN) + 1, oom_kills_before=0) == f"was killed by signal {signal.SIGRTMIN + 1}"
