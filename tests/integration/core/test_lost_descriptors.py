"""Descriptors of the server that something else in its process closes, and perhaps opens again as something else.

The server ends with a failure, a line in the log and status 1, in time and whatever it was waiting for; a client whose
descriptor is gone costs no other client anything.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Child
from tests.support.serving import MODES, serving
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import service, wait_for_workers

PROGRAM = """
import os, select, socket, sys
from wiverno.core.server import create_server

victim, reuse, threads, poller = sys.argv[1:]

def descriptors():
    poller = server.engine.loop.poller
    found = {
        "listener": [server.socket.fileno()],
        "wake-up": [end.fileno() for end in (poller._wake_up._reader, poller._wake_up._writer)],
        "poller": [getattr(poller, "_epoll", None) or poller._selector][:1],
    }
    found["poller"] = [found["poller"][0].fileno()]
    return found

def application(environ, start_response):
    if environ["PATH_INFO"] == "/close":
        if victim == "all":
            os.closerange(3, 1024)
        else:
            for number in descriptors()[victim]:
                os.close(number)
        if reuse == "files":
            for _ in range(8):
                kept.append(open("/dev/zero", "rb"))
        elif reuse == "sockets":
            for _ in range(4):
                kept.extend(socket.socketpair())
        elif reuse == "epoll":
            kept.extend(select.epoll() for _ in range(8))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

kept = []
server = create_server(application, host="127.0.0.1", port=0, threads=int(threads), poller=poller, event_loops=1)
print(f"Serving on http://127.0.0.1:{server.effective_port}", flush=True)
server.run()
"""

CASES = [
    ("all", "", "4", "epoll"), ("all", "", "1", "epoll"), ("all", "files", "4", "epoll"),
    ("all", "sockets", "4", "epoll"),
    ("all", "", "4", "selectors"),
    ("poller", "", "4", "epoll"), ("poller", "epoll", "4", "epoll"), ("poller", "epoll", "1", "epoll"),
    ("poller", "files", "4", "epoll"), ("poller", "", "4", "selectors"),
    ("wake-up", "", "4", "epoll"), ("wake-up", "sockets", "4", "epoll"), ("wake-up", "sockets", "1", "selectors"),
    ("listener", "", "4", "epoll"), ("listener", "", "1", "epoll"), ("listener", "sockets", "4", "epoll"),
    ("listener", "files", "1", "selectors"),
]  # fmt: skip


AT_ONCE = 6  # each case mostly waits for the check that comes once a second


def end_of(case: tuple[str, str, str, str]) -> tuple[int, str]:
    """Close the descriptors of a server, and return its exit status and output."""
    with Child(["-c", PROGRAM, *case]) as child:
        address = child.address()
        with RawClient(address) as idle, RawClient(address) as client:
            idle.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.response()[2] == b"ok"
            client.send(b"GET /close HTTP/1.1\r\nHost: x\r\n\r\n")
            return child.wait(), child.output


@pytest.fixture(scope="module")
def ends() -> Iterator[dict[tuple[str, ...], Future[tuple[int, str]]]]:
    """Run all cases, some at a time."""
    with ThreadPoolExecutor(AT_ONCE) as executor:
        yield {case: executor.submit(end_of, case) for case in CASES}
        executor.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_server_ends_when_its_own_descriptors_are_gone(
    ends: dict[tuple[str, ...], Future[tuple[int, str]]], case: tuple[str, ...]
) -> None:
    """Poller, wake-up, listening socket or all at once, their numbers free or taken by something else."""
    status, output = ends[case].result(PATIENCE * 6)
    assert status == 1
    assert "the server ends, because it can serve no more requests:" in output
    assert "was closed by something else in this process" in output
    assert "ServerFailedError" in output


DAEMONISE = """
import gc, os
def app(environ, start_response):
    if environ["PATH_INFO"] == "/close":
        os.closerange(3, 1024)
    if environ["PATH_INFO"] == "/life":
        for thing in gc.get_objects():
            if type(thing).__name__ == "LifeLine":  # the pipe from the supervisor
                os.close(thing.fd)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.mark.parametrize("path", ["/close", "/life"])
