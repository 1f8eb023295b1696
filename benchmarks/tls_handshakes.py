"""TLS handshakes a second, new and resumed: `python -m benchmarks.tls_handshakes` prints a table for the page.

Each connection makes a handshake, one request with `Connection: close`, and ends. Threads of this program are the
clients, and their rate limits what is measured; the server's CPU time for each connection is the figure to compare.
A client that resumes uses the session ticket of its last connection, as a browser does.
"""

import argparse
import socket
import ssl
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import environment, wrk
from benchmarks.apps import GREETING
from benchmarks.loads import Load, _servers
from benchmarks.processes import SERVER_CPU, Child, ChildFailed
from benchmarks.servers import CERTIFICATES, HOST, SERVERS, Start, child_variables

CLIENTS = 4
PATIENCE_SECONDS = 10.0
NAMES = ("wiverno-16", "granian-16", "gunicorn-gthread", "cheroot")
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
LOAD = Load("tls-handshakes", "TLS handshakes", "", _servers(NAMES, "hello"), connections=CLIENTS, is_secure=True)


@dataclass(slots=True)
class Counts:
    """What the clients of one run found.

    Attributes:
        done: connections that were answered.
        resumed: those whose session was resumed.
    """

    done: int = 0
    resumed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def connect(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
    """Make one connection and one request; return the session to resume, with its ticket.

    Raises:
        ChildFailed: the answer is not the greeting.
    """
    with (
        socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as sock,
    ):
        sock.sendall(REQUEST)
        answer = b""
        while not answer.endswith(GREETING):
            piece = sock.recv(65536)
            if not piece:
                raise ChildFailed(f"the answer ended after {answer[:60]!r}")
            answer += piece
        if session is not None and not sock.session_reused:
            return None
        return sock.session


def _client(port: int, context: ssl.SSLContext, until: float, counts: Counts, *, resumes: bool) -> None:
    session = None
    done = resumed = 0
    while time.monotonic() < until:
        given = session
        try:
            session = connect(port, context, given)
        except (OSError, ChildFailed):
            session = None
            continue
        done += 1
        resumed += given is not None and session is not None
        session = session if resumes else None
    with counts.lock:
        counts.done += done
        counts.resumed += resumed


def press(port: int, seconds: float, *, resumes: bool) -> Counts:
    """Connect from several threads for `seconds`."""
    context = ssl.create_default_context(cafile=CERTIFICATES / "ca.pem")
    counts = Counts()
    until = time.monotonic() + seconds
    clients = [
        threading.Thread(target=_client, args=(port, context, until, counts), kwargs={"resumes": resumes})
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return counts


def _measure(name: str, seconds: float, folder: Path) -> list[tuple[float, float, float]]:
    """Return the rate, the server's CPU microseconds a connection and the share resumed: new, then resumed."""
    server = next(one for one in SERVERS if one.name == name)
    port = wrk.free_port()
    start = Start(
        application=LOAD.contenders[0].application,
        port=port,
        connections=CLIENTS,
        is_closing=True,
        is_secure=True,
        is_http2=False,
        access_log=None,
        workspace=folder,
    )
    log = folder / f"{name}.log"
    rows = []
    command = server.command(start)
    with Child(command, cpu=SERVER_CPU, log=log, directory=folder, variables=child_variables()) as child:
        wrk.wait_until_right(child, LOAD, port)
        for resumes in (False, True):
            press(port, 0.5, resumes=resumes)
            before = child.cpu_seconds()
            counts = press(port, seconds, resumes=resumes)
            if not counts.done:
                raise child.fail("no connection was answered")
            used = (child.cpu_seconds() - before) / counts.done * 1e6
            rows.append((counts.done / seconds, used, counts.resumed / counts.done))
    return rows


def main() -> None:
    """Measure in interleaved rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--servers", default=",".join(NAMES))
    options = parser.parse_args()
    if not environment.inside():
        raise SystemExit("run it with benchmarks/.venv/bin/python; `make bench ARGS=--list` makes that environment")
    names = options.servers.split(",")
    found: dict[str, list[list[tuple[float, float, float]]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="wiverno-tls-") as made:
        for _ in range(options.rounds):
            for name in names:
                found[name].append(_measure(name, options.seconds, Path(made)))
    print("| server | new/s | CPU µs each | resumed/s | CPU µs each | resumed |\n|---|---:|---:|---:|---:|---:|")
    for name, rounds in found.items():
        new, resumed = ([statistics.median(one[kind][k] for one in rounds) for k in range(3)] for kind in (0, 1))
        cells = f"{new[0]:,.0f} | {new[1]:,.0f} | {resumed[0]:,.0f} | {resumed[1]:,.0f} | {resumed[2]:.0%}"
        print(f"| {name} | {cells} |")


if __name__ == "__main__":
    main()
