"""The system's clock jumps: no client is dropped, deadlines stay what they were, the Date header follows."""

import pytest

from tests.long.clock import JUMPS, TIMEOUT, jump


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.parametrize("meaning", JUMPS)
@pytest.mark.parametrize("name", ["wiverno", "wiverno, 2 workers"])
def test_the_clock_jumps(name: str, meaning: str) -> None:
    """An hour forward and a day back, while it serves; under a supervisor no worker is taken for hung."""
    seen = jump(name, JUMPS[meaning])
    assert (seen.lost, seen.closed_early, seen.follows, seen.is_unharmed) == (0, 0, True, True)
    assert seen.answered > 100
    assert TIMEOUT - 0.1 < seen.closed_after < TIMEOUT + 3
