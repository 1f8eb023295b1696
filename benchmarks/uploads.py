"""Uploads in good and bad circumstances: `python -m benchmarks.uploads` prints a table for the page.

    1 MiB · in chunks · many at once · beside slow clients · with the budget exhausted · 1,000 MiB

Each server starts afresh for each circumstance, on its own CPU; threads of this program are the clients. The rate is
limited by them, too, so the server's processor time for each upload is the figure to compare. "Memory" is by how much
the resident memory of all its processes rose at most.
"""

import argparse
import contextlib
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import wrk
from benchmarks.environment import PYTHON
from benchmarks.processes import CLIENT_CPU, SERVER_CPU, Child
from benchmarks.servers import HOST, child_variables

MIB: Final = 1 << 20
APPLICATION: Final = "benchmarks.apps:swallow"
PATIENCE_SECONDS: Final = 60.0
BIN: Final = PYTHON.parent
PIECE: Final = b"x" * 65536
SLOW_PAUSE: Final = 0.5  # seconds between the pieces of a slow client


@dataclass(frozen=True, slots=True)
class Case:
    """One circumstance.

    Attributes:
        title: in the table.
        size: bytes of a body.
        clients: connections, each with one upload after the other.
        is_chunked: whether bodies have no Content-Length.
        beside: clients that have begun a body and go on with it slowly, or not at all.
        begun: bytes that each of them has sent.
        is_slow: whether they go on, slowly.
        seconds: how long it is measured; 0 for one upload of each client.
    """

    title: str
    size: int = MIB
    clients: int = 16
    is_chunked: bool = False
    beside: int = 0
    begun: int = 0
    is_slow: bool = False
    seconds: float = 3.0


CASES: Final = (
    Case("1 MiB, 16 clients"),
    Case("1 MiB in chunks, 16 clients", is_chunked=True),
    Case("1 MiB, 200 clients at once", clients=200),
    Case("1 MiB, beside 50 slow uploads", beside=50, begun=100_000, is_slow=True),
    Case("1 MiB, while 70 others hold 1 MB each", beside=70, begun=1_000_000),
    Case("16 MiB, 4 clients", size=16 * MIB, clients=4),
    Case("1,000 MiB, one client", size=1000 * MIB, clients=1, seconds=0),
    Case("1,000 MiB in chunks, one client", size=1000 * MIB, clients=1, is_chunked=True, seconds=0),
)

SERVERS: Final[dict[str, Callable[[int], list[str]]]] = {
    "wiverno": lambda port: [
        str(BIN / "wiverno"), "run", APPLICATION, "--host", HOST, "--port", str(port), "--threads", "16",
        "--connection-limit", "1000",
    ],
    "wiverno, without the budget": lambda port: [*SERVERS["wiverno"](port), "--max-body-memory", "0"],
    "granian": lambda port: [
        str(BIN / "granian"), "--interface", "wsgi", "--host", HOST, "--port", str(port), "--blocking-threads", "16",
        "--no-ws", "--log-level", "error", APPLICATION,
    ],
    "gunicorn gthread": lambda port: [
        str(BIN / "gunicorn"), "--bind", f"{HOST}:{port}", "--worker-class", "gthread", "--threads", "16",
        "--log-level", "error", APPLICATION,
    ],
    "waitress": lambda port: [
        str(BIN / "waitress-serve"), f"--listen={HOST}:{port}", "--threads=16", "--connection-limit=1000", APPLICATION
    ],
}  # fmt: skip


def _head(case: Case) -> bytes:
    framing = b"Transfer-Encoding: chunked" if case.is_chunked else b"Content-Length: %d" % case.size
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n"


def _pieces(case: Case) -> Iterator[bytes]:
    for start in range(0, case.size, len(PIECE)):
        piece = PIECE[: case.size - start]
        yield b"%x\r\n%s\r\n" % (len(piece), piece) if case.is_chunked else piece
    if case.is_chunked:
        yield b"0\r\n\r\n"


