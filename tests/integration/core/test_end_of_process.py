"""The end of a process: threads that are no daemons, executors' jobs, exit handlers, and a second signal."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import Child, script
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import ask

FRAME = """
import atexit, logging, os, sys, threading, time
from concurrent.futures import ThreadPoolExecutor

def note(text):
    os.write(1, f"{text} in {os.getpid()}\\n".encode())

%s

def app(environ, start_response):
    if environ["PATH_INFO"] == "/job":
        job()
    start_response("200 OK", [])
    return [b"%%d" %% os.getpid()]
"""

POLLING = """
def poll():
    while True:
        time.sleep(0.1)

atexit.register(note, "exit handler")
threading.Thread(target=poll, name="scheduler").start()
"""

JOB = """
executor = ThreadPoolExecutor(2)
go_on = threading.Event()

def work():
    note("job begun")
    while not os.path.exists("go-on"):
        time.sleep(0.01)
    note("job done")

def job():
    executor.submit(work)

atexit.register(note, "exit handler")
"""

WAYS = {
    "one process": ["wiverno", "run", "shop:app", "--threads", "2"],
    "simple": ["wiverno", "run", "prod", "--app-module", "shop", "--app-name", "app"],
    "serve": ["wiverno", "serve", "shop:app"],
    "workers": ["wiverno", "run", "shop:app", "--workers", "1"],
    "preload": ["wiverno", "run", "shop:app", "--workers", "1", "--preload"],
}
each_way = pytest.mark.parametrize("way", WAYS)


@contextmanager
def serving(directory: Path, code: str, way: str, *options: str) -> Iterator[Child]:
    """Serve an application with this code at the top."""
    (directory / "shop.py").write_text(FRAME % code, encoding="utf-8")
    program, *rest = WAYS[way]
    listen = ["--host", "127.0.0.1", "--port", "0"]
    with Child([script(program), *rest, *listen, *options], cwd=directory) as child:
        child.address()
        yield child


@each_way
def test_thread_that_never_ends(tmp_path: Path, way: str) -> None:
    """After graceful_timeout the log names the threads with their stacks; exit handlers run; the status is 0."""
    with serving(tmp_path, POLLING, way, "--graceful-timeout", "0.3s") as child:
        pid = int(ask(child.address(), "/")[1])
        assert child.stop() == 0, child.output
        child.wait_for(r"1 thread\(s\) of the application still run: 'scheduler'")
        child.wait_for(r"shop.py.*, in poll\n")
        assert child.output.count(f"exit handler in {pid}\n") == 1, child.output


@pytest.mark.parametrize("way", ["one process", "workers"])
def test_jobs_are_finished(tmp_path: Path, way: str) -> None:
    """A job of an executor that has begun may take graceful_timeout."""
    with serving(tmp_path, JOB, way, "--graceful-timeout", "20s") as child:
        pid = int(ask(child.address(), "/job")[1])
        child.wait_for("job begun")
        child.send(signal.SIGTERM)
        child.wait_for("draining")
        (tmp_path / "go-on").touch()
        assert child.wait() == 0, child.output
        assert re.search(f"job done in {pid}\n(.*\n)*exit handler in {pid}\n", child.output), child.output
        assert "still run" not in child.output


@pytest.mark.parametrize("cause", ["reload", "max_requests"])
def test_jobs_of_a_worker_that_is_replaced(tmp_path: Path, cause: str) -> None:
    """A worker that leaves finishes the jobs of its executors while another one serves."""
    options = ["--graceful-timeout", "20s", *(["--max-requests", "1"] if cause == "max_requests" else [])]
    with serving(tmp_path, JOB, "workers", *options) as child:
        pid = int(ask(child.address(), "/job")[1])
        child.wait_for("job begun")
        if cause == "reload":
            child.send(signal.SIGHUP)
        wait_until(lambda: int(ask(child.address(), "/")[1]) != pid, PATIENCE * 2, what="another worker")
        (tmp_path / "go-on").touch()
        child.wait_for(f"job done in {pid}\n")
        child.wait_for(f"exit handler in {pid}\n")
        assert child.stop() == 0, child.output


@pytest.mark.parametrize(("way", "timeout"), [*((way, "60s") for way in WAYS), ("one process", "0"), ("workers", "0")])
def test_second_signal(tmp_path: Path, way: str, timeout: str) -> None:
    """A second signal ends a process that waits for threads at once, with exit handlers and status 0."""
    with serving(tmp_path, POLLING, way, "--graceful-timeout", timeout) as child:
        ask(child.address(), "/")
        child.send(signal.SIGTERM)
        child.wait_for("the process waits for them " + ("for up to" if timeout != "0" else "without a limit"))
        child.send(signal.SIGTERM)
        assert child.wait(50) == 0, child.output
        child.wait_for("exit handler in")


HANDLERS = {
    "raises": 'atexit.register(note, "the other handler")\natexit.register(lambda: 1 / 0)',
    "exits": 'atexit.register(note, "the other handler")\natexit.register(lambda: sys.exit(9))',
    "hangs": 'atexit.register(note, "the other handler")\natexit.register(lambda: threading.Event().wait())',
}


@pytest.mark.parametrize("way", ["one process", "workers"])
@pytest.mark.parametrize("kind", HANDLERS)
def test_bad_exit_handlers(tmp_path: Path, way: str, kind: str) -> None:
    """An exit handler that raises or calls sys.exit does not keep others from running; one that hangs is cut off."""
    with serving(tmp_path, HANDLERS[kind], way, "--graceful-timeout", "0.2s") as child:
        ask(child.address(), "/")
        assert child.stop() == 0, child.output
        if kind == "hangs":
            child.wait_for(r"an exit handler \(atexit\) has not returned")
        else:
            child.wait_for("the other handler in")


def test_hanging_handler_behind_a_thread(tmp_path: Path) -> None:
    """A thread that never ends and an exit handler that hangs: all stacks are printed, and the status is 1."""
    with serving(tmp_path, POLLING + HANDLERS["hangs"], "one process", "--graceful-timeout", "0.2s") as child:
        ask(child.address(), "/")
        assert child.stop() == 1, child.output
        child.wait_for("Timeout")


BEFORE_THE_FORK = """
import atexit, logging, os, tempfile, weakref

