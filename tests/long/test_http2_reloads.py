"""Twenty reloads under a load of HTTP/2 clients that honour GOAWAY; with -s the figures are printed."""

from pathlib import Path

import pytest

from tests.integration.http2.test_operations import APPLICATION, SETTINGS
from tests.support.h2_load import h2_load
from tests.support.workers import reload, service, wait_for_workers

pytestmark = pytest.mark.long

RELOADS = 20


@pytest.mark.parametrize("threads", [1, 4])
def test_twenty_reloads_lose_no_request(tmp_path: Path, threads: int) -> None:
    settings = SETTINGS + f"workers = 2\nthreads = {threads}\n"
    with service(tmp_path, application=APPLICATION, settings=settings) as served:
        wait_for_workers(served, 2)
        with h2_load(served.address, connections=6, streams=16) as tally:
            for _ in range(RELOADS):
                reload(served, 2)
        figures = f"{tally.answered} answered, {tally.repeated} repeated, {tally.connections} connections"
        print(f"{RELOADS} reloads, {threads} thread(s): {figures}, {len(tally.lost)} lost")
    assert not tally.lost
    assert tally.connections >= RELOADS
