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


@pytest.mark.parametrize("interval", [None, 1e-6])
@pytest.mark.parametrize(("threads", "most", "per_client"), [(1, 6, 0), (4, 4, 2), (1, 5, 3)])
def test_everything_at_once_with_more_threads_and_limited_clients(
    threads: int, most: int, per_client: int, interval: float | None
) -> None:
    """All clients have one address: not more requests than it may have are in the application, and all are served."""
    limits = {"max_threads": most, "max_requests_per_client": per_client}
    events = stress.run(threads=threads, poller="auto", seconds=0.5, interval=interval, **limits)
    assert events["stall"] + events["prediction"] > 0


@pytest.mark.parametrize(("threads", "event_loops", "interval"), [(5, 2, None), (4, 4, 1e-6)])
def test_several_event_loops(threads: int, event_loops: int, interval: float | None) -> None:
    """Each has one leader; a connection is served by one of them from accept to close."""
    for poller in POLLERS:
        stress.run(threads=threads, poller=poller, seconds=0.5, interval=interval, event_loops=event_loops)
