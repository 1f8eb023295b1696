"""A program to abuse: serves every kind of response that the security cases need, prints its address, ends on SIGTERM.

python [-O] -m tests.support.slow_server THREADS

/            "hello"                    /closed   how many responses of /endless were closed
/endless     64 KiB pieces for ever     /header?… a response with the header that the query names, unquoted
/status?…    a response with that status
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from wiverno.core.server import create_server

closed: list[str] = []


class Endless:
    """Pieces for ever, and a close() that is counted."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    def close(self) -> None:
        closed.append("endless")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by path."""
    path, query = environ["PATH_INFO"], unquote(environ["QUERY_STRING"], "latin-1")
    if path == "/endless":
        start_response("200 OK", [])
        return Endless()
    if path == "/header":
        name, _, value = query.partition("=")
        start_response("200 OK", [(name, value)])
        return [b"secret"]
    if path == "/status":
        start_response(query, [])
        return [b"secret"]
    start_response("200 OK", [])
    return [str(len(closed)).encode() if path == "/closed" else b"hello"]


if __name__ == "__main__":
    server = create_server(application, host="127.0.0.1", port=0, threads=sys.argv[1], connection_limit=2000)
    print(f"Serving on http://127.0.0.1:{server.effective_port}", flush=True)
    server.run()
