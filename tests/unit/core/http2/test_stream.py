"""One stream as its gateway's sink: what is closed, once, however the response ends."""

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.http2_rig import connect
from tests.support.rig import rig

CONTENT = b"x" * 100_000


class File(io.FileIO):
    """A file that counts how often it is closed."""

    closings = 0

    def close(self) -> None:
        if not self.closed:
            File.closings += 1
        super().close()


@pytest.mark.parametrize(
    ("method", "size", "ends"),
    [("GET", 0, "all"), ("HEAD", 100, "all"), ("GET", 100, "all"), ("GET", 100_000, "all"), ("GET", 100_000, "reset")],
)
def test_a_file_is_closed_once(tmp_path: Path, method: str, size: int, ends: str) -> None:
    (tmp_path / "file").write_bytes(CONTENT[:size])
    File.closings = 0
    files: list[File] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        files.append(File(tmp_path / "file"))
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](files[-1])
        return wrapped

    with rig(application) as made:
        connection, client = connect(made, acknowledges=ends == "all")
        stream = client.request("/", method=method)
        if ends == "reset":
            made.until(lambda: files and connection.streams[stream].pending is not None)
            client.reset(stream)
            made.until(lambda: not connection.streams)
        else:
            body = client.answer(made, stream).body
            assert len(body) == (size if method == "GET" else 0)
        made.run_until_idle()
        assert File.closings == 1
        assert files[0].closed
