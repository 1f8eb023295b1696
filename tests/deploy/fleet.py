"""Three wiverno processes and a balancer in front of them, from the files of deploy/ with free ports put in."""

import contextlib
import http.client
import json
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT, Child, script
from tests.support.programs import program
from tests.support.sockets import LOOPBACK, free_port
from tests.support.waiting import wait_until

DEPLOY = ROOT / "deploy"
SERVICE = Path(__file__).parent


class Fleet:
    """Three processes of the service, each restarted on its own port.

    Args:
        variables: for deploy/wiverno.toml, as the balancer's file says.
    """

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self.ports = [free_port() for _ in range(3)]
        self.admin_ports = [free_port() for _ in range(3)]
        self._variables: dict[str, str | None] = {"PYTHONPATH": str(ROOT), **variables}
        self.children: list[Child] = []
        self.ended: list[Child] = []
        shutil.copy(DEPLOY / "wiverno.toml", folder)
        shutil.copy(SERVICE / "service.py", folder)

    def start(self, index: int) -> Child:
        """Start one process and wait until it serves."""
        variables = {**self._variables, "PORT": str(self.ports[index]), "ADMIN_PORT": str(self.admin_ports[index])}
        child = Child([script("wiverno"), "run", "--config", "wiverno.toml"], cwd=self.folder, env=variables)
        child.address()
        return child

    def restart(self, index: int) -> None:
        """Stop one process gracefully and start it again."""
        old = self.children[index]
        assert old.stop(signal.SIGTERM) == 0, old.output
        self.replace(index)

    def replace(self, index: int) -> None:
        """Start a process again that has ended."""
        self.ended.append(self.children[index])
        self.children[index] = self.start(index)

    def __enter__(self) -> "Fleet":
        try:
            for index in range(3):
                self.children.append(self.start(index))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for child in (*self.children, *self.ended):
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGCONT)
            child.__exit__()

    @property
    def processes(self) -> set[int]:
        """Who runs."""
        return {child.process.pid for child in self.children}


def with_ports(text: str, fleet: Fleet, front: int) -> str:
    """Put the fleet's ports into a balancer's configuration; every port of the file must be known here."""
    ports = {8080: front}
    ports |= {8001 + index: port for index, port in enumerate(fleet.ports)}
    ports |= {9001 + index: port for index, port in enumerate(fleet.admin_ports)}
    return re.sub(r"(127\.0\.0\.1:|\bport )(\d+)", lambda match: match[1] + str(ports[int(match[2])]), text)


@contextmanager
def haproxy(fleet: Fleet, *replacements: tuple[str, str], name: str = "haproxy.cfg") -> Iterator[int]:
    """Run HAProxy with a file of deploy/ and give its port; each replacement must be found in the file."""
    front = free_port()
    path = fleet.folder / name
    path.write_text(with_ports(replaced((DEPLOY / name).read_text(), replacements), fleet, front))
    with Child([program("haproxy"), "-db", "-f", str(path)], cwd=fleet.folder) as child:
        wait_for_everybody(child, front, fleet)
        yield front


@contextmanager
def nginx(fleet: Fleet, *replacements: tuple[str, str]) -> Iterator[int]:
    """Run nginx with deploy/nginx.conf and give its port; each replacement must be found in the file."""
    front = free_port()
    path = fleet.folder / "nginx.conf"
    own = ((("/run/nginx.pid", str(fleet.folder / "nginx.pid"))), *replacements)
    path.write_text(with_ports(replaced((DEPLOY / "nginx.conf").read_text(), own), fleet, front))
    nginx = program("nginx", package="nginx-light")
    command = [nginx, "-p", str(fleet.folder), "-e", "stderr", "-g", "daemon off;", "-c", str(path)]
    with Child(command, cwd=fleet.folder) as child:
        wait_for_everybody(child, front, fleet)
        yield front


BALANCERS: dict[str, Callable[..., AbstractContextManager[int]]] = {
    "haproxy": haproxy,
    "haproxy-http2": partial(haproxy, name="haproxy-http2.cfg"),
    "nginx": nginx,
}


def replaced(text: str, replacements: tuple[tuple[str, str], ...]) -> str:
    """Replace texts that must be there."""
    for old, new in replacements:
        assert old in text, f"the file has no {old!r}"
        text = text.replace(old, new)
    return text


def wait_for_everybody(child: Child, front: int, fleet: Fleet) -> None:
    """Wait until every process of the fleet has answered through the balancer."""
    seen: set[int] = set()

    def all_answered() -> bool:
        assert child.process.poll() is None, child.output
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            seen.add(fetch(front)["process"])
        return seen >= fleet.processes

    wait_until(all_answered, what="answers of all three processes through the balancer")


def fetch(
    port: int, path: str = "/", *, method: str = "GET", body: bytes | None = None, fields: dict[str, str] | None = None,
    source: str = LOOPBACK, timeout: float = 10.0,
) -> Any:  # fmt: skip
    """Make one request on a new connection, from the address `source`, and return the JSON of the answer.

    Raises:
        ValueError: the status is not 200.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout, source_address=(source, 0))
    try:
        return ask(connection, path, method=method, body=body, fields=fields)
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection, path: str = "/", *, method: str = "GET", body: bytes | None = None,
    fields: dict[str, str] | None = None,
) -> Any:  # fmt: skip
    """Make one request on an open connection and return the JSON of the answer.

    Raises:
        ValueError: the status is not 200.
    """
    connection.request(method, path, body, fields or {})
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        message = f"{method} {path}: {response.status} {content[:100]!r}"
        raise ValueError(message)
    return json.loads(content)


@dataclass
class Load:
    """Clients that ask without a pause until they are told to stop, and what they got.

    Args:
        port: where.
        clients: how many at a time; every second one keeps its connection, the others connect for each request.
        methods: asked in turn.
        path: asked for.
    """

    port: int
    clients: int = 6
    methods: tuple[str, ...] = ("GET", "POST")
    path: str = "/slow?2"
    answered: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    longest: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        """Requests answered with 200."""
        with self._lock:
            return self.answered.total()

    def _client(self, number: int) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)
        count = 0
        while not self._stop.is_set():
            method = self.methods[count % len(self.methods)]
            count += 1
            begun = time.monotonic()
            try:
                process = ask(connection, self.path, method=method, body=b"x" * 100 if method == "POST" else None)
                with self._lock:
                    self.answered[process["process"]] += 1
                    self.longest = max(self.longest, time.monotonic() - begun)
            except (OSError, http.client.HTTPException, ValueError) as error:
                with self._lock:
                    self.failures.append(f"client {number}, {method}: {error!r}")
                connection.close()
            if number % 2:
                connection.close()
        connection.close()

    def __enter__(self) -> "Load":
        for number in range(self.clients):
            thread = threading.Thread(target=self._client, args=(number,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def more(self, count: int, deadline: float = 30.0) -> None:
        """Wait until `count` more requests have been answered."""
        goal = self.total + count
        wait_until(lambda: self.total >= goal, deadline, what=f"{count} more answers (failures: {self.failures[:3]})")

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(40)
            assert not thread.is_alive(), "a client hangs"
