"""A server to measure from outside: python -m tests.support.engine_server '{"threads": 4, …}' [DESCRIPTORS]

/hello         "hello"
/stream/N      N bytes from a generator, 64 KiB each piece
/whole/N       N bytes at once
/file/PATH     a file through wsgi.file_wrapper
/upload        how many bytes the body had, and their crc32
/hold          waits for a request of /release
/signal        after a moment, sends SIGTERM to one of its threads instead of the process
/fork          leaves a child that lives as long as the server
/closed        how many responses of /stream have been closed
"""

import json
import os
import signal
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from wiverno.core.server import create_server

PIECE = bytes(range(256)) * 256

released = threading.Event()
closed: list[str] = []


class Stream:
    """So many bytes in pieces."""

    def __init__(self, size: int) -> None:
        self._left = size

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            count = min(self._left, len(PIECE))
            self._left -= count
            yield PIECE[:count]

    def close(self) -> None:
        closed.append("stream")


def upload(stream: Any) -> bytes:
    count = checksum = 0
    while data := stream.read(1 << 18):
        count += len(data)
        checksum = zlib.crc32(data, checksum)
    return f"{count} {checksum}".encode()


def fork() -> None:
    """Leave a child, with copies of all sockets, that ends with this process."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)  # the other end stays open as long as this process lives
        return
    os.close(writing)
    os.read(reading, 1)
    os._exit(0)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by path."""
    _, kind, *rest = environ["PATH_INFO"].split("/", 2)
    if kind == "stream":
        start_response("200 OK", [("Content-Length", rest[0])])
        return Stream(int(rest[0]))
    start_response("200 OK", [])
    if kind == "file":
        file = open("/" + rest[0], "rb")  # noqa: SIM115 - the server closes it
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return wrapped
    if kind == "whole":
        return [b"x" * int(rest[0])]
    if kind == "upload":
        return [upload(environ["wsgi.input"])]
    if kind == "hold":
        released.wait()
    elif kind == "signal":
        threading.Timer(0.2, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
    elif kind == "release":
        released.set()
    elif kind == "fork":
        fork()
        return [b"forked"]
    elif kind == "closed":
        return [str(len(closed)).encode()]
    return [b"hello"]


def main(settings: str, *limit: str) -> None:
    """Serve until SIGTERM."""
    if limit:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit[0]), int(limit[0])))
    server = create_server(application, host="127.0.0.1", port=0, **json.loads(settings))
    print(f"Serving on http://127.0.0.1:{server.effective_port}", flush=True)
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