class Clients:
    """The connections of one case."""

    def __init__(self, case: Case, port: int) -> None:
        self._case = case
        self._port = port
        self._body = b"".join(_pieces(case)) if case.size <= 16 * MIB else b""
        self._end = threading.Event()
        self.done = 0
        self.errors = 0
        self._lock = threading.Lock()

    def _upload(self, sock: socket.socket) -> bool:
        sock.sendall(_head(self._case))
        if self._body:
            sock.sendall(self._body)
        else:
            for piece in _pieces(self._case):
                sock.sendall(piece)
        answer = b""
        while b"%d\n" % self._case.size not in answer:
            data = sock.recv(65536)
            if not data:
                return False
            answer += data
        return answer.startswith(b"HTTP/1.1 200")

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                with socket.create_connection((HOST, self._port), timeout=PATIENCE_SECONDS) as sock:
                    while not self._end.is_set():
                        is_right = self._upload(sock)
                        with self._lock:
                            self.done += is_right
                            self.errors += not is_right
                        if not is_right:
                            break
                        if not self._case.seconds:
                            return
            except OSError:
                if not self._end.is_set():
                    with self._lock:
                        self.errors += 1

    def run(self) -> float:
        """Upload for the case's time, or once; return the seconds."""
        threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self._case.clients)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        if self._case.seconds:
            time.sleep(self._case.seconds)  # the length of the measurement
            elapsed = time.monotonic() - began
            done, self._end = self.done, _set()
            self.done = done
            return elapsed
        for thread in threads:
            thread.join()
        return time.monotonic() - began

    def hold(self) -> Iterator[None]:
        """Begin the uploads beside, and go on with the slow ones, until closed."""
        begun = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MIB
        socks = []
        for _ in range(self._case.beside):
            sock = socket.create_connection((HOST, self._port), timeout=PATIENCE_SECONDS)
            sock.sendall(begun + b"x" * self._case.begun)
            socks.append(sock)
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(SLOW_PAUSE):
                for sock in socks:
                    with contextlib.suppress(OSError):
                        sock.send(b"x" * 1000)

        thread = threading.Thread(target=trickle, daemon=True)
        if self._case.is_slow:
            thread.start()
        yield
        stop.set()
        for sock in socks:
            sock.close()


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


class PeakMemory:
    """Looks at the resident memory of a server again and again."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._end = threading.Event()
        self._before = self.peak = self._resident()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _resident(self) -> int:
        total = 0
        for pid in self._child.members():
            with contextlib.suppress(OSError):
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return total * os.sysconf("SC_PAGE_SIZE")

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self.peak = max(self.peak, self._resident())

    def growth(self) -> float:
        """Stop looking; return by how many MiB it rose at most."""
        self._end.set()
        self._thread.join()
        return (self.peak - self._before) / MIB


def measure(case: Case, command: Callable[[int], list[str]], workspace: Path) -> str:
    """Return a cell of the table: uploads a second or seconds, processor milliseconds of each, MiB of memory."""
    port = wrk.free_port()
    log = workspace / "uploads.log"
    with Child(command(port), cpu=SERVER_CPU, log=log, directory=workspace, variables=child_variables()) as child:
        _wait(child, port)
        clients = Clients(case, port)
        holding = clients.hold()
        next(holding)
        memory, used = PeakMemory(child), child.cpu_seconds()
        elapsed = clients.run()
        used = child.cpu_seconds() - used
        growth = memory.growth()
        next(holding, None)
        if not clients.done:
            return f"failed ({clients.errors} errors)"
        rate = f"{clients.done / elapsed:,.0f}/s" if case.seconds else f"{elapsed:.1f} s"
        errors = f", {clients.errors} errors" if clients.errors else ""
        return f"{rate}, {used / clients.done * 1e3:,.2f} ms, {max(growth, 0):,.0f} MiB{errors}"


def _wait(child: Child, port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and child.alive:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
            return
        time.sleep(0.02)  # between two looks; the deadline ends them
    raise child.fail("the server does not answer")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", default=",".join(SERVERS), help="names, with commas")
    chosen = [name for name in SERVERS if name in parser.parse_args().servers.split(",")]
    os.sched_setaffinity(0, {CLIENT_CPU})
    print("| uploads | " + " | ".join(chosen) + " |\n|---" + "|---:" * len(chosen) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            cells = [measure(case, SERVERS[name], Path(folder)) for name in chosen]
            print(f"| {case.title} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
