"""Attacks on a running HTTP/2 server: what was sent, what it cost, and how it ended.

python -m tests.long.http2_attacks               prints the table, for docs/http2.md
python -m tests.long.http2_attacks "flood"       only the rows whose name has this in it

One process with four threads serves with short deadlines. Beside each attack a normal client asks again and again.
"""

import contextlib
import os
import re
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tests.support.h2_attacks import BEGINNING, FLOODS, HOLDS, MISUSES, Hold, Witness
from tests.support.h2_client import h2_client
from tests.support.workers import ServerContext, service
from wiverno.http2.frames import PREFACE

SETTINGS = """http2 = true
trusted_proxies = ["127.0.0.1"]
threads = 4
header_timeout = 1
body_timeout = 1
channel_timeout = 2
max_request_body_size = "1MiB"
"""
APPLICATION = """
LARGE = bytes(2_000_000)
def app(environ, start_response):
    start_response("200 OK", [])
    return [LARGE[1:] if environ["PATH_INFO"] == "/large" else b"hello"]
"""
END = 20.0  # seconds in which the server must have ended an attack
DRIP = 0.2  # seconds
CONNECTIONS = 8  # that attack at the same time
BESIDE = "slowest answer to another client"


@dataclass
class Course:
    """How an attack went; bytes, seconds."""

    sent: int = 0
    ends: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def flood(address: Any, pieces: Iterator[bytes], course: Course) -> str:
    """Send until the server ends the connection; return how it did."""
    witness = Witness()
    with socket.create_connection(address, timeout=END) as sock:
        with contextlib.suppress(OSError):
            for data in batches(BEGINNING, pieces):
                sock.sendall(data)
                course.sent += len(data)
                receive(sock, witness, 0.0)
                if any(seen.startswith("GOAWAY") for seen in witness.seen):
                    break
        receive(sock, witness, END)
    return last_of(witness)


