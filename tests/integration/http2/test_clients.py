"""Clients that people use, over HTTP/2: curl, nghttp, h2load, Node's http2, httpx, Chromium, and ALPN's choices."""

import asyncio
import hashlib
import json
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.http2.site import PIECE, Site
from tests.support.processes import run
from tests.support.programs import program
from tests.support.serving import MODES, Served, serving
from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE
from wiverno.core.server import create_server

TLS = Path(__file__).resolve().parents[2] / "data" / "tls"
CERTIFICATE = {"certfile": str(TLS / "first.pem"), "keyfile": str(TLS / "first.key")}
UPLOAD = PIECE * 184  # about 3 MB
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.fixture(scope="module", params=MODES)
def secure(request: pytest.FixtureRequest) -> Iterator[str]:
    """The beginning of an https URL, with threads and without."""
    with serving(Site(), **MODES[request.param], **CERTIFICATE, http2=True) as served:
        yield f"https://127.0.0.1:{served.address[1]}"


@pytest.fixture(scope="module")
def clear() -> Iterator[str]:
    """The beginning of an http URL whose server trusts its client."""
    with serving(Site(), trusted_proxies="127.0.0.1", http2=True) as served:
        yield f"http://127.0.0.1:{served.address[1]}"


def curl(*arguments: str, status: int = 0) -> str:
    """Run curl and return what it printed; ending with another status is a failure."""
    ended = run(
        [program("curl"), "--silent", "--show-error", "--insecure", "--max-time", "60", *arguments], deadline=70
    )
    assert ended.returncode == status, ended.stderr
    return ended.stdout


def check_curl(url: str, folder: Path, *options: str) -> None:
    """GET, HEAD, an upload of 3 MB and a download of it, all over HTTP/2."""
    version = ("--write-out", " %{http_version} %{http_code}", *options)
    assert curl(*version, f"{url}/echo/x?y") == "x?y 2 200"
    head = curl("--head", *version, f"{url}/hello")
    assert head.startswith("HTTP/2 200")
    assert "content-length: 6" in head
    upload = folder / "upload"
    upload.write_bytes(UPLOAD)
    sent = curl("--data-binary", f"@{upload}", *version, f"{url}/upload")
    assert sent == f"{len(UPLOAD)} {len(UPLOAD)} {hashlib.sha256(UPLOAD).hexdigest()} 2 200"
    chunks = curl("--upload-file", "-", "--request", "POST", *version, f"{url}/upload")  # no length announced
    assert chunks.startswith("0 ")
    assert curl("--output", str(folder / "down"), *version, f"{url}/whole/{len(UPLOAD)}") == " 2 200"
    assert (folder / "down").read_bytes() == UPLOAD


def test_curl(secure: str, tmp_path: Path) -> None:
    check_curl(secure, tmp_path, "--http2")


def test_curl_by_prior_knowledge(clear: str, tmp_path: Path) -> None:
    """A trusted proxy's address speaks HTTP/2 in clear, and HTTP/1.1 on the same port."""
    check_curl(clear, tmp_path, "--http2-prior-knowledge")
    version = ("--write-out", " %{http_version}")
    assert curl("--http1.1", *version, f"{clear}/echo/x") == "x? 1.1"
    assert curl("--http2", *version, f"{clear}/echo/x") == "x? 1.1"  # Upgrade: h2c is gone since RFC 9113


@pytest.mark.parametrize("listen", ["unix_socket", "listen"])
def test_curl_over_a_unix_socket(tmp_path: Path, listen: str) -> None:
    """The socket's file mode says which users may speak to it; no trusted_proxies is needed."""
    path = tmp_path / "app.sock"
    where: dict[str, Any] = {"unix_socket": str(path)} if listen == "unix_socket" else {"listen": f"unix:{path}"}
    with running(create_server(Site(), http2=True, **where)):
        check_curl("http://localhost", tmp_path, "--http2-prior-knowledge", "--unix-socket", str(path))
        assert curl("--http1.1", "--unix-socket", str(path), "http://localhost/echo/x") == "x?"


@pytest.mark.parametrize("kind", ["tls", "clear"])
def test_curl_behind_the_proxy_protocol(kind: str) -> None:
    """The preamble comes first, then the TLS handshake or HTTP/2's preface."""
    trust = {"proxy_protocol": True, "trusted_proxies": "127.0.0.1", "http2": True}
    with serving(Site(), **trust, **(CERTIFICATE if kind == "tls" else {})) as served:
        scheme, option = ("https", "--http2") if kind == "tls" else ("http", "--http2-prior-knowledge")
        url = f"{scheme}://127.0.0.1:{served.address[1]}/echo/x"
        assert curl("--haproxy-protocol", option, "--write-out", " %{http_version}", url) == "x? 2"
        assert curl("--haproxy-protocol", "--http1.1", "--write-out", " %{http_version}", url) == "x? 1.1"


