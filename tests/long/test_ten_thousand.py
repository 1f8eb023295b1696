"""Ten thousand idle connections."""

from typing import Any

import pytest

from tests.support.crowd import cost, descriptor_limit, idle_clients
from tests.support.descriptors import descriptors, resident
from tests.support.engine_child import engine_child
from tests.support.rig import POLLERS
from tests.support.waiting import wait_until

COUNT = 10_000
EACH = 4096  # bytes of process memory

pytestmark = [pytest.mark.long, pytest.mark.alone]


@pytest.mark.parametrize("poller", POLLERS)
@pytest.mark.parametrize("threads", [1, 16])
def test_idle_connections(threads: int, poller: str) -> None:
    """Each takes at most 4 KiB of the process's memory, a request beside them takes no longer, all are given back."""
    settings: dict[str, Any] = {"threads": threads, "poller": poller, "connection_limit": 2 * COUNT, "backlog": 4096}
    with descriptor_limit(2 * COUNT), engine_child(**settings) as server:
        alone = cost(server, COUNT)
        before = resident(server.pid)
        open_before = descriptors(server.pid)
        with idle_clients(server, COUNT):
            each = (resident(server.pid) - before) / COUNT
            beside = cost(server, COUNT)
        print(f"{each:.0f} bytes each; {alone:.1f} µs a request alone, {beside:.1f} beside them")
        assert each <= EACH
        assert beside < alone + 60  # looking at each of them would take ten times as long
        wait_until(lambda: descriptors(server.pid) <= open_before, 30, what="the connections to be closed")
