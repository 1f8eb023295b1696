"""The plain port beside TLS over real sockets: one process and workers, reloads, drain, limits, records."""

import http.client
import re
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT, Child, script
from tests.support.rig import hello
from tests.support.serving import MODES, Served, serving
from tests.support.sockets import LOOPBACK, RawClient, free_port
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import service

DATA = Path(__file__).resolve().parents[2] / "data" / "tls"
TLS = {"certfile": str(DATA / "first.pem"), "keyfile": str(DATA / "first.key")}
GET = b"GET /page?x=y HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def redirecting(application: Any = hello, **settings: Any) -> Iterator[tuple[Served, list[tuple[str, int]]]]:
    """Serve with TLS; give the plain ports, too."""
    with serving(application, **{"redirect_listen": f"{LOOPBACK}:0"} | TLS | settings) as served:
        yield served, [(one.host, one.port) for one in served.server.listeners if one.redirects]


def location(address: tuple[str, int], request: bytes = GET) -> str:
    """Return where a request is redirected to."""
    with RawClient(address) as client:
        client.send(request)
        status, fields, _ = client.response()
    assert status == 308
    return fields["location"]


@pytest.mark.parametrize("mode", MODES)
def test_a_client_follows(mode: str) -> None:
    """The address that it is sent to answers, over TLS, with the same path and query."""
    with redirecting(**MODES[mode]) as (served, [plain]):
        assert served.server.effective_port != plain[1]
        asked = location(plain)
        assert asked == f"https://localhost:{served.address[1]}/page?x=y"
        context = ssl.create_default_context(cafile=DATA / "ca.pem")
        connection = http.client.HTTPSConnection("localhost", served.address[1], context=context, timeout=PATIENCE)
        connection.request("GET", asked.removeprefix(f"https://localhost:{served.address[1]}"))
        assert connection.getresponse().status == 200
        connection.close()


def test_several_addresses() -> None:
    """IPv4 and IPv6 are redirected, each to the name that was asked for; redirect_port replaces the listener's."""
    wanted = {"redirect_listen": f"{LOOPBACK}:0 [::1]:0", "redirect_port": 443}
    with redirecting(**wanted) as (_, addresses):
        for host, port in addresses:
            authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            expected = authority.rpartition(":")[0]
            request = f"GET /a HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
            assert location((host, port), request) == f"https://{expected}/a"
        assert [host for host, _ in addresses] == [LOOPBACK, "::1"]


