"""The access log of a running server."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Child
from tests.support.serving import MODES, serving
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until
from wiverno.core.telemetry.counters import Counters

PROGRAM = """
import sys
from wiverno.serving import serve
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
serve(app, host="127.0.0.1", port=0, **dict(word.split("=", 1) for word in sys.argv[1:]))
"""


def application(environ: dict[str, Any], start_response: Any) -> Any:
    path = environ["PATH_INFO"]
    environ["REQUEST_METHOD"] = "CHANGED"
    if path == "/fail":
        raise RuntimeError("on purpose")
    if path == "/large":
        start_response("200 OK", [])
        return (b"x" * 65536 for _ in range(64))
    start_response("404 Not Found", [("Content-Length", "4")])
    return [b"none"]


@pytest.mark.parametrize("mode", MODES)
def test_every_response_is_a_line(tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """Answers of the application, streams, HEAD, failures and the server's own refusals are all there, in order."""
    path = tmp_path / "access.log"
    form = "{method} {uri} {status} {bytes}"
    with serving(application, access_log=str(path), access_log_format=form, **MODES[mode]) as served:
        sizes = []
        for count, request in enumerate(("GET /a?b", "HEAD /a", "GET /large", "GET /fail", "GET  /bad"), 1):
            with served.client() as client:
                client.send(f"{request} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                sizes.append(len(client.response(method=request.split()[0])[2]))
            # Written after the response was sent, perhaps by a thread that does not lead any more.
            wait_until(lambda count=count: path.read_text().count("\n") == count)  # type: ignore[misc]
    assert path.read_text().splitlines() == [
        "GET /a?b 404 4", "HEAD /a 404 0", "GET /large 200 4194304", f"GET /fail 500 {sizes[3]}",
        f"GET /bad 400 {sizes[4]}",
    ]  # fmt: skip
    assert min(sizes[3:]) > 20


def test_a_line_is_there_before_the_server_waits_again(tmp_path: Path) -> None:
    """Nothing has to happen for a line to be written: no further request, no end of the server."""
    path = tmp_path / "access.log"
    with serving(application, access_log=str(path)) as served, served.client() as client:
        client.send(b'GET /%1b[31m HTTP/1.1\r\nHost: x\r\nUser-Agent: a"b\xff\r\n\r\n')
        client.response()
        line = wait_until(lambda: path.read_text())
    assert line.endswith('"GET /%1b[31m HTTP/1.1" 404 4 "-" "a\\"b\\xff"\n')


def test_ids_and_times(tmp_path: Path) -> None:
    """The application sees the id that the log has; a proxy's id is taken only if the proxy is trusted."""
    path = tmp_path / "access.log"
    seen: list[str] = []

    def remembers(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["wiverno.request_id"])
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    settings: dict[str, Any] = {"access_log": str(path), "access_log_format": "json"}
    proxy = {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": "x-forwarded-for"}
    for extra in ({}, proxy):
        with serving(remembers, **settings, **extra) as served, served.client() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-ID: from-proxy\r\n\r\n")
            client.response()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["id"] for row in rows] == seen
    assert seen[0] != "from-proxy" == seen[1]
    assert all(0 <= row["seconds"] < 10 and 0 <= row["wait_seconds"] < 10 for row in rows)


def test_sigusr1_reopens(tmp_path: Path) -> None:
    """Log rotation: after a rename and SIGUSR1 new lines stand in a new file, and the server goes on."""
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    with Child(["-c", PROGRAM, f"access_log={path}", "access_log_format={path}"]) as child:
        address = child.address()
        with RawClient(address) as client:
            client.send(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
            client.response()
            wait_until(lambda: path.read_text() == "/1\n")
            path.rename(old)
            child.send(signal.SIGUSR1)
            wait_until(path.exists)
            client.send(b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
            client.response()
            wait_until(lambda: path.read_text() == "/2\n")
        assert child.stop() == 0
    assert old.read_text() == "/1\n"


def test_standard_output() -> None:
    with Child(["-c", PROGRAM, "access_log=-", "access_log_format=LOGGED {path}"]) as child:
        with RawClient(child.address()) as client:
            client.send(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            client.response()
        child.wait_for("LOGGED /x")
        assert child.stop() == 0


def test_a_log_that_cannot_be_opened_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        with serving(application, access_log=str(tmp_path / "none" / "access.log")):
            pass


REFUSALS = {
    "malformed": (b"GET /odd?x HTTP/1.1\r\nHost: x\r\nBad Field: 1\r\n\r\n", 400, "GET /odd?x HTTP/1.1"),
    "no host": (b"GET /odd HTTP/1.1\r\nUser-Agent: agent\r\n\r\n", 400, "GET /odd HTTP/1.1"),
    "head": (b"HEAD /odd HTTP/1.1\r\nUser-Agent: agent\r\n\r\n", 400, "HEAD /odd HTTP/1.1"),
    "no length": (b"GET /half HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400, "GET /half HTTP/1.1"),
    "too much": (b"POST /up?a=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n", 413, "POST /up?a=1 HTTP/1.1"),
    "too many chunks": (
        b"PUT /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"40\r\n" + b"x" * 64 + b"\r\n") * 2,
        413,
        "PUT /up HTTP/1.1",
    ),
    "long line": (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n", 414, "GET /" + "a" * 1019 + " HTTP/1.1"),
    "long head": (b"GET /b HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000, 431, "GET /b HTTP/1.1"),
    "many fields": (b"GET /c HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431, "GET /c HTTP/1.1"),
    "expectation": (b"GET /d HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417, "GET /d HTTP/1.1"),
    "connect": (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501, "CONNECT a:1 HTTP/1.1"),
    "version": (b"GET /e HTTP/2.0\r\nHost: x\r\n\r\n", 505, "GET /e HTTP/2.0"),
    "slow head": (b"GET /slow HTTP/1.1\r\nHo", 408, "GET /slow HTTP/1.1"),
    "slow line": (b"GET /slo", 408, "GET /slo HTTP/1.1"),
    "slow body": (b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", 408, "POST /body HTTP/1.1"),
    "no request": (b"\x01\x02\x03\r\n\r\n", 400, "- - HTTP/1.1"),
}


@pytest.mark.parametrize("form", ["common", "combined", "json", "{method} {uri} {protocol} {status} {bytes} {request}"])
def test_the_servers_own_answers_are_found(tmp_path: Path, form: str) -> None:
    """Each with its method and path as far as known and the bytes that were sent; and counted."""
    log = tmp_path / "access.log"
    counters = Counters()
    total = 0
    settings = {
        "max_request_body_size": 100, "max_request_header_size": 8192, "max_request_line_size": 4096,
        "header_timeout": 1, "body_timeout": 1, "access_log": str(log), "access_log_format": form, "threads": 2,
    }  # fmt: skip
    with serving(application, **settings) as served:
        served.server.engine.count(counters)
        clients = {name: served.client() for name in REFUSALS}
        for name, (request, _, _) in REFUSALS.items():
            clients[name].send(request)
        for name, (_, status, line) in REFUSALS.items():
            with clients[name] as client:
                answered, _, body = client.response(method=line.split()[0])
            assert answered == status, name
            total += len(body)
            expected = _line(form, line, status, len(body))
            wait_until(lambda expected=expected: expected in log.read_text(), what=f"{name}: {expected}")  # type: ignore[misc]
        assert log.read_text().count("\n") == len(REFUSALS)
        wait_until(lambda: counters.get("refused") == len(REFUSALS))
        assert counters.get("bytes") == total


def _line(form: str, line: str, status: int, size: int) -> str:
    method, uri, protocol = line.split(" ")
    return {
        "common": f'"{line}" {status} {size}\n',
        "combined": f'"{line}" {status} {size} "',
        "json": f'"method": "{method}", "uri": "{uri}", "protocol": "{protocol}"',
    }.get(form, f"{line} {status} {size} {line}\n")


def test_a_refused_request_among_others_is_named_by_its_own_path(tmp_path: Path) -> None:
    """Not by that of the request before it on the same connection."""
    log = tmp_path / "access.log"
    form = "{method} {uri} {status}"
    with (
        serving(application, access_log=str(log), access_log_format=form) as served,
        served.client() as client,
    ):
        client.send(b"GET /first HTTP/1.1\r\nHost: x\r\n\r\nPOST /second HTTP/1.1\r\n\r\n")
        assert [client.response()[0], client.response()[0]] == [404, 400]
        wait_until(lambda: log.read_text().count("\n") == 2)
    assert log.read_text() == "GET /first 404\nPOST /second 400\n"


def test_requests_that_find_no_thread_are_found(tmp_path: Path) -> None:
    """The 503 of a full queue and that of a wait that was too long name what was asked for."""
    log = tmp_path / "access.log"
    goes_on = threading.Event()

    def holding(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        goes_on.wait(20)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    settings = {"access_log": str(log), "access_log_format": "{method} {uri} {status} {bytes}"}
    with serving(holding, threads=2, queue_size=1, queue_timeout=1, **settings) as served:
        clients = [served.client() for _ in range(4)]
        for number, client in enumerate(clients):
            client.send(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
            wait_until(lambda number=number: served.server.engine.leaders.queued >= min(number - 1, 1))  # type: ignore[misc]
        full, late = clients[3].response(), clients[2].response()
        goes_on.set()
        assert (full[0], late[0]) == (503, 503)
        wait_until(lambda: log.read_text().count("\n") == 4)
    assert f"GET /3 503 {len(full[2])}\n" in log.read_text()
    assert f"GET /2 503 {len(late[2])}\n" in log.read_text()
    for client in clients:
        client.close()
