"""The access log of a running server."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Child
from tests.support.serving import MODES, serving
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until

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
        for count, request in enumerate(("GET /a?b", "HEAD /a", "GET /large", "GET /fail", "GET  /bad"), 1):
            with served.client() as client:
                client.send(f"{request} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                client.response(method=request.split()[0])
            # Written after the response was sent, perhaps by a thread that does not lead any more.
            wait_until(lambda count=count: path.read_text().count("\n") == count)  # type: ignore[misc]
    assert path.read_text().splitlines() == [
        "GET /a?b 404 4", "HEAD /a 404 0", "GET /large 200 4194304", "GET /fail 500 0", "- - 400 0",
    ]  # fmt: skip


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
