"""The application that HTTP/2's tests serve: each path does one thing that a server can get wrong."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from wiverno.wsgi.sink import ClientDisconnected

PIECE = bytes(range(256)) * 64


class Site:
    """Counts what was closed and who was told that the client is gone."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.disconnected: list[str] = []
        self.released = threading.Event()
        self.entered: list[str] = []
        self.all_here = threading.Barrier(8)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        kind, _, rest = environ["PATH_INFO"].lstrip("/").partition("/")
        self.entered.append(kind)
        answer = getattr(self, kind or "hello")
        result: Iterable[bytes] = answer(environ, start_response, rest)
        return result

    def hello(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        return [b"hello\n"]

    def echo(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        """The path and query as the body, to see whose answer this is."""
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{rest}?{environ.get('QUERY_STRING', '')}".encode()]

    def environ(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({key: value for key, value in environ.items() if isinstance(value, str)}).encode()]

    def upload(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        digest, count = hashlib.sha256(), 0
        while data := environ["wsgi.input"].read(65536):
            digest.update(data)
            count += len(data)
        start_response("200 OK", [])
        return [f"{count} {environ.get('CONTENT_LENGTH')} {digest.hexdigest()}".encode()]

    def status(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        start_response(f"{rest} Some", [("X-One", "1")])
        return [] if rest in ("204", "304") else [b"body"]

    def whole(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        start_response("200 OK", [])
        return [(PIECE * (int(rest) // len(PIECE) + 1))[: int(rest)]]

    def stream(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> "Body":
        start_response("200 OK", [])
        return Body(self, int(rest))

    def endless(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> "Body":
        start_response("200 OK", [])
        return Body(self, 1 << 40)

    def file(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> Iterable[bytes]:
        start_response("200 OK", [])
        file = Path("/" + rest).open("rb")  # noqa: SIM115 - the server closes it
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return wrapped

    def write(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"one ")
        write(b"two ")
        return [b"three"]

    def sleep(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        time.sleep(float(rest))  # a slow request is what the test asks for
        start_response("200 OK", [])
        return [b"slept"]

    def together(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        """Return only when eight requests are in the application at once."""
        self.all_here.wait(20)
        start_response("200 OK", [])
        return [b"together"]

    def hold(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        self.released.wait(20)
        start_response("200 OK", [])
        return [b"held"]

    def fail(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        raise ValueError("before the head")

    def fail_late(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a part"
        raise ValueError("after the head")

    def hints(self, environ: dict[str, Any], start_response: Callable[..., Any], rest: str) -> list[bytes]:
        environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
        start_response("200 OK", [])
        return [b"page"]


class Body:
    """So many bytes in pieces; tells the site when it was closed and whether the client had gone."""

    def __init__(self, site: Site, size: int) -> None:
        self._site = site
        self._left = size

    def __iter__(self) -> Iterator[bytes]:
        try:
            while self._left:
                count = min(self._left, len(PIECE))
                self._left -= count
                yield PIECE[:count]
        except ClientDisconnected:
            self._site.disconnected.append("stream")
            raise

    def close(self) -> None:
        self._site.closed.append("stream")
