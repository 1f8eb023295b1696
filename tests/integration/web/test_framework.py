"""The framework behind the real server: streams in both directions, files by the kernel, clients that leave."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.serving import MODES, Served, serving
from tests.support.waiting import PATIENCE, wait_until
from wiverno import Request, Router, Wiverno
from wiverno.web.files import send_file
from wiverno.web.response import Response, ReturnValue

MIB = 1024 * 1024
mode = pytest.mark.parametrize("mode", MODES)


def url(served: Served, path: str) -> str:
    return f"http://{served.address[0]}:{served.address[1]}{path}"


def application(folder: Path) -> Wiverno:
    app = Wiverno()
    app.static("/static", folder)

    @app.post("/measure")
    def measure(request: Request) -> ReturnValue:
        digest, size = hashlib.sha256(), 0
        for piece in request.iter_body():
            digest.update(piece)
            size += len(piece)
        return {"size": size, "sha256": digest.hexdigest()}

    @app.post("/upload")
    def upload(request: Request) -> ReturnValue:
        file = request.files["file"]
        digest = hashlib.file_digest(file.stream, "sha256").hexdigest()  # type: ignore[arg-type]
        return {"name": file.filename, "sha256": digest, "note": request.form["note"]}

    @app.get("/count")
    def count(request: Request) -> ReturnValue:
        return (f"{number}\n" for number in range(5))

    @app.get("/sent")
    def sent(request: Request) -> Response:
        return send_file(request, folder / "data.bin", download_as="data.bin")

    return app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 4096)
    return tmp_path


@mode
def test_every_kind_of_exchange(mode: str, folder: Path) -> None:
    content = (folder / "data.bin").read_bytes()
    with serving(application(folder), **MODES[mode]) as served, requests.Session() as session:
        assert session.get(url(served, "/count")).text == "0\n1\n2\n3\n4\n"
        assert session.head(url(served, "/count")).text == ""
        whole = session.get(url(served, "/static/data.bin"))
        assert (whole.content, whole.headers["Content-Length"]) == (content, str(MIB))
        for asked, start, stop in (("0-9", 0, 10), ("1000-2000", 1000, 2001), ("-5", MIB - 5, MIB)):
            part = session.get(url(served, "/static/data.bin"), headers={"Range": f"bytes={asked}"})
            assert (part.status_code, part.content) == (206, content[start:stop])
            assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{MIB}"
        again = session.get(url(served, "/static/data.bin"), headers={"If-None-Match": whole.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = session.head(url(served, "/sent"))
        assert (head.headers["Content-Length"], head.content) == (str(MIB), b"")
        posted = session.post(url(served, "/measure"), data=iter([content[:7], content[7:]]))
        assert posted.json() == {"size": MIB, "sha256": hashlib.sha256(content).hexdigest()}
        files = session.post(
            url(served, "/upload"), data={"note": "é"}, files={"file": ("x.bin", content, "application/octet-stream")}
        )
        assert files.json() == {"name": "x.bin", "sha256": hashlib.sha256(content).hexdigest(), "note": "é"}
        assert session.options(url(served, "/measure")).headers["Allow"] == "OPTIONS, POST"
        assert session.get(url(served, "/measure")).status_code == 405
        assert (
            session.post(url(served, "/upload"), data=b"x", headers={"Content-Type": "multipart/form-data"}).status_code
            == 400
        )


@pytest.mark.parametrize(
    "target",
    [
        "/static/../secret",
        "/static/%2e%2e/secret",
        "/static/..%2fsecret",
        "/static//etc/passwd",
        "/static/%00",
        "/static/NUL",
        "/static/C:",
        "/static/..%5csecret",
        "/static/link/secret",
        "/static/%ff",
    ],
)
def test_case_43_over_the_wire(target: str, tmp_path: Path) -> None:
    """The bytes are sent as they stand: no client tidies the path before."""
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with serving(application(folder)) as served:
        connection = http.client.HTTPConnection(*served.address, timeout=PATIENCE)
        connection.putrequest("GET", target, skip_host=True)
        connection.putheader("Host", "localhost")
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
    assert answer.status in (404, 400)
    assert b"secret" not in body


def test_uploads_and_downloads_are_never_held_in_memory(tmp_path: Path) -> None:
    """64 MiB in and out, while Python's own memory stays below a few MiB."""
    block = bytes(MIB)
    app = Wiverno()

    @app.post("/in")
    def receive(request: Request) -> ReturnValue:
        return {"size": sum(len(piece) for piece in request.iter_body())}

    @app.post("/form")
    def form(request: Request) -> ReturnValue:
        request.files["f"].stream.seek(0, 2)
        return {"size": request.files["f"].stream.tell()}

    @app.get("/out")
    def send(request: Request) -> ReturnValue:
        return (block for _ in range(64))

    with serving(app, threads=4) as served:
        tracemalloc.start()
        try:
            connection = http.client.HTTPConnection(*served.address, timeout=60)
            connection.request(
                "POST", "/in", body=(block for _ in range(64)), headers={"Content-Length": str(64 * MIB)}
            )
            assert connection.getresponse().read() == b'{"size":%d}' % (64 * MIB)
            begin = b'--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
            end = b"\r\n--B--\r\n"

            def pieces() -> Iterator[bytes]:
                yield begin
                for _ in range(64):
                    yield block
                yield end

            size = str(len(begin) + 64 * MIB + len(end))
            headers = {"Content-Length": size, "Content-Type": "multipart/form-data; boundary=B"}
            connection.request("POST", "/form", body=pieces(), headers=headers)
            assert connection.getresponse().read() == b'{"size":%d}' % (64 * MIB)
            connection.request("GET", "/out")
            answer = connection.getresponse()
            received = 0
            while piece := answer.read(MIB):
                received += len(piece)
            assert received == 64 * MIB
            connection.close()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 24 * MIB, f"{peak / MIB:.0f} MiB"


