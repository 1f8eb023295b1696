"""Standard streams that are closed, full, broken or closed by the application: the server starts, serves and ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.processes import environment, run, script
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until

PATIENCE = 30.0  # seconds: the machine may be busy

# It opens a file at once, which takes the lowest number that is free, and prints in every request.
APPLICATION = """
import os, sys
how = os.environ.get("HOW", "")
if how == "close":
    for number in (0, 1, 2):
        os.close(number)
elif how == "objects":
    sys.stderr.close()
    sys.stdout.close()
elif how == "odd":
    class Odd:
        def write(self, text): return len(text)
        def flush(self): pass
    sys.stdout = sys.stderr = Odd()
database = open(os.environ["DATABASE"], "wb", buffering=0)
database.write(b"SQLite format 3")
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/close":
        os.closerange(0, 3)
    elif path == "/print":
        for number in (1, 2):
            try:
                os.write(number, b"printed by a library in C")
            except OSError:
                pass
    elif path == "/errors":
        errors = environ["wsgi.errors"]
        errors.write("something to say\\n")
        errors.writelines(["more ", "to say\\n"])
        print("and more", file=errors, flush=True)
        errors.close()
    body = b"%d" % database.fileno()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

CLOSED = ("", "<&-", ">&-", "2>&-", "<&- >&- 2>&-", "</dev/full >/dev/full 2>/dev/full", ">/dev/full 2>&1 </dev/null")
PROCESSES = ((), ("--workers", "1"))


class Running:
    """A server that was started by a shell with redirections; nothing reads its output."""

    def __init__(self, directory: Path, process: subprocess.Popen[bytes]) -> None:
        self.directory = directory
        self.process = process
        self.path = str(directory / "app.sock")

    def get(self, path: str = "/") -> bytes:
        with RawClient(self.path, PATIENCE) as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            status, _, body = client.response()
            assert status == 200
            return body

    def is_up(self) -> bool:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}"
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(self.path)
            return True
        return False

    def database(self) -> bytes:
        return (self.directory / "database").read_bytes()

    def log(self) -> str:
        path = self.directory / "access.log"
        return path.read_text() if path.exists() else ""


@contextmanager
def started(
    directory: Path, redirections: str, *options: str, how: str = "", door: str = "run", pass_fds: tuple[int, ...] = ()
) -> Iterator[Running]:
    (directory / "shop.py").write_text(APPLICATION)
    (directory / "shop.toml").write_text('[app]\nuse = "shop:app"\n[server]\nlisten = "unix:app.sock"\n')
    (directory / "program.py").write_text(
        "import wiverno\nfrom shop import app\n"
        'if __name__ == "__main__":\n    wiverno.serve(app, unix_socket="app.sock")\n'
    )
    commands = {
        "run": [script("wiverno"), "run", "--config", "shop.toml", *options],
        "serve": [script("wiverno"), "serve", "--unix-socket", "app.sock", "shop:app", *options],
        "pserve": [script("pserve"), "shop.toml"],
        "program": [sys.executable, "program.py"],
    }
    variables = environment({
        "DATABASE": str(directory / "database"), "HOW": how, "PYTHONPATH": str(directory),
        "PYTHONDONTWRITEBYTECODE": "1",
    })  # fmt: skip
    shell = ["bash", "-c", f'exec "$0" "$@" {redirections}', *commands[door]]
    process = subprocess.Popen(
        shell, cwd=directory, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, pass_fds=pass_fds,
    )  # fmt: skip
    running = Running(directory, process)
    try:
        wait_until(running.is_up, PATIENCE, what="a server that listens")
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def check(running: Running, *, status: int = 0) -> None:
    """Ask, print into descriptors 1 and 2, and end the server."""
    assert int(running.get("/")) > 2
    running.get("/print")
    running.get("/errors")
    running.get("/print")
    assert running.database() == b"SQLite format 3"
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(PATIENCE) == status


@pytest.mark.parametrize("redirections", CLOSED)
@pytest.mark.parametrize("processes", PROCESSES, ids=["one", "workers"])
def test_streams_at_the_start(tmp_path: Path, processes: tuple[str, ...], redirections: str) -> None:
    """Nothing that the server or the application opens becomes a standard stream, and the end is an orderly one."""
    with started(tmp_path, redirections, *processes, "--access-log", "-") as running:
        check(running)


@pytest.mark.parametrize("door", ["serve", "pserve"])
def test_other_doors(tmp_path: Path, door: str) -> None:
    """It is so however the server is started."""
    with started(tmp_path, "<&- >&- 2>&-", door=door) as running:
        check(running)


