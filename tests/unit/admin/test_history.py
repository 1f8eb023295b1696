"""The history's rows are rates and quantiles between two readings."""

import pytest

from tests.support.statuses import counts, service, worker
from wiverno.admin.history import COLUMNS, LENGTH, History, estimate_quantile
from wiverno.core.telemetry.counters import BOUNDS

LAST = BOUNDS[-1]


def row(history: History) -> dict[str, float]:
    return dict(zip(COLUMNS, history.rows[-1], strict=True))


def test_a_row_has_rates_of_the_time_since_the_last_one() -> None:
    """20 responses, of which 5 were errors, in 2 seconds are 10 and 2.5 a second; gauges are as they are now."""
    history = History()
    history.sample(service(worker(), age=10.0, ended=counts(classes={"2xx": 100})))
    assert not history.rows
    history.sample(service(worker(busy=3.0), age=12.0, ended=counts(classes={"2xx": 115, "5xx": 5})))
    assert row(history) | {"age": 12.0, "requests": 10.0, "errors": 2.5, "busy": 3.0, "threads": 4.0} == row(history)


def test_a_clock_that_stands_still_gives_no_row() -> None:
    history = History()
    for _ in range(2):
        history.sample(service(worker(), age=10.0))
    assert not history.rows


def test_counts_that_fell_are_no_negative_rate() -> None:
    """A worker that has ended may be missing for a moment in the sum."""
    history = History()
    history.sample(service(worker(), age=1.0, ended=counts(classes={"2xx": 9, "5xx": 9})))
    history.sample(service(worker(), age=2.0))
    assert (row(history)["requests"], row(history)["errors"]) == (0.0, 0.0)


def test_it_keeps_the_last_minutes() -> None:
    history = History()
    for age in range(LENGTH + 5):
        history.sample(service(worker(), age=float(age)))
    assert len(history.rows) == LENGTH
    assert [found[0] for found in history.since(LENGTH + 2.5)] == [LENGTH + 3.0, LENGTH + 4.0]


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([0] * (len(BOUNDS) + 1), 0.5, 0.0),
        ([4] + [0] * len(BOUNDS), 0.5, BOUNDS[0] / 2),
        ([0, 2] + [0] * (len(BOUNDS) - 1), 1.0, BOUNDS[1]),
        ([1, 1] + [0] * (len(BOUNDS) - 1), 0.5, BOUNDS[0]),
        ([0] * len(BOUNDS) + [3], 0.99, LAST),
        ([5, -4] + [0] * (len(BOUNDS) - 1), 0.5, BOUNDS[0] / 10),
    ],
    ids=["nothing", "half of the first", "all of the second", "half of two", "beyond the last bound", "one fell"],
)
def test_quantiles_are_interpolated(buckets: list[int], share: float, expected: float) -> None:
    assert estimate_quantile(buckets, share) == pytest.approx(expected)
