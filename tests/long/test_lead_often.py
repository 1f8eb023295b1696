"""The stress test of the lead protocol, a hundred times in a row with different clients."""

import pytest

from tests.support import stress
from tests.support.rig import POLLERS

RUNS = [
    (seed, threads, poller, interval)
    for seed in range(100)
    for threads, poller, interval in [
        ((2, 3, 4, 16)[seed % 4], tuple(POLLERS)[seed // 4 % len(POLLERS)], (None, 1e-6, 1e-4)[seed // 8 % 3])
    ]
]


@pytest.mark.long
@pytest.mark.parametrize(("seed", "threads", "poller", "interval"), RUNS)
def test_everything_at_once_again(seed: int, threads: int, poller: str, interval: float | None) -> None:
    stress.run(threads=threads, poller=poller, seconds=1.0, interval=interval, seed=seed + 1)
