"""What real programs and operators do to the process around a server, done to wiverno and its peers by the same code.

python -m tests.long.surroundings               prints the table; `... figures surroundings` puts it into the page
python -m tests.long.surroundings "12"          only the row of this number

Each row starts every server once, with one process and four threads, and says what a client or an operator sees. The
other servers are those of the benchmark's environment, which `make bench-quick` makes.
"""

import contextlib
import importlib.metadata
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.support.processes import ROOT, Child, script
from tests.support.sockets import LOOPBACK, RawClient, free_port
from tests.support.waiting import wait_until

BIN = ROOT / "benchmarks" / ".venv" / "bin"
APPLICATION = "tests.long.surroundings_app:application"
WAIT = 5.0  # seconds after which an answer counts as none
END = 15.0  # seconds after which a process that was told to end hangs
GRACE = 2  # seconds that each server is given for requests at its end, where it has a setting for that
SERVERS = ("wiverno", "waitress", "gunicorn", "granian")


@dataclass(frozen=True)
class Outcome:
    """What was seen; what is not good is printed bold."""

    text: str
    is_good: bool

    def __str__(self) -> str:
        return self.text if self.is_good else f"**{self.text}**"


def command(server: str, port: int, folder: Path, *, is_supervised: bool = False) -> list[str]:
    """Return the command line of a server; what it reads from a file is written into `folder`."""
    if server == "wiverno":
        workers = f"workers = {int(is_supervised)}\n"
        (folder / "wiverno.toml").write_text(
            f'[app]\nuse = "{APPLICATION}"\n[server]\nlisten = "{LOOPBACK}:{port}"\nthreads = 4\n'
            f"graceful_timeout = {GRACE}\n{workers}"
        )
        return [script("wiverno"), "run", "--config", str(folder / "wiverno.toml")]
    if server == "waitress":
        return [str(BIN / "waitress-serve"), f"--listen={LOOPBACK}:{port}", "--threads=4", APPLICATION]
    if server == "gunicorn":
        (folder / "gunicorn.conf.py").write_text(
            f'bind = "{LOOPBACK}:{port}"\nthreads = 4\nworker_class = "gthread"\ngraceful_timeout = {GRACE}\n'
        )
        return [str(BIN / "gunicorn"), "-c", str(folder / "gunicorn.conf.py"), APPLICATION]
    return [
        str(BIN / "granian"), "--interface", "wsgi", "--host", LOOPBACK, "--port", str(port), "--blocking-threads", "4",
        "--workers-kill-timeout", str(GRACE), APPLICATION,
    ]  # fmt: skip


@dataclass
class Running:
    """A server that was started."""

    name: str
    child: Child
    address: tuple[str, int]
    folder: Path

    def ask(self, path: str = "/", wait: float = WAIT) -> bytes | None:
        """Return the body of an answer with status 200, None if there is none."""
        with contextlib.suppress(OSError, EOFError, ValueError), RawClient(self.address, wait) as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            status, _, body = client.response()
            return body if status == 200 else None
        return None

    def status(self, seconds: float) -> int | None:
        """Return the exit status, None if it still runs after so many seconds."""
        try:
            return self.child.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def aftermath(self) -> Outcome:
        """Say how it goes on: it serves, it has ended, or it runs, but answers no request."""
        for _ in range(3):
            if self.ask() == b"hello":
                return Outcome("keeps serving", True)
            if (status := self.status(1.0)) is not None:
                return Outcome(f"ends with status {status}", status != 0)
        return Outcome("runs, but answers no request", False)


