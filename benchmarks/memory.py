"""What processes weigh: `python -m benchmarks.memory` starts servers with one, two and four workers and adds up PSS.

The proportional set size counts a page that several processes share once. A server is weighed after it has answered
some requests of the smallest application, with as many threads as it has by default.
"""

import http.client
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks import wrk
from benchmarks.environment import PYTHON
from benchmarks.processes import SERVER_CPU, Child
from benchmarks.servers import HOST, child_variables

APPLICATION: Final = "benchmarks.apps:hello"
WORKERS: Final = (1, 2, 4)
REQUESTS: Final = 40  # for each worker, each on its own connection, so that every worker answers some
PATIENCE_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 1.5
BIN: Final = PYTHON.parent


def _wiverno(port: int, workers: int) -> list[str]:
    command = [str(BIN / "wiverno"), "run", APPLICATION, "--host", HOST, "--port", str(port)]
    return [*command, "--workers", str(workers)] if workers > 1 else command  # one process has no supervisor


SERVERS: Final[dict[str, Callable[[int, int], list[str]]]] = {
    "wiverno": _wiverno,
    "gunicorn": lambda port, workers: [
        str(BIN / "gunicorn"), "--bind", f"{HOST}:{port}", "--workers", str(workers), APPLICATION
    ],
    "granian": lambda port, workers: [
        str(BIN / "granian"), "--interface", "wsgi", "--host", HOST, "--port", str(port),
        "--workers", str(workers), APPLICATION,
    ],
}  # fmt: skip


def weigh(command: list[str], port: int, workers: int, workspace: Path) -> float:
    """Return the megabytes of all processes of a server that has answered requests."""
    log = workspace / "memory.log"
    with Child(command, cpu=SERVER_CPU, log=log, directory=workspace, variables=child_variables()) as child:
        deadline = time.monotonic() + PATIENCE_SECONDS
        answered = 0
        while answered < REQUESTS * workers:
            if not child.alive or time.monotonic() > deadline:
                raise child.fail("the server does not answer")
            answered += _ask(port)
        time.sleep(SETTLE_SECONDS)  # what the start needed is given back, and no figure tells when
        return child.memory_bytes() / 1e6


def _ask(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except ConnectionError:
        time.sleep(0.02)  # before the next attempt; the caller has the deadline
        return False
    finally:
        connection.close()


def main() -> None:
    """Print a table for the page."""
    print("| PSS of all processes, MB | " + " | ".join(f"{count} worker{'s'[: count > 1]}" for count in WORKERS) + " |")
    print("|---|" + "---:|" * len(WORKERS))
    with tempfile.TemporaryDirectory() as folder:
        for name, command in SERVERS.items():
            row = []
            for workers in WORKERS:
                port = wrk.free_port()
                row.append(f"{weigh(command(port, workers), port, workers, Path(folder)):.1f}")
            print(f"| {name} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
