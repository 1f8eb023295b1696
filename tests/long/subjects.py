"""The servers under the same faults, each in a separate process with 16 threads and the same application.

python -m tests.long.subjects NAME PORT    serves until it is ended; limits come from the environment
"""

import contextlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT, Child
from tests.support.sockets import LOOPBACK, free_port
from tests.support.waiting import wait_until

CHANNEL_TIMEOUT = int(os.environ.get("CHANNEL_TIMEOUT", "60"))
"""Seconds for which a connection may be idle."""

OWN_MEMORY = ("Pss_Anon:", "Pss_Shmem:")
"""Lines of proc(5)'s smaps_rollup; other Python processes of the machine have no part in these."""

BLOCK = bytes(64 * 1024)
LIMITS = {"NOFILE": resource.RLIMIT_NOFILE, "AS": resource.RLIMIT_AS, "FSIZE": resource.RLIMIT_FSIZE}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer "hello"; /big?8 with 8 MiB, /slow after 50 ms; POST with the length of what came."""
    path = environ["PATH_INFO"]
    if path == "/big":  # /big?8: so many MiB
        count = int(environ["QUERY_STRING"]) * 16
        size = str(count * len(BLOCK))
        start_response("200 OK", [("Content-Length", size), ("Content-Type", "application/octet-stream")])
        return (BLOCK for _ in range(count))
    if path == "/slow":
        time.sleep(0.05)  # a slow request is what the load asks for
    length = 0
    if environ["REQUEST_METHOD"] == "POST":
        while block := environ["wsgi.input"].read(65536):
            length += len(block)
    body = b"hello" if not length else str(length).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def serve_wiverno(port: int) -> None:
    """wiverno, one process."""
    from wiverno import serve

    serve(application, host=LOOPBACK, port=port, threads=16, connection_limit=10_000, channel_timeout=CHANNEL_TIMEOUT)


def serve_waitress(port: int) -> None:
    """waitress; its poll instead of select, which ends at 1,024 descriptors."""
    import waitress

    waitress.serve(
        application, host=LOOPBACK, port=port, threads=16, connection_limit=10_000, backlog=1024,
        channel_timeout=CHANNEL_TIMEOUT, cleanup_interval=min(30, CHANNEL_TIMEOUT), asyncore_use_poll=True,
    )  # fmt: skip


def serve_gunicorn(port: int, workers: int = 1, threads: int = 16) -> None:
    """gunicorn, one worker with threads."""
    options = [
        "--bind", f"{LOOPBACK}:{port}", "--workers", str(workers), "--threads", str(threads), "--worker-class",
        "gthread", "--keep-alive", str(CHANNEL_TIMEOUT), "--worker-connections", "10000", "--log-level", "warning",
    ]  # fmt: skip
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *options, "tests.long.subjects:application"])


def serve_gunicorn_workers(port: int) -> None:
    """gunicorn, two workers of eight threads."""
    serve_gunicorn(port, workers=2, threads=8)


def serve_wiverno_workers(port: int) -> None:
    """`wiverno run` with two workers of eight threads."""
    options = [
        "--listen", f"{LOOPBACK}:{port}", "--workers", "2", "--threads", "8", "--connection-limit", "10000",
        "--channel-timeout", str(CHANNEL_TIMEOUT),
    ]  # fmt: skip
    os.execv(sys.executable, [sys.executable, "-m", "wiverno", "run", "tests.long.subjects:application", *options])


SUBJECTS = {"wiverno": serve_wiverno, "waitress": serve_waitress, "gunicorn": serve_gunicorn}
"""Those that the faults are done to, one process each."""

WITH_WORKERS = {"wiverno, 2 workers": serve_wiverno_workers, "gunicorn, 2 workers": serve_gunicorn_workers}
"""Those that a SIGHUP reloads."""


class Subject:
    """A running server and its processes.

    Args:
        name: which.
        limits: resource limits by name, see `LIMITS`.
        env: further variables.
    """

    def __init__(self, name: str, limits: dict[str, int] | None = None, env: dict[str, str] | None = None) -> None:
        self.port = free_port()
        variables: dict[str, str | None] = {f"LIMIT_{key}": str(limit) for key, limit in (limits or {}).items()}
        variables |= env or {}
        self.child = Child(["-m", "tests.long.subjects", name, str(self.port)], cwd=ROOT, env=variables)

    @property
    def processes(self) -> list[int]:
        """The process and its children."""
        first = self.child.process.pid
        found = [first]
        with contextlib.suppress(OSError):
            found += map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())
        return found

    @property
    def memory(self) -> int:
        """Bytes of memory of all its processes, what they share counted once, program files not at all."""
        total = 0
        for process in self.processes:
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{process}/smaps_rollup").read_text()
                total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(OWN_MEMORY)) * 1024
        return total

    @property
    def descriptors(self) -> int:
        """Open descriptors of all its processes."""
        count = 0
        for process in self.processes:
            with contextlib.suppress(OSError):
                count += len(list(Path(f"/proc/{process}/fd").iterdir()))
        return count

    @property
    def threads(self) -> int:
        """Threads of all its processes."""
        count = 0
        for process in self.processes:
            with contextlib.suppress(OSError):
                count += len(list(Path(f"/proc/{process}/task").iterdir()))
        return count


@contextmanager
def subject(name: str, limits: dict[str, int] | None = None, env: dict[str, str] | None = None) -> Iterator[Subject]:
    """Run a server for the length of the block."""
    from tests.docs.session import answers

    running = Subject(name, limits, env)
    with running.child as child:

        def is_up() -> bool:
            assert child.process.poll() is None, child.output
            return answers(running.port)

        wait_until(is_up, 20, what=f"{name} to listen")
        yield running


def main(name: str, port: str) -> None:
    """Set the limits and serve."""
    for key, number in LIMITS.items():
        if text := os.environ.get(f"LIMIT_{key}"):
            resource.setrlimit(number, (int(text), int(text)))
    (SUBJECTS | WITH_WORKERS)[name](int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
