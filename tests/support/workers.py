"""A supervised service in a child process, its admin address, and an application to serve that can misbehave."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.processes import Child, script
from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE, wait_until

APPLICATION = """
import os, time
VERSION = 1
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/sleep/"):
        time.sleep(float(path[7:]))
    elif path == "/exit":
        os._exit(7)
    elif path == "/hang":
        import gc, re, threading
        threading.Timer(0.1, gc.collect).start() # what waits for all threads where there is no GIL
        re.match("(a+)+$", "a" * 60 + "b")
    elif path == "/grow":
        globals()["kept"] = bytearray(b"x" * 150_000_000)
    elif path == "/fault":
        import ctypes
        ctypes.string_at(0)
    body = b"%d %d %r" % (os.getpid(), VERSION, environ["wsgi.multiprocess"])
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


class ServerContext:
    """A running `wiverno run`."""

    def __init__(self, child: Child, directory: Path) -> None:
        self.child = child
        self.directory = directory
        self.admin_path = str(directory / "admin.sock")
        self.address = child.address()

    def get(self, path: str = "/", *, timeout: float = PATIENCE) -> tuple[int, bytes]:
        """Ask the application on a new connection."""
        return ask(self.address, path, timeout=timeout)

    def pid(self) -> int:
        """Return the process id of some worker."""
        return int(self.get()[1].split()[0])

    def admin(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        """Ask the admin listener."""
        return ask(self.admin_path, path, method=method, fields={"X-Wiverno-Control": "1"})

    def status(self) -> dict[str, Any]:
        """Return /status."""
        found: dict[str, Any] = json.loads(self.admin("/status")[1])
        return found

    def workers(self, state: str = "ready") -> set[int]:
        """Return the process ids of the workers in a state."""
        return {worker["pid"] for worker in self.status()["workers"] if worker["state"] == state}

    def write(self, name: str, text: str) -> None:
        """Change a file of the service; an application's cached bytecode may not hide it."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        stamp = path.stat().st_mtime + len(list(self.directory.iterdir())) + 2
        os.utime(path, (stamp, stamp))


def ask(
    address: tuple[str, int] | str, path: str, *, method: str = "GET", fields: Mapping[str, str] | None = None,
    timeout: float = PATIENCE,
) -> tuple[int, bytes]:  # fmt: skip
    """Make one request on a new connection and return status and body."""
    with RawClient(address, timeout) as client:
        more = "".join(f"{name}: {value}\r\n" for name, value in (fields or {}).items())
        client.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n".encode())
        status, _, body = client.response(method=method)
        return status, body


@contextmanager
def service(
    directory: Path, *options: str, application: str = APPLICATION, settings: str = "", prefix: Sequence[str] = ()
) -> Iterator[ServerContext]:
    """Run a service from a configuration file in `directory` for the length of the block, started by `prefix`."""
    (directory / "shop.py").write_text(application, encoding="utf-8")
    config = directory / "wiverno.toml"
    config.write_text(
        '[app]\nuse = "shop:app"\n[server]\nhost = "127.0.0.1"\nport = 0\n'
        f'admin_listen = "unix:{directory}/admin.sock"\n{settings}\n',
        encoding="utf-8",
    )
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(directory)}
    command = [*prefix, script("wiverno"), "run", "--config", str(config), *options]
    with Child(command, cwd=directory, env=environment) as child:
        yield ServerContext(child, directory)


def is_alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_for_workers(served: ServerContext, count: int, *, without: set[int] = frozenset()) -> set[int]:  # type: ignore[assignment]
    """Wait until `count` workers serve, none of them out of `without`; return their process ids."""

    def found() -> set[int] | None:
        pids = served.workers()
        return pids if len(pids) == count and not pids & without else None

    return wait_until(found, PATIENCE * 3, what=f"{count} new workers") or set()


def reload(served: ServerContext, count: int) -> None:
    """Reload and wait until the new workers serve and the old ones are gone."""
    before = served.status()["reloads"]["succeeded"]
    served.child.send(signal.SIGHUP)
    wait_until(lambda: served.status()["reloads"]["succeeded"] == before + 1, PATIENCE * 2, what="the reload")
    wait_until(lambda: len(served.status()["workers"]) == count, PATIENCE * 2, what="the old workers' end")


def log_lines(served: ServerContext, pattern: str) -> list[str]:
    """Return the lines of the service's output that match."""
    return [line for line in served.child.output.splitlines() if re.search(pattern, line)]
