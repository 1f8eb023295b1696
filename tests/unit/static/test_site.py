"""Requests for files, and who answers them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.wsgi import Answer, call
from wiverno.static import representations, responses, site
from wiverno.static.mounts import Mount
from wiverno.static.site import StaticSite
from wiverno.wsgi.file_wrapper import FileWrapper

LARGE = bytes(range(256)) * 200
OLD = time.time() - 1000


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the application"]


@pytest.fixture(params=[0.0, 60.0], ids=["kept", "read"])
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A directory with a small file, a large one, and compressed forms; small contents are kept, or read each time."""
    monkeypatch.setattr(representations, "RACY", request.param)
    folder = tmp_path / "public"
    (folder / "css").mkdir(parents=True)
    (folder / "empty").mkdir()
    for name, content in {
        "css/site.css": b"body{}", "large.bin": LARGE, "page.html": b"<p>page", "page.html.gz": b"gzipped",
        "page.html.br": b"brotli", "index.html": b"home", "css/index.html": b"styles",
    }.items():  # fmt: skip
        (folder / name).write_bytes(content)
        os.utime(folder / name, (OLD, OLD))
    (tmp_path / "secret.txt").write_text("secret")
    return folder


def served(root: Path, **options: Any) -> StaticSite:
    return StaticSite(application, [Mount("/s", str(root), **options)], "wiverno")


def get(app: Any, path: str, method: str = "GET", **environ: Any) -> Answer:
    return call(app, method, path, **{"wsgi.file_wrapper": FileWrapper, **environ})


def test_files(root: Path) -> None:
    """The first answer and the later ones are the same, for small and large files."""
    app = served(root)
    for path, content in {"/s/css/site.css": b"body{}", "/s/large.bin": LARGE}.items():
        for _ in range(2):
            got = get(app, path)
            assert (got.status, got.body) == ("200 OK", content)
            assert got.headers["content-length"] == str(len(content))


def test_what_is_the_applications(root: Path) -> None:
    """Everything beside the mounts."""
    app = served(root)
    for path in ("/", "/sx", "/x/s/page.html", ""):
        assert get(app, path).body == b"the application"
    assert "around" in repr(app)


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        ({}, "200 OK", b"body{}"),
        ({"HTTP_RANGE": "bytes=0-1"}, "206 Partial Content", b"bo"),
        ({"HTTP_RANGE": "bytes=9-"}, "416 Requested Range Not Satisfiable", None),
        ({"HTTP_IF_NONE_MATCH": "*"}, "304 Not Modified", b""),
        ({"HTTP_IF_MATCH": '"other"'}, "412 Precondition Failed", None),
        ({"HTTP_RANGE": "lines=1"}, "200 OK", b"body{}"),
    ],
)
def test_conditions_and_ranges(root: Path, fields: dict[str, str], status: str, body: bytes | None) -> None:
    """As `conditions` and `ranges` decide, for a file that is known and for one that is not."""
    app = served(root)
    for _ in range(2):
        got = get(app, "/s/css/site.css", **fields)
        assert got.status.partition(" ")[0] == status.partition(" ")[0]
        assert body is None or got.body == body
        if status[:3] == "416":
            assert got.headers["content-range"] == "bytes */6"
        if status[:3] == "304":
            assert set(got.headers) == {"etag", "last-modified", "cache-control"}


def test_parts_of_a_large_file(root: Path) -> None:
    """A small part, a large one, and several."""
    app = served(root)
    assert get(app, "/s/large.bin", HTTP_RANGE="bytes=256-257").body == b"\0\1"
    got = get(app, "/s/large.bin", HTTP_RANGE="bytes=1-40000")
    # The server ends at Content-Length, as PEP 3333 requires.
    assert (got.body[:40000], got.headers["content-length"]) == (LARGE[1:40001], "40000")
    got = get(app, "/s/large.bin", HTTP_RANGE="bytes=0-1,256-258")
    assert got.status == "206 Partial Content"
    kind, boundary = got.headers["content-type"].split("; boundary=")
    assert kind == "multipart/byteranges"
    assert got.body.split(f"--{boundary}".encode())[1:] == [
        b"\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-1/51200\r\n\r\n\0\1\r\n",
        b"\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 256-258/51200\r\n\r\n\0\1\2\r\n",
        b"--\r\n",
    ]
    assert got.headers["content-length"] == str(len(got.body))


@pytest.mark.parametrize("path", ["/s/css/site.css", "/s/large.bin", "/s/missing", "/s/"])
def test_head_is_get_without_the_body(root: Path, path: str) -> None:
    """The same fields, length included."""
    app = served(root)
    whole, head = get(app, path), get(app, path, "HEAD")
    assert (head.status, head.headers, head.body) == (whole.status, whole.headers, b"")


def test_compressed_forms(root: Path) -> None:
    """The client chooses; a range is one of the compressed form."""
    app = served(root)
    for accepted, body in {"gzip, br": b"brotli", "gzip": b"gzipped", "identity": b"<p>page"}.items():
        got = get(app, "/s/page.html", HTTP_ACCEPT_ENCODING=accepted)
        assert (got.body, got.headers["vary"]) == (body, "Accept-Encoding")
        assert got.headers["content-type"] == "text/html; charset=utf-8"
    got = get(app, "/s/page.html", HTTP_ACCEPT_ENCODING="br", HTTP_RANGE="bytes=0-1")
    assert (got.body, got.headers["content-encoding"]) == (b"br", "br")


