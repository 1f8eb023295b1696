"""Health that the admin listener tells: whether requests are really served, not whether some thread still answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sockets import RawClient
from tests.support.waiting import wait_until
from tests.support.workers import service
from wiverno.core.telemetry.counters import Counts
from wiverno.core.telemetry.status import LONGEST_SILENCE, LONGEST_SILENCE_ALONE, READY, WorkerStatus

HOLDS_LOOP = """
import os, sys, time
def hold():
    while not os.path.exists("go-on"):
        time.sleep(0.01)
def app(environ, start_response):
    if environ["PATH_INFO"] == "/hold":
        frame = sys._getframe()
        while not hasattr(frame.f_locals.get("self"), "_loop"):
            frame = frame.f_back
        frame.f_locals["self"]._loop.call_soon_threadsafe(hold)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def test_a_loop_that_does_not_turn(tmp_path: Path) -> None:
    """It is neither healthy nor ready as long as no request is served, and both again afterwards."""
    with service(tmp_path, application=HOLDS_LOOP) as served:
        wait_until(lambda: served.admin("/readyz") == (200, b"ready\n"))
        assert served.admin("/healthz") == (200, b"alive\n")
        with RawClient(served.address) as client:
            client.send(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.response()[0] == 200
            words = b"no process serves requests: every event loop has stopped\n"
            wait_until(lambda: served.admin("/healthz") == (503, words))
            assert served.admin("/readyz") == (503, words)
            (tmp_path / "go-on").touch()
            wait_until(lambda: served.admin("/healthz") == (200, b"alive\n"))
            assert served.admin("/readyz") == (200, b"ready\n")


@pytest.mark.parametrize(("threads", "limit"), [(1, LONGEST_SILENCE_ALONE), (4, LONGEST_SILENCE)])
def test_a_heartbeat_grows_old(threads: int, limit: float) -> None:
    """A process of one thread may be blocked in a request for longer than a leader among several."""
    counts = Counts()
    counts.gauges["max_threads"] = threads
    assert WorkerStatus(1, READY, 1, 100.0, limit - 0.1, counts).is_turning
    assert not WorkerStatus(1, READY, 1, 100.0, limit + 0.1, counts).is_turning
