"""Files of every kind through wsgi.file_wrapper: sent to their real end, with a framing that is true."""

import gzip
import importlib
import io
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.serving import MODES, Served, serving

CONTENT = bytes(range(256)) * 400
GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"


HAS_ZSTD = sys.version_info >= (3, 14)


def zstd() -> Any:
    """Return the module, which mypy does not know in older Pythons."""
    return importlib.import_module("compression.zstd")


class Opener:
    """Opens a file of the kind that the path names."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "content"
        self.path.write_bytes(CONTENT)
        self.packed = folder / "packed.gz"
        self.packed.write_bytes(gzip.compress(CONTENT))
        self.dense = folder / "packed.zst"
        if HAS_ZSTD:
            self.dense.write_bytes(zstd().compress(CONTENT))

    def __call__(self, kind: str) -> Any:
        return getattr(self, "open_" + kind)()

    def open_file(self) -> Any:
        return self.path.open("rb")

    def open_raw(self) -> Any:
        return self.path.open("rb", buffering=0)

    def open_memory(self) -> Any:
        return io.BytesIO(CONTENT)

    def open_gzip(self) -> Any:
        return gzip.open(self.packed)

    def open_zstd(self) -> Any:
        return zstd().open(self.dense)

    def open_pipe(self) -> Any:
        reading, writing = os.pipe()

        def fill() -> None:
            with os.fdopen(writing, "wb") as file:
                file.write(CONTENT)

        threading.Thread(target=fill).start()
        return os.fdopen(reading, "rb")

    def open_socket(self) -> Any:
        ours, theirs = socket.socketpair()

        def fill() -> None:
            with theirs:
                theirs.sendall(CONTENT)

        threading.Thread(target=fill).start()
        with ours:
            return ours.makefile("rb")

    def open_named(self) -> Any:
        return self._filled(tempfile.NamedTemporaryFile())

    def open_temporary(self) -> Any:
        return self._filled(tempfile.TemporaryFile())

    def open_spooled(self) -> Any:
        return self._filled(tempfile.SpooledTemporaryFile(max_size=10))

    def _filled(self, file: Any) -> Any:
        file.write(CONTENT)
        file.seek(0)
        return file

    def open_reader(self) -> Any:
        class Reader:
            read = io.BytesIO(CONTENT).read

        return Reader()


KNOWN = ["file", "raw", "memory", "gzip", "named", "temporary", "spooled"]
if HAS_ZSTD:
    KNOWN.append("zstd")
UNKNOWN = ["pipe", "socket", "reader"]


@pytest.fixture(scope="module", params=MODES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    opener = Opener(tmp_path_factory.mktemp("files"))

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        kind, _, offset = environ["PATH_INFO"][1:].partition("/")
        if kind in ("proc", "sys"):
            file: IO[bytes] = open(environ["PATH_INFO"], "rb")  # noqa: SIM115 - the server closes it
        elif kind == "text":
            file = open(opener.path, encoding="latin-1")  # type: ignore[assignment]  # noqa: SIM115
        else:
            file = opener(kind)
            if offset:
                file.seek(int(offset))
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file)

    with serving(application, **MODES[request.param]) as made:
        yield made


@pytest.mark.parametrize("offset", [0, 1000, len(CONTENT), len(CONTENT) + 10])
@pytest.mark.parametrize("kind", KNOWN)
def test_seekable_files(served: Served, kind: str, offset: int) -> None:
    """What can be measured leaves with its length, from where the file stands."""
    with served.client() as client:
        client.send(GET % f"{kind}/{offset}".encode() * 2)
        for _ in range(2):
            status, fields, content = client.response()
            assert (status, content) == (200, CONTENT[offset:])
            assert fields["content-length"] == str(len(content))


@pytest.mark.parametrize("kind", UNKNOWN)
def test_files_of_unknown_length(served: Served, kind: str) -> None:
    """What can't be measured leaves in chunks."""
    with served.client() as client:
        client.send(GET % kind.encode() * 2)
        for _ in range(2):
            status, fields, content = client.response()
            assert (status, content) == (200, CONTENT)
            assert fields["transfer-encoding"] == "chunked"


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs Linux's /proc and /sys")
@pytest.mark.parametrize("name", ["/proc/version", "/proc/filesystems", "/sys/devices/system/cpu/online"])
@pytest.mark.parametrize("minor", [0, 1])
def test_files_that_do_not_know_their_size(served: Served, name: str, minor: int) -> None:
    """Files of /proc say 0 bytes and those of /sys 4096; they are read to their end."""
    with served.client() as client:
        client.send(f"GET {name} HTTP/1.{minor}\r\nHost: a\r\n\r\n".encode())
        status, _, content = client.response()
        assert status == 200
        assert len(content) == len(Path(name).read_bytes())


def test_a_file_in_text_mode(served: Served) -> None:
    """It gives no bytes: the answer is a 500."""
    with served.client() as client:
        client.send(GET % b"text")
        assert client.response()[0] == 500


@pytest.mark.parametrize("kind", ["sent by the kernel", "read"])
@pytest.mark.parametrize("change", ["grows", "shrinks"])
def test_a_file_that_changes_while_it_is_sent(tmp_path: Path, kind: str, change: str) -> None:
    """A file that grows is sent as long as it was; one that shrinks ends the connection early."""
    size = 1 << 24
    path = tmp_path / "changing"
    path.write_bytes(b"x" * size)

    class Reader(io.BufferedReader):
        pass

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/second":
            return [b"second"]
        file = path.open("rb") if kind == "sent by the kernel" else Reader(io.FileIO(path))
        return environ["wsgi.file_wrapper"](file)

    with serving(application, threads=1) as served, served.client() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(GET % b"first" + GET % b"second")
        assert f"Content-Length: {size}\r\n".encode() in client.until(b"\r\n\r\n")
        if change == "grows":
            with path.open("ab") as file:
                file.write(b"y" * 1000)
        else:
            os.truncate(path, 1 << 20)
        received = bytearray(client.buffer)
        with suppress(ConnectionResetError):
            while not received.endswith(b"second") and (data := client.socket.recv(1 << 20)):
                received += data
        if change == "grows":
            content, _, second = received.partition(b"HTTP/1.1 200 OK")
            assert (len(content), bytes(content.strip(b"x"))) == (size, b"")
            assert second.endswith(b"second")
        else:
            # What the kernel had queued of the part that was cut off is zeros.
            assert len(received) < size
            assert received.strip(b"x\0") == b""
