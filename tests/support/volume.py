"""Large bodies both ways through a server in another process, with an eye on its memory."""

import os
import select
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.support.descriptors import resident, temporary_files
from tests.support.engine_child import EngineChild, get
from tests.support.engine_server import PIECE
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until
from wiverno.tables import has_gil

MIB = 1 << 20
GROWTH = (64 if has_gil() else 96) * MIB  # without the GIL each thread has its own heap
"""What a server's memory may grow by, whatever passes through it."""


def measured(server: EngineChild, work: Callable[[], None]) -> int:
    """Return by how many bytes the server's memory was larger at its peak than before."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5", encoding="ascii")  # proc(5): reset the peak
    before = resident(server.pid)
    work()
    return resident(server.pid, "VmHWM") - before


def download(server: EngineChild, path: str, size: int, *, pause: float = 0.0, step: int = MIB) -> None:
    """Fetch `size` bytes, as fast as they come or with a pause in seconds after each step, and check all of them.

    Raises:
        AssertionError: it was not PIECE over and over, or not so many bytes.
    """
    expected = PIECE * (MIB // len(PIECE) + 1)
    buffer = bytearray(min(step, MIB))
    view = memoryview(buffer)
    with server.client() as client:
        client.send(get(path, "Connection: close"))
        head = client.until(b"\r\n\r\n")
        assert f"content-length: {size}\r\n".encode() in head.lower()
        first = client.buffer
        assert first == expected[: len(first)]
        count = len(first)
        while received := client.socket.recv_into(buffer):
            offset = count % len(PIECE)
            assert view[:received] == expected[offset : offset + received]
            count += received
            if pause:
                time.sleep(pause)  # the client's own slowness, which is what is tried
        assert count == size


def upload(server: EngineChild, size: int, *, chunked: bool = False, pause: float = 0.0) -> None:
    """Send `size` bytes and check that the application has read the same ones."""
    piece = os.urandom(MIB)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    checksum = 0
    with server.client(60.0) as client:
        client.send(f"POST /upload HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode())
        for start in range(0, size, MIB):
            data = piece[: min(MIB, size - start)]
            checksum = zlib.crc32(data, checksum)
            client.send(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
            if pause:
                time.sleep(pause)  # the client's own slowness, which is what is tried
        if chunked:
            client.send(b"0\r\n\r\n")
        assert client.response()[2] == f"{size} {checksum}".encode()


def nothing_is_left(server: EngineChild) -> None:
    """Wait until the server has no temporary file any more."""
    wait_until(lambda: not temporary_files(server.pid), what="the temporary files to be removed")


def leave_in_the_middle(server: EngineChild, path: str, count: int) -> None:
    """Ask for something, take `count` bytes of it, and hang up."""
    with server.client() as client:
        client.send(get(path))
        client.exactly(count)


def is_silent(client: RawClient, seconds: float) -> bool:
    """Tell whether nothing comes for a while."""
    return not select.select([client.socket], [], [], seconds)[0]