def test_a_stream_ends_when_its_client_leaves(caplog: pytest.LogCaptureFixture) -> None:
    closed = threading.Event()
    app = Wiverno()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(MIB)
        finally:
            closed.set()

    @app.get("/endless")
    def handler(request: Request) -> ReturnValue:
        return endless()

    with serving(app, threads=2) as served:
        connection = http.client.HTTPConnection(*served.address, timeout=PATIENCE)
        connection.request("GET", "/endless")
        connection.getresponse().read(10)
        connection.close()
        assert closed.wait(PATIENCE)


def test_a_stream_that_fails_cuts_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """What was promised cannot be taken back: the client must see that the answer is not whole."""
    app = Wiverno()

    def broken() -> Iterator[str]:
        yield "beginning"
        raise RuntimeError("in the middle")

    @app.get("/")
    def handler(request: Request) -> ReturnValue:
        return broken()

    with serving(app) as served, pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        requests.get(url(served, "/"), timeout=PATIENCE)
    assert "in the middle" in caplog.text


def test_an_exception_is_a_page_with_the_id_of_the_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    app, router = Wiverno(), Router()

    @router.get("/boom")
    def boom(request: Request) -> ReturnValue:
        raise RuntimeError("broken")

    app.include_router(router, "/v1")
    with serving(app) as served:
        answer = requests.get(url(served, "/v1/boom"), timeout=PATIENCE, headers={"X-Request-ID": "abc-123"})
    assert answer.status_code == 500
    assert "abc-123" in answer.text
    assert "broken" not in answer.text
    wait_until(lambda: "GET /v1/boom failed, request abc-123" in caplog.text)


@pytest.mark.skipif(not hasattr(os, "sendfile"), reason="this system has no sendfile(2)")
@pytest.mark.parametrize("asked", [None, "bytes=1000-500000"])
def test_files_leave_through_the_kernel(asked: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole file and a part of one are sent by os.sendfile, never read into the process."""
    sent: list[int] = []
    real = os.sendfile

    def counting(out: int, source: int, offset: int, count: int) -> int:
        size = real(out, source, offset, count)
        sent.append(size)
        return size

    monkeypatch.setattr(os, "sendfile", counting)
    headers = {"Range": asked} if asked else {}
    with serving(application(folder)) as served:
        answer = requests.get(url(served, "/static/data.bin"), headers=headers, timeout=PATIENCE)
    assert len(answer.content) == int(answer.headers["Content-Length"]) == sum(sent)