def test_no_thread_is_needed(tmp_path: Path) -> None:
    """While every thread is inside the application, redirects and challenges are answered."""
    folder = tmp_path / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "token").write_bytes(b"key")
    goes_on, running = threading.Event(), threading.Semaphore(0)

    def held(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        running.release()
        goes_on.wait(PATIENCE)
        start_response("200 OK", [])
        return [b"done"]

    with redirecting(held, threads=2, queue_size=1, acme_webroot=str(tmp_path)) as (served, [plain]):
        context = ssl.create_default_context(cafile=DATA / "ca.pem")
        clients = []
        try:
            for _ in range(3):
                connection = http.client.HTTPSConnection(
                    "localhost", served.address[1], context=context, timeout=PATIENCE
                )
                connection.request("GET", "/")
                clients.append(connection)
            for _ in range(2):
                assert running.acquire(timeout=PATIENCE)
            for _ in range(5):
                assert location(plain)
            with RawClient(plain) as client:
                client.send(b"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.response()[::2] == (200, b"key")
        finally:
            goes_on.set()
        assert [connection.getresponse().read() for connection in clients] == [b"done"] * 3
        for connection in clients:
            connection.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_redirects_have_a_counter(tmp_path: Path, workers: int) -> None:
    """In /status and in the metrics; neither challenges nor refusals count."""
    plain = LOOPBACK, free_port()
    tls = "\n".join(f'{name} = "{path}"' for name, path in TLS.items())
    settings = f'workers = {workers}\n{tls}\nredirect_listen = "{LOOPBACK}:{plain[1]}"\nacme_webroot = "."'
    with service(tmp_path, settings=settings) as served:
        for _ in range(3):
            assert location(plain)
        for request in (b"GET /.well-known/acme-challenge/a HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
            with RawClient(plain) as client:
                client.send(request)
                assert client.response()[0] in (404, 400)
        wait_until(lambda: served.status()["total"]["totals"]["redirects"] == 3)
        assert b"\nwiverno_redirects_total 3\n" in served.admin("/metrics")[1]


def test_records_and_limits(tmp_path: Path) -> None:
    """The plain port has the access log and the limits of the other one; another application changes nothing."""
    log = tmp_path / "access.log"
    with redirecting(access_log=str(log), max_request_line_size=100, header_timeout="1s") as (served, [plain]):
        served.server.application = hello
        assert location(plain)
        with RawClient(plain) as client:
            client.send(b"GET /" + b"x" * 200 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response()[0] == 414
        with RawClient(plain) as client:
            client.send(b"GET / HT")
            assert client.response()[0] == 408
        wait_until(lambda: log.read_text().count("\n") == 3, what="the lines")
    assert [line.split('"')[2].split()[0] for line in log.read_text().splitlines()] == ["308", "414", "408"]
    assert '"GET /page?x=y HTTP/1.1" 308 45 ' in log.read_text()


CONFIG = """
[app]
use = "shop:app"
[server]
listen = "127.0.0.1:{port}"
{tls}
{rest}
"""


def write(folder: Path, port: int, rest: str, *, tls: bool = True) -> None:
    named = f'certfile = "{TLS["certfile"]}"\nkeyfile = "{TLS["keyfile"]}"' if tls else ""
    (folder / "wiverno.toml").write_text(CONFIG.format(port=port, tls=named, rest=rest))
    (folder / "shop.py").write_text("from tests.support.rig import hello as app\n")


def plain_port(child: Child) -> tuple[str, int]:
    child.wait_for("Redirecting http://")
    found = re.findall(r"Redirecting http://127.0.0.1:(\d+) to https", child.output)
    return LOOPBACK, int(found[-1])


@pytest.mark.parametrize("processes", ["", "workers = 2"])
def test_drain(tmp_path: Path, processes: str) -> None:
    """At the end idle clients of the plain port are let go, and a request that is complete is answered."""
    write(tmp_path, 0, f'redirect_listen = "127.0.0.1:0"\n{processes}')
    with Child([script("wiverno"), "run"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}) as child:
        address = plain_port(child)
        with RawClient(address) as idle, RawClient(address) as asking:
            idle.send(GET)
            assert idle.response()[0] == 308
            asking.send(GET)
            child.send(signal.SIGTERM)
            assert asking.response()[0] == 308
            assert idle.is_closed()
            assert asking.is_closed()
        assert child.wait() == 0, child.output


def test_a_reload_turns_the_plain_port_into_a_redirect(tmp_path: Path) -> None:
    """TLS added by a reload: the plain port redirects from then on, without having been closed."""
    plain, secure = free_port(), free_port()
    write(tmp_path, plain, "workers = 1", tls=False)
    with Child([script("wiverno"), "run"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}) as child:
        child.wait_for("ready: 1 worker")
        stop, failures, statuses = threading.Event(), list[Exception](), set[int]()

        def ask() -> None:
            while not stop.is_set():
                try:
                    with RawClient((LOOPBACK, plain)) as client:
                        client.send(GET)
                        statuses.add(client.response()[0])
                except Exception as error:
                    failures.append(error)

        load = threading.Thread(target=ask)
        load.start()
        try:
            wait_until(lambda: 200 in statuses, what="an answer of the application")
            write(tmp_path, secure, f'workers = 1\nredirect_listen = "127.0.0.1:{plain}"')
            child.send(signal.SIGHUP)
            child.wait_for("reloaded: 1 new worker ready")
            wait_until(lambda: 308 in statuses, what="a redirect")
        finally:
            stop.set()
            load.join()
        assert location((LOOPBACK, plain)) == f"https://localhost:{secure}/page?x=y"
        assert (failures, statuses) == ([], {200, 308})
        assert child.stop() == 0, child.output


AS_SYSTEMD = """
import fcntl, os, socket, sys
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print("ports", *(one.getsockname()[1] for one in listeners), flush=True)
moved = [fcntl.fcntl(one.detach(), fcntl.F_DUPFD, 10) for one in listeners]
for number, fd in enumerate(moved, 3):
    os.dup2(fd, number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="http:https")
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_inherited_sockets(tmp_path: Path) -> None:
    """systemd's names stand in redirect_listen as in listen."""
    write(tmp_path, 0, 'redirect_listen = "fd:http"')
    file = tmp_path / "wiverno.toml"
    file.write_text(file.read_text().replace('"127.0.0.1:0"', '"fd:https"'))
    command = ["-c", AS_SYSTEMD, script("wiverno"), "run"]
    with Child(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}) as child:
        match = child.wait_for(r"ports (\d+) (\d+)")
        child.wait_for("Redirecting http://")
        assert location((LOOPBACK, int(match[1]))) == f"https://localhost:{match[2]}/page?x=y"
        assert child.stop() == 0, child.output
