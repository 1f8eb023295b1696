"""Directories to mount, and what may lead out of them; another process that keeps a file from being opened."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import PATIENCE

SECRET = b"the secret beside the directory"
LARGE = bytes(range(256)) * 40_000
CSS = b"body { color: black }"
OLD = time.time() - 1000


def make_site(folder: Path) -> Path:
    """Make a directory with files, links, a pipe and what must not be published; a secret stands beside it."""
    (folder / "secret.txt").write_bytes(SECRET)
    public = folder / "public"
    for name in ("css", ".git", ".well-known/acme", "empty"):
        (public / name).mkdir(parents=True)
    files = {
        "css/site.css": CSS, "css/site.css.gz": b"gzipped css", "css/site.css.br": b"brotli css", "large.bin": LARGE,
        "index.html": b"<h1>home</h1>", "app.9e1ea19b16d1.js": b"js", ".git/config": SECRET, ".env": SECRET,
        "settings.py~": SECRET, "settings.py.bak": SECRET, "#settings.py#": SECRET, ".settings.py.swp": SECRET,
        "settings.py.orig": SECRET, ".well-known/acme/token": b"token", "nul.txt": SECRET, "a:b": SECRET,
        "with space é.txt": "é".encode(), "back\\slash": SECRET,
    }  # fmt: skip
    for name, content in files.items():
        (public / name).write_bytes(content)
        os.utime(public / name, (OLD, OLD))
    for name, target in {
        "out": "..", "stolen.txt": "../secret.txt", "etc": "/etc", "loop": "loop", "alias.css": "css/site.css",
        "styles": "css", "css/up.txt": "../../secret.txt", "zero": "/dev/zero", "self": "/proc/self",
    }.items():  # fmt: skip
        (public / name).symlink_to(target)
    os.mkfifo(public / "pipe")
    return public


_LEASE = """
import fcntl, os, signal, sys
fd = os.open(sys.argv[1], os.O_RDWR)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
signal.sigwait([signal.SIGIO])
print("wanted", flush=True)
sys.stdin.readline()
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
"""


class Lease:
    """A lease on a file (fcntl(2)): who opens it waits in the kernel, as for a disk that does not answer."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def wait_wanted(self) -> None:
        """Wait until a process is held up by the lease."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "wanted\n"

    def release(self) -> None:
        """Let the file be opened."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self._process.wait(PATIENCE) == 0


@contextmanager
def leased(file: Path) -> Iterator[Lease]:
    """Keep a file from being opened; at the end of the block it can be opened in any case."""
    command = [sys.executable, "-c", _LEASE, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "leased\n"
            yield Lease(process)
        finally:
            process.kill()