@contextmanager
def running(server: str, fault: str = "", *, closes: bool = False, supervised: bool = False) -> Iterator[Running]:
    """Start a server; `closes` starts it without standard streams."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        words = command(server, port, Path(name), is_supervised=supervised)
        if closes:
            words = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words]
        env = {"FAULT": fault, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        with Child(words, cwd=name, env=env) as child:
            yield Running(server, child, (LOOPBACK, port), Path(name))


@contextmanager
def serving(server: str, fault: str = "", *, closes: bool = False, supervised: bool = False) -> Iterator[Running]:
    """Start a server and wait until it answers."""
    with running(server, fault, closes=closes, supervised=supervised) as made:
        wait_until(lambda: made.ask(wait=1.0) == b"hello", 20.0, what=f"{server} to serve")
        yield made


# ---------------------------------------------------------------- the rows


def log_filter(server: str) -> Outcome:
    with serving(server) as made:
        made.ask("/filter")
        for _ in range(6):
            made.ask("/raise", wait=1.0)
        seen = made.aftermath()
        if not seen.is_good:
            return seen
        made.child.send(signal.SIGTERM)
        return seen if made.status(END) is not None else Outcome("keeps serving, ignores SIGTERM", False)


def descriptors(server: str) -> Outcome:
    with serving(server) as made:
        made.ask("/descriptors", wait=1.0)
        return made.aftermath()


def forked_child(server: str) -> Outcome:
    with serving(server) as made, RawClient(made.address, 10.0) as client:
        client.send(b"GET /fork HTTP/1.0\r\n\r\n")
        began = time.monotonic()
        client.rest()
        seconds = time.monotonic() - began
        return Outcome("at once" if seconds < 2 else "when the child has ended", seconds < 2)


def returning_child(server: str) -> Outcome:
    with serving(server) as made, RawClient(made.address, 2.0) as client:
        client.send(b"GET /return HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        with contextlib.suppress(OSError):  # the connection stays open
            while data := client.socket.recv(4096):
                received += data
    count, is_childs = received.count(b"HTTP/1.1 "), b"the child's" in received
    if not is_childs:
        return Outcome("the parent's", count == 1)
    return Outcome("the parent's and the child's" if count > 1 else "the child's", False)


def terminated_child(server: str) -> Outcome:
    with serving(server) as made:
        body = made.ask("/terminate", wait=10.0)
        return Outcome("ends", True) if body == b"-15" else Outcome("keeps running", False)


def vanished_file(server: str) -> Outcome:
    if server in ("waitress", "granian"):
        return Outcome("has no file", True)
    with serving(server, supervised=True) as made:
        for path in made.folder.iterdir():
            path.unlink()
        made.child.send(signal.SIGHUP)
        time.sleep(2.0)  # what comes of it may come late
        seen = made.aftermath()
        return Outcome(seen.text, seen.text == "keeps serving")


def failed_import(server: str) -> Outcome:
    with running(server, "import") as made:
        status = made.status(END)
        if status is None:
            return Outcome("goes on trying", False)
        names = "/no/such/data.csv" in made.child.output
        words = ("names the file" if names else "does not name the file") + f", status {status}"
        return Outcome(words, names and status != 0 and "cannot listen" not in made.child.output)


def no_streams(server: str) -> Outcome:
    try:
        with serving(server, closes=True) as made:
            made.ask("/raise", wait=1.0)
            return made.aftermath()
    except AssertionError:
        return Outcome("does not start", False)


def lasting_thread(server: str) -> Outcome:
    with serving(server, "thread") as made:
        made.child.send(signal.SIGTERM)
        began = time.monotonic()
        if made.status(END) is None:
            return Outcome(f"hangs for more than {END:.0f} s", False)
        return Outcome(f"ends after {time.monotonic() - began:.1f} s", True)


def subclasses(server: str) -> Outcome:
    with serving(server) as made:
        is_good = made.ask("/subclasses") == b"subclasses"
        return Outcome("served" if is_good else "no answer with status 200", is_good)


def proc_file(server: str) -> Outcome:
    with serving(server) as made:
        found = made.ask("/proc")
        is_good = found is not None and found.count(b"\n") > 20
        return Outcome("whole" if is_good else "nothing" if not found else "cut", is_good)


def leaving_bodies(server: str) -> Outcome:
    with serving(server) as made:
        for _ in range(8):
            made.ask("/leave", wait=1.0)
        return made.aftermath()


def kept_write(server: str) -> Outcome:
    with serving(server) as made, RawClient(made.address, WAIT) as client:
        client.send(b"GET /keep HTTP/1.1\r\nHost: a\r\n\r\n")
        client.response()
        seen = b""
        with contextlib.suppress(OSError):
            client.send(b"GET /use HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            seen = client.rest()
        if b"another user" in seen:
            return Outcome("its bytes are in the later response", False)
        return Outcome("refused" if b"whole" in seen else "no answer to the later request", b"whole" in seen)


def one_byte_clients(server: str) -> Outcome:
    with serving(server) as made, ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(RawClient(made.address)).send(b"G")
        time.sleep(0.5)  # all have been accepted, which no server tells
        times = []
        for _ in range(3):
            began = time.monotonic()
            if made.ask() is None:
                return Outcome(f"no answer within {WAIT:.0f} s", False)
            times.append(time.monotonic() - began)
        return Outcome(f"answers within {max(times):.2f} s", True)


@dataclass(frozen=True)
class Row:
    """One thing that is done, and what is asked about it."""

    meaning: str
    question: str
    probe: Callable[[str], Outcome] = field(repr=False)


ROWS = (
    Row("a logging filter raises whenever the server logs", "afterwards", log_filter),
    Row("a request closes the descriptors from 3 on", "afterwards", descriptors),
    Row("a request leaves a forked child that lives for 6 s", "its client sees the end", forked_child),
    Row("a forked child returns from the application", "the responses", returning_child),
    Row("Process.terminate() on a child of multiprocessing", "the child", terminated_child),
    Row("SIGHUP while the configuration file is gone", "afterwards", vanished_file),
    Row("the application can't open a file while it is imported", "the message", failed_import),
    Row("started without standard streams, a request fails", "afterwards", no_streams),
    Row(f"SIGTERM, the application has a thread that lasts; {GRACE} s are granted", "the end", lasting_thread),
    Row("status, header and body are subclasses of str and bytes", "the response", subclasses),
    Row("a file of /proc through wsgi.file_wrapper", "the response", proc_file),
    Row("eight bodies whose close() raises SystemExit", "afterwards", leaving_bodies),
    Row("a kept write() is used in a later request", "the old callable", kept_write),
    Row("100 clients that send one byte, default limits", "an ordinary client", one_byte_clients),
)  # fmt: skip


def versions() -> str:
    """Say which servers these are, and when they were asked."""
    code = "import importlib.metadata as m, sys; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    done = subprocess.run([BIN / "python", "-c", code, *SERVERS[1:]], capture_output=True, text=True, check=True)
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    own = f"wiverno {importlib.metadata.version('wiverno')}"
    return f"{own}, {done.stdout.strip()}; {python}, {datetime.now(tz=UTC):%d %B %Y}."


def table(rows: tuple[Row, ...] = ROWS) -> list[str]:
    """Return the table's lines."""
    lines = ["| what happens | seen | " + " | ".join(SERVERS) + " |", "|---" * (len(SERVERS) + 2) + "|"]
    for row in rows:
        cells = []
        for server in SERVERS:
            print(f"{row.meaning}: {server} …", file=sys.stderr, flush=True)
            try:
                cells.append(str(row.probe(server)))
            except (AssertionError, OSError, EOFError) as error:
                cells.append(f"**{str(error).splitlines()[0]}**")
        lines.append(f"| {row.meaning} | {row.question} | " + " | ".join(cells) + " |")
    return lines


def surroundings() -> list[str]:
    """Return the part of the page."""
    introduction = "Every server has one process and four threads (wiverno a supervisor where a reload is tried)."
    return [introduction, f"Versions: {versions()}", "", *table()]


def main(*numbers: str) -> None:
    """Print the table, or some of its rows."""
    if not (BIN / "granian").exists():
        sys.exit("error: benchmarks/.venv is missing, which has the servers: run make bench-quick first")
    os.environ["PYTHONUNBUFFERED"] = "1"
    print(*table(tuple(ROWS[int(number) - 1] for number in numbers) or ROWS), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
