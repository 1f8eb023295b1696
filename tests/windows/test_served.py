"""curl and sockets of Linux against a server on Windows: bodies both ways, TLS, HTTP/2, six hundred connections."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.engine_child import get
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until
from tests.windows.programs import ROOT, Child, curl, on_z, serve, url

TLS = ROOT / "tests" / "data" / "tls"
MIB = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[Child]:
    with serve("--threads", "4", "--connection-limit", "1000") as child:
        yield child


def test_it_is_windows(server: Child) -> None:
    facts = json.loads(curl(url(server, "/facts")))
    assert facts["name"] == "nt"
    assert facts["cwd"] == on_z(ROOT)


@pytest.mark.parametrize("options", [[], ["--header", "Transfer-Encoding: chunked"], ["--header", "Expect:"]])
def test_an_upload_of_three_megabytes(server: Child, options: list[str], tmp_path: Path) -> None:
    """Announced, chunked, and without the question before; the body goes through a temporary file."""
    body = tmp_path / "body"
    body.write_bytes(os.urandom(3 * MIB))
    answer = curl("--data-binary", f"@{body}", *options, url(server, "/upload"))
    assert answer.decode() == f"{3 * MIB} {hashlib.sha256(body.read_bytes()).hexdigest()}"


def test_a_download_of_five_megabytes(server: Child) -> None:
    assert curl(url(server, "/download?80")) == b"0123456789abcdef" * (5 * MIB // 16)


def test_a_slow_reader_gets_everything(server: Child) -> None:
    """What the client does not take at once waits in memory, then in a temporary file."""
    answer = curl("--limit-rate", "4M", url(server, "/download?160"))
    assert len(answer) == 10 * MIB


def test_a_file_without_sendfile(server: Child, tmp_path: Path) -> None:
    """Drive letters and backslashes; the application's file is read and sent, and closed."""
    file = tmp_path / "data.bin"
    file.write_bytes(os.urandom(2 * MIB))
    assert curl(url(server, f"/file?{on_z(file)}")) == file.read_bytes()


def test_many_requests_on_one_connection(server: Child) -> None:
    answer = curl(*[url(server, "/")] * 50, "--write-out", "%{num_connects} ")
    assert answer == b"Hello\n1 " + b"Hello\n0 " * 49


def test_six_hundred_connections(server: Child) -> None:
    """More than the 512 sockets that select() takes there: all stay open, and each is served twice."""
    url(server)
    address = server.address()
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(address, timeout=60.0)) for _ in range(600)]
        for _ in range(2):
            for client in clients:
                client.send(get("/"))
            for client in clients:
                assert client.response()[2] == b"Hello\n"
        assert curl(url(server)) == b"Hello\n"


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_tls(version: str) -> None:
    """The certificate is verified; with http2 = true ALPN chooses."""
    names = ["--certfile", str(TLS / "first.pem"), "--keyfile", str(TLS / "first.key"), "--http2"]
    with serve(*names) as child:
        where = url(child, "/facts", "https").replace("127.0.0.1", "localhost")
        port = where.split(":")[2].split("/")[0]
        trusting = ["--cacert", str(TLS / "ca.pem"), "--resolve", f"localhost:{port}:127.0.0.1", version]
        facts = json.loads(curl(*trusting, where))
        assert facts["scheme"] == "https"
        used = curl(*trusting, "--output", os.devnull, "--write-out", "%{http_version}", where)
        assert used.decode() == {"--http1.1": "1.1", "--http2": "2"}[version]
        large = curl(*trusting, where.replace("/facts", "/download?80"))
        assert len(large) == 5 * MIB
        body = curl(*trusting, "--data-binary", "x" * 100_000, where.replace("/facts", "/upload"))
        assert body.startswith(b"100000 ")


def test_a_client_that_leaves_is_noticed(server: Child) -> None:
    """Connections that clients have closed or reset are closed here, too: there is room for others."""
    url(server)
    for _ in range(50):
        with RawClient(server.address()) as client:
            client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
    wait_until(lambda: curl(url(server)) == b"Hello\n", what="an answer")


def test_a_response_that_is_cut_ends_with_a_reset(server: Child) -> None:
    """In HTTP/1.0 the end of the connection is the end of the response, so a plain close would hide the loss."""
    url(server)
    with RawClient(server.address(), timeout=60.0) as client:
        client.send(b"GET /cut HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            client.rest()
