"""`python -m benchmarks`: read the options, prepare the environment, measure, report."""

import argparse
import contextlib
import dataclasses
import datetime as dt
import fcntl
import importlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from benchmarks import environment, facts, plots, report, rounds, startup
from benchmarks.loads import QUICK, Contender, Load, all_loads
from benchmarks.results import Results
from benchmarks.rounds import Plan
from benchmarks.servers import SERVERS, Server, prototypes

STARTUP = "startup"
STARTUP_ROUNDS = 9


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="wiverno beside its peers.")
    parser.add_argument("--quick", action="store_true", help="hello and browser, one short round: a minute")
    parser.add_argument("--only", type=_names, metavar="LOAD,…", help="these loads (see --list)")
    parser.add_argument("--servers", type=_names, metavar="SERVER,…", help="these servers (see --list)")
    parser.add_argument("--rounds", type=_positive, help="rounds of each load (3; quick: 1)")
    parser.add_argument("--seconds", type=_positive, help="length of each measurement (3; quick: 1)")
    parser.add_argument("--framework-server", default="wiverno-16", help="the server under the frameworks")
    parser.add_argument("--prototype", type=Path, metavar="FILE", help="run FILE MODULE PORT THREADS beside")
    parser.add_argument("--merge", action="store_true", help="keep the previous figures of the loads left out")
    parser.add_argument("--report-only", action="store_true", help="measure nothing, write report and plots again")
    parser.add_argument("--list", action="store_true", help="name loads and servers, and end")
    return parser.parse_args(arguments)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def choose(options: argparse.Namespace, servers: dict[str, Server], missing: dict[str, str]) -> list[Load]:
    """The loads of this run, with only the contenders of this run.

    Raises:
        SystemExit: an unknown name, with the known ones.
    """
    extra = tuple(name for name in servers if servers[name].distribution == "prototype")
    loads = all_loads(options.framework_server, extra)
    wanted = options.only or (QUICK if options.quick else tuple(load.name for load in loads))
    _refuse_unknown("load", wanted, [*(load.name for load in loads), STARTUP])
    _refuse_unknown("server", (*(options.servers or ()), options.framework_server), list(servers))
    chosen = []
    for load in loads:
        if load.name not in wanted:
            continue
        contenders = tuple(
            one
            for one in load.contenders
            if servers[one.server].distribution not in missing and _takes_part(one, options.servers)
        )
        if contenders:
            thoroughness = 1 if options.quick else load.thoroughness
            chosen.append(dataclasses.replace(load, contenders=contenders, thoroughness=thoroughness))
    return chosen


def _takes_part(contender: Contender, chosen: tuple[str, ...] | None) -> bool:
    """`--servers` chooses among servers; what is compared under one server (frameworks, logging) always takes part."""
    return not chosen or contender.server in chosen or contender.name != contender.server


def _refuse_unknown(kind: str, given: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        raise SystemExit(f"no {kind} is called {', '.join(unknown)}; there are: {', '.join(known)}")


def tell(line: str) -> None:
    """Show progress at once."""
    print(line, flush=True)


def measure(options: argparse.Namespace, loads: Sequence[Load], servers: dict[str, Server], results: Results) -> None:
    """Run all loads; what was found so far stays in `results` even when the run is interrupted."""
    plan = Plan(
        rounds=options.rounds or (1 if options.quick else 3),
        seconds=options.seconds or (1 if options.quick else 3),
        workspace=environment.RUN / "work",  # logs of the last run, kept to look into; `_only_run` keeps it ours
    )
    shutil.rmtree(plan.workspace, ignore_errors=True)
    plan.workspace.mkdir()
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    for load in loads:
        if any(one.is_logging for one in load.contenders) and not _has_setting("access_log"):
            results.conditions[load.name] = "not measured: wiverno has no setting access_log yet"
            tell(f"{load.name:<11} {results.conditions[load.name]}")
            continue
        results.conditions[load.name] = f"{today}, {load.rounds_of(plan.rounds)} × {plan.seconds} s"
        results.outcomes[load.name] = rounds.measure_load(load, servers, plan, tell)
    if (options.only and STARTUP in options.only) or not (options.only or options.quick):
        results.conditions[STARTUP] = f"{today}, {STARTUP_ROUNDS} rounds"
        results.times = startup.measure(STARTUP_ROUNDS, plan.workspace, tell)


def _has_setting(name: str) -> bool:
    """Whether wiverno's settings model has `name`."""
    settings = importlib.import_module("wiverno.config.settings")
    return name in settings.Adjustments.model_fields


def finish(options: argparse.Namespace, results: Results, loads: Sequence[Load], servers: dict[str, Server]) -> int:
    """Write JSON, page and plots; the exit status."""
    is_whole = not (options.quick or options.only or options.servers or options.prototype)
    directory = environment.HERE if is_whole or options.merge or options.report_only else environment.RUN
    results.save(environment.RUN / ("results.json" if directory == environment.HERE else "part.json"))
    can_draw = "matplotlib" not in results.versions or not results.versions["matplotlib"].startswith("missing")
    if can_draw:
        plots.draw(results, loads, servers, directory / "plots")
    report.write(results, loads, servers, directory / "RESULTS.md", plots=can_draw)
    tell(f"\n{report.summary(results)}\nwritten: {(directory / 'RESULTS.md').relative_to(environment.ROOT)}")
    failures = results.failures() + [f"{name}: {why}" for name, why in environment.installed().missing.items()]
    for failure in failures:
        print(f"FAILED  {failure}", file=sys.stderr)
    return 1 if failures else 0


def main() -> int:
    options = parse(sys.argv[1:])
    if not environment.inside():
        try:
            environment.prepare()
        except environment.NotReady as reason:
            print(reason, file=sys.stderr)
            return 1
        environment.enter(sys.argv[1:])
    found = environment.installed()
    servers = {server.name: server for server in SERVERS}
    if options.prototype:
        servers |= {server.name: server for server in prototypes(options.prototype.resolve())}
    loads = choose(options, servers, found.missing)
    if options.list:
        tell("loads:   " + ", ".join([*(load.name for load in loads), STARTUP]))
        tell("servers: " + ", ".join(servers))
        return 0
    if (os.cpu_count() or 1) < 2:
        print("a second CPU is needed: one for the server, one for the client", file=sys.stderr)
        return 1
    with _only_run():
        return _run(options, found, loads, servers)


@contextlib.contextmanager
def _only_run() -> Iterator[None]:
    """Two runs at a time would measure each other.

    Raises:
        SystemExit: another run holds the lock.
    """
    environment.RUN.mkdir(exist_ok=True)
    with (environment.RUN / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("another run of the benchmarks is going on") from None
        yield


def _run(
    options: argparse.Namespace, found: environment.Environment, loads: Sequence[Load], servers: dict[str, Server]
) -> int:
    results = Results(facts.machine(), facts.versions(found))
    stored = environment.RUN / "results.json"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell's background job ignores SIGINT otherwise
        signal.signal(number, _stop)
    if not options.report_only:
        try:
            measure(options, loads, servers, results)
        except KeyboardInterrupt:
            print("interrupted: nothing is written, no server is left running", file=sys.stderr)
            return 130
    if (options.merge or options.report_only) and stored.exists():
        results.add_older(Results.read(stored))
    return finish(options, results, all_loads(options.framework_server, tuple(servers)[len(SERVERS) :]), servers)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
