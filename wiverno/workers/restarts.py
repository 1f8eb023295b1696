"""How long the supervisor pauses before it starts another worker, so that a crash loop does not use up the machine."""

from dataclasses import dataclass, replace
from typing import Final

SETTLED: Final = 10.0  # seconds after which the exit of a worker does not suggest that the next one will exit too
NO_ROOM_PAUSE: Final = 2.0  # seconds until the next attempt after fork() failed
MAX_PAUSE: Final = 30.0  # seconds between two attempts to start a worker that exits at once


@dataclass(frozen=True, slots=True)
class Restarts:
    """When the next worker may start.

    Attributes:
        failures: workers that have ended shortly after their start, one after the other.
        not_before: monotonic seconds.
    """

    failures: int = 0
    not_before: float = 0.0

    def after_exit(self, age: float, now: float) -> "Restarts":
        """Return what follows from the exit of a worker that was `age` seconds old: 0, 1, 2, 4 … 30 s of pause."""
        failures = 0 if age > SETTLED else self.failures + 1
        pause = min(2.0 ** (failures - 2), MAX_PAUSE) if failures > 1 else 0.0
        return Restarts(failures, now + pause)

    def after_failed_fork(self, now: float) -> "Restarts":
        """Return what follows from a fork() that failed."""
        return replace(self, not_before=now + NO_ROOM_PAUSE)


NO_FAILURES: Final = Restarts()
