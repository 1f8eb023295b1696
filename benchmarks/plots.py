"""One PNG a load: a bar for each contender at its median, a line from the lowest to the highest round."""

import importlib
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.loads import Load
from benchmarks.report import title_of
from benchmarks.results import Results
from benchmarks.rounds import Outcome
from benchmarks.servers import Server
from benchmarks.statistics_of_rounds import median_of, spread_of

OWN_COLOUR = "#1b7f5c"
PEER_COLOUR = "#9aa5b1"
Bar = tuple[str, list[float], bool, str]  # title, sorted values, whether it is ours, note behind the bar


def draw(results: Results, loads: Sequence[Load], servers: dict[str, Server], directory: Path) -> None:
    """Draw every load that has figures."""
    directory.mkdir(parents=True, exist_ok=True)
    for load in loads:
        outcomes = results.outcomes.get(load.name)
        if not outcomes:
            continue
        file = directory / f"{load.name}.png"
        if load.kind == "idle":
            bars = _bars(load, outcomes, servers, idle=True)
            _chart(bars, f"{load.title}: memory each", "bytes for each connection (less is better)", file)
        else:
            bars = _bars(load, outcomes, servers, idle=False)
            _chart(bars, load.title, "requests a second (p99 latency behind the bar)", file)
    if results.times:
        bars = [
            (name, sorted(value * 1e3 for value in times.seconds), name.startswith("wiverno"), "")
            for name, times in results.times.items()
            if times.seconds
        ]
        _chart(bars, "Start-up", "milliseconds (less is better)", directory / "startup.png")


def _bars(load: Load, outcomes: dict[str, Outcome], servers: dict[str, Server], *, idle: bool) -> list[Bar]:
    bars: list[Bar] = []
    own_servers_only = all(servers[contender.server].is_own for contender in load.contenders)
    for contender in load.contenders:
        outcome = outcomes.get(contender.name)
        if outcome is None:
            continue
        values = spread_of(outcome, (lambda s: s.bytes_per_idle) if idle else (lambda s: s.rate))
        if not values:
            continue
        is_own = contender.name.startswith("wiverno") if own_servers_only else servers[contender.server].is_own
        p99 = median_of(outcome, lambda s: s.p99)
        note = "" if idle or p99 is None else f"{p99:.1f} ms"
        bars.append((title_of(load, contender.name, servers), values, is_own, note))
    return bars


def _chart(bars: Sequence[Bar], title: str, unit: str, file: Path) -> None:
    """Horizontal bars, the first on top."""
    if not bars:
        return
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.38 * len(bars)), layout="constrained")
    places = range(len(bars))
    medians = [statistics.median(values) for _, values, _, _ in bars]
    below = [median - values[0] for median, (_, values, _, _) in zip(medians, bars, strict=True)]
    above = [values[-1] - median for median, (_, values, _, _) in zip(medians, bars, strict=True)]
    colours = [OWN_COLOUR if is_own else PEER_COLOUR for _, _, is_own, _ in bars]
    axes.barh(places, medians, xerr=(below, above), color=colours, ecolor="#444444", capsize=3)
    axes.set_yticks(places, [bar_title for bar_title, _, _, _ in bars])
    axes.invert_yaxis()
    furthest = max(values[-1] for _, values, _, _ in bars) or 1.0
    axes.set_xlim(0, furthest * 1.28)
    for place, median, (_, values, _, note) in zip(places, medians, bars, strict=True):
        label = f"{median:,.0f}" + (f"   {note}" if note else "")
        axes.text(values[-1] + furthest * 0.015, place, label, va="center", fontsize=8)
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(unit)
    axes.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
