"""The soak as a picture: rate, memory, descriptors and threads over time, a line for each server.

python -m tests.long.plot PICTURE NAME=SAMPLES.csv ...    in the benchmark's environment, which has matplotlib
"""

import csv
import importlib
import sys
from pathlib import Path
from typing import Any

from benchmarks.plots import OWN_COLOUR, PEER_COLOUR

MIB = 1024 * 1024
PANELS = (
    ("rate", 1.0, "requests a second"),
    ("memory", MIB, "memory (MiB)"),
    ("descriptors", 1.0, "descriptors"),
    ("threads", 1.0, "threads"),
)
OWN_SECOND = "#5fb89a"
PEER_SECOND = "#c9b27a"

Series = dict[str, list[float]]


def read(path: Path) -> Series:
    """Read a soak's samples, column by column."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def colours(names: list[str]) -> dict[str, str]:
    """Give our own servers green ones."""
    own = iter((OWN_COLOUR, OWN_SECOND))
    peers = iter((PEER_COLOUR, PEER_SECOND))
    return {name: next(own if name.startswith("wiverno") else peers) for name in names}


def draw(picture: Path, soaks: dict[str, Series]) -> None:
    """Write the picture."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, rows = pyplot.subplots(len(PANELS), 1, figsize=(9, 9), sharex=True, layout="constrained")
    colour_of = colours(list(soaks))
    for axes, (name, unit, title) in zip(rows, PANELS, strict=True):
        for server, series in soaks.items():
            minutes = [seconds / 60 for seconds in series["seconds"]]
            values = [value / unit for value in series[name]]
            axes.plot(minutes, values, color=colour_of[server], linewidth=1, label=server)
        axes.set_ylim(bottom=0)
        axes.set_title(title, loc="left", fontsize=9, fontweight="bold")
        axes.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
        axes.spines[["top", "right"]].set_visible(False)
    rows[0].legend(ncols=len(soaks), fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0.25, 1.0))
    rows[-1].set_xlabel("minutes")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def main(picture: str, *sources: str) -> None:
    """Draw what was asked for."""
    pairs = [source.partition("=") for source in sources]
    draw(Path(picture), {name: read(Path(path)) for name, _, path in pairs})


if __name__ == "__main__":
    main(*sys.argv[1:])
