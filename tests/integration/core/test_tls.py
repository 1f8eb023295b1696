"""HTTPS over real sockets, with the standard library as the client."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import run, script
from tests.support.serving import MODES, Served, serving
from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import service, wait_for_workers

DATA = Path(__file__).resolve().parents[2] / "data" / "tls"
LARGE = 3_000_000


def application(environ: dict[str, Any], start_response: Any) -> Any:
    path = environ["PATH_INFO"]
    if path == "/large":
        start_response("200 OK", [])
        return [b"x" * LARGE]
    if path == "/stream":
        start_response("200 OK", [])
        return (b"x" * 100_000 for _ in range(30))
    if path == "/file":
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](Path(environ["QUERY_STRING"]).open("rb"))
    if path == "/upload":
        body = hashlib.sha256(environ["wsgi.input"].read()).hexdigest().encode()
    else:
        names = ("wsgi.url_scheme", "HTTPS", "SSL_PROTOCOL", "SSL_CLIENT_VERIFY", "SSL_CLIENT_S_DN")
        body = " ".join(str(environ.get(name)) for name in names).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def trusting(*, certificate: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=DATA / "ca.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    if certificate:
        context.load_cert_chain(DATA / f"{certificate}.pem", DATA / f"{certificate}.key")
    return context


@contextmanager
def secured(mode: str = "threads", **settings: Any) -> Iterator[Served]:
    files = {"certfile": str(DATA / "first.pem"), "keyfile": str(DATA / "first.key")}
    with serving(application, **(files | MODES[mode] | settings)) as served:
        yield served


@contextmanager
def connected(served: Any, context: ssl.SSLContext | None = None) -> Iterator[ssl.SSLSocket]:
    with socket.create_connection(served.address, timeout=PATIENCE) as plain:
        with (context or trusting()).wrap_socket(plain, server_hostname="localhost") as secure:
            yield secure


def fetch(served: Served, path: str, *, body: bytes | None = None, context: ssl.SSLContext | None = None) -> bytes:
    connection = http.client.HTTPSConnection(
        "localhost", served.address[1], context=context or trusting(), timeout=PATIENCE
    )
    try:
        connection.request("GET" if body is None else "POST", path, body)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("mode", MODES)
def test_https(mode: str, tmp_path: Path) -> None:
    """Small and large answers, streams, files and uploads pass unharmed, over one connection."""
    content = os.urandom(LARGE)
    (tmp_path / "file").write_bytes(content)
    with secured(mode) as served:
        connection = http.client.HTTPSConnection("localhost", served.address[1], context=trusting(), timeout=PATIENCE)
        for path, expected in (
            ("/", b"https on TLSv1.3 NONE None"), ("/large", b"x" * LARGE), ("/stream", b"x" * LARGE),
            (f"/file?{tmp_path}/file", content), ("/", b"https on TLSv1.3 NONE None"),
        ):  # fmt: skip
            connection.request("GET", path)
            assert connection.getresponse().read() == expected, path
        for size in (0, 1, 16_383, 16_384, 16_385, 600_000, LARGE):
            connection.request("POST", "/upload", content[:size])
            assert connection.getresponse().read().decode() == hashlib.sha256(content[:size]).hexdigest()
        connection.close()


@pytest.mark.parametrize("mode", MODES)
def test_bytes_that_wait_inside_of_tls(mode: str) -> None:
    """Requests and bodies in one record, pipelined: nothing waits for the poller, which knows nothing of them."""
    with secured(mode, recv_bytes=64) as served, connected(served) as client:
        get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        post = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
        client.sendall((get + post) * 3 + get)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 7 or not received.endswith(b"None"):
            data = client.recv(65536)
            assert data
            received += data
        assert received.count(hashlib.sha256(b"x" * 5000).hexdigest().encode()) == 3


def test_alpn_and_a_clean_end() -> None:
    """http/1.1 is agreed on, and the end of the connection is said, so that a cut is told from an end."""
    with secured() as served, connected(served) as client:
        assert client.selected_alpn_protocol() == "http/1.1"
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        while data := client.recv(65536):  # an end without close_notify would raise SSLEOFError
            received += data
        assert received.endswith(b"NONE None")


def test_plain_http_gets_a_readable_answer(tmp_path: Path) -> None:
    """And a line in the access log that says what was asked for."""
    log = tmp_path / "access.log"
    with secured(access_log=str(log)) as served, served.client() as client:
        client.send(b"GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, _, body = client.response()
        assert status == 400
        assert b"plain HTTP request sent to an HTTPS port; use https://" in body
        wait_until(lambda: log.read_text().count("\n"))
    assert f'"GET /plain HTTP/1.1" 400 {len(body)} ' in log.read_text()


def test_slow_handshakes_block_no_other_client() -> None:
    """Clients that begin and go on slowly, or never, cost others nothing, and are dropped when their time is over."""
    with secured("simple", header_timeout=1) as served:
        silent = [served.client() for _ in range(10)]
        started = [served.client() for _ in range(10)]
        for client in started:
            client.send(b"\x16\x03\x01\x02\x00")
        for _ in range(5):
            assert fetch(served, "/") == b"https on TLSv1.3 NONE None"
        for client in (*silent, *started):
            assert client.is_closed()
            client.close()


def test_garbage_is_dropped() -> None:
    with secured() as served:
        with served.client() as client:
            client.send(b"\x16" + os.urandom(500))
            with contextlib.suppress(ConnectionError):
                client.rest()
        assert fetch(served, "/")


def test_clients_show_certificates() -> None:
    """Mutual TLS: no client without a certificate, and the application knows whose it is."""
    with secured(ca_certs=str(DATA / "ca.pem"), client_cert="required") as served:
        assert fetch(served, "/", context=trusting(certificate="client")) == b"https on TLSv1.3 SUCCESS CN=ann"
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            fetch(served, "/")
    with secured(ca_certs=str(DATA / "ca.pem"), client_cert="optional") as served:
        assert fetch(served, "/") == b"https on TLSv1.3 NONE None"


def test_old_versions_are_refused() -> None:
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with secured() as served:
        assert fetch(served, "/", context=context) == b"https on TLSv1.2 NONE None"
    with secured(tls_min_version="1.3") as served, pytest.raises((ssl.SSLError, ConnectionError)):
        fetch(served, "/", context=context)


def test_unix_sockets_stay_plain(tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")
    files: dict[str, Any] = {"certfile": str(DATA / "first.pem"), "keyfile": str(DATA / "first.key")}
    from wiverno.core.server import create_server

    server = create_server(application, listen=f"127.0.0.1:0 unix:{path}", **files)
    import threading

    thread = threading.Thread(target=server.run)
    thread.start()
    with RawClient(path) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.response()[2].startswith(b"http None")
    server.close()
    thread.join(PATIENCE)


def name_of(address: tuple[str, int]) -> str:
    """Return the name in the certificate that a server shows."""
    with socket.create_connection(address, timeout=PATIENCE) as plain:
        with trusting().wrap_socket(plain, server_hostname="localhost") as secure:
            certificate: Any = secure.getpeercert()
            return str(dict(pair[0] for pair in certificate["subject"])["commonName"])


@pytest.mark.parametrize("processes", ["workers = 0", "workers = 1"])
@pytest.mark.parametrize("signalled", [True, False], ids=["SIGHUP", "file change"])
def test_certificates_are_renewed(tmp_path: Path, processes: str, signalled: bool) -> None:
    """A new certificate in the same files serves new connections, without a restart."""
    for name in ("pem", "key"):
        shutil.copy(DATA / f"first.{name}", tmp_path / f"server.{name}")
    files = f'certfile = "{tmp_path}/server.pem"\nkeyfile = "{tmp_path}/server.key"'
    with service(tmp_path, settings=f"{processes}\n{files}") as served:
        wait_for_workers(served, 1)
        assert name_of(served.address) == "first server"
        for name in ("pem", "key"):
            shutil.copy(DATA / f"second.{name}", tmp_path / f"fresh.{name}")
            (tmp_path / f"fresh.{name}").replace(tmp_path / f"server.{name}")
        if signalled:
            served.child.send(signal.SIGHUP)
        wait_until(lambda: name_of(served.address) == "second server")
        assert served.child.stop() == 0


@pytest.mark.parametrize("processes", ["workers = 0", "workers = 1"])
def test_a_fifo_in_place_of_a_certificate(tmp_path: Path, processes: str) -> None:
    """It stops neither the server, nor a reload, nor a worker that is replaced; a start says what it is."""
    for name in ("pem", "key"):
        shutil.copy(DATA / f"first.{name}", tmp_path / f"server.{name}")
    files = f'certfile = "{tmp_path}/server.pem"\nkeyfile = "{tmp_path}/server.key"'
    with service(tmp_path, settings=f"{processes}\n{files}") as served:
        workers = wait_for_workers(served, 1)
        (tmp_path / "server.pem").unlink()
        os.mkfifo(tmp_path / "server.pem")
        served.child.send(signal.SIGHUP)
        served.child.wait_for("it is a FIFO, not a file")
        assert name_of(served.address) == "first server"
        if "1" in processes:
            os.kill(workers.pop(), signal.SIGKILL)
            wait_until(lambda: served.status()["restarts"] == {"died": 1})
            wait_for_workers(served, 1)
            assert name_of(served.address) == "first server"
        assert served.child.stop() == 0
    done = run([script("wiverno"), "run", "--config", "wiverno.toml"], cwd=tmp_path)
    assert done.returncode == 1
    assert f"certfile {tmp_path}/server.pem: it is a FIFO, not a file" in done.stderr


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_by_any_worker(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A client that comes back has a short handshake, whichever process accepts it."""
    settings = f'workers = 2\ncertfile = "{DATA}/first.pem"\nkeyfile = "{DATA}/first.key"'
    context = trusting()
    context.minimum_version = context.maximum_version = version
    session: ssl.SSLSession | None = None
    seen: set[bytes] = set()
    with service(tmp_path, settings=settings) as served:
        wait_for_workers(served, 2)
        for count in range(500):
            with socket.create_connection(served.address, timeout=PATIENCE) as plain:
                with context.wrap_socket(plain, server_hostname="localhost", session=session) as secure:
                    secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    answer = b"".join(iter(lambda secure=secure: secure.recv(65536), b""))  # type: ignore[misc]
                    assert secure.session_reused is (count > 0)
                    session = session or secure.session
            seen.add(answer.rpartition(b"\r\n\r\n")[2].split()[0])
            if len(seen) == 2:
                break
        assert len(seen) == 2


def test_a_missing_file_ends_the_start(tmp_path: Path) -> None:
    from tests.support.processes import run, script

    options = ["run", "wiverno.demo:create_app", "--factory", "--port", "0", "--certfile", "/no/where.pem"]
    for more in ([], ["--workers", "1"]):
        done = run([script("wiverno"), *options, *more], cwd=tmp_path)
        assert done.returncode == 1
        assert "certfile /no/where.pem: No such file or directory" in done.stderr
        assert "Traceback" not in done.stderr