def test_a_program(tmp_path: Path) -> None:
    """A program opens its own files first; what the server opens is kept away from the standard streams."""
    with started(tmp_path, "<&- >&- 2>&-", door="program") as running:
        running.get("/")
        running.get("/errors")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("processes", PROCESSES, ids=["one", "workers"])
@pytest.mark.parametrize("how", ["odd", "objects"])
def test_streams_that_the_application_replaces(tmp_path: Path, processes: tuple[str, ...], how: str) -> None:
    """A stream without fileno() is no reason not to serve."""
    with started(tmp_path, "", *processes, how=how) as running:
        check(running)


@pytest.mark.parametrize("processes", PROCESSES, ids=["one", "workers"])
def test_streams_that_a_request_closes(tmp_path: Path, processes: tuple[str, ...]) -> None:
    """What daemonising code closes does not become a client: nothing that is printed gets into a response."""
    with started(tmp_path, "", *processes, "--access-log", "access.log") as running:
        running.get("/close")
        for _ in range(3):
            with RawClient(running.path, PATIENCE) as idle:
                idle.send(b"GET /")
                running.get("/print")
                idle.send(b"print HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert idle.response()[2] == running.get("/")
        wait_until(lambda: running.log().count("\n") == 10, PATIENCE, what="ten lines in the log")
        assert "printed" not in running.log()


@contextmanager
def pipes() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        for fd in (reader, writer):
            with suppress(OSError):
                os.close(fd)


@pytest.mark.parametrize("processes", PROCESSES, ids=["one", "workers"])
def test_a_pipe_whose_reader_ends(tmp_path: Path, processes: tuple[str, ...]) -> None:
    """Standard output and error go to a log collector that ends: requests and the end go on as before."""
    with pipes() as (reader, writer):
        redirections = f">&{writer} 2>&{writer}"
        with started(tmp_path, redirections, *processes, "--access-log", "-", pass_fds=(writer,)) as running:
            os.close(writer)
            running.get("/errors")
            os.close(reader)
            for _ in range(3):
                running.get("/errors")
            check(running)


@pytest.mark.parametrize("processes", PROCESSES, ids=["one", "workers"])
def test_a_full_pipe_that_does_not_block(tmp_path: Path, processes: tuple[str, ...]) -> None:
    """As standard error of a terminal or a Node program can be: what does not fit is lost, the request is served."""
    with pipes() as (_, writer):
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(65536))
        redirections = f">&{writer} 2>&{writer}"
        with started(tmp_path, redirections, *processes, "--access-log", "-", pass_fds=(writer,)) as running:
            for _ in range(3):
                running.get("/errors")
            check(running)


def test_a_log_on_standard_output_is_no_other_file(tmp_path: Path) -> None:
    """The access log stays on standard output when the application closes descriptor 1 and opens a file there."""
    with started(tmp_path, ">lines", "--access-log", "-", how="close") as running:
        running.get("/")
        assert b"GET" not in running.database()


@pytest.mark.parametrize("arguments", [("run", "missing:app"), ("config", "check", "missing.toml"), ("ctl", "status")])
def test_commands_that_fail(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The exit status is the same when nothing can be said."""
    (tmp_path / "wiverno.toml").write_text('[server]\nadmin_listen = "unix:missing.sock"\n')
    command = [script("wiverno"), *arguments]
    heard = run(command, cwd=tmp_path)
    for redirection in ("<&- >&- 2>&-", ">/dev/full 2>/dev/full"):
        unheard = run(["bash", "-c", f'exec "$0" "$@" {redirection}', *command], cwd=tmp_path)
        assert unheard.returncode == heard.returncode


@pytest.mark.parametrize("arguments", [
    ("--help",), ("run", "--help"), ("config", "show"), ("run", "shop:app", "--check"),
], ids=" ".join)  # fmt: skip
def test_commands_that_print(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A reader that has ended is no error to tell of, a full disk is one line; both are status 1."""
    (tmp_path / "shop.py").write_text("def app(environ, start_response): ...\n")
    command = [script("wiverno"), *arguments]
    heard = run(command, cwd=tmp_path)
    assert (heard.returncode, bool(heard.stdout)) == (0, True)
    full = run(["bash", "-c", 'exec "$0" "$@" >/dev/full', *command], cwd=tmp_path)
    assert (full.returncode, full.stderr) == (1, "error: standard output: No space left on device\n")
    with pipes() as (reader, writer):
        os.close(reader)
        closed = subprocess.run(
            command, cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    assert (closed.returncode, closed.stderr) == (1, b"")
