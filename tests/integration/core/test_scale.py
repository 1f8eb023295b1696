"""A thousand idle connections: memory, time and wake-ups; `make test-long` has ten thousand (tests/long)."""

import socket
import subprocess
import time
from contextlib import ExitStack

import pytest

from tests.support.crowd import cost, descriptor_limit, idle_clients, wake_ups
from tests.support.descriptors import descriptors, resident
from tests.support.engine_child import engine_child, get
from tests.support.programs import program
from tests.support.rig import POLLERS
from tests.support.waiting import wait_until

COUNT = 1000
EACH = 4096  # bytes of process memory that an idle connection may take
SCAN = 60  # microseconds that looking at each of a thousand connections would take at the least


@pytest.mark.alone
@pytest.mark.parametrize("threads", [1, 4])
def test_idle_connections(threads: int) -> None:
    """Each takes little memory, none slows a request down, and all are given back."""
    with (
        descriptor_limit(3 * COUNT),
        engine_child(threads=threads, connection_limit=2 * COUNT, backlog=1024) as server,
    ):
        alone = cost(server, 2 * COUNT)
        before = resident(server.pid)
        open_before = descriptors(server.pid)
        with idle_clients(server, COUNT):
            assert (resident(server.pid) - before) / COUNT <= EACH
            assert cost(server, 2 * COUNT) < alone + SCAN
        wait_until(lambda: descriptors(server.pid) <= open_before, what="the connections to be closed")


@pytest.mark.alone
@pytest.mark.parametrize(("threads", "poller"), [(1, "auto"), (4, "auto"), (4, "selectors")])
def test_an_idle_server_sleeps(threads: int, poller: str) -> None:
    """With and without idle connections, nothing wakes up but for their deadlines, which are bucketed by the second."""
    with engine_child(threads=threads, poller=poller, channel_timeout=600) as server:
        assert server.ask("/hello") == b"hello"
        with idle_clients(server, 20):
            wait_until(lambda: wake_ups(server, 0.2) == 0, what="the monitor thread to park")
            assert wake_ups(server, 1.2) <= 2, "once a second, twice where the while begins just before"


@pytest.mark.alone
def test_an_idle_server_makes_no_system_call() -> None:
    """strace sees nothing at all for a while (test_an_idle_server_sleeps counts the same by other means)."""
    tracer = program("strace")
    with engine_child(threads=4) as server:
        assert server.ask("/hello") == b"hello"
        wait_until(lambda: wake_ups(server, 0.2) == 0, what="the monitor thread to park")
        command = ["timeout", "--signal=INT", "1", tracer, "-f", "-q", "-q", "-e", "trace=all", "-p", str(server.pid)]
        traced = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        lines = [line for line in traced.stderr.splitlines() if "<detached" not in line and "resumed" not in line]
        calls = [line for line in lines if "unfinished" not in line and "(" in line]
        assert "Operation not permitted" not in traced.stderr, "strace may not attach: ptrace is forbidden here"
        # What they were waiting in when strace came is told as a call restarted: one a thread, and no more.
        assert len(calls) <= 6, traced.stderr


@pytest.mark.parametrize("poller", POLLERS)
def test_a_burst_of_clients(poller: str) -> None:
    """Five hundred that connect at the same moment and ask are all served."""
    with engine_child(threads=4, poller=poller, connection_limit=COUNT, backlog=1024) as server, ExitStack() as stack:
        clients = []
        for _ in range(500):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.address)
            clients.append(client)
        started = time.monotonic()
        for client in clients:
            client.settimeout(20.0)
            wait_until(lambda client=client: client.getpeername())  # type: ignore[misc]
            client.sendall(get("/hello"))
        for client in clients:
            assert client.recv(4096).endswith(b"hello")
        assert time.monotonic() - started < 10
