"""The measuring: every contender once, then every contender again, a fresh process each time.

What disturbs the machine for a minute then disturbs all of them a little instead of one of them much; the median of
the rounds is what is reported.
"""

import contextlib
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import h2load, wrk
from benchmarks.environment import PYTHON
from benchmarks.loads import IDLE_CONNECTIONS, Contender, Load
from benchmarks.processes import (
    CLIENT_CPU,
    SERVER_CPU,
    Child,
    ChildFailed,
    MachineClock,
    reaped_seconds,
)
from benchmarks.servers import Server, Start, child_variables
from benchmarks.summary import Summary

WARM_UP_SECONDS = 1
IDLE_OPEN_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one contender.

    Attributes:
        rate: requests a second.
        p50, p99, worst, mean: latency in milliseconds.
        bytes_per_second: received by the client.
        server_cpu: share of its CPU that the server used; near 1 means that the server was the bottleneck.
        client_cpu: share of its CPU that the load generator used; near 1 means that it was the bottleneck.
        foreign_cpu: CPUs used by processes that have no part in the measurement.
        served_at_once: connections that were really served at a time (rate × mean latency); starving ones are missing.
        errors: the load generator's counters that are not zero.
        idle_rate: requests a second beside the idle connections.
        bytes_per_idle: memory of the server for each idle connection, in bytes.
        idle_open: idle connections that the server had kept at the end.
        loop: CPU time of the application's own loop in microseconds a request.
        beside_loop: the rest of the server's CPU time in microseconds a request.
    """

    rate: float
    p50: float
    p99: float
    worst: float
    bytes_per_second: float
    server_cpu: float
    client_cpu: float
    foreign_cpu: float
    served_at_once: float
    errors: dict[str, int] = field(default_factory=dict)
    idle_rate: float | None = None
    bytes_per_idle: float | None = None
    idle_open: int | None = None
    loop: float | None = None
    beside_loop: float | None = None


@dataclass(slots=True)
class Outcome:
    """All that is known of one contender in one load: samples, or why there are none."""

    samples: list[Sample] = field(default_factory=list)
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often, and where the logs go."""

    rounds: int
    seconds: int
    workspace: Path


def measure_load(load: Load, servers: dict[str, Server], plan: Plan, tell: Callable[[str], None]) -> dict[str, Outcome]:
    """Measure all contenders of a load in interleaved rounds; a failure is told at once and ends that contender."""
    outcomes = {contender.name: Outcome() for contender in load.contenders}
    for number in range(1, load.rounds_of(plan.rounds) + 1):
        for contender in load.contenders:
            outcome = outcomes[contender.name]
            if outcome.failure:
                continue
            try:
                sample = measure_once(load, contender, servers[contender.server], plan)
            except (ChildFailed, OSError) as problem:
                outcome.failure = str(problem)
                tell(f"{load.name:<11} {number}  {contender.name:<24} FAILED: {problem}")
                continue
            outcome.samples.append(sample)
            tell(f"{load.name:<11} {number}  {contender.name:<24} {_in_words(sample)}")
            if sample.errors:
                outcome.failure = "errors under load: " + _count(sample.errors)
    return outcomes


def measure_once(load: Load, contender: Contender, server: Server, plan: Plan) -> Sample:
    """Start, check, warm up, measure, end."""
    log = plan.workspace / f"{load.name}-{contender.name.replace(' ', '')}.log"
    port = wrk.free_port()
    start = Start(
        application=contender.application,
        port=port,
        connections=load.connections + (IDLE_CONNECTIONS if load.kind == "idle" else 0),
        is_closing=load.is_closing,
        is_secure=load.is_secure,
        is_http2=bool(load.streams),
        access_log=plan.workspace / "access.log" if contender.is_logging else None,
        workspace=plan.workspace,
    )
    if start.connections > 1000:
        _raise_descriptor_limit(start.connections + 500)
    command = server.command(start)
    with Child(command, cpu=SERVER_CPU, log=log, directory=plan.workspace, variables=child_variables()) as child:
        if load.streams:
            h2load.wait_until_right(child, load, port, plan.workspace)
        else:
            wrk.wait_until_right(child, load, port)
        _run_client(load, contender, port, WARM_UP_SECONDS, plan)
        sample = _pressed(child, load, contender, port, plan)
        if load.kind == "idle":
            sample = _with_idle(child, load, contender, port, plan, sample)
        if not child.alive:
            raise child.fail("the server ended during the load")
    return sample


def _run_client(load: Load, contender: Contender, port: int, seconds: int, plan: Plan) -> Summary:
    if load.streams:
        return h2load.run(load, port, seconds, plan.workspace / "h2load.log")
    return wrk.run(load, port, seconds, plan.workspace / "wrk.log", contender.arguments)


