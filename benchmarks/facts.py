"""What the figures were measured on and with: machine and versions, without names or paths."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from benchmarks.environment import Environment

DISTRIBUTIONS = (
    "wiverno", "waitress", "gunicorn", "granian", "cheroot", "uWSGI", "bjoern",
    "Flask", "Werkzeug", "falcon", "bottle", "matplotlib",
)  # fmt: skip


def machine() -> dict[str, str]:
    """Processor, memory and system."""
    return {
        "processor": _processor(),
        "CPUs": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": _system(),
        "kernel": platform.release().split("-")[0],
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "C library": " ".join(platform.libc_ver()),
    }


def versions(environment: Environment) -> dict[str, str]:
    """Version of each server, framework and tool; "missing: why" for what could not be installed."""
    found = {"wrk": _wrk_version()}
    for name in DISTRIBUTIONS:
        if name in environment.missing:
            found[name] = f"missing: {environment.missing[name]}"
            continue
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    release = platform.freedesktop_os_release()
    return release.get("PRETTY_NAME", platform.system())


def _wrk_version() -> str:
    done = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    words = (done.stdout + done.stderr).split()
    return words[1] if len(words) > 1 else "unknown"
