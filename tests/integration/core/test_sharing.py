"""Clients that share the threads: turns, limits and further threads, over HTTP/1.1 and HTTP/2, by address."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.support.h2_client import H2Client
from tests.support.serving import serving
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE, wait_until

PROXY = {"trusted_proxies": LOOPBACK, "trusted_proxy_headers": "x-forwarded-for"}


class Application:
    """Holds /held and streams /events until told to go on; answers anything else at once; counts by client."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.held = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.inside: dict[str, int] = {}
        self.most_inside: dict[str, int] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        start_response("200 OK", [])
        if path == "/events":
            return self.events()
        if path == "/held":
            client = environ["REMOTE_ADDR"]
            with self.lock:
                count = self.inside[client] = self.inside.get(client, 0) + 1
                self.most_inside[client] = max(count, self.most_inside.get(client, 0))
            self.held.release()
            assert self.go_on.wait(PATIENCE)
            with self.lock:
                self.inside[client] -= 1
        return [path.encode()]

    def events(self) -> Iterator[bytes]:
        yield b"data: begin\n\n"
        self.held.release()
        assert self.go_on.wait(PATIENCE)
        yield b"data: end\n\n"

    def wait_held(self, count: int) -> None:
        for _ in range(count):
            assert self.held.acquire(timeout=PATIENCE)


def ask(client: RawClient, path: str, forwarded: str = "") -> None:
    field = f"X-Forwarded-For: {forwarded}\r\n" if forwarded else ""
    client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n{field}\r\n".encode())


def test_the_client_is_the_forwarded_address() -> None:
    """One proxy's connections carry requests of two clients: the one with many waiting ones delays the other by one."""
    application = Application()
    with serving(application, threads=2, **PROXY) as served:
        connections = [served.client() for _ in range(10)]
        for client in connections[:9]:
            ask(client, "/held", "192.0.2.1")
        application.wait_held(2)
        wait_until(lambda: served.server._engine.leaders.queued == 7)
        ask(connections[9], "/quick", "192.0.2.2")
        wait_until(lambda: served.server._engine.leaders.queued == 8)
        queue = served.server._engine.leaders._tasks.tasks
        order = [line.client for line in queue._turns]
        assert order == ["192.0.2.1", "192.0.2.2"]
        application.go_on.set()
        for client in connections:
            assert client.response()[0] == 200
            client.close()


def test_two_addresses_and_a_limit_for_each() -> None:
    """More requests of one client wait, while threads are free for the other one."""
    application = Application()
    with serving(application, threads=6, max_requests_per_client=2) as served:
        greedy = [served.client() for _ in range(6)]
        for client in greedy:
            ask(client, "/held")
        application.wait_held(2)
        wait_until(lambda: served.server._engine.leaders.queued == 4)
        with socket.create_connection(served.address, PATIENCE, source_address=("127.0.0.2", 0)) as polite:
            polite.sendall(b"GET /quick HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b"".join(iter(lambda: polite.recv(65536), b"")).endswith(b"/quick")
        application.go_on.set()
        for client in greedy:
            assert client.response()[0] == 200
            client.close()
        assert application.most_inside == {LOOPBACK: 2}


def test_the_streams_of_a_connection_are_one_clients() -> None:
    application = Application()
    settings: dict[str, Any] = {"threads": 6, "max_requests_per_client": 2, "http2": True, "trusted_proxies": LOOPBACK}
    with serving(application, **settings) as served:
        client = H2Client(socket.create_connection(served.address, PATIENCE))
        streams = [client.request("/held") for _ in range(8)]
        application.wait_held(2)
        wait_until(lambda: served.server._engine.leaders.queued == 6)
        application.go_on.set()
        assert [answer.status for answer in client.wait(*streams)] == ["200"] * 8
        client.close()
        assert application.most_inside == {LOOPBACK: 2}


@pytest.mark.parametrize("threads", [1, 3])
def test_streams_of_events_do_not_starve_the_rest(threads: int) -> None:
    """Each holds a thread; others start, and all end with the server."""
    application = Application()
    with serving(application, threads=threads, max_threads=8) as served:
        streams = [served.client() for _ in range(7)]
        for client in streams:
            ask(client, "/events")
        application.wait_held(7)
        with served.client() as client:
            for _ in range(3):
                ask(client, "/quick")
                assert client.response()[2] == b"/quick"
        assert served.server._engine.leaders.thread_pool.size == 8
        application.go_on.set()
        for client in streams:
            assert client.response()[2] == b"data: begin\n\ndata: end\n\n"
            client.close()


def test_a_server_that_drains_serves_what_waits_for_a_limit() -> None:
    application = Application()
    with serving(application, threads=4, max_requests_per_client=1) as served:
        clients = [served.client() for _ in range(3)]
        for client in clients:
            ask(client, "/held")
        application.wait_held(1)
        wait_until(lambda: served.server._engine.leaders.queued == 2)
        served.server._engine.stop()
        wait_until(lambda: not served.server._engine.loop.keep_alive)
        application.go_on.set()
        assert [client.response()[0] for client in clients] == [200] * 3
        for client in clients:
            client.close()