def _pressed(child: Child, load: Load, contender: Contender, port: int, plan: Plan) -> Sample:
    looped_before = wrk.application_times(port) if load.is_timed else (0, 0.0)
    server_before, reaped_before, machine_before = child.cpu_seconds(), reaped_seconds(), MachineClock.read()
    summary = _run_client(load, contender, port, plan.seconds, plan)
    machine = MachineClock.read()
    elapsed = machine.now - machine_before.now
    used = child.cpu_seconds() - server_before
    client = reaped_seconds() - reaped_before
    foreign = machine.busy - machine_before.busy - used - client
    loop, beside_loop = _shares(looped_before, wrk.application_times(port), used) if load.is_timed else (None, None)
    return Sample(
        rate=summary.rate,
        p50=summary.p50,
        p99=summary.p99,
        worst=summary.worst,
        bytes_per_second=summary.bytes_per_second,
        server_cpu=used / elapsed,
        client_cpu=client / elapsed,
        foreign_cpu=max(0.0, foreign / elapsed),
        served_at_once=summary.rate * summary.mean / 1e3,
        errors=summary.errors,
        loop=loop,
        beside_loop=beside_loop,
    )


def _shares(before: tuple[int, float], after: tuple[int, float], used: float) -> tuple[float | None, float | None]:
    """Return the loop's CPU time and the rest of the server's, in microseconds a request.

    Args:
        before, after: loops and their seconds.
        used: the server's CPU time between them in seconds.
    """
    loops, seconds = after[0] - before[0], after[1] - before[1]
    if not loops:
        return None, None
    return seconds / loops * 1e6, (used - seconds) / loops * 1e6


def _with_idle(child: Child, load: Load, contender: Contender, port: int, plan: Plan, without: Sample) -> Sample:
    """Open the idle connections, weigh them, and press again beside them."""
    before = child.memory_bytes()
    with _idle_client(port, plan.workspace / "idle.log") as client:
        _expect(client, "ready")
        weight = child.memory_bytes() - before
        beside = _pressed(child, load, contender, port, plan)
        assert client.process.stdin is not None
        client.process.stdin.write(b"count\n")
        client.process.stdin.flush()
        still_open = _expect(client, "open")
    if still_open < IDLE_CONNECTIONS:
        raise child.fail(f"kept {still_open:,} of {IDLE_CONNECTIONS:,} idle connections")
    return Sample(
        rate=without.rate,
        p50=beside.p50,
        p99=beside.p99,
        worst=beside.worst,
        bytes_per_second=beside.bytes_per_second,
        server_cpu=beside.server_cpu,
        client_cpu=beside.client_cpu,
        foreign_cpu=max(without.foreign_cpu, beside.foreign_cpu),
        served_at_once=beside.served_at_once,
        errors={**without.errors, **beside.errors},
        idle_rate=beside.rate,
        bytes_per_idle=weight / IDLE_CONNECTIONS,
        idle_open=still_open,
    )


@contextlib.contextmanager
def _idle_client(port: int, log: Path) -> Iterator[Child]:
    command = [str(PYTHON), "-m", "benchmarks.idle_client", str(port), str(IDLE_CONNECTIONS)]
    with Child(command, cpu=CLIENT_CPU, log=log, directory=log.parent, variables=child_variables()) as client:
        yield client


def _expect(client: Child, word: str) -> int:
    """Wait for a line "word number" of the idle client."""
    deadline = time.monotonic() + IDLE_OPEN_SECONDS
    while time.monotonic() < deadline:
        for line in client.log.read_text().splitlines():
            if line.startswith(word + " "):
                return int(line.split()[1])
        if not client.alive:
            raise client.fail("the idle client ended")
        time.sleep(0.05)  # between two looks; the deadline ends them
    raise client.fail(f"the idle client did not say {word!r} within {IDLE_OPEN_SECONDS:.0f} seconds")


def _raise_descriptor_limit(needed: int) -> None:
    """Raise the hard limit for the children where it is too low (only root may)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, needed))


def _count(errors: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in errors.items())


def _in_words(sample: Sample) -> str:
    text = f"{sample.rate:>10,.0f}/s  p99 {sample.p99:8.2f} ms"
    text += f"  CPU: server {sample.server_cpu:4.0%}, client {sample.client_cpu:4.0%}"
    if sample.foreign_cpu > 0.1:
        text += f"  disturbed by {sample.foreign_cpu:.0%}"
    if sample.idle_rate is not None and sample.bytes_per_idle is not None:
        text += f"  idle: {sample.idle_rate:,.0f}/s, {sample.bytes_per_idle:,.0f} bytes each"
    if sample.loop is not None and sample.beside_loop is not None:
        text += f"  loop {sample.loop:,.0f} µs, beside it {sample.beside_loop:,.1f} µs"
    if sample.errors:
        text += "  ERRORS: " + _count(sample.errors)
    return text