class running:
    """Run a server in a thread for the length of the block."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Any:
        self.ended = self.pool.submit(self.server.run)
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.ended.result(PATIENCE)
        self.pool.shutdown()


def test_a_plain_port_that_trusts_no_one_speaks_http_1() -> None:
    """The preface is answered there byte for byte as without the setting."""
    answers = []
    for settings in ({"http2": True}, {}):
        with serving(Site(), ident="x", **settings) as served:
            with RawClient(served.address, PATIENCE) as client:
                client.send(PREFACE)
                answers.append(re.sub(rb"Date: [^\r]*", b"", client.rest()))
            url = f"http://127.0.0.1:{served.address[1]}/echo/x"
            assert curl("--http2", "--write-out", " %{http_version}", url) == "x? 1.1"
            ended = run([program("curl"), "--silent", "--max-time", "60", "--http2-prior-knowledge", url], deadline=70)
            assert ended.returncode != 0  # which of its errors depends on what curl sees first: no frame, or the end
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 ")


def test_nghttp(secure: str) -> None:
    """Two requests of one connection; the frames that it prints are those of two good exchanges."""
    ended = run(
        [program("nghttp", package="nghttp2-client"), "-v", f"{secure}/echo/a", f"{secure}/echo/b"], deadline=60
    )
    assert ended.returncode == 0, ended.stderr
    assert "The negotiated protocol: h2" in ended.stdout
    assert ended.stdout.count(":status: 200") == 2
    assert ended.stdout.count("recv GOAWAY frame") == ended.stdout.count("recv RST_STREAM frame") == 0
    assert {"a?", "b?"} <= set(re.findall(r"[ab]\?", ended.stdout))


@pytest.mark.parametrize("streams", [1, 16, 100])
def test_h2load(secure: str, streams: int) -> None:
    """Every one of some thousand requests succeeds."""
    command = [program("h2load", package="nghttp2-client"), "-n3000", "-c8", f"-m{streams}", f"{secure}/hello"]
    ended = run(command, deadline=120)
    assert "3000 done, 3000 succeeded, 0 failed, 0 errored, 0 timeout" in ended.stdout, ended.stdout + ended.stderr


def test_h2load_sends_bodies(secure: str, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(UPLOAD[:200_000])
    command = [program("h2load", package="nghttp2-client"), "-n64", "-c4", "-m16", "-d", str(body), f"{secure}/upload"]
    ended = run(command, deadline=120)
    assert "64 done, 64 succeeded, 0 failed, 0 errored, 0 timeout" in ended.stdout, ended.stdout + ended.stderr


NODE = """
const http2 = require("http2"), crypto = require("crypto");
const session = http2.connect(process.argv[2], {rejectUnauthorized: false});
const body = Buffer.alloc(100000, "node");
const digest = crypto.createHash("sha256").update(body).digest("hex");
function ask(number) {
  return new Promise((resolve, reject) => {
    const posts = number % 5 === 0;
    const path = posts ? "/upload" : `/echo/${number}?n=${number}`;
    const stream = session.request({":path": path, ":method": posts ? "POST" : "GET", "cookie": `n=${number}`});
    let text = "", status;
    stream.setEncoding("utf8");
    stream.on("response", (headers) => { status = headers[":status"]; });
    stream.on("data", (piece) => { text += piece; });
    stream.on("error", reject);
    stream.on("end", () => {
      const right = posts ? `${body.length} ${body.length} ${digest}` : `${number}?n=${number}`;
      resolve(status === 200 && text === right ? 1 : `${path}: ${status} ${text}`);
    });
    stream.end(posts ? body : undefined);
  });
}
session.on("error", (error) => { console.log(String(error)); process.exit(1); });
session.on("remoteSettings", async (settings) => {
  const answers = await Promise.all([...Array(50).keys()].map(ask));
  console.log(JSON.stringify({protocol: session.alpnProtocol, streams: settings.maxConcurrentStreams,
                              wrong: answers.filter((answer) => answer !== 1)}));
  session.close();
});
"""


def test_node(secure: str, tmp_path: Path) -> None:
    """Node's own client asks 50 things at once on one connection, ten of them with bodies."""
    (tmp_path / "client.js").write_text(NODE)
    ended = run([program("node", package="nodejs"), str(tmp_path / "client.js"), secure], deadline=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout) == {"protocol": "h2", "streams": 100, "wrong": []}


def test_httpx(secure: str) -> None:
    """Fifty at once on one connection, from one event loop; then one after the other without it.

    The client without asyncio may not be shared by threads over HTTP/2: https://github.com/encode/httpx/issues/3072.
    """

    async def ask_many() -> list[httpx.Response]:
        async with httpx.AsyncClient(http2=True, verify=unverified(), timeout=PATIENCE) as client:
            return await asyncio.gather(*[client.get(f"{secure}/echo/{number}") for number in range(50)])

    found = [(answer.http_version, answer.text) for answer in asyncio.run(ask_many())]
    assert found == [("HTTP/2", f"{number}?") for number in range(50)]
    with httpx.Client(http2=True, verify=unverified(), timeout=PATIENCE) as client:
        sent = client.post(f"{secure}/upload", content=UPLOAD)
        assert sent.text.split()[2] == hashlib.sha256(UPLOAD).hexdigest()
        assert client.get(f"{secure}/whole/{len(UPLOAD)}").content == UPLOAD
        assert client.head(f"{secure}/hello").headers["content-length"] == "6"
        assert client.get(f"{secure}/fail").status_code == 500


