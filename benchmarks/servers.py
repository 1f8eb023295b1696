"""The servers side by side: for each, the command that starts it in its best fair configuration.

All serve one process on 127.0.0.1 without an access log. Where a default would make a server refuse a load it is
raised: 10 keep-alive connections in cheroot, 100 connections in waitress and wiverno, a thread a connection in uWSGI.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.environment import PYTHON, ROOT

BIN = PYTHON.parent
HOST = "127.0.0.1"
MANY_THREADS = 16
CERTIFICATES = ROOT / "tests" / "data" / "tls"
CERTIFICATE, KEY = str(CERTIFICATES / "first.pem"), str(CERTIFICATES / "first.key")


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a server.

    Attributes:
        application: "module:attribute".
        port: where to listen on 127.0.0.1.
        connections: how many it will have to hold at a time.
        is_closing: whether each connection carries one request only.
        is_secure: whether to speak TLS, with CERTIFICATE and KEY.
        is_http2: whether to offer HTTP/2 (ALPN).
        access_log: the file to log to, or None for no log.
        workspace: a directory for what the start needs.
    """

    application: str
    port: int
    connections: int
    is_closing: bool
    is_secure: bool
    is_http2: bool
    access_log: Path | None
    workspace: Path

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def connection_limit(self) -> int:
        """The usual limit of 100, raised where the load needs more."""
        return 100 if self.connections <= 90 else self.connections + 100


@dataclass(frozen=True, slots=True)
class Server:
    """A server and how it is started.

    Attributes:
        name: what `--servers` calls it.
        distribution: the package whose version is reported.
        title: what the tables call it.
        command: the command line for a start.
    """

    name: str
    distribution: str
    title: str
    command: Callable[[Start], list[str]]

    @property
    def is_own(self) -> bool:
        return self.distribution == "wiverno"


def _launched(kind: str, threads: int, start: Start, *options: str) -> list[str]:
    command = [str(PYTHON), "-m", "benchmarks.launch", kind, start.application, str(start.port)]
    command += ["--threads", str(threads), "--connection-limit", str(start.connection_limit)]
    if start.access_log:
        command += ["--access-log", str(start.access_log)]
    if start.is_secure:
        command += ["--certfile", CERTIFICATE, "--keyfile", KEY]
    if start.is_http2:
        command += ["--http2"]
    return [*command, *options]


def _growing(start: Start) -> list[str]:
    return _launched("wiverno", MANY_THREADS, start, "--max-threads", "64")


def _limiting(start: Start) -> list[str]:
    return _launched("wiverno", MANY_THREADS, start, "--max-requests-per-client", "8")


def _gunicorn(options: list[str], start: Start) -> list[str]:
    command = [str(BIN / "gunicorn"), "--bind", start.address, "--workers", "1", "--backlog", "1024"]
    command += ["--log-level", "error", "--worker-connections", str(max(1000, start.connection_limit)), *options]
    if start.connections > 1000:
        command += ["--keep-alive", "120"]  # the default of 2 seconds closes idle connections before they are measured
    if start.is_secure:
        command += ["--certfile", CERTIFICATE, "--keyfile", KEY]
    if start.is_http2:
        command += ["--http-protocols", "h2,h1"]
    return [*command, start.application]


def _hypercorn(start: Start) -> list[str]:
    command = [str(BIN / "hypercorn"), "--bind", start.address, "--workers", "1", "--backlog", "1024"]
    return [*command, "--certfile", CERTIFICATE, "--keyfile", KEY, "--log-level", "error", f"wsgi:{start.application}"]


def _granian(threads: int, start: Start) -> list[str]:
    command = [str(BIN / "granian"), "--interface", "wsgi", "--host", HOST, "--port", str(start.port), "--workers", "1"]
    command += [
        "--blocking-threads",
        str(threads),
        "--http",
        "2" if start.is_http2 else "1",
        "--no-ws",
        "--log-level",
        "error",
    ]
    if start.connections > 1000:
        command += ["--backpressure", str(start.connection_limit), "--http1-header-read-timeout", "60000"]
    if start.is_secure:
        command += ["--ssl-certificate", CERTIFICATE, "--ssl-keyfile", KEY]
    return [*command, start.application]


