"""Medians over rounds; a contender that failed has none."""

import statistics
from collections.abc import Callable

from benchmarks.rounds import Outcome, Sample
from benchmarks.startup import Times


def median_of(outcome: Outcome, pick: Callable[[Sample], float | None]) -> float | None:
    """Median of one quantity over the rounds; None when the contender failed or has not got the quantity."""
    values = spread_of(outcome, pick)
    return statistics.median(values) if values else None


def spread_of(outcome: Outcome, pick: Callable[[Sample], float | None]) -> list[float]:
    """The quantity in every round, sorted; empty when the contender failed."""
    if outcome.failure:
        return []
    return sorted(value for sample in outcome.samples if (value := pick(sample)) is not None)


def median_seconds(times: Times | None) -> float | None:
    """Median of a start-up time in seconds."""
    return statistics.median(times.seconds) if times and times.seconds and not times.failure else None
