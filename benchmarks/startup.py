"""How long a user waits: `--help`, and from the command to the first answer.

Commands alternate from round to round like the servers under load, each on the server's CPU. Times are wall-clock
seconds; a bare `python -c pass` stands beside them as the floor.
"""

import http.client
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import wrk
from benchmarks.environment import PYTHON
from benchmarks.processes import SERVER_CPU, Child, ChildFailed
from benchmarks.servers import HOST, child_variables

APPLICATION = "benchmarks.apps:hello"
PATIENCE_SECONDS = 30.0
BIN = PYTHON.parent

HELP: dict[str, list[str]] = {
    "python -c pass": [str(PYTHON), "-c", "pass"],
    "wiverno --help": [str(BIN / "wiverno"), "--help"],
    "gunicorn --help": [str(BIN / "gunicorn"), "--help"],
    "waitress-serve --help": [str(BIN / "waitress-serve"), "--help"],
    "granian --help": [str(BIN / "granian"), "--help"],
}

FIRST_ANSWER: dict[str, Callable[[int], list[str]]] = {
    "wiverno run": lambda port: [str(BIN / "wiverno"), "run", APPLICATION, "--host", HOST, "--port", str(port)],
    "import wiverno, serve()": lambda port: [
        str(PYTHON), "-c",
        f"import wiverno; from benchmarks.apps import hello; wiverno.serve(hello, host='{HOST}', port={port})",
    ],
    "waitress-serve": lambda port: [str(BIN / "waitress-serve"), f"--listen={HOST}:{port}", APPLICATION],
    "gunicorn": lambda port: [str(BIN / "gunicorn"), "--bind", f"{HOST}:{port}", APPLICATION],
    "granian": lambda port: [
        str(BIN / "granian"), "--interface", "wsgi", "--host", HOST, "--port", str(port), APPLICATION
    ],
}  # fmt: skip


@dataclass(slots=True)
class Times:
    """Seconds of each round, or why there are none."""

    seconds: list[float] = field(default_factory=list)
    failure: str | None = None


def measure(rounds: int, workspace: Path, tell: Callable[[str], None]) -> dict[str, Times]:
    """Time every command `rounds` times, after one run that fills the caches."""
    steps: dict[str, Callable[[], float]] = {}
    for name, command in HELP.items():
        steps[name] = lambda command=command: _until_end(command, workspace)  # type: ignore[misc]
    for name, make in FIRST_ANSWER.items():
        steps[f"{name}: first answer"] = lambda make=make: _until_answer(make, workspace)  # type: ignore[misc]
    times = {name: Times() for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            if times[name].failure:
                continue
            try:
                seconds = step()
            except (ChildFailed, OSError) as problem:
                times[name].failure = str(problem)
                tell(f"startup       {name:<28} FAILED: {problem}")
                continue
            if number:
                times[name].seconds.append(seconds)
    for name, result in times.items():
        if result.seconds:
            tell(f"startup       {name:<28} {min(result.seconds) * 1e3:7.0f} ms at best")
    return times


def _until_end(command: list[str], workspace: Path) -> float:
    begin = time.perf_counter()
    with _started(command, workspace) as child:
        # Popen.wait with a timeout looks only every 50 ms; the process's descriptor tells at once.
        descriptor = os.pidfd_open(child.process.pid)
        try:
            has_ended, _, _ = select.select([descriptor], [], [], PATIENCE_SECONDS)
            seconds = time.perf_counter() - begin
        finally:
            os.close(descriptor)
        if not has_ended:
            raise child.fail(f"did not end within {PATIENCE_SECONDS:.0f} seconds")
        status = child.process.wait()
        if status != 0:
            raise child.fail(f"ended with status {status}")
    return seconds


def _until_answer(make: Callable[[int], list[str]], workspace: Path) -> float:
    port = wrk.free_port()
    begin = time.perf_counter()
    with _started(make(port), workspace) as child:
        while time.perf_counter() - begin < PATIENCE_SECONDS:
            if not child.alive:
                raise child.fail(f"ended with status {child.process.returncode}")
            connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
            try:
                connection.request("GET", "/")
                status = connection.getresponse().status
            except ConnectionError:
                time.sleep(0.002)  # before the next attempt; the deadline ends them
                continue
            finally:
                connection.close()
            if status != 200:
                raise child.fail(f"the first answer was {status}")
            return time.perf_counter() - begin
        raise child.fail(f"no answer within {PATIENCE_SECONDS:.0f} seconds")


def _started(command: list[str], workspace: Path) -> Child:
    return Child(
        command, cpu=SERVER_CPU, log=workspace / "startup.log", directory=workspace, variables=child_variables()
    )
