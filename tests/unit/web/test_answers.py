"""A handler may return a path: the file is sent as a file."""

from pathlib import Path
from typing import Any

import pytest

from wiverno import Request, Response, Wiverno
from wiverno.web.testing import TestClient


class Buffered(TestClient):
    """Reads and closes each response at once, as a server would."""

    def open(self, *args: Any, **kw: Any) -> Any:
        return super().open(*args, **{**kw, "buffered": True})


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    file = tmp_path / "note.txt"
    file.write_text("0123456789")
    app = Wiverno(debug=False)
    app.add_route("/path", lambda request: file)
    app.add_route("/response", lambda request: Response(file, 200, {"Cache-Control": "no-cache"}, "text/x-note"))
    app.add_route("/status", lambda request: (404, file))
    app.add_route("/tuple", lambda request: (201, file, {"Location": "/x", "Content-Type": "text/x-note"}))
    app.add_route("/gone", lambda request: tmp_path / "gone.txt")
    app.add_route("/folder", lambda request: tmp_path)

    @app.error_page(405)
    def wrong(request: Request) -> Path:
        return file

    return Buffered(app)


def test_path_is_sent_with_type_length_and_version(client: TestClient) -> None:
    """Also for HEAD; what the handler says itself wins."""
    answer = client.get("/path")
    assert (answer.status_code, answer.text) == (200, "0123456789")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Length"] == "10"
    assert {"ETag", "Last-Modified"} <= set(answer.headers.keys())
    assert (client.head("/path").text, client.head("/path").headers["Content-Length"]) == ("", "10")
    own = client.get("/response")
    assert (own.headers.getlist("Content-Type"), own.headers["Cache-Control"]) == (["text/x-note"], "no-cache")


def test_path_obeys_range_and_conditions(client: TestClient) -> None:
    """A part is 206, a copy that is still good 304 with the handler's caching fields."""
    part = client.get("/path", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.text, part.headers["Content-Range"]) == (206, "234", "bytes 2-4/10")
    etag = client.get("/path").headers["ETag"]
    same = client.get("/response", headers={"If-None-Match": etag})
    assert (same.status_code, same.text, same.headers["Cache-Control"]) == (304, "", "no-cache")
    assert client.get("/path", headers={"Range": "bytes=50-"}).status_code == 416


@pytest.mark.parametrize(("path", "status"), [("/status", 404), ("/tuple", 201)])
def test_path_with_another_status_is_sent_whole(client: TestClient, path: str, status: int) -> None:
    """A Range is about the resource itself, not about a page that stands for it."""
    answer = client.get(path, headers={"Range": "bytes=2-4", "If-None-Match": "*"})
    assert (answer.status_code, answer.text, answer.headers["Content-Length"]) == (status, "0123456789", "10")


def test_path_as_an_error_page(client: TestClient) -> None:
    """It keeps the error's status and fields."""
    answer = client.post("/path")
    assert (answer.status_code, answer.text, answer.headers["Allow"]) == (405, "0123456789", "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", ["/gone", "/folder"])
def test_path_of_no_regular_file_is_404(client: TestClient, path: str) -> None:
    """As for `send_file`."""
    assert client.get(path).status_code == 404
