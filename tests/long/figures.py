"""The tables of docs/reliability.md: what is done to wiverno and its peers by the same code, and what comes of it.

python -m tests.long.figures                    everything: half an hour for the soak, and half as much for the rest
python -m tests.long.figures faults clock       only these parts of the page; SOAK_SECONDS, PEER_SECONDS for less

The picture of the soak is drawn with the matplotlib of the benchmark's environment, which `make bench-quick` makes.
"""

import os
import re
import subprocess
import sys

from tests.long.clock import JUMPS, TIMEOUT, Clockwork, jump
from tests.long.faults import CASES, MIB, ORDINARY_WAIT, Notice, measure
from tests.long.soak import COMERS, FOLDER, KEEPERS, RELOAD_EVERY, Soak, soak
from tests.long.subjects import SUBJECTS, WITH_WORKERS
from tests.long.surroundings import surroundings
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "reliability.md"
PICTURE = ROOT / "docs" / "plots" / "soak.png"
DRAWING = ROOT / "benchmarks" / ".venv" / "bin" / "python"
SECONDS = 5.0
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "1800"))
PEER_SECONDS = float(os.environ.get("PEER_SECONDS", "300"))


def cell(seen: Notice, unit: str = "") -> str:
    """Say in a few words what the ordinary client noticed; `unit` is what those who do harm are counted by."""
    if not seen.answered:
        text = f"**none answered**, {seen.lost} lost"
    else:
        lost = f"**{seen.lost} lost**" if seen.lost else "0 lost"
        text = f"{seen.answered} answered, {lost}, p99 {seen.quantile(0.99) * 1000:.0f} ms"
    if unit:
        text += f", {seen.harm_rate:,.0f} {unit}/s"
    text += f", {seen.growth / MIB:+.0f} MiB"
    return text if seen.is_alive else text + ", **does not answer afterwards**"


INTRODUCTION = """\
Each fault lasts while an ordinary client asks on a new connection every 10 ms, for {seconds:.0f} seconds; a request not
answered within {wait:.0f} seconds is lost. The clients that cause the fault run in a separate process and repeat it as
fast as the server allows; "/s" is how often. The last figure is the growth of the server's memory. Every server has one
process and 16 threads.
"""


def faults(seconds: float = SECONDS) -> list[str]:
    """Return the part about faults."""
    lines = ["| what is done | " + " | ".join(SUBJECTS) + " |", "|---" * (len(SUBJECTS) + 1) + "|"]
    for case in CASES.values():
        cells = [cell(measure(name, case, seconds), case.unit) for name in SUBJECTS]
        lines.append("| " + " | ".join([case.meaning, *cells]) + " |")
    return [INTRODUCTION.format(seconds=seconds, wait=ORDINARY_WAIT), *lines]


CLOCK = """\
While each server has 20 idle kept connections and is asked by 4 clients without a pause, the system's clock jumps, as
that process sees it. `channel_timeout` (gunicorn's `keepalive`) is {timeout:.0f} seconds. Closed early: of the 20,
those that were closed within a second after the jump, two seconds after their last use.
"""


def clock() -> list[str]:
    """Return the part about the clock."""
    lines = ["| jump | " + " | ".join(SUBJECTS) + " |", "|---" * (len(SUBJECTS) + 1) + "|"]
    for meaning, seconds in JUMPS.items():
        cells = [ticking(jump(name, seconds)) for name in SUBJECTS]
        lines.append("| " + " | ".join([meaning, *cells]) + " |")
    return [CLOCK.format(timeout=TIMEOUT), *lines]


def ticking(seen: Clockwork) -> str:
    """Say in a few words what a jump did."""
    closed = f"closed {seen.closed_after:.1f} s after their last use" if seen.closed_after else "**not closed in time**"
    early = f"**{seen.closed_early} closed early**" if seen.closed_early else "0 closed early"
    lost = f"**{seen.lost} lost**" if seen.lost else "0 lost"
    date = "Date follows" if seen.follows else "**Date does not follow**"
    return f"{seen.answered:,} answered, {lost}, {early}, idle ones {closed}, {date}"


SOAKING = """\
{minutes:.3g} minutes with workers (the others: {peers:.3g}) of {keepers} clients on kept connections without a pause,
{comers} on a new connection each time, and 50 that reset theirs in every state; GET, POST and chunked requests, one in
33 of them 50 ms long. Servers with workers are reloaded every {every:.0f} seconds; a single process has nothing to
reload. Memory (MiB), descriptors and threads of all processes: the medians of the second tenth of the time and of the
last.

![Requests a second, memory, descriptors and threads over time](plots/soak.png)
"""


def row(name: str, seen: Soak) -> str:
    """One line of the soak's table."""
    levels = [
        f"{seen.level(what, tenth=1) / unit:.{digits}f} → {seen.level(what, tenth=9) / unit:.{digits}f}"
        for what, unit, digits in (("memory", MIB, 1), ("descriptors", 1, 0), ("threads", 1, 0))
    ]
    rate = f"{seen.level('rate', tenth=1):,.0f} → {seen.level('rate', tenth=9):,.0f}"
    count = f"{seen.samples[-1].requests:,}"
    return "| " + " | ".join([name, count, rate, str(seen.reloads), str(len(seen.failures)), *levels]) + " |"


def soaks(seconds: float = SOAK_SECONDS, peers: float = PEER_SECONDS) -> list[str]:
    """Return the part about the soak, and draw its picture."""
    lines = [
        "| | requests | a second | reloads | failed | memory | descriptors | threads |",
        "|---|---:|---|---:|---:|---|---|---|",
    ]
    own, peer = WITH_WORKERS
    lines += [row(name, soak(name, seconds if name == own else peers)) for name in (own, "wiverno", peer, "waitress")]
    drawn = [f"{name}={FOLDER / name}.csv" for name in (own, "wiverno")]
    subprocess.run([str(DRAWING), "-m", "tests.long.plot", str(PICTURE), *drawn], cwd=ROOT, check=True)
    introduction = SOAKING.format(
        minutes=seconds / 60, peers=peers / 60, keepers=KEEPERS, comers=COMERS, every=RELOAD_EVERY
    )
    return [introduction, *lines]


PARTS = {"faults": faults, "surroundings": surroundings, "clock": clock, "soak": soaks}


def filled(text: str, part: str, block: str) -> str:
    """Return the page with a new block between a part's markers."""
    pattern = re.compile(rf"(<!-- {part}: begin -->\n).*?(<!-- {part}: end -->)", re.DOTALL)
    assert pattern.search(text), part
    return pattern.sub(lambda match: match[1] + "\n" + block + "\n\n" + match[2], text)


def main(*names: str) -> None:
    """Write the parts, each as soon as it is known."""
    if not DRAWING.exists():
        sys.exit("error: benchmarks/.venv is missing, which has matplotlib: run make bench-quick first")
    for name in names or PARTS:
        block = "\n".join(PARTS[name]())
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), name, block), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
