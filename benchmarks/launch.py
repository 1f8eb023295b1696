"""Start one of the servers that need a program: `python -m benchmarks.launch waitress benchmarks.apps:hello 8080`.

Each function imports only its own server, so that the memory figures hold nothing foreign.
"""

import argparse
import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """The arguments: what to serve, and how."""

    application: Any
    port: int
    threads: int
    connection_limit: int
    access_log: str | None
    certfile: str | None
    keyfile: str | None
    is_http2: bool
    max_threads: int
    max_requests_per_client: int


def waitress(wanted: Wanted) -> None:
    """waitress at its best: poll() where select() cannot hold the descriptors, no warning for each queued request."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    importlib.import_module("waitress").serve(
        wanted.application,
        host=HOST,
        port=wanted.port,
        threads=wanted.threads,
        connection_limit=wanted.connection_limit,
        backlog=BACKLOG,
        asyncore_use_poll=wanted.connection_limit > 900,
        _quiet=True,
    )


def cheroot(wanted: Wanted) -> None:
    """cheroot, allowed to keep as many connections alive as the load has (its default is 10)."""
    server = importlib.import_module("cheroot.wsgi").Server(
        (HOST, wanted.port), wanted.application, numthreads=wanted.threads, request_queue_size=BACKLOG, timeout=120
    )
    server.keep_alive_conn_limit = wanted.connection_limit
    if wanted.certfile:
        adapter = importlib.import_module("cheroot.ssl.builtin").BuiltinSSLAdapter
        server.ssl_adapter = adapter(wanted.certfile, wanted.keyfile)
    server.safe_start()


def bjoern(wanted: Wanted) -> None:
    """bjoern: one thread, C."""
    importlib.import_module("bjoern").run(wanted.application, HOST, wanted.port)


def fastwsgi(wanted: Wanted) -> None:
    """fastwsgi: one thread, C; an answer is sent without waiting for the client's acknowledgement."""
    module = importlib.import_module("fastwsgi")
    module.server.backlog = BACKLOG
    module.server.tcp_nodelay = 1
    module.run(wsgi_app=wanted.application, host=HOST, port=wanted.port)


def runserver(wanted: Wanted) -> None:
    """This project's single-threaded server, with the backlog that all others have."""
    server = importlib.import_module("wiverno.core.server").RunServer
    server(wanted.application, HOST, wanted.port, request_queue_size=BACKLOG).start()


def wiverno(wanted: Wanted) -> None:
    """This project's threaded server."""
    named = {"access_log": wanted.access_log, "certfile": wanted.certfile, "keyfile": wanted.keyfile}
    extra: dict[str, Any] = {name: value for name, value in named.items() if value}
    if wanted.is_http2:
        extra["http2"] = True
    extra["max_threads"] = wanted.max_threads
    extra["max_requests_per_client"] = wanted.max_requests_per_client
    importlib.import_module("wiverno.serving").serve(
        wanted.application,
        host=HOST,
        port=wanted.port,
        threads=wanted.threads,
        connection_limit=wanted.connection_limit,
        _quiet=True,
        **extra,
    )


SERVERS: dict[str, Callable[[Wanted], None]] = {
    "waitress": waitress,
    "cheroot": cheroot,
    "bjoern": bjoern,
    "fastwsgi": fastwsgi,
    "runserver": runserver,
    "wiverno": wiverno,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", choices=sorted(SERVERS))
    parser.add_argument("application", help="module:attribute")
    parser.add_argument("port", type=int)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--connection-limit", type=int, default=100)
    parser.add_argument("--access-log")
    parser.add_argument("--certfile")
    parser.add_argument("--keyfile")
    parser.add_argument("--http2", action="store_true")
    parser.add_argument("--max-threads", type=int, default=0)
    parser.add_argument("--max-requests-per-client", type=int, default=0)
    arguments = parser.parse_args()
    module, _, attribute = arguments.application.partition(":")
    application = getattr(importlib.import_module(module), attribute)
    wanted = Wanted(
        application,
        arguments.port,
        arguments.threads,
        arguments.connection_limit,
        arguments.access_log,
        arguments.certfile,
        arguments.keyfile,
        arguments.http2,
        arguments.max_threads,
        arguments.max_requests_per_client,
    )
    SERVERS[arguments.server](wanted)


if __name__ == "__main__":
    main()
