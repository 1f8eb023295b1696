"""Token buckets: a burst, then a rate; without a clock."""

from wiverno.http2.budgets import Budget


def _count(budget: Budget, now: float, earned: int = 0) -> int:
    count = 0
    while budget.spend(now, earned if not count else 0):
        count += 1
    return count


def test_burst_and_rate() -> None:
    """The burst is there at once; later what the rate gave since, never more than the burst."""
    budget = Budget(5, 2.0, 100.0)
    assert _count(budget, 100.0) == 5
    assert _count(budget, 100.4) == 0
    assert _count(budget, 101.0) == 2
    assert _count(budget, 1000.0) == 5


def test_earned() -> None:
    """Useful work pays in, up to the burst."""
    budget = Budget(5, 0.0, 0.0)
    assert _count(budget, 0.0) == 5
    assert _count(budget, 0.0, earned=3) == 3
    assert _count(budget, 0.0, earned=30) == 5
