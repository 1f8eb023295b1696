"""Print branch coverage by room, and fail if it fell: `make coverage`.

It reads the data that `pytest --cov` has written for unit and property tests. The run fails if

- all rooms together are below `fail_under` of pyproject.toml, which may only rise,
- a module is below 80 % and tests/coverage.txt does not name it with the reason, or
- a module that the list names has reached 90 %: then its line has to go.
"""

import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import coverage

from tests.support.layout import MODULES, PACKAGE, ROOT, Layout, name_of, read_layout

LISTED = ROOT / "tests" / "coverage.txt"
LEAST = 80
ENOUGH = 90


@dataclass(frozen=True, slots=True)
class Count:
    """Statements and branches: how many there are, and how many were executed."""

    covered: int = 0
    total: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.covered + other.covered, self.total + other.total)

    @property
    def percent(self) -> float:
        return 100 * self.covered / self.total if self.total else 100.0


def read_counts() -> tuple[dict[str, Count], float]:
    """Return the counts by module (`core/engine`), and `fail_under`."""
    measured = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(report))
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    counts = {}
    for file, entry in files.items():
        summary = entry["summary"]
        covered = summary["covered_lines"] + summary["covered_branches"]
        counts[name_of(PACKAGE.parent / file)] = Count(covered, summary["num_statements"] + summary["num_branches"])
    return counts, float(str(measured.get_option("report:fail_under")))


def read_reasons(text: str) -> dict[str, str]:
    """Return the modules of the list with their reasons; a line is a path in the package, " # " and the reason.

    Raises:
        ValueError: a line has no reason, or names no module.
    """
    reasons = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = (part.strip() for part in line.partition(" # "))
        if not reason:
            raise ValueError(f"tests/coverage.txt:{number}: {name}: write the reason after ' # '")
        if name not in {name_of(path) for path in MODULES}:
            raise ValueError(f"tests/coverage.txt:{number}: {name}: there is no such module")
        reasons[name] = reason
    return reasons


def judge(counts: Mapping[str, Count], reasons: Mapping[str, str], fail_under: float) -> list[str]:
    """Return what is wrong."""
    wrong = []
    total = sum(counts.values(), Count())
    if round(total.percent, 1) < fail_under:
        wrong.append(f"{total.percent:.1f} % is below the floor of {fail_under:g} % (fail_under in pyproject.toml)")
    for name, count in sorted(counts.items()):
        if count.percent < LEAST and name not in reasons:
            wrong.append(f"{name}: {count.percent:.0f} %; test it, or name it in tests/coverage.txt with the reason")
        if count.percent >= ENOUGH and name in reasons:
            wrong.append(f"{name}: {count.percent:.0f} %; remove it from tests/coverage.txt")
    return wrong


def table(counts: Mapping[str, Count], layout: Layout) -> list[str]:
    """Return the lines of the table: each room with its floor, its coverage and its least covered module."""
    rooms: dict[str, dict[str, Count]] = defaultdict(dict)
    for name, count in counts.items():
        rooms[layout.room_of(name) or name][name] = count
    lines = ["floor  room                     covered  least covered module"]
    for room in sorted(rooms, key=lambda room: (layout.floors.get(room, 0), room)):
        modules = rooms[room]
        if not (whole := sum(modules.values(), Count())).total:
            continue
        least = min(modules, key=lambda name: modules[name].percent)
        floor = layout.floors.get(room, 0)
        lines.append(f"{floor:5}  {room:23}  {whole.percent:6.1f} %  {least} {modules[least].percent:.0f} %")
    lines.append(f"       all                      {sum(counts.values(), Count()).percent:6.1f} %")
    return lines


def main() -> int:
    """Return the exit status."""
    counts, fail_under = read_counts()
    print("\n".join(table(counts, read_layout())))
    wrong = judge(counts, read_reasons(LISTED.read_text(encoding="utf-8")), fail_under)
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
