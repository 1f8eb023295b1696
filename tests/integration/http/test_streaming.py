"""Bodies of any size both ways in little memory, to slow clients too, and what happens when they leave.

`make test-long` does the same with a gigabyte (tests/long/test_gigabyte.py).
"""

import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import volume
from tests.support.descriptors import resident, temporary_files, threads_of
from tests.support.engine_child import EngineChild, engine_child, get
from tests.support.engine_server import PIECE
from tests.support.volume import GROWTH, MIB
from tests.support.waiting import wait_until
from wiverno.tables import has_gil

SIZE = 200 * MIB


@pytest.fixture(scope="module", params=[(4, "auto"), (1, "selectors")], ids=["threads", "simple"])
def server(request: pytest.FixtureRequest) -> Iterator[EngineChild]:
    threads, poller = request.param
    with engine_child(threads=threads, poller=poller) as child:
        child.ask("/hello")
        yield child


def test_a_large_download(server: EngineChild) -> None:
    """A generator's bytes arrive, and the memory does not grow with them."""
    assert volume.measured(server, lambda: volume.download(server, f"/stream/{SIZE}", SIZE)) < GROWTH
    volume.nothing_is_left(server)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload(server: EngineChild, chunked: bool) -> None:
    """A body goes to a temporary file, which is gone with its request."""
    size = SIZE // 3 if chunked else SIZE
    assert volume.measured(server, lambda: volume.upload(server, size, chunked=chunked)) < GROWTH
    volume.nothing_is_left(server)


def test_a_large_file(server: EngineChild, tmp_path: Path) -> None:
    """The kernel sends it: next to no memory."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        for _ in range(100 * MIB // len(PIECE)):
            file.write(PIECE)
    assert volume.measured(server, lambda: volume.download(server, f"/file{path}", 100 * MIB)) < GROWTH


def test_a_slow_reader(server: EngineChild) -> None:
    """A client that reads more slowly than the application produces costs no more than the marks allow."""
    size = 60 * MIB
    growth = volume.measured(server, lambda: volume.download(server, f"/stream/{size}", size, pause=0.005))
    assert growth < GROWTH
    volume.nothing_is_left(server)


def test_the_disk_a_slow_reader_takes_is_bounded(server: EngineChild) -> None:
    """No more waits than the high-water mark, wherever it is kept."""
    with server.client() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(get(f"/stream/{SIZE}"))
        client.until(b"\r\n\r\n")
        count = len(client.buffer)
        while count < 80 * MIB:
            count += len(client.socket.recv(MIB))
        assert sum(temporary_files(server.pid)) < 60 * MIB
    volume.nothing_is_left(server)


def test_what_follows_the_last_request(server: EngineChild) -> None:
    """Bytes after a request that ends the connection are thrown away, and the response arrives all the same."""
    for _ in range(5):
        with server.client() as client:
            client.send(get(f"/whole/{MIB}", "Connection: close") + b"x" * 10_000)
            client.send(b"y" * 300_000)
            assert len(client.response()[2]) == MIB
            assert client.rest() == b""


def test_a_client_that_leaves_in_the_middle(server: EngineChild) -> None:
    """The response is closed, its thread is free, its files are gone, and the memory comes back."""
    before = int(server.ask("/closed"))
    for _ in range(8):
        volume.leave_in_the_middle(server, f"/stream/{SIZE}", 3 * MIB)
    wait_until(lambda: int(server.ask("/closed")) == before + 8, what="the responses to be closed")
    volume.nothing_is_left(server)


def test_an_upload_that_breaks_off(server: EngineChild) -> None:
    """A body that never becomes complete reaches no application and leaves no file."""
    for chunked in (False, True):
        framing = b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n" if chunked else b"Content-Length: 100000000\r\n\r\n"
        with server.client() as client:
            client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\n" + framing)
            for _ in range(10):
                client.send(b"x" * MIB)
            wait_until(lambda: temporary_files(server.pid))
        volume.nothing_is_left(server)


def test_uploads_share_a_budget_of_memory() -> None:
    """Clients that hold it send others to files, not away; when they are gone, bodies are in memory again."""
    head = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MIB
    with engine_child(threads=4, max_body_memory=8 * MIB) as child:
        child.ask("/hello")
        holding = [child.client() for _ in range(8)]
        for client in holding:
            client.send(head + b"x" * (MIB - 1))
        with child.client() as late:
            late.send(head + b"x" * (MIB - 1))
            wait_until(lambda: temporary_files(child.pid), what="a body to go to a file")
            late.send(b"x")
            assert late.response()[0] == 200
        for client in holding:
            client.close()
        volume.nothing_is_left(child)

        def stays_in_memory() -> bool:
            with child.client() as client:
                client.send(head + b"x" * (MIB - 1))
                child.ask("/hello")
                has_file = bool(temporary_files(child.pid))
                client.send(b"x")
                return client.response()[0] == 200 and not has_file

        wait_until(stays_in_memory, what="the budget to be free again")


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_that_finds_no_room(threads: int, chunked: bool) -> None:
    """On a full disk (here: no file may grow) an upload is answered with 507, the log says why, and others go on."""
    with engine_child(threads=threads, max_body_memory=0) as child:
        child.ask("/hello")
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (MIB, MIB))
        framing = b"Transfer-Encoding: chunked\r\n\r\n200000\r\n" if chunked else b"Content-Length: 2097152\r\n\r\n"
        with child.client() as client:
            client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\n" + framing)
            client.send(b"x" * (MIB + MIB // 2))
            status, fields, body = client.response()
            assert (status, fields["connection"]) == (507, "close")
            assert b"can't be stored" in body
        wait_until(lambda: "can't be kept in a temporary file" in child.child.output, what="the log")
        assert child.ask("/hello") == b"hello"
        volume.nothing_is_left(child)


@pytest.mark.parametrize("threads", [1, 4])
def test_memory_with_many_slow_readers(threads: int) -> None:
    """Forty clients that take nothing of a long response keep a bounded piece of it each."""
    settings: dict[str, Any] = {"outbuf_overflow": 65536, "outbuf_high_watermark": 1 << 20}
    with engine_child(threads=threads, **settings) as child:
        child.ask("/hello")
        before, present = resident(child.pid), threads_of(child.pid)
        clients = [child.client() for _ in range(40)]
        for client in clients:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(get(f"/stream/{SIZE}"))
        for client in clients:
            client.until(b"\r\n\r\n")
        assert child.ask("/hello") == b"hello"
        # Without the GIL each thread has its own heap, with the pages that it has not given back.
        assert resident(child.pid) - before < 40 * (250_000 if has_gil() else 600_000)
        for client in clients:
            client.close()
        wait_until(lambda: int(child.ask("/closed")) == 40)
        wait_until(lambda: threads_of(child.pid) <= present, what="the stand-ins to leave")


def test_no_thread_can_stand_in() -> None:
    """Where the system has no room for another thread, requests wait for held ones, and the log says so."""
    with engine_child(threads=2, outbuf_high_watermark=1 << 20) as child:
        child.ask("/hello")
        room = resident(child.pid, "VmSize") + 6 * MIB  # less than the stack of a thread
        resource.prlimit(child.pid, resource.RLIMIT_AS, (room, room))
        clients = [child.client() for _ in range(2)]
        for client in clients:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(get(f"/stream/{20 * MIB}"))
            client.until(b"\r\n\r\n")
        warning = "cannot start a thread beside those that are held up"
        wait_until(lambda: warning in child.child.output, what="the warning")
        with child.client() as other:
            other.send(get("/hello"))
            clients[0].close()
            assert other.response()[2] == b"hello"
        clients[1].close()
