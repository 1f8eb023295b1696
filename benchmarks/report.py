"""RESULTS.md: the targets first, then a table a load, then what it was measured on."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.loads import Load
from benchmarks.results import Results
from benchmarks.rounds import Outcome, Sample
from benchmarks.servers import Server
from benchmarks.statistics_of_rounds import median_of, median_seconds, spread_of
from benchmarks.targets import TARGETS

OWN = ("runserver", "wiverno-4", "wiverno-16", "wiverno-http2")
QUIET = 0.1  # CPUs

INTRODUCTION = """\
# Results

Made by `make bench`. Each server runs in one process pinned to one CPU, the client is pinned to another; every
measurement starts a fresh server; the rounds are interleaved (round 1 of every server, then round 2, …) and the median
is shown.
Each server is configured for its best: no access log, limits raised where a load needs it (`benchmarks/servers.py`,
`benchmarks/launch.py`). **The ratios are the result; the absolute figures belong to the machine below.**
"Per CPU-second" is what one second of the server's CPU time answers. Where the client (wrk, or h2load for HTTP/2) used
all of its CPU, it was the limit and the server could do more. "Loop" is the CPU time that
the application counted for its own loop, "beside it" the rest of the server's. "At once" is rate × mean latency: the
connections really served at a time; less than the load's connections means that some starved or were re-opened.
A server that answers wrongly or loses requests gets no figure, and the run ends with an error.
"""


def write(results: Results, loads: Sequence[Load], servers: dict[str, Server], file: Path, *, plots: bool) -> None:
    """Write the whole page."""
    parts = [INTRODUCTION, _disturbance(results), _targets(results)]
    measured = [load for load in loads if load.name in results.outcomes]
    parts += [_load_section(load, results, servers, plots=plots) for load in measured]
    if results.times:
        parts.append(_startup_section(results, plots=plots))
    parts += [_failures(results), _facts(results)]
    file.write_text("\n".join(part.rstrip() + "\n" for part in parts if part))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are figures."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows)) + "\n"


def _disturbance(results: Results) -> str:
    worst = results.worst_disturbance()
    if worst <= QUIET:
        return f"Other processes used at most {worst:.0%} of one CPU during any measurement.\n"
    return (
        f"> **Disturbed run**: other processes used up to {worst:.0%} of one CPU during a measurement. "
        "Repeat it on a quiet machine before quoting it.\n"
    )


def _targets(results: Results) -> str:
    rows = []
    for target in TARGETS:
        if target.load not in results.conditions:
            continue
        value = target.figure(results.outcomes, results.times)
        sign = "≤" if target.is_ceiling else "≥"
        rows.append(
            (
                f"{target.load}: {target.what}",
                _amount(value, target.unit),
                "—" if target.must is None else f"{sign} {target.must:,g}",
                target.verdict(value, target.must),
                "—" if target.aim is None else f"{sign} {target.aim:,g}",
                target.verdict(value, target.aim),
            )
        )
    return "## Targets\n\n" + _table(("quantity", "measured", "must", "", "aim", ""), rows)


def summary(results: Results) -> str:
    """The targets as plain lines for the terminal."""
    lines = []
    for target in TARGETS:
        if target.load in results.conditions:
            value = target.figure(results.outcomes, results.times)
            verdicts = f"must: {target.verdict(value, target.must)}, aim: {target.verdict(value, target.aim)}"
            lines.append(f"{target.load + ': ' + target.what:<62} {_amount(value, target.unit):>12}  {verdicts}")
    return "\n".join(lines)


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "—"
    return f"{value:.2f} ×" if unit == "×" else f"{value:,.0f}{unit}"


def _load_section(load: Load, results: Results, servers: dict[str, Server], *, plots: bool) -> str:
    outcomes = results.outcomes[load.name]
    text = f"## {load.title}\n\n{load.meaning} ({results.conditions[load.name]})\n\n"
    table = _idle_table if load.kind == "idle" else _rate_table
    text += table(load, outcomes, servers)
    if plots:
        text += f"\n![{load.title}](plots/{load.name}.png)\n"
    return text


def title_of(load: Load, name: str, servers: dict[str, Server]) -> str:
    """The server's title where the contender is just a server, else the contender's own name."""
    contender = next(one for one in load.contenders if one.name == name)
    return servers[name].title if contender.name == contender.server else name


def _rate_table(load: Load, outcomes: dict[str, Outcome], servers: dict[str, Server]) -> str:
    bases = [name for name in OWN if name in outcomes] or [next(iter(outcomes))]
    is_bytes = load.name.removeprefix("h2-").removeprefix("tls-") in ("download", "upload")
    header = [
        "",
        "requests/s",
        "lowest – highest",
        "p50 ms",
        "p99 ms",
        "server CPU",
        "per CPU-second",
        "client CPU",
        "at once",
    ]
    header += [f"{name} ÷ it" for name in bases]
    if load.is_timed:
        header += ["loop, CPU µs", "beside it, CPU µs"]
    if is_bytes:
        header.insert(2, "MiB/s")
    rows = []
    for name, outcome in outcomes.items():
        rates = spread_of(outcome, lambda sample: sample.rate)
        title = title_of(load, name, servers)
        if not rates:
            rows.append([title, "failed", *("" for _ in header[2:])])
            continue
        rate = statistics.median(rates)
        row = [title, f"{rate:,.0f}", f"{rates[0]:,.0f} – {rates[-1]:,.0f}"]
        row += [f"{median_of(outcome, pick) or 0:.2f}" for pick in (lambda s: s.p50, lambda s: s.p99)]
        row.append(f"{median_of(outcome, lambda s: s.server_cpu) or 0:.0%}")
        row.append(f"{median_of(outcome, _per_cpu_second) or 0:,.0f}")
        row.append(f"{median_of(outcome, lambda s: s.client_cpu) or 0:.0%}")
        row.append(f"{median_of(outcome, lambda s: s.served_at_once) or 0:.0f}")
        row += [_ratio(outcomes[base], rate) for base in bases]
        if load.is_timed:
            row += [f"{median_of(outcome, pick) or 0:,.1f}" for pick in (lambda s: s.loop, lambda s: s.beside_loop)]
        if is_bytes:
            row.insert(2, f"{rate:,.0f}")
        rows.append(row)
    return _table(header, rows)


def _per_cpu_second(sample: Sample) -> float | None:
    """Requests for each second of the server's CPU time: what a disturbed run can still compare."""
    return sample.rate / sample.server_cpu if sample.server_cpu else None


