"""The README's table of figures, made from benchmarks/RESULTS.md: requests a second by server and load.

python -m tests.docs.figures            writes it between the markers of README.md
python -m tests.docs.figures --check    fails if it is behind
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
BLOCK = re.compile(r"(<!-- figures: begin[^\n]*-->\n).*?(<!-- figures: end -->)", re.DOTALL)
NOTE = (
    "Requests a second, one process on one CPU, the load generator on another; `make bench` measures it again, and "
    "[benchmarks/RESULTS.md](benchmarks/RESULTS.md) has the rest. Compare the columns, not the machines.\n"
)
# The columns that fit on a page; the other loads are on the page of results.
COLUMNS = (
    "Hello",
    "A browser's request",
    "A connection for every request",
    "Every 20th request waits",
    "CPU-bound, 0.4 ms",
    "1 MiB down",
    "1 MiB up",
    "Flask: hello",
    "Django: hello",
    "Pyramid: hello",
    "TLS",
    "HTTP/2: hello, 16 streams",
)
PLOT = "![A browser's request: requests a second by server](benchmarks/plots/browser.png)\n"


def rates(results: str) -> dict[str, dict[str, str]]:
    """Return {load's title: {server: requests a second}}, in the page's order."""
    found: dict[str, dict[str, str]] = {}
    for section in re.split(r"^## ", results, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        rows = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in text.splitlines() if "|" in line]
        # The first column's heading is empty, so stripping the line takes it away.
        if len(rows) > 2 and "requests/s" in rows[0]:
            found[title.strip()] = {row[0]: row[1] for row in rows[2:]}
    return found


def table(results: str) -> str:
    """Return the README's block for a page of results: a table of servers, and a line for each load of other things."""
    loads = rates(results)
    first = next(iter(loads.values()))
    common = {title: load for title, load in loads.items() if first.keys() & load.keys()}
    columns = {title: load for title, load in common.items() if title in COLUMNS} or common
    lines = ["| |" + "".join(f" {title} |" for title in columns), "|---|" + "---:|" * len(columns)]
    lines += [f"| {server} |" + "".join(f" {load.get(server, '–')} |" for load in columns.values()) for server in first]
    lines.append("")
    for title, load in loads.items():
        if title not in common:
            lines.append(f"- {title}: " + " · ".join(f"{name} {rate}" for name, rate in load.items()))
    return "\n".join([NOTE, PLOT, *lines, ""])


def filled(readme: str, results: str) -> str:
    """Return the README with the block for these results; an empty one while there are none.

    Raises:
        ValueError: the README has no markers.
    """
    if not BLOCK.search(readme):
        raise ValueError("README.md has no markers for the figures")
    block = "\n" + table(results) + "\n" if results else "`make bench` writes them here.\n"
    return BLOCK.sub(lambda match: match[1] + block + match[2], readme)


def main(arguments: list[str]) -> int:
    """Write or check; the exit status."""
    path = ROOT / "README.md"
    before = path.read_text(encoding="utf-8")
    after = filled(before, RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "")
    if "--check" in arguments:
        if after != before:
            sys.stderr.write(
                "README.md: the figures are behind benchmarks/RESULTS.md; run python -m tests.docs.figures\n"
            )
        return int(after != before)
    path.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
