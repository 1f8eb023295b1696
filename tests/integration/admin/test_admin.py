"""The admin listener: answers whatever the application does, to those who may ask, in formats that others read."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import run, script
from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import ServerContext, ask, service, wait_for_workers

PROCESSES = ("workers = 0", "workers = 2")


def metrics(served: ServerContext) -> dict[str, float]:
    """Read /metrics with Prometheus's own parser: name{label="value"} → value."""
    status, text = served.admin("/metrics")
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("processes", PROCESSES)
def test_it_answers_while_every_thread_is_blocked(tmp_path: Path, processes: str, threads: int) -> None:
    """Health within 50 ms, readiness stays, and the metrics say that all threads are held up.

    Which process accepts a connection is chance: more are opened until no thread is free anywhere. Of the times the
    first quarter counts, because other programs on a busy machine delay the rest.
    """
    with service(tmp_path, settings=f"{processes}\nthreads = {threads}") as served, ExitStack() as stack:
        wait_until(lambda: served.status()["ready"])

        def open_more() -> None:
            client = stack.enter_context(RawClient(served.address))
            client.send(b"GET /sleep/60 HTTP/1.1\r\nHost: x\r\n\r\n")

        def all_are_busy() -> bool:
            found = metrics(served)
            queued = found["wiverno_requests_queued"]
            is_full = found["wiverno_threads_busy"] == found["wiverno_threads"] and queued >= 3
            if not is_full and queued < 50:
                open_more()
            return is_full

        for _ in range((2 if "2" in processes else 1) * threads + 3):
            open_more()
        if threads > 1:
            wait_until(all_are_busy, PATIENCE * 2, what="every thread to be busy")
        times = []
        for _ in range(16):
            began = time.monotonic()
            assert served.admin("/healthz") == (200, b"alive\n")
            assert served.admin("/readyz") == (200, b"ready\n")
            times.append((time.monotonic() - began) / 2)
        assert sorted(times)[len(times) // 4] < 0.05


@pytest.mark.parametrize("processes", PROCESSES)
def test_metrics_add_up(tmp_path: Path, processes: str) -> None:
    """Counts over all processes are exact, and stay when a process has gone."""
    with service(tmp_path, settings=processes) as served:
        wait_until(lambda: served.status()["ready"])
        for _ in range(30):
            assert served.get()[0] == 200
        assert ask(served.address, "/bad path")[0] == 400
        expected = {
            'wiverno_responses_total{class="2xx"}': 30, 'wiverno_responses_total{class="4xx"}': 1,
            "wiverno_request_seconds_count": 30, 'wiverno_request_seconds_bucket{le="+Inf"}': 30,
            "wiverno_wait_seconds_count": 30, "wiverno_refused_total": 1, "wiverno_ready": 1,
        }  # fmt: skip
        wait_until(lambda: expected.items() <= metrics(served).items())
        found = metrics(served)
        assert 0 < found["wiverno_request_seconds_sum"] < 30
        assert found["wiverno_response_bytes_total"] > 30
        if "2" in processes:
            before = wait_for_workers(served, 2)
            os.kill(min(before), 9)
            wait_until(lambda: metrics(served).get('wiverno_worker_restarts_total{reason="died"}') == 1)
            assert expected.items() <= metrics(served).items()


@pytest.mark.parametrize("processes", PROCESSES)
def test_a_total_has_what_adds_up_only(tmp_path: Path, processes: str) -> None:
    """Process ids and times of heartbeats are of each worker; what is said of all is a sum."""
    with service(tmp_path, settings=f"{processes}\nthreads = 3\nevent_loops = 1") as served:
        count = int(processes.rpartition(" ")[2]) or 1
        wait_for_workers(served, count)
        found = served.status()
        gauges = found["total"]["gauges"]
        assert set(gauges) == {
            "connections", "http2_connections", "http2_streams", "busy", "threads", "max_threads", "queued", "resident",
            "draining",
        }  # fmt: skip
        assert gauges["threads"] == 3 * count
        assert gauges["resident"] == sum(worker["resident"] for worker in found["workers"])
        assert all(worker["silence"] < PATIENCE for worker in found["workers"])


def test_only_the_owner_reaches_the_socket(tmp_path: Path) -> None:
    """Security case 47: the file's mode is 600."""
    with service(tmp_path) as served:
        assert stat.S_IMODE(Path(served.admin_path).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/reload", 405), ("GET", "/stop", 405), ("POST", "/status", 405), ("GET", "/nothing", 404),
     ("POST", "/more", 409), ("GET", "/status?since=x", 400), ("HEAD", "/healthz", 200)],
)  # fmt: skip
def test_what_is_answered(tmp_path: Path, method: str, path: str, status: int) -> None:
    with service(tmp_path) as served:
        assert served.admin(path, method)[0] == status


