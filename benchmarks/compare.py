"""`python -m benchmarks.compare TREE`: this checkout beside another one, or beside itself with HTTP/2 offered.

Both servers run at the same time on the server's CPU, and wrk presses them in turn, in bursts in the order A B B A.
What is compared is requests for each second of CPU time that the server used, so other work on the machine and a slow
client disturb the quotient less than they disturb a rate. Printed is the median of the quotients of neighbouring
bursts, with the quartiles: on a quiet machine twenty pairs show a change of one percent.
"""

import argparse
import contextlib
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import environment, wrk
from benchmarks.environment import PYTHON, ROOT
from benchmarks.loads import Load, all_loads
from benchmarks.processes import SERVER_CPU, Child
from benchmarks.servers import SERVERS, Start

LOADS = ("hello", "browser", "close", "mixed", "cpu", "download", "upload", "tls")
NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: a checkout, and whether its server offers HTTP/2."""

    tree: Path
    is_http2: bool


@dataclass(frozen=True, slots=True)
class Burst:
    """What one burst of a load showed: requests for each second of the server's CPU time, and each second."""

    per_cpu_second: float
    rate: float


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description="this checkout beside another")
    parser.add_argument("tree", type=Path, nargs="?", default=ROOT, help="the other checkout, the base (this one)")
    parser.add_argument("--http2", action="store_true", help="this side offers HTTP/2, the other does not")
    parser.add_argument("--only", default=",".join(LOADS), metavar="LOAD,…", help="these loads (%(default)s)")
    parser.add_argument("--server", default="wiverno-16", help="runserver, wiverno-4 or wiverno-16 (%(default)s)")
    parser.add_argument("--pairs", type=int, default=20, help="pairs of bursts for each load (%(default)s)")
    parser.add_argument("--seconds", type=int, default=1, help="length of a burst (%(default)s)")
    return parser.parse_args(arguments)


def cpu_seconds(child: Child) -> float:
    """CPU time of every thread of the child's session, in seconds; finer than the ticks of /proc/PID/stat."""
    total = 0
    for pid in child.members():
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total / NANOSECONDS


def start(side: Side, load: Load, server: str, workspace: Path, stack: contextlib.ExitStack) -> tuple[Child, int]:
    """Start the server of one side, wait until it answers right, and warm it up."""
    kind = next(one for one in SERVERS if one.name == server)
    port = wrk.free_port()
    begin = Start(
        application=load.contenders[0].application,
        port=port,
        connections=load.connections,
        is_closing=load.is_closing,
        is_secure=load.is_secure,
        is_http2=side.is_http2,
        access_log=None,
        workspace=workspace,
    )
    command = kind.command(begin)
    command[0] = str(PYTHON)
    log = workspace / f"compare-{port}.log"
    variables = {"PYTHONPATH": str(side.tree), "PYTHONUNBUFFERED": "1"}
    child = stack.enter_context(Child(command, cpu=SERVER_CPU, log=log, directory=workspace, variables=variables))
    wrk.wait_until_right(child, load, port)
    wrk.run(load, port, 1, workspace / "wrk.log")
    return child, port


def press(child: Child, port: int, load: Load, seconds: int, workspace: Path) -> Burst:
    """One burst."""
    before = cpu_seconds(child)
    summary = wrk.run(load, port, seconds, workspace / "wrk.log")
    used = cpu_seconds(child) - before
    return Burst(summary.rate * seconds / used, summary.rate)


def compare(load: Load, base: Side, changed: Side, options: argparse.Namespace, workspace: Path) -> str:
    """Measure one load; the line of the table."""
    pairs: list[tuple[Burst, Burst]] = []
    with contextlib.ExitStack() as stack:
        first, second = (start(side, load, options.server, workspace, stack) for side in (base, changed))
        for number in range(options.pairs):
            ordered = (first, second) if number % 2 == 0 else (second, first)
            bursts = [press(*one, load, options.seconds, workspace) for one in ordered]
            pairs.append((bursts[0], bursts[1]) if number % 2 == 0 else (bursts[1], bursts[0]))
    quotients = sorted(after.per_cpu_second / before.per_cpu_second for before, after in pairs)
    low, middle, high = statistics.quantiles(quotients, n=4)
    rates = [statistics.median(burst.rate for burst in side) for side in zip(*pairs, strict=True)]
    cost = [1e6 / statistics.median(burst.per_cpu_second for burst in side) for side in zip(*pairs, strict=True)]
    text = f"{load.name:<10} {rates[0]:>9,.0f} → {rates[1]:>9,.0f}/s   {cost[0]:8.2f} → {cost[1]:8.2f} µs of CPU"
    return f"{text}   {middle - 1:+.1%} (quartiles {low - 1:+.1%} … {high - 1:+.1%})"


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    if not environment.inside():
        environment.prepare()
        os.chdir(ROOT)
        os.execv(PYTHON, [str(PYTHON), "-m", "benchmarks.compare", *arguments])
    base, changed = Side(options.tree.resolve(), is_http2=False), Side(ROOT, is_http2=options.http2)
    environment.RUN.mkdir(exist_ok=True)
    print(f"{options.server}: {base.tree} → {ROOT}{' with http2' if options.http2 else ''}", flush=True)
    wanted = options.only.split(",")
    for load in all_loads():
        if load.name in wanted:
            print(compare(load, base, changed, options, environment.RUN), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
