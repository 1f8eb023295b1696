"""Everything one run found, as a value that can be written to a file, read back and merged."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.rounds import Outcome, Sample
from benchmarks.startup import Times

EARLIER: Final = "; from an earlier run"


@dataclass(slots=True)
class Results:
    """Figures and what they were measured with.

    Attributes:
        machine, versions: from `facts`.
        conditions: load → how it was run (date, rounds, seconds).
        outcomes: load → contender → samples.
        times: start-up command → seconds.
    """

    machine: dict[str, str]
    versions: dict[str, str]
    conditions: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    times: dict[str, Times] = field(default_factory=dict)

    def save(self, file: Path) -> None:
        """Write as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `save` wrote."""
        stored: dict[str, Any] = json.loads(file.read_text())
        outcomes = {
            load: {name: _outcome(outcome) for name, outcome in contenders.items()}
            for load, contenders in stored["outcomes"].items()
        }
        times = {name: Times(**value) for name, value in stored["times"].items()}
        return cls(stored["machine"], stored["versions"], stored["conditions"], outcomes, times)

    def add_older(self, older: Self) -> None:
        """Take over whole loads that this run left out, and say so; figures of one load are never mixed."""
        mark = EARLIER if self.conditions else ""  # nothing measured: the same run, written once more
        for load, condition in older.conditions.items():
            self.conditions.setdefault(load, condition.removesuffix(mark) + mark)
        self.outcomes = {**older.outcomes, **self.outcomes}
        self.times = self.times or older.times

    def failures(self) -> list[str]:
        """One line for everything that did not answer as it should; the whole story was told when it happened."""
        lines = [
            f"{load}: {name}: {_in_short(outcome.failure)}"
            for load, contenders in self.outcomes.items()
            for name, outcome in contenders.items()
            if outcome.failure
        ]
        times = self.times.items()
        return lines + [f"startup: {name}: {_in_short(time.failure)}" for name, time in times if time.failure]

    def worst_disturbance(self) -> float:
        """CPUs that foreign processes used during the most disturbed measurement."""
        return max(
            (sample.foreign_cpu for load in self.outcomes.values() for one in load.values() for sample in one.samples),
            default=0.0,
        )


def _in_short(failure: str) -> str:
    """What happened, and the last line the process had to say of it."""
    first, *rest = failure.splitlines()
    return f"{first}: {rest[-1]}" if rest else first


def _outcome(stored: dict[str, Any]) -> Outcome:
    return Outcome([Sample(**sample) for sample in stored["samples"]], stored["failure"])
