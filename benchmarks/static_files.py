"""Static files from the configuration, beside granian, uWSGI and nginx: `python -m benchmarks.static_files`.

Each server sends the files of one directory below /static, with an application beside it where it has one. A round
starts every server on one processor, with wrk on the other; the medians of the rounds are printed as tables: requests a
second, and the processor time of the server for each request, which other programs on the machine disturb less.
"""

import argparse
import contextlib
import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import environment, wrk
from benchmarks.apps import GREETING
from benchmarks.processes import CLIENT_CPU, SERVER_CPU, Child, ChildFailed
from benchmarks.servers import BIN, HOST, PYTHON, child_variables

FILES = {"1 kB": ("small.css", 1_000), "100 kB": ("medium.js", 100_000), "10 MB": ("large.bin", 10_000_000)}
NOT_MODIFIED = "304"
APPLICATION = "application"
LOADS = (*FILES, NOT_MODIFIED, APPLICATION)
CONNECTIONS = {"10 MB": 8}
WAIT_SECONDS = 20.0

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log error;
events {{ worker_connections 1024; }}
http {{
    types {{ text/css css; text/javascript js; }} default_type application/octet-stream;
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen {host}:{port} backlog=1024; location /static/ {{ alias {folder}/files/; }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a server: the directory that has `files`, and the port."""

    folder: Path
    port: int

    @property
    def mount(self) -> str:
        return f"/static={self.folder / 'files'}"


def _wiverno(start: Start) -> list[str]:
    command = [str(PYTHON), "-m", "wiverno", "run", "benchmarks.apps:hello", "--host", HOST, "--port", str(start.port)]
    return [*command, "--threads", "16", "--connection-limit", "1000", "--static", start.mount]


def _wiverno_without(start: Start) -> list[str]:
    return _wiverno(start)[:-2]


def _granian(start: Start) -> list[str]:
    command = [str(BIN / "granian"), "--interface", "wsgi", "--host", HOST, "--port", str(start.port), "--no-ws"]
    command += ["--workers", "1", "--blocking-threads", "1", "--http", "1", "--log-level", "error"]
    command += ["--static-path-route", "/static", "--static-path-mount", str(start.folder / "files")]
    return [*command, "benchmarks.apps:hello"]


def _uwsgi(start: Start) -> list[str]:
    command = [str(BIN / "uwsgi"), "--http11-socket", f"{HOST}:{start.port}", "--module", "benchmarks.apps:hello"]
    command += ["--master", "--processes", "1", "--enable-threads", "--threads", "64", "--listen", "1024"]
    # Without tcp-nodelay the head of a small file waits for the client's delayed acknowledgement.
    return [*command, "--static-map", start.mount, "--tcp-nodelay", "--disable-logging", "--die-on-term"]


def _nginx(start: Start) -> list[str]:
    file = start.folder / "nginx.conf"
    file.write_text(NGINX.format(folder=start.folder, host=HOST, port=start.port))
    return ["nginx", "-c", str(file)]


SERVERS: dict[str, Callable[[Start], list[str]]] = {
    "wiverno": _wiverno,
    "granian": _granian,
    "uWSGI": _uwsgi,
    "nginx": _nginx,
    "wiverno without mounts": _wiverno_without,
}


def _fetch(port: int, target: str, fields: dict[str, str] | None = None) -> tuple[int, dict[str, str], int]:
    connection = http.client.HTTPConnection(HOST, port, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", target, headers=fields or {})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, len(response.read())
    finally:
        connection.close()


def _wait_for(server: Child, port: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while server.alive and time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            _fetch(port, "/static/small.css")
            return
        time.sleep(0.02)  # between two looks; the deadline ends them
    raise server.fail("it does not answer")


def _fields_for(port: int, load: str) -> list[str]:
    """Return wrk's header options for a load, and check that the server answers it as it should."""
    if load in FILES:
        name, size = FILES[load]
        status, _, length = _fetch(port, f"/static/{name}")
        if (status, length) != (200, size):
            raise ChildFailed(f"{load}: status {status}, {length} bytes")
        return []
    if load == APPLICATION:
        if _fetch(port, "/")[2] != len(GREETING):
            raise ChildFailed("it has no application")
        return []
    found = _fetch(port, "/static/small.css")[1]
    sent = {"If-None-Match": found.get("etag", ""), "If-Modified-Since": found.get("last-modified", "")}
    sent = {name: value for name, value in sent.items() if value}
    if not sent or _fetch(port, "/static/small.css", sent)[0] != 304:
        raise ChildFailed("it sends no 304")
    return [option for name, value in sent.items() for option in ("-H", f"{name}: {value}")]


def _press(port: int, load: str, seconds: int, log: Path) -> tuple[float, int]:
    """Return requests a second, and how many there were."""
    path = f"/static/{FILES[load][0]}" if load in FILES else "/static/small.css" if load == NOT_MODIFIED else "/"
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS.get(load, 64)), "--duration", f"{seconds}s"]
    command += ["--script", "plain.lua", *_fields_for(port, load), f"http://{HOST}:{port}{path}"]
    with Child(command, cpu=CLIENT_CPU, log=log, directory=wrk.SCRIPTS) as child:
        child.process.wait(seconds + 30)
        line = next((text for text in log.read_text().splitlines() if text.startswith("SUMMARY ")), None)
        if line is None:
            raise child.fail("wrk printed no summary")
    counted = json.loads(line.removeprefix("SUMMARY "))
    if any(counted[name] for name in ("connect", "read", "write", "status", "timeout")):
        raise ChildFailed(f"errors: {line}")
    return counted["requests"] / counted["microseconds"] * 1e6, int(counted["requests"])


Figures = dict[str, dict[str, list[tuple[float, float]]]]
"""By load and server, for each round: requests a second, and microseconds of processor time a request."""


def measure(names: list[str], loads: list[str], rounds: int, seconds: int) -> Figures:
    """Return the figures; a load that a server can't do has none."""
    found: Figures = {load: {name: [] for name in names} for load in loads}
    with tempfile.TemporaryDirectory(prefix="wiverno-static-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "files").mkdir()
        for name, size in FILES.values():
            (folder / "files" / name).write_bytes(bytes(size))
        time.sleep(2.5)  # a file that has just changed is not kept in memory, and ctime can't be set
        for _ in range(rounds):
            for name in names:
                _measure_server(name, found, Start(folder, wrk.free_port()), seconds)
    return found


def _measure_server(name: str, found: Figures, start: Start, seconds: int) -> None:
    command = SERVERS[name](start)
    log = start.folder / "server.log"
    with Child(command, cpu=SERVER_CPU, log=log, directory=start.folder, variables=child_variables()) as child:
        _wait_for(child, start.port)
        for load, rates in found.items():
            if load != APPLICATION and name == "wiverno without mounts":
                continue
            before = child.cpu_seconds()
            try:
                rate, count = _press(start.port, load, seconds, start.folder / "wrk.log")
            except ChildFailed as problem:
                print(f"{name:<24} {load:<12} {str(problem).splitlines()[0]}", flush=True)
                continue
            cost = (child.cpu_seconds() - before) / count * 1e6
            rates[name].append((rate, cost))
            print(f"{name:<24} {load:<12} {rate:10,.0f}/s {cost:10,.1f} µs", flush=True)


def table(found: Figures, number: int) -> str:
    """Return the medians of the rates (0) or the costs (1) as a table of Markdown."""
    names = list(next(iter(found.values())))
    lines = [f"| | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for load, rates in found.items():
        values = {name: [figures[number] for figures in rates[name]] for name in names}
        cells = [f"{statistics.median(values[name]):,.0f}" if values[name] else "–" for name in names]
        lines.append(f"| {load} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--loads", default=",".join(LOADS))
    options = parser.parse_args()
    if not environment.inside():
        raise SystemExit("run it with benchmarks/.venv/bin/python; `make bench ARGS=--list` makes that environment")
    found = measure(options.servers.split(","), options.loads.split(","), options.rounds, options.seconds)
    print(f"requests a second\n{table(found, 0)}\n\nmicroseconds of processor time a request\n{table(found, 1)}")


if __name__ == "__main__":
    main()
