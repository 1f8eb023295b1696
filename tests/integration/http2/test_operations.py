"""HTTP/2 in operation: drain, reload, limits, figures and logs know streams."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.http2.site import Site
from tests.support.h2_client import h2_client
from tests.support.h2_load import h2_load
from tests.support.serving import serving
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until
from tests.support.workers import ServerContext, reload, service, wait_for_workers

CLEAR: dict[str, Any] = {"trusted_proxies": "127.0.0.1", "http2": True}
APPLICATION = """
import os, time
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/sleep/"):
        time.sleep(float(path[7:]))
    if path == "/pid":
        path = str(os.getpid())
    start_response("200 OK", [])
    return [path.encode()]
"""
SETTINGS = 'http2 = true\ntrusted_proxies = ["127.0.0.1"]\n'


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerContext]:
    log = 'access_log = "-"\naccess_log_format = "{protocol} {request} {status} {bytes} {id}"\n'
    settings = SETTINGS + "workers = 2\nthreads = 4\n" + log
    with service(tmp_path_factory.mktemp("service"), application=APPLICATION, settings=settings) as served:
        wait_for_workers(served, 2)
        yield served


def test_three_reloads_lose_no_request_of_a_client_that_honours_goaway(two_workers: ServerContext) -> None:
    with h2_load(two_workers.address) as tally:
        for _ in range(3):
            reload(two_workers, 2)
    assert not tally.lost
    assert tally.answered > 20
    assert tally.connections > 4


def test_the_figures_and_the_log_know_http_2(two_workers: ServerContext) -> None:
    with h2_client(two_workers.address) as client:
        streams = [client.request("/sleep/1.5") for _ in range(3)]

        def gauges() -> bool:
            found = two_workers.status()["total"]["gauges"]
            return bool(found["http2_connections"] == 1 and found["http2_streams"] == 3)

        wait_until(gauges)
        metrics = two_workers.admin("/metrics")[1].decode()
        assert "wiverno_http2_connections 1\n" in metrics
        assert "wiverno_http2_streams 3\n" in metrics
        client.wait(*streams)
    wait_until(lambda: two_workers.status()["total"]["gauges"]["http2_connections"] == 0)
    line = re.compile(r"^HTTP/2\.0 GET /sleep/1.5 HTTP/2\.0 200 10 (\S{8,})$", re.MULTILINE)
    wait_until(lambda: len(set(line.findall(two_workers.child.output))) == 3)  # each with another id


def test_max_requests_counts_streams(tmp_path: Path) -> None:
    settings = SETTINGS + "workers = 1\nmax_requests = 20\n"
    with service(tmp_path, application=APPLICATION, settings=settings) as served:
        first = wait_for_workers(served, 1)
        with h2_client(served.address) as client:
            for _ in range(20):
                client.fetch("/pid")
            wait_for_workers(served, 1, without=first)
            client.wait_closed()
            assert client.goaways == [(0, 2**31 - 1), (0, 39)]


def test_sigterm_answers_fifty_streams_in_flight(tmp_path: Path) -> None:
    with service(tmp_path, application=APPLICATION, settings=SETTINGS + "threads = 8\n") as served:
        with h2_client(served.address) as client:
            client.fetch("/pid")
            streams = [client.request("/sleep/0.05") for _ in range(50)]
            while not client.answers[streams[0]].is_complete:
                client.receive()
            served.child.send(signal.SIGTERM)
            answers = client.wait(*streams)
            assert [bytes(answer.body) for answer in answers] == [b"/sleep/0.05"] * 50
            client.wait_closed()
            assert client.goaways == [(0, 2**31 - 1), (0, streams[-1])]
        assert served.child.wait() == 0


def test_a_drain_serves_what_comes_before_the_client_knows() -> None:
    """Streams opened between the two GOAWAY frames are served; a client that answers no PING has a moment."""
    site = Site()
    with serving(site, **CLEAR) as served, h2_client(served.address) as client:
        held = client.request("/hold")
        wait_until(lambda: site.entered)
        served.server.close()
        while not client.goaways:
            client.receive()
        late = client.request("/echo/late")
        site.released.set()
        answers = client.wait(held, late)
        assert answers[0].body == b"held"
        assert answers[1].body == b"late?" or client.goaways[-1][1] < late
        client.wait_closed()


def test_an_idle_connection_makes_room_and_one_with_streams_does_not() -> None:
    site = Site()
    with serving(site, threads=4, connection_limit=2, **CLEAR) as served:
        with h2_client(served.address) as busy, h2_client(served.address) as idle:
            held = busy.request("/hold")
            wait_until(lambda: site.entered)
            idle.fetch("/hello")
            with RawClient(served.address) as third:
                third.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                idle.wait_closed()
                assert idle.goaways == [(0, 1)]
                assert third.response()[0] == 200
            site.released.set()
            assert busy.wait(held)[0].body == b"held"


def test_an_idle_connection_ends_with_goaway() -> None:
    with serving(Site(), channel_timeout=1, **CLEAR) as served, h2_client(served.address) as client:
        client.fetch("/hello")
        started = time.monotonic()
        client.wait_closed()
        assert client.goaways == [(0, 1)]
        assert time.monotonic() - started >= 0.9