def unverified() -> ssl.SSLContext:
    """Make a client's context that takes the test's certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture(scope="module", params=[True, False], ids=["on", "off"])
def chooser(request: pytest.FixtureRequest) -> Iterator[tuple[Served, bool]]:
    """A TLS server with `http2` on or off."""
    with serving(Site(), **CERTIFICATE, http2=request.param) as served:
        yield served, request.param


@pytest.mark.parametrize(
    ("offered", "with_http2", "without"),
    [
        (["h2", "http/1.1"], "h2", "http/1.1"),
        (["http/1.1", "h2"], "h2", "http/1.1"),
        (["h2"], "h2", None),
        (["http/1.1"], "http/1.1", "http/1.1"),
        (["http/1.0", "http/1.1"], "http/1.1", "http/1.1"),
        (["spdy/3"], None, None),
        ([], None, None),
    ],
)
def test_alpn(chooser: tuple[Served, bool], offered: list[str], with_http2: str | None, without: str | None) -> None:
    """The server prefers h2 if it is on; a client that offers nothing known gets HTTP/1.1."""
    served, is_on = chooser
    context = unverified()
    if offered:
        context.set_alpn_protocols(offered)
    with socket.create_connection(served.address, PATIENCE) as plain, context.wrap_socket(plain) as client:
        chosen = client.selected_alpn_protocol()
        assert chosen == (with_http2 if is_on else without)
        if chosen == "h2":
            assert client.recv(9)[3:5] == b"\x04\x00"  # the server's SETTINGS come at once (RFC 9113 §3.4)
            return
        client.sendall(b"GET /echo/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"x?")


IMAGES = 100
PAGE = """<!doctype html><title>100 images</title><body style="font: 14px sans-serif; background: #fff">
<div id=images></div><pre id=result>not yet</pre><script>
const images = document.getElementById("images");
for (let number = 0; number < 100; number++) {
  const image = document.createElement("img");
  image.src = `/image/${number}`;
  images.append(image);
}
onload = () => {
  const protocols = {};
  for (const entry of performance.getEntriesByType("resource"))
    protocols[entry.nextHopProtocol] = (protocols[entry.nextHopProtocol] || 0) + 1;
  const page = performance.getEntriesByType("navigation")[0].nextHopProtocol;
  const wrong = [...document.images].filter((image, number) => image.naturalWidth !== 40 + number).length;
  document.getElementById("result").textContent = JSON.stringify({page, protocols, wrong});
};
</script>"""


class Gallery:
    """A page with 100 images, each of a width that no other has; remembers which connections asked."""

    def __init__(self) -> None:
        self.ports: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith("/image/"):
            start_response("200 OK", [("Content-Type", "text/html" if path == "/" else "image/x-icon")])
            return [PAGE.encode() if path == "/" else b""]
        self.ports.append(f"{environ['SERVER_PROTOCOL']} from {environ['REMOTE_PORT']}")
        number = int(path.rpartition("/")[2])
        start_response("200 OK", [("Content-Type", "image/svg+xml")])
        size = f'width="{40 + number}" height="20"'
        picture = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect {size} fill="hsl({number * 3}, 70%, 80%)"/>'
        return [f'{picture}<text x="4" y="15">{number}</text></svg>'.encode()]


def test_chromium(tmp_path: Path) -> None:
    """A page and its 100 images come over one connection, and each image is the one that was asked for."""
    gallery = Gallery()
    with serving(gallery, threads=4, **CERTIFICATE, http2=True) as served:
        command = [
            program("chromium", "chromium-browser", "google-chrome"),
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}", "--ignore-certificate-errors",
            "--virtual-time-budget=5000", "--window-size=1000,500", f"--screenshot={tmp_path / 'page.png'}",
            "--dump-dom", f"https://127.0.0.1:{served.address[1]}/",
        ]  # fmt: skip
        ended = run(command, deadline=60)
    assert ended.returncode == 0, ended.stderr
    found = re.search(r"<pre id=\"result\">(.*?)</pre>", ended.stdout)
    assert found is not None, ended.stdout
    assert json.loads(found[1]) == {"page": "h2", "protocols": {"h2": IMAGES}, "wrong": 0}
    assert len(gallery.ports) == IMAGES
    assert len(set(gallery.ports)) == 1, set(gallery.ports)
    assert gallery.ports[0].startswith("HTTP/2.0 ")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