class Kept(logging.Handler):
    def emit(self, record):
        pass
    def close(self):
        os.write(1, f"logging closed in {os.getpid()}\\n".encode())
        super().close()

logging.getLogger("kept").addHandler(Kept())
atexit.register(lambda: os.write(1, f"early handler in {os.getpid()}\\n".encode()))
shared = tempfile.TemporaryDirectory()
atexit.register(lambda: os.write(1, f"directory {os.path.isdir(shared.name)} in {os.getpid()}\\n".encode()))
"""


@pytest.mark.parametrize("way", ["workers", "preload"])
def test_handlers_from_before_the_fork(tmp_path: Path, way: str) -> None:
    """Exit handlers of what ran before the server run once in each process; finalizers in the first one alone."""
    (tmp_path / "sitecustomize.py").write_text(BEFORE_THE_FORK, encoding="utf-8")
    (tmp_path / "shop.py").write_text(FRAME % "", encoding="utf-8")
    program, *rest = WAYS[way]
    command = [script(program), *rest, "--host", "127.0.0.1", "--port", "0", "--graceful-timeout", "20s"]
    with Child(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as child:
        pid = int(ask(child.address(), "/")[1])
        child.send(signal.SIGHUP)
        child.wait_for("reloaded: ")
        wait_until(lambda: f"early handler in {pid}\n" in child.output, what="the old worker's end")
        second = int(ask(child.address(), "/")[1])
        assert child.stop() == 0, child.output
    for process in (pid, second, child.process.pid):
        for text in ("early handler", "logging closed", "directory True"):
            assert child.output.count(f"{text} in {process}\n") == 1, child.output


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (["run", "shop:app", "--check"], 0, "ok: "),
        (["run", "shop:app", "--host", "192.0.2.1"], 1, "cannot listen"),
        (["run", "shop:missing"], 2, "missing"),
    ],
)
def test_command_that_serves_nothing(tmp_path: Path, options: list[str], status: int, text: str) -> None:
    """A check or a start that failed ends, too, after the application has started a thread."""
    (tmp_path / "shop.py").write_text(FRAME % POLLING, encoding="utf-8")
    with Child([script("wiverno"), *options], cwd=tmp_path) as child:
        assert child.wait() == status, child.output
        assert text in child.output


PSERVE = """
[app:main]
use = egg:wiverno
app = shop:app
[server:main]
use = egg:wiverno#main
host = %s
port = 0
graceful_timeout = 0.3s
"""


def test_pserve(tmp_path: Path) -> None:
    """pserve ends as `wiverno run` does."""
    (tmp_path / "shop.py").write_text(FRAME % POLLING, encoding="utf-8")
    (tmp_path / "shop.ini").write_text(PSERVE % "127.0.0.1", encoding="utf-8")
    with Child([script("pserve"), "shop.ini"], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as child:
        child.address()
        assert child.stop() == 0, child.output
        assert "'scheduler'" in child.output
        assert "exit handler in" in child.output


def test_pserve_that_can_not_start(tmp_path: Path) -> None:
    """pserve ends, too, when it can't listen and the application has started a thread."""
    (tmp_path / "shop.py").write_text(FRAME % POLLING, encoding="utf-8")
    (tmp_path / "shop.ini").write_text(PSERVE % "192.0.2.1", encoding="utf-8")
    with Child([script("pserve"), "shop.ini"], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as child:
        assert child.wait() == 1, child.output
        assert "cannot listen" in child.output


HOST = """
import os, threading, time
import wiverno
stop = threading.Event()
threading.Thread(target=stop.wait, name="the program's").start()
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
wiverno.serve(app, host="127.0.0.1", port=0, graceful_timeout=0.1)
print("serve has returned", flush=True)
time.sleep(1.5)
print("the program goes on", flush=True)
stop.set()
"""


def test_program_goes_on(tmp_path: Path) -> None:
    """serve() in a program limits nothing but the server: the program and its threads go on."""
    (tmp_path / "host.py").write_text(HOST, encoding="utf-8")
    with Child([str(tmp_path / "host.py")], cwd=tmp_path) as child:
        child.address()
        assert child.stop() == 0, child.output
        child.wait_for("the program goes on")