def test_a_web_page_cannot_steer_it(tmp_path: Path) -> None:
    """A browser on this machine sends neither the field that actions want, nor gets answers under a foreign name."""
    with service(tmp_path, "--admin-listen", "127.0.0.1:0", settings="workers = 1") as served:
        port = int(served.child.wait_for(r"admin listener on http://127\.0\.0\.1:(\d+)").group(1))
        address = ("127.0.0.1", port)
        assert ask(address, "/stop", method="POST")[0] == 403
        wait_until(lambda: ask(address, "/readyz")[0] == 200)
        for host in ("attacker.example", "attacker.example:80", "1.2.3.4.attacker.example"):
            with RawClient(address) as client:
                client.send(f"GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                assert client.response()[0] == 403
        for host in ("127.0.0.1:80", "[::1]:80", "localhost", "[::1]"):
            with RawClient(address) as client:
                client.send(f"GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                assert client.response()[0] == 200


def test_a_public_address_only_when_told(tmp_path: Path) -> None:
    """Refused without admin_public; with it there are answers and no actions."""
    options = ["run", "wiverno.demo:create_app", "--factory", "--admin-listen", "0.0.0.0:0", "--check"]
    done = run([script("wiverno"), *options], cwd=tmp_path)
    assert done.returncode == 2
    assert "admin_listen: 0.0.0.0:0 can be reached by other machines" in done.stderr
    assert "admin_public = true" in done.stderr
    with service(tmp_path, "--admin-listen", "0.0.0.0:0", "--admin-public", settings="workers = 1") as served:
        port = int(served.child.wait_for(r"admin listener on http://0\.0\.0\.0:(\d+)").group(1))
        address = ("127.0.0.1", port)
        wait_until(lambda: ask(address, "/readyz")[0] == 200)
        assert ask(address, "/stop", method="POST", fields={"X-Wiverno-Control": "1"})[0] == 403


def test_the_page_is_one_file(tmp_path: Path) -> None:
    """Nothing is fetched from elsewhere, by the page's own policy too."""
    with service(tmp_path) as served, RawClient(served.admin_path) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, fields, body = client.response()
        assert (status, fields["content-type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in fields["content-security-policy"]
        assert b"://" not in body
        assert not re.search(rb"""["'(]//""", body)


def test_history(tmp_path: Path) -> None:
    """The page shows the time before it was opened, too."""
    with service(tmp_path) as served:
        for _ in range(20):
            served.get()
        rows = wait_until(lambda: json.loads(served.admin("/status?since=-1")[1])["history"]["rows"])
        columns = served.status() and json.loads(served.admin("/status?since=-1")[1])["history"]["columns"]
        assert all(len(row) == len(columns) for row in rows)
        last = rows[-1][0]
        assert all(row[0] > last for row in json.loads(served.admin(f"/status?since={last}")[1])["history"]["rows"])


# wiverno ctl


def ctl(served: ServerContext, *words: str) -> tuple[int, str, str]:
    done = run([script("wiverno"), "ctl", "--config", str(served.directory / "wiverno.toml"), *words])
    return done.returncode, done.stdout, done.stderr


def test_ctl(tmp_path: Path) -> None:
    with service(tmp_path, settings="workers = 2") as served:
        before = wait_for_workers(served, 2)
        served.get()
        status, out, _ = ctl(served, "status")
        assert status == 0
        assert out.startswith(f"ready  process {served.child.process.pid}, up ")
        assert "1 (1 2xx)" in out
        assert all(str(pid) in out for pid in before)
        assert json.loads(ctl(served, "status", "--json")[1])["wanted"] == 2
        assert ctl(served, "reload") == (0, "reloaded: the new workers serve\n", "")
        wait_for_workers(served, 2, without=before)
        good = (tmp_path / "shop.py").read_text()
        served.write("shop.py", "import nothing_of_that_name\n")
        status, _, errors = ctl(served, "reload")
        assert status == 1
        assert "reload failed" in errors
        assert "No module named 'nothing_of_that_name'" in errors
        served.write("shop.py", good)
        assert ctl(served, "workers", "--more") == (0, "3 workers wanted\n", "")
        wait_for_workers(served, 3)
        assert len(ctl(served, "workers")[1].splitlines()) == 4
        assert ctl(served, "stop") == (0, "stopping: finishing the requests in progress\n", "")
        assert served.child.wait() == 0
        status, _, errors = ctl(served, "status")
        assert status == 1
        assert "is the server running" in errors


def test_ctl_of_one_process(tmp_path: Path) -> None:
    with service(tmp_path) as served:
        wait_until(lambda: served.status()["ready"])
        assert ctl(served, "status")[0] == 0
        status, _, errors = ctl(served, "reload")
        assert status == 1
        assert "set workers = 1 or more" in errors
        status, output, errors = ctl(served, "reload", "--json")
        assert (status, errors) == (1, "")
        assert json.loads(output)["done"] is False
        assert json.loads(ctl(served, "workers", "--json")[1])[0]["pid"] == served.child.process.pid
        assert json.loads(ctl(served, "reopen", "--json")[1])["done"] is True
        assert ctl(served, "reopen")[0] == 0
        assert ctl(served, "stop")[0] == 0
        assert served.child.wait() == 0


def test_ctl_needs_an_address(tmp_path: Path) -> None:
    done = run([script("wiverno"), "ctl", "status"], cwd=tmp_path)
    assert done.returncode == 2
    assert "set admin_listen in the configuration" in done.stderr
    assert run([script("wiverno"), "ctl", "status", "--help"], cwd=tmp_path).returncode == 0


def test_ctl_takes_its_options_behind_the_command(tmp_path: Path) -> None:
    with service(tmp_path) as served:
        wait_until(lambda: served.status()["ready"])
        file = str(served.directory / "wiverno.toml")
        done = run([script("wiverno"), "ctl", "status", "--config", file], cwd=tmp_path.parent)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("ready  process ")


# pid file


@pytest.mark.parametrize("processes", PROCESSES)
def test_pid_file(tmp_path: Path, processes: str) -> None:
    """It holds the main process's id while the server runs, refuses a second server, and a stale one is replaced."""
    path = tmp_path / "wiverno.pid"
    path.write_text("999999999\n")
    with service(tmp_path, settings=f'{processes}\npid_file = "{path}"') as served:
        assert path.read_text() == f"{served.child.process.pid}\n"
        second = run(
            [script("wiverno"), "run", "shop:app", "--port", "0", "--host", "127.0.0.1", "--pid-file", str(path)],
            cwd=tmp_path,
        )
        assert second.returncode == 1
        assert f"process {served.child.process.pid} runs and has its id in {path}" in second.stderr
        assert served.child.stop() == 0
    assert not path.exists()
