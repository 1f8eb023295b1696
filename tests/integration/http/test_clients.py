"""httpbin served to the clients that people use: curl, requests, urllib3 and http.client; 50 MB up and down."""

import hashlib
import http.client
import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3

from tests.support.programs import program
from tests.support.serving import MODES, serving
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.server import RunServer

SIZE = 50_000_000


@pytest.fixture(params=MODES, scope="module")
def base(request: pytest.FixtureRequest) -> Iterator[str]:
    if sys.version_info >= (3, 12):
        pytest.skip("httpbin is installed for tests only before Python 3.12")
    with serving(importlib.import_module("httpbin").app, **MODES[request.param]) as served:
        yield f"http://{served.address[0]}:{served.address[1]}"


def curl(*arguments: str) -> str:
    """Run curl and return what it printed; a protocol error is a failure."""
    finished = subprocess.run(
        [program("curl"), "--silent", "--show-error", "--max-time", "60", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_curl(base: str, tmp_path: Path) -> None:
    """GET, HEAD, a form, chunks with Expect, redirects, cookies and several requests on one connection."""
    assert json.loads(curl(f"{base}/get?a=b&a=c"))["args"] == {"a": ["b", "c"]}
    assert "200 OK" in curl("--head", f"{base}/get")
    assert json.loads(curl("--data", "x=1", f"{base}/post"))["form"] == {"x": "1"}
    upload = tmp_path / "upload"
    upload.write_bytes(b"z" * 100_000)
    for extra in ([], ["--header", "Transfer-Encoding: chunked"], ["--header", "Expect: 100-continue"]):
        posted = json.loads(curl(*extra, "--data-binary", f"@{upload}", f"{base}/post"))
        assert sum(map(len, posted["form"])) == 100_000
        assert "Transfer-Encoding" not in posted["headers"]
    assert len(json.loads(curl("--form", f"file=@{upload}", f"{base}/post"))["files"]["file"]) == 100_000
    assert json.loads(curl("--location", f"{base}/redirect/3"))["url"].endswith("/get")
    jar = ["--cookie-jar", str(tmp_path / "jar"), "--cookie", str(tmp_path / "jar"), "--location"]
    assert json.loads(curl(*jar, f"{base}/cookies/set?k=v"))["cookies"] == {"k": "v"}
    counted = curl("--write-out", "%{num_connects} ", "--output", os.devnull, *[f"{base}/bytes/{n}" for n in range(5)],
                   *["--output", os.devnull] * 4)  # fmt: skip
    assert sum(map(int, counted.split())) == 1
    assert json.loads(curl("--http1.0", f"{base}/get"))["url"].endswith("/get")


def test_requests(base: str) -> None:
    """One session through statuses, codings, streams, ranges, authentication and uploads of both framings."""
    with requests.Session() as session:
        for code in (200, 204, 304, 404, 418, 500, 503):
            assert session.get(f"{base}/status/{code}").status_code == code
        for coding in ("gzip", "deflate"):
            assert session.get(f"{base}/{coding}").json()["method"] == "GET"
        lines = session.get(f"{base}/stream/20", stream=True).iter_lines()
        assert [json.loads(line)["id"] for line in lines] == list(range(20))
        assert len(session.get(f"{base}/stream-bytes/50000?chunk_size=777").content) == 50000
        part = session.get(f"{base}/range/1000", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.text) == (206, "klmnopqrst")
        assert session.get(f"{base}/basic-auth/u/p", auth=("u", "p")).json()["authenticated"] is True
        assert session.get(f"{base}/redirect/5").url == f"{base}/get"
        assert session.head(f"{base}/get").content == b""
        assert session.options(f"{base}/get").headers["Allow"]
        assert session.put(f"{base}/put", json={"a": [1, None]}).json()["json"] == {"a": [1, None]}
        assert session.patch(f"{base}/patch", data=b"\x00\xff").json()["data"].startswith("data:")
        chunked = session.post(f"{base}/post", data=(b"x" * 1000 for _ in range(50)))
        assert chunked.json()["data"] == "x" * 50000
        assert session.get(f"{base}/anything/%E2%82%AC/a%2Fb").json()["url"] == f"{base}/anything/\u20ac/a/b"
        assert session.get(f"{base}/delay/0").ok


def test_urllib3(base: str) -> None:
    """One pooled connection serves many requests; a body that is not read to its end harms no request."""
    with urllib3.PoolManager(maxsize=1) as pool:
        for number in range(30):
            response = pool.request("POST", f"{base}/anything/{number}", body=b"x" * number)
            assert response.json()["data"] == "x" * number
        pools = [pool.connection_from_url(base)]
        assert [found.num_connections for found in pools] == [1]
        unread = pool.request("GET", f"{base}/bytes/100000", preload_content=False)
        assert len(unread.read(10)) == 10
        unread.close()
        assert pool.request("GET", f"{base}/headers", headers={"X-Long": "y" * 8000}).status == 200


def test_http_client(base: str) -> None:
    """The standard library's client: keep-alive by every method, a chunked upload, and HEAD."""
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=PATIENCE)
    for method in ("GET", "POST", "PUT", "DELETE"):
        connection.request(method, f"/anything/{method}", body=b"b" if method != "GET" else None)
        response = connection.getresponse()
        assert json.loads(response.read())["method"] == method
        assert not response.will_close
    connection.request("POST", "/post", body=iter([b"a", b"bc"]), encode_chunked=True)
    assert json.loads(connection.getresponse().read())["data"] == "abc"
    connection.request("HEAD", "/get")
    assert connection.getresponse().read() == b""
    connection.close()


def checksums(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer an upload with its checksum; give SIZE bytes by length, as chunks or from a file."""
    if environ["REQUEST_METHOD"] in ("PUT", "POST"):
        digest = hashlib.sha256()
        for piece in iter(lambda: environ["wsgi.input"].read(1 << 16), b""):
            digest.update(piece)
        start_response("200 OK", [])
        return [digest.hexdigest().encode()]
    if environ["PATH_INFO"] == "/file":
        start_response("200 OK", [])
        file = Path(environ["QUERY_STRING"]).open("rb")  # noqa: SIM115 - the server closes it
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return wrapped
    start_response("200 OK", [("Content-Length", str(SIZE))] if environ["PATH_INFO"] == "/length" else [])
    return (b"%07d\n" % number * 1000 for number in range(SIZE // 8000))


@contextmanager
def run_server() -> Iterator[str]:
    """Serve `checksums` through RunServer itself."""
    server = RunServer(checksums, "127.0.0.1", 0)
    thread = threading.Thread(target=server.start, daemon=True)
    thread.start()
    wait_until(lambda: server.port, what="RunServer to listen")
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@contextmanager
def threads() -> Iterator[str]:
    """Serve it through threads."""
    with serving(checksums, threads=4) as served:
        yield f"http://{served.address[0]}:{served.address[1]}"


def peak_memory() -> int:
    """Return the kilobytes that this process has in memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.parametrize("server", [run_server, threads])
def test_50_megabytes_both_ways(server: Callable[[], Any], tmp_path: Path) -> None:
    """50 MB up and down with equal checksums, by length, in chunks and from a file, in little memory."""
    content = tmp_path / "content"
    with content.open("wb") as file:
        for number in range(SIZE // 8000):
            file.write(b"%07d\n" % number * 1000)
    expected = hashlib.sha256(content.read_bytes()).hexdigest()
    assert content.stat().st_size == SIZE
    before = peak_memory()
    with server() as base:
        for extra in ([], ["--header", "Transfer-Encoding: chunked"]):
            assert curl(*extra, "--upload-file", str(content), f"{base}/") == expected
        for path in ("/length", "/chunks", f"/file?{content}"):
            received = tmp_path / "received"
            curl("--output", str(received), f"{base}{path}")
            assert hashlib.sha256(received.read_bytes()).hexdigest() == expected
    assert peak_memory() - before < 70_000
