"""WSGI without any framework: a page, a stream, and an upload that is never in memory as a whole."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

BLOCK = 64 * 1024


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer by path."""
    page = PAGES.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]), not_found)
    return page(environ, start_response)


def home(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Greet, and say where the request came from."""
    body = f"Hello from {environ['SERVER_SOFTWARE']}, {environ['REMOTE_ADDR']}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


def count(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Stream lines; without a Content-Length the server sends chunks and the connection stays open."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return (f"line {number}\n".encode() for number in range(1, 6))


def checksum(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Hash an upload; the server has it complete before this is called, on disk if it is large."""
    digest = hashlib.sha256()
    for block in blocks(environ["wsgi.input"]):
        digest.update(block)
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [digest.hexdigest().encode(), b"\n"]


def not_found(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer 404."""
    start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"There is /, /count and POST /checksum.\n"]


def blocks(body: Any) -> Iterator[bytes]:
    """Yield a request's body in pieces of at most `BLOCK` bytes."""
    while block := body.read(BLOCK):
        yield block


PAGES = {("GET", "/"): home, ("GET", "/count"): count, ("POST", "/checksum"): checksum}
