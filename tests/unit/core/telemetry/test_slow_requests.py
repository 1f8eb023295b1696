"""Requests that run longer than they should are logged once, with the application's part of the stack."""

import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.rig import rig
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.telemetry.slow_requests import (
    LONGEST_INTERVAL,
    SHORTEST_INTERVAL,
    SlowRequestWatchdog,
    describe_running,
)

GET = b"GET /slow%0a?q=1 HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(("timeout", "interval"), [(0.1, SHORTEST_INTERVAL), (8.0, 2.0), (3600.0, LONGEST_INTERVAL)])
def test_it_looks_four_times_in_a_timeout_within_bounds(timeout: float, interval: float) -> None:
    assert SlowRequestWatchdog(timeout, lambda text: None).interval == interval


class Looking:
    """An application that has the watchdog look while it runs, as often as asked."""

    def __init__(self, timeout: float, times: int = 1) -> None:
        self.stuck: list[bool] = []
        self.watchdog = SlowRequestWatchdog(timeout, lambda text: self.stuck.append(bool(text)))
        self.times = times

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.look_from_a_function_of_the_application()
        start_response("200 OK", [])
        return [b"hello"]

    def look_from_a_function_of_the_application(self) -> None:
        for _ in range(self.times):
            self.watchdog.check()


def test_a_slow_request_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """With method, target, thread and the stack from the application on; another request is logged again."""
    application = Looking(0.0, times=3)
    with rig(application) as made:
        _, client = made.connect()
        for number in (1, 2):
            client.send(GET)
            made.until(lambda number=number: len(application.stuck) >= number)  # type: ignore[misc]
            assert client.response()[0] == 200
            assert len(application.stuck) == number
    text = caplog.records[0].getMessage()
    assert text.startswith("GET /slow%0a?q=1 has been running for 0.0 s in thread MainThread (request_timeout = 0 s):")
    assert "look_from_a_function_of_the_application" in text
    assert "gateway.py" not in text


def test_what_all_threads_run_is_told_in_one_line() -> None:
    """Requests without their query, as often as they run; too many different ones are counted."""
    told: list[str] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        told.append(describe_running())
        start_response("200 OK", [])
        return [b"hello"]

    with rig(application) as made:
        _, client = made.connect()
        client.send(GET)
        made.until(lambda: bool(told))
        assert client.response()[0] == 200
    assert re.fullmatch(r"1 × GET /slow%0a \(up to \d+\.\d s\)", told[0])
    assert describe_running() == ""


def test_a_request_in_its_time_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    application = Looking(60.0)
    with rig(application) as made:
        _, client = made.connect()
        client.send(GET)
        made.until(made.turn)
        made.run_until_idle()
        assert client.response()[0] == 200
    assert application.stuck == []
    assert not caplog.records


def test_threads_without_a_request_are_left_alone() -> None:
    watchdog = SlowRequestWatchdog(0.0, lambda text: pytest.fail("there is no request"))
    watchdog.check()


def test_the_leader_looks_by_a_deadline() -> None:
    """In a server with threads; the deadline comes again after each look."""
    looked: list[float] = []
    watchdog = SlowRequestWatchdog(8.0, lambda text: None)
    watchdog.check = lambda: looked.append(1.0)  # type: ignore[method-assign]
    with rig() as made:
        watchdog.watch_in(made.loop)
        assert made.loop.deadlines.soonest <= time.monotonic() + 3
        for seconds in (3, 6):
            now = time.monotonic() + seconds
            for due in made.loop.deadlines.due(now):
                due.expire()
        assert looked == [1.0, 1.0]


def test_a_thread_looks_where_the_leader_runs_the_application(caplog: pytest.LogCaptureFixture) -> None:
    """It survives what the look raises, and ends with the server."""
    ended, looked = threading.Event(), threading.Event()
    watchdog = SlowRequestWatchdog(0.1, lambda text: None)
    watchdog.interval = 0.001

    def check() -> None:
        if caplog.records:
            looked.set()
            return
        raise ValueError("a frame without variables")

    watchdog.check = check  # type: ignore[method-assign]
    watchdog.watch_beside(ended)
    assert looked.wait(PATIENCE)
    ended.set()
    assert caplog.records[0].getMessage() == "error while checking for slow requests"
    wait_until(lambda: not any(thread.name == "wiverno-watch" for thread in threading.enumerate()))