def _ratio(base: Outcome, rate: float) -> str:
    own = median_of(base, lambda sample: sample.rate)
    return f"{own / rate:.2f}" if own and rate else "—"


def _idle_table(load: Load, outcomes: dict[str, Outcome], servers: dict[str, Server]) -> str:
    header = ("", "bytes each", "hello without", "hello beside them", "beside ÷ without", "p99 ms beside")
    rows = []
    for name, outcome in outcomes.items():
        title = title_of(load, name, servers)
        without = median_of(outcome, lambda s: s.rate)
        beside = median_of(outcome, lambda s: s.idle_rate)
        weight = median_of(outcome, lambda s: s.bytes_per_idle)
        if without is None or beside is None or weight is None:
            rows.append((title, "failed", "", "", "", ""))
            continue
        p99 = median_of(outcome, lambda s: s.p99) or 0
        rows.append(
            (title, f"{weight:,.0f}", f"{without:,.0f}", f"{beside:,.0f}", f"{beside / without:.2f}", f"{p99:.2f}")
        )
    return _table(header, rows)


def _startup_section(results: Results, *, plots: bool) -> str:
    rows = []
    for name, times in results.times.items():
        median = median_seconds(times)
        if median is None:
            rows.append((name, "failed", ""))
        else:
            low, high = min(times.seconds) * 1e3, max(times.seconds) * 1e3
            rows.append((name, f"{median * 1e3:,.0f}", f"{low:,.0f} – {high:,.0f}"))
    text = f"## Start-up\n\nWall-clock time of a command. ({results.conditions['startup']})\n\n"
    text += _table(("", "median ms", "lowest – highest"), rows)
    return text + ("\n![Start-up](plots/startup.png)\n" if plots else "")


def _failures(results: Results) -> str:
    lines = results.failures()
    if not lines:
        return ""
    here = f"{Path(__file__).resolve().parent.parent}/"
    shown = [f"- {line.replace(here, '')}" for line in lines]
    return "## Not measured\n\n" + "\n".join(shown) + "\n"


def _facts(results: Results) -> str:
    machine = _table(("machine", ""), [(name, value) for name, value in results.machine.items()])
    versions = _table(("software", "version"), [(name, value) for name, value in results.versions.items()])
    return f"## Measured on and with\n\n{machine}\n{versions}"