def _uwsgi(start: Start) -> list[str]:
    # A keep-alive connection holds a thread in uWSGI: with fewer threads than connections the others starve unseen.
    threads = max(MANY_THREADS, start.connections)
    # Its keep-alive socket ignores `Connection: close`; the other one closes, but has to be told to announce it.
    socket = ["--http-socket", start.address, "--add-header", "Connection: close"]
    if not start.is_closing:
        socket = ["--http11-socket", start.address]
    # It takes its application from the module's dictionary, so a module's __getattr__ is never asked.
    module, _, attribute = start.application.partition(":")
    (start.workspace / "uwsgi_app.py").write_text(f"from {module} import {attribute} as application\n")
    command = [str(BIN / "uwsgi"), *socket, "--pythonpath", str(start.workspace), "--module", "uwsgi_app", "--master"]
    command += ["--processes", "1", "--enable-threads", "--threads", str(threads), "--listen", "1024"]
    return [*command, "--disable-logging", "--die-on-term", "--need-app"]


def _prototype(program: Path, threads: int, start: Start) -> list[str]:
    """A single-file engine with the arguments MODULE PORT THREADS whose module is called for its `app`."""
    module, _, attribute = start.application.partition(":")
    (start.workspace / "prototype_app.py").write_text(f"from {module} import {attribute} as app\n")
    return [str(PYTHON), str(program), "prototype_app", str(start.port), str(threads)]


SERVERS: tuple[Server, ...] = (
    Server("runserver", "wiverno", "wiverno RunServer", partial(_launched, "runserver", 1)),
    Server("wiverno-1", "wiverno", "wiverno, 1 thread", partial(_launched, "wiverno", 1)),
    Server("wiverno-4", "wiverno", "wiverno, 4 threads", partial(_launched, "wiverno", 4)),
    Server("wiverno-16", "wiverno", "wiverno, 16 threads", partial(_launched, "wiverno", 16)),
    Server("wiverno-16-64", "wiverno", "wiverno, 16 to 64 threads", _growing),
    Server("wiverno-limit", "wiverno", "wiverno, 16 threads, 8 requests a client", _limiting),
    Server("waitress-4", "waitress", "waitress, 4 threads", partial(_launched, "waitress", 4)),
    Server("waitress-16", "waitress", "waitress, 16 threads", partial(_launched, "waitress", 16)),
    Server("gunicorn-sync", "gunicorn", "gunicorn sync", partial(_gunicorn, ["--worker-class", "sync"])),
    Server(
        "gunicorn-gthread",
        "gunicorn",
        "gunicorn gthread, 16 threads",
        partial(_gunicorn, ["--worker-class", "gthread", "--threads", str(MANY_THREADS)]),
    ),
    Server("granian-1", "granian", "granian, 1 blocking thread", partial(_granian, 1)),
    Server("granian-16", "granian", "granian, 16 blocking threads", partial(_granian, 16)),
    Server("cheroot", "cheroot", "cheroot, 16 threads", partial(_launched, "cheroot", MANY_THREADS)),
    Server("uwsgi", "uWSGI", "uWSGI, a thread a connection", _uwsgi),
    Server("wiverno-http2", "wiverno", "wiverno, 16 threads", partial(_launched, "wiverno", 16)),
    Server("granian-http2", "granian", "granian, 16 blocking threads", partial(_granian, 16)),
    Server(
        "gunicorn-http2",
        "gunicorn",
        "gunicorn gthread, 16 threads",
        partial(_gunicorn, ["--worker-class", "gthread", "--threads", str(MANY_THREADS)]),
    ),
    Server("hypercorn-http2", "Hypercorn", "hypercorn", _hypercorn),
    Server("bjoern", "bjoern", "bjoern", partial(_launched, "bjoern", 1)),
    Server("fastwsgi", "fastwsgi", "fastwsgi", partial(_launched, "fastwsgi", 1)),
)


def prototypes(program: Path) -> tuple[Server, ...]:
    """Extra contenders from `--prototype FILE`: the ceiling of this machine, never part of a published table."""
    return tuple(
        Server(f"prototype-{count}", "prototype", f"prototype, {count} threads", partial(_prototype, program, count))
        for count in (1, 16)
    )


def child_variables() -> dict[str, str]:
    """What every server finds in its environment: the applications, and nothing of the caller's settings."""
    return {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
