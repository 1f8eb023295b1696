"""Which connections are evicted first: a decision from ranks and times alone."""

from typing import Any

import pytest

from wiverno.core.accept.idle_eviction import LEAST, MOST, RETRY, SHARE, choose_candidates
from wiverno.core.loop.handlers import IDLE_RANK, UNFINISHED_RANK, Eviction

NOW = 1000.0


def candidate(fd: int, rank: int, since: float, safe_until: float) -> Any:
    return Eviction(rank, since, safe_until), fd, f"client {fd}"


def test_idle_before_unfinished_and_oldest_first() -> None:
    """The rank decides, then the time; what is too young is not taken."""
    found = [
        candidate(1, UNFINISHED_RANK, 900, 901),
        candidate(2, IDLE_RANK, 950, 951),
        candidate(3, IDLE_RANK, 940, 941),
        candidate(4, IDLE_RANK, 930, NOW + 0.1),
    ]
    candidates, next_scan = choose_candidates(found, NOW)
    assert [fd for _, fd, _ in candidates] == [3, 2, 1]
    assert NOW < next_scan < NOW + 0.01


@pytest.mark.parametrize(("safe_until", "wanted"), [(NOW + 0.2, NOW + 0.2), (NOW + 100, NOW + RETRY)])
def test_an_empty_scan_is_repeated_later(safe_until: float, wanted: float) -> None:
    """Not before a connection can have reached the minimum age, and after RETRY at the latest."""
    assert choose_candidates([candidate(1, IDLE_RANK, 999, safe_until)], NOW) == ([], wanted)
    assert choose_candidates([], NOW) == ([], NOW + RETRY)


@pytest.mark.parametrize(
    ("count", "wanted"), [(1, 1), (LEAST + 1, LEAST), (SHARE * 100, 100), (SHARE * MOST * 2, MOST)]
)
def test_one_scan_collects_many(count: int, wanted: int) -> None:
    """A share of the old ones, within bounds."""
    found = [candidate(fd, IDLE_RANK, float(fd % 7), 10.0) for fd in range(count)]
    assert len(choose_candidates(found, NOW)[0]) == wanted
