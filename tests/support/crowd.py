"""Thousands of idle connections to a server in another process."""

import contextlib
import resource
import socket
import struct
import time
from collections.abc import Iterator

from tests.support.descriptors import context_switches, processor_time
from tests.support.engine_child import EngineChild, get


@contextlib.contextmanager
def descriptor_limit(count: int) -> Iterator[None]:
    """Let this process, and children begun meanwhile, have `count` descriptors.

    Raises:
        ValueError: the system does not allow so many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count) if hard != resource.RLIM_INFINITY else hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def idle_clients(server: EngineChild, count: int) -> Iterator[list[socket.socket]]:
    """Have `count` clients connected that have been served once and keep silent.

    They end with a reset: thousands of ports that wait for stray segments (TIME-WAIT) would be missed by others.
    """
    clients: list[socket.socket] = []
    try:
        for _ in range(count):
            client = socket.socket()
            clients.append(client)
            client.settimeout(20.0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.connect(server.address)
            client.sendall(get("/hello"))
        for client in clients:
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        yield clients
    finally:
        for client in clients:
            client.close()


def cost(server: EngineChild, count: int) -> float:
    """Return the microseconds of processor time that one request takes the server, in the best of ten portions.

    The best one, because what else runs on the machine takes caches away; a cost that is always there is in it, too.
    """
    request = get("/hello")
    portion = count // 10
    found = []
    with server.client() as client:
        for _ in range(10):
            before = processor_time(server.pid)
            for _ in range(portion):
                client.send(request)
                client.socket.recv(4096)
            found.append((processor_time(server.pid) - before) / portion / 1000)
    return min(found)


def wake_ups(server: EngineChild, seconds: float) -> int:
    """Count how often the server's threads wake up within a while in which nothing happens."""
    before = context_switches(server.pid)
    time.sleep(seconds)  # the length of the measurement
    return context_switches(server.pid) - before
