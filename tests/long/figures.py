"""The tables of docs/reliability.md: the faults and the soak done to wiverno and to its peers, by the same code.

python -m tests.long.figures [SECONDS OF SOAK]
"""

import re
import sys
from pathlib import Path

from tests.long.faults import CASES, MIB, ORDINARY_WAIT, Notice, measure
from tests.long.soak import Soak, soak
from tests.long.subjects import SUBJECTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BLOCK = re.compile(r"(<!-- figures: begin -->\n).*?(<!-- figures: end -->)", re.DOTALL)
SECONDS = 5.0


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


def faults(seconds: float = SECONDS) -> list[str]:
    """Return the table of faults."""
    lines = ["| " + " | ".join(["what is done", *SUBJECTS]) + " |", "|---" * (len(SUBJECTS) + 1) + "|"]
    for case in CASES.values():
        cells = [cell(measure(name, case, seconds), case.unit) for name in SUBJECTS]
        lines.append("| " + " | ".join([case.meaning, *cells]) + " |")
    return lines


def row(name: str, seen: Soak) -> str:
    """One line of the soak's table: the first sample and the last."""
    first, last = seen.samples[0], seen.samples[-1]
    held = [
        f"{first.memory / MIB:.1f} → {last.memory / MIB:.1f}", f"{first.descriptors} → {last.descriptors}",
        f"{first.threads} → {last.threads}",
    ]  # fmt: skip
    return "| " + " | ".join([name, f"{last.requests:,}", str(len(seen.failures)), *held]) + " |"


INTRODUCTION = """\
Each fault lasts while an ordinary client asks on a new connection every 10 ms, for {seconds:.0f} seconds; a request not
answered within {wait:.0f} seconds is lost. The last figure is the growth of the server's memory. Every server has one
process and 16 threads.
"""

SOAKING = """\
Soak: {minutes:.0f} minutes of 20 kept connections, 5 that connect anew and 50 that reset their connections; GET,
POST and chunked requests, a quarter of them 50 ms long. Memory (MiB), descriptors and threads after a tenth of the time
and at the end.
"""


def page(seconds: float) -> str:
    """Return everything between the markers."""
    soaked = [row(name, soak(name, seconds)) for name in SUBJECTS]
    heading = ["| | requests | failed | memory | descriptors | threads |", "|---|---:|---:|---|---|---|"]
    introduction = INTRODUCTION.format(seconds=SECONDS, wait=ORDINARY_WAIT)
    soaking = SOAKING.format(minutes=seconds / 60)
    return "\n".join(["", introduction, *faults(), "", soaking, *heading, *soaked, ""])


def filled(text: str, block: str) -> str:
    """Return the page with a new block between its markers."""
    return BLOCK.sub(lambda match: match[1] + block + "\n" + match[2], text)


def main(seconds: str = "1800") -> None:
    """Write the page."""
    block = page(float(seconds))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), block), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
