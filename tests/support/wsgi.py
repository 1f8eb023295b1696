"""Calling a WSGI application without a server, and looking at everything that came back."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, Any


@dataclass
class Answer:
    """What an application said; `body` is filled when it was consumed."""

    status: str = ""
    header_list: list[tuple[str, str]] = field(default_factory=list)
    chunks: Iterable[bytes] = ()
    body: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """The header fields by lower-case name."""
        return {name.lower(): value for name, value in self.header_list}

    def close(self) -> None:
        """End the response as a server does (PEP 3333)."""
        close = getattr(self.chunks, "close", None)
        if close is not None:
            close()


def call(
    app: Callable[..., Iterable[bytes]],
    method: str = "GET",
    path: str | None = "/",
    *,
    body: bytes | IO[bytes] = b"",
    consume: bool = True,
    **environ: Any,
) -> Answer:
    """Make one request; `path` is PATH_INFO as a server passes it, keywords are further environ keys."""
    answer = Answer()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., None]:
        answer.status, answer.header_list = status, headers
        return lambda data: None

    stream = io.BytesIO(body) if isinstance(body, bytes) else body
    complete = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": stream,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **environ,
    }
    if path is not None:
        complete["PATH_INFO"] = path
    if isinstance(body, bytes) and body:
        complete.setdefault("CONTENT_LENGTH", str(len(body)))
    answer.chunks = app(complete, start_response)
    if consume:
        try:
            answer.body = b"".join(answer.chunks)
        finally:
            answer.close()
    return answer