def test_a_worker_that_has_lost_its_descriptors_is_replaced(tmp_path: Path, path: str) -> None:
    """It ends with status 1, and another one serves; also if only the supervisor's pipe is gone."""
    with service(tmp_path, application=DAEMONISE, settings="workers = 1") as served:
        [before] = wait_for_workers(served, 1)
        with RawClient(served.address) as client:
            client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
            wait_for_workers(served, 1, without={before})
        assert served.get()[1] == b"ok"
        served.child.wait_for("can serve no more requests")


def test_wiverno_run_says_so_in_one_line(tmp_path: Path) -> None:
    """Status 1 and no traceback: nothing of it is a fault in the application's code."""
    with service(tmp_path, application=DAEMONISE) as served:
        with RawClient(served.address) as client:
            client.send(b"GET /close HTTP/1.1\r\nHost: x\r\n\r\n")
            assert served.child.wait() == 1
        assert "error: the poller's descriptor was closed by something else in this process" in served.child.output
        assert "Traceback" not in served.child.output


@pytest.mark.parametrize("mode", MODES)
def test_a_number_that_a_new_client_has_belongs_to_that_client(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """The response of a request whose client's descriptor was closed does not go to the next client."""
    seen: dict[str, int] = {}
    servers: list[Any] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"]
        for connection in servers[0].engine.connections:
            if connection.base["REMOTE_PORT"] == environ["REMOTE_PORT"]:
                seen[path] = connection.fd
        if path == "/close":
            os.close(seen[path])
        start_response("200 OK", [("Content-Length", str(len(path)))])
        return [path.encode()]

    with serving(application, channel_timeout=1, **MODES[mode]) as served:
        servers.append(served.server)
        with served.client() as lost, served.client() as other:
            for client, path in ((other, b"/other"), (lost, b"/lost")):
                client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
                assert client.response()[2] == path
            os.close(seen["/lost"])  # as a double close() in the application would
            with RawClient(served.address) as new:
                new.send(b"GET /new HTTP/1.1\r\nHost: x\r\n\r\n")
                assert new.response()[2] == b"/new"
                if seen["/new"] == seen["/lost"]:
                    assert f"descriptor {seen['/lost']} was closed by something else in this process" in caplog.text
                # The deadline of the lost one comes and closes it, which must not close the new one.
                other.send(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
                assert other.response()[2] == b"/other"
                new.send(b"GET /new HTTP/1.1\r\nHost: x\r\n\r\n")
                assert new.response()[2] == b"/new"
        with RawClient(served.address) as client:
            client.send(b"GET /close HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: "/close" in seen)
        with RawClient(served.address) as client:
            client.send(b"GET /last HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.response()[2] == b"/last"


def test_the_access_log_does_not_go_into_another_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When its descriptor's number stands for something else the log is opened again by its name."""
    log, other = tmp_path / "access.log", tmp_path / "database"
    with serving(lambda environ, start: [start("200 OK", []), b"ok"][1:], access_log=str(log)) as served:
        with served.client() as client:
            client.send(b"GET /before HTTP/1.1\r\nHost: x\r\n\r\n")
            client.response()
        wait_until(lambda: "/before" in log.read_text())
        number = served.server.engine._recorder._access_log._fd
        with other.open("wb") as file:
            os.dup2(file.fileno(), number)
        wait_until(lambda: "is opened again" in caplog.text, PATIENCE)
        with served.client() as client:
            client.send(b"GET /after HTTP/1.1\r\nHost: x\r\n\r\n")
            client.response()
        wait_until(lambda: "/after" in log.read_text())
        os.close(number)
    assert other.read_bytes() == b""


def test_a_listening_socket_is_not_closed_under_another_name() -> None:
    """The end of a server leaves alone what has the number of its lost socket by then."""
    from wiverno.core.loop.descriptors import Descriptor, detach_lost

    ours, pair = socket.socket(), socket.socketpair()
    ours.bind((LOOPBACK, 0))
    descriptor = Descriptor(ours.fileno(), "the listening socket")
    assert descriptor.is_ours()
    os.dup2(pair[0].fileno(), ours.fileno())
    assert not descriptor.is_ours()
    assert descriptor.loss() == (
        f"the listening socket (descriptor {descriptor.fd}) was closed by something else in this process"
    )
    with open(os.devnull, "rb") as file:
        os.dup2(file.fileno(), ours.fileno())
    detach_lost(ours)
    assert ours.fileno() == -1
    os.close(descriptor.fd)
    for end in pair:
        end.close()
