"""HAProxy and nginx with the configurations that deploy/ ships, in front of three real processes, on loopback.

The rolling restart is of the whole fleet under load; what a process takes with it when it is killed or stopped is
counted, and must be no more than what it had been given and no other process may repeat.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.deploy.fleet import BALANCERS, Fleet, Load, fetch
from tests.support.waiting import wait_until

Balancer = Callable[..., AbstractContextManager[int]]
VARIABLES = {
    "haproxy": {"PROXY_PROTOCOL": "on", "DRAIN_DELAY": "1200ms"},
    "haproxy-http2": {"HTTP2": "on", "DRAIN_DELAY": "1200ms"},
    "nginx": {"HTTP2": "on", "DRAIN_DELAY": "0"},  # it stays with HTTP/1.1, though it could have HTTP/2
}
"""What each balancer's file says to start the processes with; less delay than shipped, but more than two checks."""

SHORT = {
    "haproxy": ("timeout server 60s", "timeout server 2s"),
    "haproxy-http2": ("timeout server 60s", "timeout server 2s"),
    "nginx": ("proxy_read_timeout 60s", "proxy_read_timeout 2s"),
}
"""Shorter than shipped, where a test waits for it."""


@pytest.fixture(params=sorted(BALANCERS), scope="module")
def name(request: pytest.FixtureRequest) -> str:
    """Which balancer."""
    return str(request.param)


@pytest.fixture(scope="module")
def fleet(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three processes that serve; a test that kills one starts it again."""
    with Fleet(tmp_path_factory.mktemp(name), VARIABLES[name]) as running:
        yield running


def test_client_end_to_end(name: str, fleet: Fleet) -> None:
    """The client's address, scheme and host arrive; what a client claims about itself does not."""
    forged = {
        "Host": "shop.example",
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=6.6.6.6;proto=https;host=evil.example",
    }
    with BALANCERS[name](fleet) as port:
        seen = fetch(port, fields=forged, source="127.0.0.9")
        assert (seen["client"], seen["scheme"], seen["host"]) == ("127.0.0.9", "http", "shop.example")
        assert "6.6.6.6" not in str(seen)
        assert "evil.example" not in str(seen)
        assert seen["protocol"] == ("HTTP/2.0" if name == "haproxy-http2" else "HTTP/1.1")
        assert fetch(port, method="POST", body=b"x" * 300_000)["length"] == 300_000


def test_rolling_restart(name: str, fleet: Fleet) -> None:
    """Every process is restarted under load, GET and POST, kept and new connections: nothing fails."""
    before = fleet.processes
    with BALANCERS[name](fleet) as port, Load(port) as load:
        load.more(200)
        for index in range(3):
            fleet.restart(index)
            # Under nginx a process that refused a connection is asked again after fail_timeout.
            new = fleet.children[index].process.pid
            wait_until(lambda new=new: load.answered[new] > 20, 20, what="answers of the new process")  # type: ignore[misc]
    assert load.failures == []
    assert fleet.processes.isdisjoint(before)
    assert load.total > 500


def test_killed(name: str, fleet: Fleet) -> None:
    """kill -9 of one process under load loses no GET; the others answer on."""
    with BALANCERS[name](fleet) as port, Load(port, methods=("GET",)) as load:
        load.more(200)
        fleet.children[0].send(signal.SIGKILL)
        killed = fleet.children[0]
        killed.wait()
        load.more(600)
    fleet.replace(0)
    assert load.failures == []
    assert load.answered[killed.process.pid] > 0


def test_hung(name: str, fleet: Fleet) -> None:
    """A process that hangs (SIGSTOP) holds its GETs up for the balancer's patience; none is lost, and others go on."""
    with BALANCERS[name](fleet, SHORT[name]) as port, Load(port, methods=("GET",)) as load:
        load.more(200)
        hung = fleet.children[1]
        hung.send(signal.SIGSTOP)
        wait_until(lambda: load.longest > 1.5, 20, what="a request that was held up and answered elsewhere")
        load.more(600)
        hung.send(signal.SIGCONT)
        count = load.answered[hung.process.pid]
        wait_until(lambda: load.answered[hung.process.pid] > count, 20, what="answers of the process that is back")
    assert load.failures == []
    assert load.longest < 10
