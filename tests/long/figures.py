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
SECONDS = 6.0


def cell(seen: Notice) -> str:
    """Say in a few words what the ordinary client noticed."""
    if not seen.answered:
        text = f"**none answered**, {seen.lost} lost"
    else:
        lost = f"**{seen.lost} lost**" if seen.lost else "0 lost"
        text = f"{seen.answered} answered, {lost}, p99 {seen.quantile(0.99) * 1000:.0f} ms"
    text += f", {seen.growth / MIB:+.0f} MiB"
    return text if seen.is_alive else text + ", **does not answer afterwards**"


def faults(seconds: float = SECONDS) -> list[str]:
    """Return the table of faults."""
    lines = ["| " + " | ".join(["what is done", *SUBJECTS]) + " |", "|---" * (len(SUBJECTS) + 1) + "|"]
    for case in CASES.values():
        cells = [cell(measure(name, case, seconds)) for name in SUBJECTS]
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


def page(seconds: float) -> str:
    """Return everything between the markers."""
    soaked = [row(name, soak(name, seconds)) for name in SUBJECTS]
    return "\n".join(
        [
            "",
            f"Each fault lasts while an ordinary client asks on a new connection every 10 ms, for {SECONDS:.0f} seconds; a "
            f"request not answered within {ORDINARY_WAIT:.0f} seconds is lost. The last figure is the growth of the server's "
            "memory. Every server has one process and 16 threads.",
            "",
            *faults(),
            "",
            f"Soak: {seconds / 60:.0f} minutes of 20 kept connections, 5 clients that connect anew, 10 kinds of resets; GET, POST and "
            "chunked requests, a quarter of them 50 ms long. Memory (MiB), descriptors and threads after a tenth of the time "
            "and at the end.",
            "",
            "| | requests | failed | memory | descriptors | threads |",
            "|---|---:|---:|---|---|---|",
            *soaked,
            "",
        ]
    )


def main(seconds: str = "1800") -> None:
    """Write the page."""
    text = page(float(seconds))
    PAGE.write_text(
        BLOCK.sub(lambda match: match[1] + text + "\n" + match[2], PAGE.read_text(encoding="utf-8")), encoding="utf-8"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