def batches(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join pieces, so that an attack costs its client little."""
    yield first
    while batch := list(islice(pieces, 64)):
        yield b"".join(batch)


def misuse(address: Any, data: bytes, end: str, course: Course) -> str:
    """Send once and read until the expected end has been seen, or nothing comes any more."""
    witness = Witness()
    with socket.create_connection(address, timeout=END) as sock:
        beginning = PREFACE if end == "GOAWAY PROTOCOL_ERROR" and data[3] == 6 else BEGINNING
        with contextlib.suppress(OSError):
            sock.sendall(beginning + data)
        course.sent += len(beginning + data)
        receive(sock, witness, END, until=end)
    return end if end in witness.seen else last_of(witness)


def hold(address: Any, plan: Hold, course: Course) -> str:
    """Send little and wait until the server ends it."""
    witness = Witness()
    began = time.monotonic()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.settimeout(END)
        sock.connect(address)
        is_over = False
        with contextlib.suppress(OSError):
            sock.sendall(plan.first)
            course.sent += len(plan.first)
            while not is_over and time.monotonic() < began + END:
                if plan.reads:
                    is_over = receive(sock, witness, DRIP, until=plan.end)
                else:
                    time.sleep(DRIP)  # the attack: a frame now and then
                if plan.drip or not plan.reads:
                    sock.sendall(plan.drip or b"\0\0\0\x77\0\0\0\0\0")
                    course.sent += len(plan.drip)
        if not plan.reads and time.monotonic() < began + END:
            return "closed"
    if plan.end in witness.seen:
        return plan.end
    return "closed" if is_over and not witness.seen else last_of(witness)


def receive(sock: socket.socket, witness: Witness, seconds: float, until: str = "") -> bool:
    """Read for so long, or what is there; True at the end of the stream or when `until` has been seen."""
    end = time.monotonic() + seconds
    try:
        while True:
            sock.settimeout(max(end - time.monotonic(), 0.0))
            data = sock.recv(65536)
            if not data:
                return True
            witness.take(data)
            if until and until in witness.seen:
                return True
    except (BlockingIOError, TimeoutError):
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(END)


def last_of(witness: Witness) -> str:
    """Return the GOAWAY, or the last thing that came."""
    goaways = [seen for seen in witness.seen if seen.startswith("GOAWAY")]
    return (goaways or witness.seen or ["closed"])[-1]


Attack = Callable[[Any, Course], str]


def _flooding(name: str) -> Attack:
    return lambda address, course: flood(address, FLOODS[name](), course)


def _misusing(name: str) -> Attack:
    return lambda address, course: misuse(address, MISUSES[name].data, MISUSES[name].end, course)


def _holding(name: str) -> Attack:
    return lambda address, course: hold(address, HOLDS[name], course)


ATTACKS: dict[str, tuple[Attack, str]] = {
    **{name: (_flooding(name), "GOAWAY ENHANCE_YOUR_CALM") for name in FLOODS},
    **{name: (_misusing(name), plan.end) for name, plan in MISUSES.items()},
    **{name: (_holding(name), plan.end) for name, plan in HOLDS.items()},
}


@dataclass(frozen=True)
class Row:
    """One attack by some connections at once; bytes and seconds."""

    name: str
    sent: int
    memory: tuple[int, int, int]
    beside: float
    seconds: float
    ends: tuple[str, ...]
    log: str

    def __str__(self) -> str:
        before, peak, after = (f"{bytes_ / 1e6:.0f}" for bytes_ in self.memory)
        ends = ", ".join(sorted(set(self.ends)))
        return (
            f"| {self.name} | {self.sent / 1000:,.0f} kB | {self.seconds:.1f} s | {before} / {peak} / {after} MB | "
            f"{self.beside * 1000:.0f} ms | {ends} | {self.log or '–'} |"
        )


LOG_SECONDS = 20.0  # in which a line of the log arrives


def attack(served: ServerContext, name: str, connections: int = CONNECTIONS) -> Row:
    """Attack with several connections at the same time and watch."""
    run, _ = ATTACKS[name]
    course = Course()
    already = len(served.child.lines)
    slowest = 0.0
    before = peak = resident(served)

    def one() -> None:
        end = run(served.address, course)
        with course.lock:
            course.ends.append(end)

    attackers = [threading.Thread(target=one, daemon=True) for _ in range(connections)]
    began = time.monotonic()
    for attacker in attackers:
        attacker.start()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(h2_client(served.address))
        while any(attacker.is_alive() for attacker in attackers):
            asked = time.monotonic()
            assert client.fetch("/").status == "200"
            slowest = max(slowest, time.monotonic() - asked)
            peak = max(peak, resident(served))
            time.sleep(0.01)  # the rate of the other client
    seconds = time.monotonic() - began
    lines: list[str] = []
    wants_line = "ENHANCE_YOUR_CALM" in ATTACKS[name][1]
    deadline = time.monotonic() + LOG_SECONDS
    while not lines:  # the log comes through a pipe, perhaps after the connection's end
        lines = re.findall(r"HTTP/2 connection of \S+ ended: (.*)", "".join(served.child.lines[already:]))
        if not wants_line or time.monotonic() > deadline:
            break
        time.sleep(0.01)  # between two looks; the deadline ends them
    for _ in range(20):  # the connections' ends may still be on their way
        if resident(served) <= before + 2_000_000:
            break
        time.sleep(0.1)  # between two of twenty looks
    memory = before, peak, resident(served)
    return Row(name, course.sent, memory, slowest, seconds, tuple(course.ends), lines[-1] if lines else "")


def resident(served: ServerContext) -> int:
    """Return the server's memory in RAM, in bytes."""
    return int(Path(f"/proc/{served.child.process.pid}/statm").read_text().split()[1]) * 4096


def table(wanted: str = "") -> str:
    """Run the attacks and return their table."""
    rows = [
        f"| {CONNECTIONS} connections with | bytes sent | time | memory before / most / after | {BESIDE} | end | log |",
        "|---|---|---|---|---|---|---|",
    ]
    # The C library keeps what threads have freed; with this it is given back, and what the server keeps can be seen.
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "131072"
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder), application=APPLICATION, settings=SETTINGS) as served,
    ):
        for name in ATTACKS:
            if wanted in name:
                row = str(attack(served, name))
                print(row, file=sys.stderr, flush=True)
                rows.append(row)
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table(*sys.argv[1:2]), end="")
