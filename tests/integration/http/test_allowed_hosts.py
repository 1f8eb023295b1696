"""`allowed_hosts` over real sockets: every protocol, the access log, and listeners that it does not concern."""

import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.h2_client import H2Client
from tests.support.processes import Child, script
from tests.support.serving import MODES, Recorder, serving
from tests.support.sockets import LOOPBACK, RawClient, free_port
from tests.support.waiting import wait_until

HOSTS = "shop.example *.shop.example"


@pytest.mark.parametrize("mode", MODES)
def test_other_hosts_are_refused(mode: str) -> None:
    """The application sees no request for another host; a refused client's connection closes."""
    application = Recorder()
    with serving(application, allowed_hosts=HOSTS, **MODES[mode]) as served:
        with served.client() as client:
            client.send(b"GET /a HTTP/1.1\r\nHost: www.shop.example\r\n\r\n")
            assert client.response()[0] == 200
            client.send(b"POST /b HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 5\r\n\r\nhello")
            status, fields, body = client.response()
            assert (status, fields["connection"]) == (421, "close")
            assert body.startswith(b"Misdirected Request\r\n\r\nthis server does not answer for the requested host")
            assert client.is_closed()
        with served.client() as client:
            client.send(b"GET /c HTTP/1.0\r\n\r\n")
            assert client.response()[0] == 400
    assert [call.path for call in application.calls] == ["/a"]


@pytest.mark.parametrize("mode", MODES)
def test_http2(mode: str) -> None:
    """:authority is compared as Host is; other streams of the connection are served."""
    application = Recorder()
    settings: dict[str, Any] = {"allowed_hosts": HOSTS, "http2": True, "trusted_proxies": LOOPBACK, **MODES[mode]}
    with serving(application, **settings) as served, served.client() as connected:
        client = H2Client(connected.socket)
        streams = {}
        for client.authority in ("shop.example", "evil.example", "www.shop.example:8443"):
            streams[client.authority] = client.request("/" + client.authority)
        statuses = {name: client.wait(stream)[0].status for name, stream in streams.items()}
    assert statuses == {"shop.example": "200", "evil.example": "421", "www.shop.example:8443": "200"}
    assert sorted(call.path for call in application.calls) == ["/shop.example", "/www.shop.example:8443"]


def fetch(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def test_admin_listener_and_records(tmp_path: Path) -> None:
    """/healthz is answered under a name that is not listed; a refused request is logged, and counted as refused."""
    admin, port, log = free_port(), free_port(), tmp_path / "access.log"
    command = [script("wiverno"), "run", "wiverno.demo:create_app", "--factory", "--listen", f"{LOOPBACK}:{port}"]
    command += ["--admin-listen", f"{LOOPBACK}:{admin}", "--allowed-hosts", HOSTS]
    command += ["--access-log", str(log), "--access-log-format", "json"]
    with Child(command, cwd=tmp_path) as child:
        child.wait_for("Serving on")
        with RawClient((LOOPBACK, port)) as client:
            client.send(b"GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            assert client.response()[0] == 421
        assert fetch(admin, "/healthz") == "alive\n"
        wait_until(lambda: "\nwiverno_refused_total 1\n" in fetch(admin, "/metrics"), what="the count")
        assert child.stop() == 0, child.output
    assert '"status": 421' in log.read_text()
