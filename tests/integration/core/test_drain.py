"""The end of a server: requests in progress finish, no client is kept waiting, the second signal ends it at once."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import ServerContext, service

ONE_PROCESS, WORKERS = "workers = 0", "workers = 2"


def connections(served: ServerContext) -> int:
    return int(served.status()["total"]["gauges"]["connections"])


def ask_for(served: ServerContext, path: str) -> RawClient:
    client = RawClient(served.address)
    client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


@pytest.mark.parametrize("processes", [ONE_PROCESS, WORKERS])
def test_running_and_queued_requests_are_answered(tmp_path: Path, processes: str) -> None:
    """20 requests of a second run, 50 wait; SIGTERM: all are answered, with Connection: close, and it ends."""
    settings = f"{processes}\nthreads = {20 if processes == ONE_PROCESS else 10}\nconnection_limit = 200"
    with service(tmp_path, settings=settings) as served:
        clients = [ask_for(served, "/sleep/1") for _ in range(70)]
        wait_until(lambda: connections(served) == 70)
        served.child.send(signal.SIGTERM)
        answers = [client.response() for client in clients]
        assert [status for status, _, _ in answers] == [200] * 70
        assert {fields.get("connection") for _, fields, _ in answers} == {"close"}
        assert served.child.wait() == 0
        for client in clients:
            assert client.is_closed()
            client.close()


@pytest.mark.parametrize("processes", [ONE_PROCESS, WORKERS])
def test_every_stage_of_a_request(tmp_path: Path, processes: str) -> None:
    """Security case 50: application, response and queue are finished; heads, idle connections are closed; in time."""
    with service(tmp_path, settings=f'{processes}\nthreads = 2\ngraceful_timeout = "8s"') as served:
        running = ask_for(served, "/sleep/1")
        idle, partial, body = (RawClient(served.address) for _ in range(3))
        idle.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.response()[0] == 200
        partial.send(b"GET / HTT")
        body.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        wait_until(lambda: connections(served) == 4)
        began = time.monotonic()
        served.child.send(signal.SIGTERM)
        assert idle.is_closed()
        assert partial.is_closed()
        body.send(b"67890")
        assert body.response()[0] == 200
        status, fields, _ = running.response()
        assert (status, fields["connection"]) == (200, "close")
        assert served.child.wait() == 0
        assert time.monotonic() - began < 8
        for client in (running, idle, partial, body):
            client.close()


@pytest.mark.parametrize("processes", [ONE_PROCESS, WORKERS])
def test_the_log_of_a_start_and_of_ctrl_c(tmp_path: Path, processes: str) -> None:
    """It begins with what serves; the message about draining says how to end at once, but only after Ctrl-C."""
    with service(tmp_path, settings=processes) as served:
        what = "2 workers with 4 threads" if processes == WORKERS else "4 threads"
        served.child.wait_for(rf"wiverno [\d.]+, process {served.child.process.pid}: {what}, .*wiverno.toml")
        client = ask_for(served, "/sleep/60")
        wait_until(lambda: connections(served) == 1)
        served.child.send(signal.SIGINT)
        served.child.wait_for("draining.*; press Ctrl-C again to end at once")
        served.child.send(signal.SIGINT)
        served.child.wait(PATIENCE)
        client.close()


@pytest.mark.parametrize("processes", [ONE_PROCESS, WORKERS])
def test_the_second_signal_ends_it_at_once(tmp_path: Path, processes: str) -> None:
    with service(tmp_path, settings=processes) as served:
        client = ask_for(served, "/sleep/60")
        wait_until(lambda: connections(served) == 1)
        served.child.send(signal.SIGTERM)
        served.child.wait_for("draining: no new connections")
        began = time.monotonic()
        served.child.send(signal.SIGTERM)
        served.child.wait(PATIENCE)
        assert time.monotonic() - began < 5
        client.close()


@pytest.mark.parametrize("processes", [ONE_PROCESS, WORKERS])
def test_graceful_timeout(tmp_path: Path, processes: str) -> None:
    """A request that does not end is cut off when the time is over, and the log says so."""
    with service(tmp_path, settings=f'{processes}\ngraceful_timeout = "1s"') as served:
        client = ask_for(served, "/sleep/60")
        wait_until(lambda: connections(served) == 1)
        assert served.child.stop() == 0
        assert "graceful_timeout is over: 1 connection(s) closed" in served.child.output
        client.close()


@pytest.mark.parametrize("processes", [ONE_PROCESS, WORKERS])
def test_not_ready_before_it_refuses(tmp_path: Path, processes: str) -> None:
    """Within drain_delay readiness says no while requests are still answered: a balancer turns away in peace."""
    with service(tmp_path, settings=f'{processes}\ndrain_delay = "2s"') as served:
        wait_until(lambda: served.admin("/readyz") == (200, b"ready\n"))
        served.child.send(signal.SIGTERM)
        wait_until(lambda: served.admin("/readyz") == (503, b"stopping\n"))
        assert served.admin("/healthz") == (200, b"alive\n")
        assert served.get()[0] == 200
        assert served.child.wait() == 0
        order = ["shutting down: not ready, draining in 2 s", "no new connections"]
        assert sorted(order, key=served.child.output.index) == order


def test_clients_in_the_backlog_are_served(tmp_path: Path) -> None:
    """Connections in the accept queue when the signal arrives are answered like all others."""
    with service(tmp_path, settings="workers = 1\nthreads = 1") as served:
        first = ask_for(served, "/sleep/1")
        wait_until(lambda: connections(served) == 1)
        waiting = [ask_for(served, "/") for _ in range(20)]
        served.child.send(signal.SIGTERM)
        answers: list[int] = []
        readers = [threading.Thread(target=lambda one=one: answers.append(one.response()[0])) for one in waiting]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(PATIENCE)
        assert answers == [200] * 20
        assert first.response()[0] == 200
        assert served.child.wait() == 0
        for client in (first, *waiting):
            client.close()
