"""The lead protocol under real clients: everything is answered once, one thread leads, nothing is left behind.

`make test-long` does the same a hundred times (tests/long/test_lead_often.py).
"""

import pytest

from tests.support import stress
from tests.support.rig import POLLERS


@pytest.mark.parametrize("poller", POLLERS)
@pytest.mark.parametrize("threads", [2, 4, 16])
@pytest.mark.parametrize("interval", [None, 1e-6])
def test_everything_at_once(threads: int, poller: str, interval: float | None) -> None:
    """Quick, sleeping, computing and streaming requests, bodies, pipelines and clients that leave."""
    events = stress.run(threads=threads, poller=poller, seconds=0.5, interval=interval)
    assert events["stall"] + events["prediction"] > 0