@pytest.mark.parametrize(
    "path", ["/s/missing", "/s/../secret.txt", "/s/", "/s", "/s/css", "/s/css/", "/s//css/site.css", "/s/page.html/"]
)
def test_what_is_not_there(root: Path, path: str) -> None:
    """404 from the server, or the application's answer."""
    got = get(served(root), path)
    assert (got.status, b"secret" in got.body) == ("404 Not Found", False)
    assert get(served(root, fallback=True), path).body == b"the application"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(root: Path, method: str) -> None:
    """405 from the server, or the application's answer."""
    app = served(root)
    get(app, "/s/css/site.css")
    got = get(app, "/s/css/site.css", method)
    assert (got.status, got.headers["allow"]) == ("405 Method Not Allowed", "GET, HEAD")
    assert get(served(root, fallback=True), "/s/css/site.css", method).body == b"the application"


def test_an_index(root: Path) -> None:
    """It answers for a directory; one without a slash is redirected, and to no other host."""
    app = served(root, index="index.html")
    assert get(app, "/s/").body == b"home"
    assert get(app, "/s/css/").body == b"styles"
    assert get(app, "/s/empty/").status == get(app, "/s/empty").status == "404 Not Found"
    got = get(app, "/s/css", QUERY_STRING="a=1")
    assert (got.status, got.headers["location"]) == ("301 Moved Permanently", "css/?a=1")
    assert get(app, "/s").headers["location"] == "s/"
    (root / "a é").mkdir()
    (root / "a é" / "index.html").write_text("x")
    assert get(app, "/s/" + "a é".encode().decode("latin-1")).headers["location"] == "a%20%C3%A9/"
    (root / "index.html").unlink()
    assert get(app, "/s").status == "404 Not Found"


def test_a_file_that_may_not_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """403, or 503 with a line in the log if only the server can correct it."""

    def refuse(number: int) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(representations, "open_below", fail)

    refuse(13)
    assert get(served(root), "/s/page.html").status == "403 Forbidden"
    assert get(served(root, fallback=True), "/s/page.html").body == b"the application"
    refuse(24)
    assert get(served(root), "/s/page.html").status == "503 Service Unavailable"
    assert get(served(root, fallback=True), "/s/page.html").status == "503 Service Unavailable"


def test_a_file_that_changes(root: Path) -> None:
    """Each answer is one version of the file."""
    app = served(root)
    first = get(app, "/s/page.html")
    (root / "page.html").write_bytes(b"<p>new")
    second = get(app, "/s/page.html", HTTP_IF_NONE_MATCH=first.headers["etag"])
    assert (second.status, second.body) == ("200 OK", b"<p>new")
    (root / "page.html").unlink()
    assert get(app, "/s/page.html").status == "404 Not Found"


def test_a_file_that_changes_all_the_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some attempts the server gives up; an entry that no longer holds is forgotten."""
    app = served(root)
    get(app, "/s/large.bin")
    looks = []

    def changed(*_: Any) -> int:
        looks.append(1)
        raise responses.FileChanged

    monkeypatch.setattr(responses, "_open", changed)
    assert get(app, "/s/large.bin").status == "503 Service Unavailable"
    assert len(looks) == 1 + site.ATTEMPTS
    monkeypatch.undo()
    assert get(app, "/s/large.bin").body == LARGE


def test_a_file_that_is_replaced_between_the_look_and_the_opening(root: Path) -> None:
    """What is opened is compared with what was described."""
    app = served(root)
    get(app, "/s/large.bin")
    entry = app._entries.get("/s/large.bin")
    assert entry is not None
    (root / "large.bin").write_bytes(b"x")
    with pytest.raises(responses.FileChanged):
        responses.respond(entry, entry.plain, {"REQUEST_METHOD": "GET"}, lambda *_: None)
    (root / "large.bin").unlink()
    with pytest.raises(responses.FileChanged):
        responses.respond(entry, entry.plain, {"REQUEST_METHOD": "GET"}, lambda *_: None)


def test_who_answers(root: Path) -> None:
    """It is known without a look at the disk; with a fallback only for files that were served before."""
    app = served(root)
    assert app.find_owner("GET", "/sx") is app.find_owner("GET", "/x") is None
    assert app.find_owner("POST", "/s/x") is app.find_owner("GET", "/s") is not None
    app = served(root, fallback=True)
    assert app.find_owner("GET", "/s/page.html") is None
    get(app, "/s/page.html")
    assert app.find_owner("HEAD", "/s/page.html") is not None
    assert app.find_owner("POST", "/s/page.html") is None


def test_another_application(root: Path) -> None:
    """The mounts stay."""
    app = served(root).around(lambda environ, start_response: [b"another"])
    assert get(app, "/").body == b"another"
    assert get(app, "/s/page.html").body == b"<p>page"
