"""Later parts of large files that are not in the page cache: the disk holds a file thread, and nothing else."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.h2_client import h2_client
from tests.support.serving import MODES, Served, serving
from tests.support.slow_disks import SlowDisk, read_nothing_ahead, slow_disk, uncached_file
from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE, wait_until

SIZE = 10 << 20
SENT_BY_THREAD = 8 << 20  # the most that the application's thread sends, without asking what is cached
CONTENT = bytes(range(256)) * (SIZE // 256)
GET = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"


class Sending:
    """Sends the file at /file, and something short otherwise; keeps the files that it has opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[Any] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/file":
            start_response("200 OK", [("Content-Length", str(SIZE))])
            self.files.append(self.path.open("rb"))
            read_nothing_ahead(self.files[-1].fileno())
            wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](self.files[-1])
            return wrapped
        start_response("200 OK", [("Content-Length", "5")])
        return [b"short"]


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Sending]:
    with uncached_file(CONTENT, tmp_path) as path:
        yield Sending(path)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    with slow_disk(monkeypatch) as made:
        yield made


def ask_file(served: Served, disk: SlowDisk, path: Path) -> RawClient:
    """Ask for the file, and take what there is until the disk holds the rest up."""
    # sendfile(2) reads the file in pieces of 64 KiB, which takes many seconds on a disk that others keep busy.
    with path.open("rb", buffering=0) as file:
        read_nothing_ahead(file.fileno())
        file.read(SENT_BY_THREAD)
    client = served.client()
    client.send(GET % b"/file")
    client.socket.settimeout(0.05)
    deadline = time.monotonic() + PATIENCE
    while not disk.begun.acquire(blocking=False):
        assert time.monotonic() < deadline, f"no file thread reads after {len(client.buffer)} bytes"
        try:
            data = client.socket.recv(1 << 20)
            assert data, f"the response ended after {len(client.buffer)} bytes"
            client.buffer += data
        except TimeoutError:
            continue
    client.socket.settimeout(PATIENCE)
    return client


def is_served(served: Served) -> bool:
    """Tell whether the leader answers others."""
    with served.client() as client:
        for _ in range(10):
            client.send(GET % b"/x")
            assert client.response()[2] == b"short"
    return True


@pytest.mark.parametrize("mode", sorted(MODES))
def test_a_disk_that_blocks_holds_no_other_client(application: Sending, disk: SlowDisk, mode: str) -> None:
    """Others are answered; the response arrives whole when the disk has answered, and its connection is kept."""
    with serving(application, **MODES[mode]) as served:
        client = ask_file(served, disk, application.path)
        assert is_served(served)
        disk.go_on.set()
        assert client.response()[2] == CONTENT
        client.send(GET % b"/x")
        assert client.response()[2] == b"short"
        client.close()
    assert application.files[0].closed


def test_through_http2(application: Sending, disk: SlowDisk) -> None:
    """One stream waits for the disk; the others of its connection do not."""
    with (
        serving(application, threads=2, http2=True, trusted_proxies="127.0.0.1") as served,
        h2_client(served.address, window=1 << 20) as client,
    ):
        stream = client.request("/file")
        disk.wait_begun()
        assert bytes(client.fetch("/x").body) == b"short"
        assert is_served(served)
        disk.go_on.set()
        (answer,) = client.wait(stream)
        assert bytes(answer.body) == CONTENT
    wait_until(lambda: application.files[0].closed)


def test_a_failing_disk_through_http2(application: Sending, disk: SlowDisk) -> None:
    """The stream is reset, its connection goes on."""
    disk.failure = OSError(errno.EIO, "Input/output error")
    with (
        serving(application, threads=2, http2=True, trusted_proxies="127.0.0.1") as served,
        h2_client(served.address, window=1 << 20) as client,
    ):
        stream = client.request("/file")
        disk.go_on.set()
        (answer,) = client.wait(stream)
        assert (answer.is_complete, answer.reset) == (False, 2)
        assert bytes(client.fetch("/x").body) == b"short"


@pytest.mark.parametrize("how", ["disk fails", "deadline", "shutdown"])
def test_how_the_response_ends(application: Sending, disk: SlowDisk, how: str) -> None:
    """The connection breaks, the file is closed, and what the file thread does afterwards reaches no other client."""
    timeout = 2 if how == "deadline" else 60
    with serving(application, threads=2, channel_timeout=timeout, graceful_timeout=1) as served:
        client = ask_file(served, disk, application.path)
        if how == "disk fails":
            disk.failure = OSError(errno.EIO, "Input/output error")
            disk.go_on.set()
        elif how == "shutdown":
            threading.Thread(target=served.server.close).start()
        found = len(client.rest())
        assert found < SIZE
        wait_until(lambda: application.files[0].closed)
        if how != "shutdown":
            assert is_served(served)
        disk.go_on.set()
        client.close()
        if how != "shutdown":
            assert is_served(served)


def test_a_client_that_goes_while_the_disk_blocks(application: Sending, disk: SlowDisk) -> None:
    """Its descriptor's number is the next client's by then at the latest, and that one is not disturbed."""
    with serving(application, threads=2, channel_timeout=2) as served:
        client = ask_file(served, disk, application.path)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
        wait_until(lambda: application.files[0].closed)
        with served.client() as other:
            other.send(b"GET /x HTTP/1.1\r\nHost:")
            disk.go_on.set()
            other.send(b" a\r\n\r\n")
            assert other.response()[2] == b"short"
        assert is_served(served)
