"""Files of mounts over real sockets: HTTP/1.1 and HTTP/2, in clear and over TLS, with threads and without."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.h2_client import h2_client
from tests.support.serving import MODES, Served, serving
from tests.support.sockets import RawClient
from tests.support.static_sites import CSS, LARGE, SECRET, make_site

TLS = Path(__file__).resolve().parents[2] / "data" / "tls"
SECURE = {"certfile": str(TLS / "first.pem"), "keyfile": str(TLS / "first.key"), "http2": True}
CLEAR = {"trusted_proxies": "127.0.0.1", "http2": True}


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = f"{environ['REQUEST_METHOD']} {environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that is served."""
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module", params=list(MODES))
def served(request: pytest.FixtureRequest, public: Path) -> Iterator[Served]:
    """With a thread pool and without."""
    with serving(application, static=f"/s={public} index=index.html", **MODES[request.param], **CLEAR) as found:
        yield found


def get(client: RawClient, target: str, fields: str = "", method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    client.send(f"{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode("latin-1"))
    return client.response(method=method)


def test_files_on_one_connection(served: Served) -> None:
    """Small and large ones, one after the other, the application's answers between them."""
    with served.client() as client:
        for _ in range(3):
            assert get(client, "/s/css/site.css")[2] == CSS
            assert get(client, "/s/large.bin")[2] == LARGE
            assert get(client, "/x")[2] == b"GET  /x"
            assert get(client, "/s/nothing")[0] == 404
            assert get(client, "/s/css/site.css", method="POST")[0] == 405
            assert get(client, "/s/")[2] == b"<h1>home</h1>"


def test_pipelined_requests(served: Served) -> None:
    """Their answers come in their order."""
    one = b"GET /s/large.bin HTTP/1.1\r\nHost: a\r\n\r\nGET /s/css/site.css HTTP/1.1\r\nHost: a\r\n\r\n"
    with served.client() as client:
        client.send(one * 5)
        for _ in range(5):
            assert client.response()[2] == LARGE
            assert client.response()[2] == CSS


def test_head(served: Served) -> None:
    """The fields of GET, and no body: the next response follows."""
    with served.client() as client:
        for target in ("/s/large.bin", "/s/css/site.css", "/s/nothing"):
            head, whole = get(client, target, method="HEAD"), get(client, target)
            head[1].pop("date"), whole[1].pop("date")
            assert head[:2] == whole[:2]


def test_validators(served: Served) -> None:
    """What a browser sends back gives 304; Date and Vary are there."""
    with served.client() as client:
        first = get(client, "/s/css/site.css", "Accept-Encoding: br\r\n")
        assert first[2] == b"brotli css"
        for fields in (
            f"If-None-Match: {first[1]['etag']}\r\n",
            f"If-Modified-Since: {first[1]['last-modified']}\r\n",
        ):
            status, found, body = get(client, "/s/css/site.css", f"Accept-Encoding: br\r\n{fields}")
            assert (status, body, found["vary"]) == (304, b"", "Accept-Encoding")
        assert get(client, "/s/css/site.css", f"If-None-Match: {first[1]['etag']}\r\n")[0] == 200
        assert "immutable" in get(client, "/s/app.9e1ea19b16d1.js")[1]["cache-control"]


@pytest.mark.parametrize(
    ("text", "status", "content"),
    [
        ("bytes=0-99", 206, LARGE[:100]), ("bytes=-7", 206, LARGE[-7:]), ("bytes=100-4999999", 206, LARGE[100:5000000]),
        ("bytes=" + ",".join(["0-"] * 1000), 416, None), ("bytes=99999999-", 416, None), ("nonsense", 200, LARGE),
    ],
)  # fmt: skip
def test_ranges(served: Served, text: str, status: int, content: bytes | None) -> None:
    """Parts of a file, through sendfile where they are large; the connection stays in step."""
    with served.client() as client:
        found = get(client, "/s/large.bin", f"Range: {text}\r\n")
        assert found[0] == status
        assert content is None or found[2] == content
        assert get(client, "/s/css/site.css")[2] == CSS


def test_several_ranges(served: Served) -> None:
    """A multipart body of a known length."""
    with served.client() as client:
        status, fields, body = get(client, "/s/large.bin", "Range: bytes=0-3000000,5000000-5000001\r\n")
        assert (status, fields["content-length"]) == (206, str(len(body)))
        boundary = fields["content-type"].partition("boundary=")[2].encode()
        first, second = body.split(b"\r\n--" + boundary)[1:3]
        assert first.partition(b"\r\n\r\n")[2] == LARGE[:3000001]
        assert second.partition(b"\r\n\r\n")[2] == LARGE[5000000:5000002]
        assert get(client, "/s/css/site.css")[2] == CSS


def test_http_2(served: Served) -> None:
    """Every stream has its file."""
    with h2_client(served.address, secure=False) as client:
        paths = {"/s/css/site.css": CSS, "/s/large.bin": LARGE, "/s/": b"<h1>home</h1>", "/x": b"GET  /x"}
        streams = {client.request(path): path for path in [*paths] * 3}
        for stream, answer in zip(streams, client.wait(*streams), strict=True):
            assert bytes(answer.body) == paths[streams[stream]]
        answer = client.fetch("/s/css/site.css", method="HEAD")
        assert (answer.status, answer["content-length"], bytes(answer.body)) == ("200", str(len(CSS)), b"")
        answer = client.fetch("/s/css/site.css", headers=[("accept-encoding", "gzip"), ("range", "bytes=0-3")])
        assert (answer.status, answer["content-encoding"], bytes(answer.body)) == ("206", "gzip", b"gzip")


def test_over_tls(public: Path) -> None:
    """HTTP/1.1 and HTTP/2 with one certificate."""
    with serving(application, static=f"/s={public}", threads=4, **SECURE) as served:
        context = ssl.create_default_context(cafile=TLS / "ca.pem")
        with served.client() as client:
            client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
            assert get(client, "/s/large.bin")[2] == LARGE
            assert get(client, "/s/css/site.css")[2] == CSS
        with h2_client(served.address, secure=True) as h2:
            assert bytes(h2.fetch("/s/large.bin").body) == LARGE


def test_mounts_under_a_prefix(public: Path) -> None:
    """They are part of the site that url_prefix moves; the longest path wins, everything else is the application's."""
    static = [
        {"path": "/s", "directory": str(public)},
        {"path": "/s/css", "directory": str(public / "css"), "fallback": True},
    ]
    with serving(application, static=static, url_prefix="/shop") as served, served.client() as client:
        assert get(client, "/shop/s/css/site.css")[2] == CSS
        assert get(client, "/shop/s/css/nothing")[2] == b"GET /shop /s/css/nothing"
        assert get(client, "/shop/s/nothing")[0] == 404
        assert get(client, "/shop/x")[2] == b"GET /shop /x"


def test_the_application_is_exchanged(public: Path) -> None:
    """`server.application` is the application, not the mounts."""
    with serving(application, static=f"/s={public}") as served:
        assert served.server.application is application

        def another(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [])
            return [b"another"]

        served.server.application = another
        assert served.server.application is another
        with served.client() as client:
            assert get(client, "/")[2] == b"another"
            assert get(client, "/s/css/site.css")[2] == CSS


ATTACKS = [
    "/s/../secret.txt", "/s/%2e%2e/secret.txt", "/s/..%2fsecret.txt", "/s/%2e%2e%2fsecret.txt", "/s/.%2e/secret.txt",
    "/s/%252e%252e/secret.txt", "/s/%25252e%25252e/secret.txt", "/s/..%255csecret.txt", "/s/..%5csecret.txt",
    "/s/..\\secret.txt", "/s/css/../../secret.txt", "/s/css/..%2f..%2fsecret.txt", "/s/./css/site.css", "/s/./",
    "/s/...", "/s/....//secret.txt", "/s/..;/secret.txt", "/s/%c0%ae%c0%ae/secret.txt",
    "/s/%e0%80%ae%e0%80%ae/secret.txt", "/s/%c0%ae%c0%ae%c0%afsecret.txt", "/s/%uff0e%uff0e/secret.txt",
    "/s/%ef%bc%8e%ef%bc%8e/secret.txt", "/s//etc/passwd", "/s///etc/passwd", "/s/%2fetc/passwd", "/s/etc/passwd",
    "/s/file:///etc/passwd", "/s/css//site.css", "/s/css/site.css%00", "/s/css/site.css%00.png", "/s/%00",
    "/s/css/site.css/", "/s/css/site.css/x", "/s/css%5csite.css", "/s/css/site.css%20", "/s/css/site.css.",
    "/s/css/site.css::$DATA", "/s/a:b", "/s/C:/secret.txt", "/s/C:%5cx", "/s/nul.txt", "/s/NUL", "/s/con",
    "/s/com1.css", "/s/lpt%c2%b9", "/s/aux", "/s/back%5cslash", "/s/%5c%5chost%5cshare", "/s/~root",
    "/s/out/secret.txt", "/s/out/", "/s/stolen.txt", "/s/css/up.txt", "/s/etc/hostname", "/s/loop", "/s/loop/x",
    "/s/zero", "/s/self/environ", "/s/self/root/etc/passwd", "/s/pipe", "/s/empty", "/s/empty/", "/s/css",
    "/s/.well-known", "/s/.git/config", "/s/%2egit/config", "/s/.env", "/s/.settings.py.swp", "/s/settings.py~",
    "/s/settings.py.bak", "/s/settings.py.BAK", "/s/%23settings.py%23", "/s/settings.py.orig", "/s/%0d%0aX:%20y",
    "/s/%1b[31m", "/s/*", "/s/" + "x" * 300, "/s/" + "x/" * 3000, "/s/%ff", "/s/%ed%a0%80", "/%2e%2e/s/../secret.txt",
]  # fmt: skip


def test_attacks(served: Served) -> None:
    """Each is answered 404, by the server or by what the application sees; nothing waits, and nothing leaks."""
    found = {}
    for target in ATTACKS:
        with served.client() as client:
            status, _, body = get(client, target)
            found[target] = status
            assert SECRET not in body
            assert b"root:" not in body
    outside = {target for target in ATTACKS if not target.startswith("/s/")}
    assert {target: status for target, status in found.items() if status != 404 and target not in outside} == {}


def test_public_names(served: Served) -> None:
    """What looks like an attack and is none."""
    with served.client() as client:
        assert get(client, "/s/alias.css")[2] == CSS
        assert get(client, "/s/styles/site.css")[2] == CSS
        assert get(client, "/s/.well-known/acme/token")[2] == b"token"
        assert get(client, "/s/with%20space%20%c3%a9.txt")[2] == "é".encode()
        assert get(client, "/s/css%2fsite.css")[2] == CSS
        assert get(client, "//s/css/site.css")[2] == CSS
        assert get(client, "http://a/s/css/site.css")[2] == CSS


def test_links_that_may_lead_out(public: Path) -> None:
    """follow_symlinks allows it, but no device and no hidden name."""
    with serving(application, static=f"/s={public} follow_symlinks=true") as served, served.client() as client:
        assert get(client, "/s/stolen.txt")[2] == SECRET
        assert [get(client, f"/s/{name}")[0] for name in ("zero", "pipe", ".env", "../secret.txt")] == [404] * 4
