"""Files as answers, and a folder that nothing leads out of (security cases 43 and 44)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from tests.support.wsgi import Answer, call
from wiverno.web.application import Wiverno
from wiverno.web.files import FilePart, StaticFiles, send_file

CONTENT = bytes(range(256)) * 10


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with files inside and something worth stealing beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "public"
    (folder / "css").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".well-known").mkdir()
    (folder / "data.bin").write_bytes(CONTENT)
    (folder / "css" / "site.css").write_text("body{}")
    (folder / ".git" / "config").write_text("secret")
    (folder / ".env").write_text("secret")
    (folder / ".well-known" / "security.txt").write_text("Contact: x")
    (folder / "with space é.txt").write_text("é")
    (folder / "empty").write_bytes(b"")
    (folder / "inside").symlink_to(folder / "css")
    (folder / "outside").symlink_to(tmp_path)
    (folder / "stolen.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe")
    (tmp_path / "public-too").mkdir()
    (tmp_path / "public-too" / "x.txt").write_text("secret")
    return folder


def get(root: Path, path: str, method: str = "GET", **environ: Any) -> Answer:
    app = Wiverno()
    app.static("/s", root)
    return call(app, method, "/s/" + path.encode().decode("latin-1"), **environ)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("data.bin", "application/octet-stream"),
        ("css/site.css", "text/css; charset=utf-8"),
        ("inside/site.css", "text/css; charset=utf-8"),
        ("with space é.txt", "text/plain; charset=utf-8"),
        (".well-known/security.txt", "text/plain; charset=utf-8"),
        ("empty", "application/octet-stream"),
    ],
)
def test_files_are_served(root: Path, path: str, content_type: str) -> None:
    got = get(root, path)
    assert (got.status, got.headers["content-type"]) == ("200 OK", content_type)
    assert got.body == (root / path).read_bytes()
    assert got.headers["content-length"] == str(len(got.body))
    assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "..",
        ".",
        "./data.bin",
        "css/../data.bin",
        "css/../../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "/etc/passwd",
        "//etc/passwd",
        "css//site.css",
        "data.bin/",
        "data.bin\x00",
        "data.bin\x00.css",
        "..\\secret.txt",
        "css\\site.css",
        "C:",
        "C:/x",
        "data.bin:stream",
        "NUL",
        "nul.txt",
        "css/CON",
        "COM1",
        "com¹.txt",
        "aux .txt",
        "data.bin.",
        "data.bin ",
        "outside/secret.txt",
        "outside",
        "stolen.txt",
        "loop",
        "loop/x",
        "pipe",
        "css",
        "css/",
        "",
        ".git/config",
        ".env",
        "../public-too/x.txt",
        "x" * 300,
        "x/" * 3000,
        "missing",
        "\x1b[31m",
        "a*b",
        "~root",
        "data.bin~",
        "css/site.css.bak",
    ],
)
def test_nothing_else_is(root: Path, path: str) -> None:
    got = get(root, path)
    assert got.status == "404 Not Found"
    assert b"secret" not in got.body


def test_a_folder_that_is_itself_a_link(root: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    assert get(link, "data.bin").body == CONTENT


def test_the_root_folder_works_too() -> None:
    assert StaticFiles("/").locate("bin/x".replace("bin", "usr")) == "/usr/x"


def test_an_index_answers_for_folders(root: Path) -> None:
    (root / "index.html").write_text("home")
    (root / "css" / "index.html").write_text("styles")
    app = Wiverno()
    app.static("/s", root, index="index.html")
    assert call(app, path="/s/").body == b"home"
    assert call(app, path="/s/css/").body == b"styles"
    assert call(app, path="/s").headers["location"] == "/s/"
    assert call(app, path="/s/css").status == "404 Not Found"


def test_conditions(root: Path) -> None:
    first = get(root, "data.bin")
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    for fields in {"HTTP_IF_NONE_MATCH": etag}, {"HTTP_IF_MODIFIED_SINCE": modified}:
        again = get(root, "data.bin", **fields)
        assert (again.status, again.body, again.headers["etag"]) == ("304 Not Modified", b"", etag)
        assert "content-length" not in again.headers
    assert get(root, "data.bin", HTTP_IF_MATCH='"other"').status.startswith("412")
    os.utime(root / "data.bin", (1, 1))
    assert get(root, "data.bin", HTTP_IF_NONE_MATCH=etag).status == "200 OK"


def test_head_is_get_without_the_file(root: Path) -> None:
    get_answer, head = get(root, "data.bin"), get(root, "data.bin", "HEAD")
    assert (head.status, head.headers, head.body) == (get_answer.status, get_answer.headers, b"")


@pytest.mark.parametrize(
    ("range_", "start", "stop"), [("bytes=0-9", 0, 10), ("bytes=100-", 100, 2560), ("bytes=-1", 2559, 2560)]
)
@pytest.mark.parametrize("wrapper", [None, FileWrapper])
def test_ranges(root: Path, range_: str, start: int, stop: int, wrapper: Any) -> None:
    extra = {"wsgi.file_wrapper": wrapper} if wrapper else {}
    got = get(root, "data.bin", HTTP_RANGE=range_, **extra)
    assert (got.status, got.body) == ("206 Partial Content", CONTENT[start:stop])
    assert got.headers["content-range"] == f"bytes {start}-{stop - 1}/2560"
    assert got.headers["content-length"] == str(stop - start)


def test_a_server_that_stops_at_the_length_gets_the_file_itself(root: Path) -> None:
    class Wrapper(FileWrapper):
        __module__ = "wiverno.example"

    extra: dict[str, Any] = {"wsgi.file_wrapper": Wrapper, "consume": False}
    got = get(root, "data.bin", HTTP_RANGE="bytes=5-9", **extra)
    assert isinstance(got.chunks, Wrapper)
    assert (got.chunks.filelike.tell(), got.chunks.filelike.name) == (5, str(root / "data.bin"))
    got.close()
    assert got.chunks.filelike.closed


def test_a_thousand_ranges_are_refused(root: Path) -> None:
    got = get(root, "data.bin", HTTP_RANGE="bytes=" + ",".join(["0-"] * 1000))
    assert (got.status[:3], got.headers["content-range"]) == ("416", "bytes */2560")


def test_downloads_and_types(root: Path) -> None:
    app = Wiverno()
    app.get("/")(
        lambda request: send_file(request, root / "data.bin", download_as='né/"\r\n.bin', content_type="a/b", max_age=5)
    )
    got = call(app)
    assert got.headers["content-type"] == "a/b"
    assert got.headers["cache-control"] == "public, max-age=5"
    assert got.headers["content-disposition"] == (
        r"""attachment; filename="n__\"__.bin"; filename*=UTF-8''n%C3%A9_%22__.bin"""
    )


def test_a_part_is_a_file_with_an_end(root: Path) -> None:
    file = (root / "data.bin").open("rb")
    part = FilePart(file, 5)
    assert (part.read(3), part.read(), part.read(), part.read(7)) == (CONTENT[:3], CONTENT[3:5], b"", b"")
    part.close()
    assert file.closed


def test_a_failing_answer_closes_its_file(root: Path) -> None:
    """ResourceWarning is an error here."""
    assert get(root, "data.bin", HTTP_IF_MATCH='"x"').status[:3] == "412"
    assert get(root, "data.bin", HTTP_RANGE="bytes=9999-").status[:3] == "416"
