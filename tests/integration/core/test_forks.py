"""Processes that an application forks: they do not answer, accept or run the server's handlers, and they end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Child, script
from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import ask, is_alive
from wiverno.core.net.listeners import inherited
from wiverno.tables import has_gil

APPLICATION = """
import json, multiprocessing, os, signal, subprocess, sys, threading, time

fork = multiprocessing.get_context("fork")
SERVER = os.getpid()

def status_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def sockets():
    found = {"socket": 0, "epoll": 0}
    for name in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue
        found["socket"] += link.startswith("socket:")
        found["epoll"] += "eventpoll" in link
    return found

def report(pipe):
    wake_up = signal.set_wakeup_fd(-1)
    names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGQUIT", "SIGCHLD", "SIGTTIN")
    handlers = {name: str(signal.getsignal(getattr(signal, name))) for name in names}
    pipe.send({"handlers": handlers, "wake_up": wake_up, **sockets()})

def child_state():
    here, there = fork.Pipe(duplex=False)
    process = fork.Process(target=report, args=(there,))
    process.start()
    found = here.recv()
    process.join()
    return json.dumps(found)

def square(number):
    return number * number

def pool():
    with fork.Pool(2) as workers:
        found = workers.map(square, range(5))
    workers.join()
    return repr(found)

def terminate():
    process = fork.Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join(10)
    return repr(process.exitcode)

def started():
    process = fork.Process(target=time.sleep, args=(60,))
    process.start()
    return repr(process.pid)

def in_thread():
    found = []
    def run():
        pid = os.fork()
        if pid:
            found.append(status_of(pid))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return repr(found)

def with_preexec():
    done = subprocess.run(["true"], preexec_fn=lambda: None, close_fds=False)
    return repr(done.returncode)

class Leaving(BaseException):
    pass

def forked(kind):
    pid = os.fork()
    if pid:
        return repr(status_of(pid)).encode()
    print("child of", kind, flush=False)
    if kind == "exit":
        sys.exit(3)
    if kind == "text":
        sys.exit("it did not work")
    if kind == "raise":
        raise ValueError("only the child's")
    if kind == "leave":
        raise Leaving
    if kind == "interrupt":
        raise KeyboardInterrupt
    return b"the child's"

def pieces(kind):
    yield b"a"
    yield forked(kind)

class Closing(list):
    def close(self):
        forked("close")

def app(environ, start_response):
    _, kind, *rest = environ["PATH_INFO"].split("/")
    head = lambda *fields: start_response("200 OK", [("Content-Type", "text/plain"), *fields])
    if kind == "fork":
        body = forked(rest[0])
        head()
        return [body]
    if kind == "stream":
        head()
        return pieces(rest[0])
    if kind == "whole":
        head(("Content-Length", "2"))
        return pieces("return")
    if kind == "write":
        write = head(("Content-Length", "2"))
        write(b"a")
        write(forked("return"))
        return []
    if kind == "close":
        head()
        return Closing([b"x"])
    if kind == "file":
        body = forked("return")
        head()
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    actions = {"state": child_state, "pool": pool, "terminate": terminate, "started": started, "thread": in_thread,
               "preexec": with_preexec, "pid": lambda: repr(SERVER)}
    body = actions[kind]().encode()
    head()
    return [body]
"""

MODES = {
    "one thread": ["--threads", "1"],
    "threads": ["--threads", "3"],
    "selectors": ["--threads", "2", "--poller", "selectors"],
    "workers": ["--workers", "1", "--threads", "3"],
    "workers of one thread": ["--workers", "1", "--threads", "1"],
}


@contextmanager
def server(directory: Path, *options: str) -> Iterator[Child]:
    """Run the application."""
    (directory / "shop.py").write_text(APPLICATION, encoding="utf-8")
    command = [script("wiverno"), "run", "shop:app", "--listen", "127.0.0.1:0", "--graceful-timeout", "20s", *options]
    with Child(command, cwd=directory, env={"PYTHONPATH": str(directory), "PYTHONUNBUFFERED": None}) as child:
        child.address()
        yield child


@pytest.fixture(scope="module", params=MODES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """One server of each kind for all tests; it ends as it should after all of them."""
    with server(tmp_path_factory.mktemp("forks"), *MODES[request.param]) as child:
        yield child
        assert child.stop(deadline=PATIENCE * 3) == 0, child.output


def get(child: Child, path: str) -> bytes:
    """Return the body of the only response to a request on a connection that is then used again."""
    with RawClient(child.address(), PATIENCE * 2) as client:
        for target in (path, "/pid"):
            client.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            status, _, body = client.response()
            assert status == 200, child.output
            if target == path:
                found = body
        assert body.isdigit()
    return found


@pytest.mark.parametrize(
    ("kind", "status"), [("return", b"0"), ("exit", b"3"), ("text", b"1"), ("raise", b"1"), ("leave", b"1")]
)
def test_child_that_comes_back(served: Child, kind: str, status: bytes) -> None:
    """A child that returns to the server or raises ends with the status of a script, and only the parent answers."""
    assert get(served, f"/fork/{kind}") == status
    assert get(served, f"/stream/{kind}") == b"a" + status
    served.wait_for(f"child of {kind}")
    if kind == "raise":
        served.wait_for("ValueError: only the child's")


@pytest.mark.parametrize("path", ["/whole", "/write"])
def test_child_in_the_middle_of_a_body(served: Child, path: str) -> None:
    """A child that comes from the last piece of a body sends nothing."""
    assert get(served, path) == b"a0"


def test_child_that_sends_a_file(served: Child) -> None:
    """A child that returns a file sends nothing of it."""
    assert get(served, "/file").decode() == APPLICATION


def test_child_of_close(served: Child) -> None:
    """A child that comes from close() ends; the response is the parent's."""
    assert get(served, "/close") == b"x"
    served.wait_for("child of close")


def test_child_interrupts(served: Child) -> None:
    """A KeyboardInterrupt ends the child alone."""
    assert get(served, "/fork/interrupt") in (b"0", b"1")
    assert get(served, "/pid").isdigit()


def test_state_of_a_child(served: Child) -> None:
    """A child of multiprocessing has Python's own signal handlers, no wake-up descriptor and none of our sockets."""
    found = json.loads(get(served, "/state"))
    handlers = found["handlers"]
    assert "default_int_handler" in handlers.pop("SIGINT")
    assert set(handlers.values()) == {"0"}, handlers  # SIG_DFL
    assert found["wake_up"] == -1
    assert found["epoll"] == 0
    assert found["socket"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [("/pool", b"[0, 1, 4, 9, 16]"), ("/terminate", b"-15"), ("/thread", b"[0]"), ("/preexec", b"0")],
)
def test_what_applications_fork(served: Child, path: str, body: bytes) -> None:
    """A Pool, Process.terminate(), a fork in a thread and a subprocess with preexec_fn work as without a server."""
    assert get(served, path) == body


PSERVE = """
[app:main]
use = egg:wiverno
app = shop:app
[server:main]
use = egg:wiverno#main
host = 127.0.0.1
port = 0
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_pserve(tmp_path: Path, workers: int) -> None:
    """Under pserve it is the same."""
    (tmp_path / "shop.py").write_text(APPLICATION, encoding="utf-8")
    (tmp_path / "shop.ini").write_text(f"{PSERVE}workers = {workers}\n", encoding="utf-8")
    with Child([script("pserve"), "shop.ini"], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as child:
        assert get(child, "/fork/return") == b"0"
        assert get(child, "/fork/exit") == b"3"
        assert get(child, "/terminate") == b"-15"
        assert child.stop() == 0, child.output
        assert child.output.count("Serving on") == 1


def test_development_server(tmp_path: Path) -> None:
    """In the development server, too, a child that comes back sends nothing and ends."""
    (tmp_path / "shop.py").write_text(APPLICATION, encoding="utf-8")
    command = [script("wiverno"), "run", "dev", "--app-module", "shop", "--app-name", "app", "--port", "0"]
    with Child(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as child:
        assert get(child, "/fork/return") == b"0"
        assert get(child, "/stream/return") == b"a0"
        assert get(child, "/terminate") == b"-15"
        assert child.stop() == 0, child.output


@pytest.mark.parametrize("threads", ["1", "3"])
def test_tls(tmp_path: Path, threads: str) -> None:
    """A child writes nothing into a TLS connection; it goes on in the parent."""
    folder = ROOT / "tests" / "data" / "tls"
    files = ["--certfile", str(folder / "first.pem"), "--keyfile", str(folder / "first.key")]
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.check_hostname = False
    with server(tmp_path, "--threads", threads, *files) as child:
        client = http.client.HTTPSConnection(*child.address(), context=context, timeout=PATIENCE * 2)
        for path, body in (("return", b"0"), ("exit", b"3"), ("raise", b"1")):
            for kind, start in (("fork", b""), ("stream", b"a")):
                client.request("GET", f"/{kind}/{path}")
                assert client.getresponse().read() == start + body
        client.close()
        assert child.stop() == 0, child.output


def tried_port(address: tuple[str, int]) -> bool:
    """Tell whether a server can listen there."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            sock.listen()
        except OSError:
            return False
    return True


@contextmanager
def ended_after(pid: int) -> Iterator[int]:
    """Kill a process after the block, which it must have survived."""
    try:
        yield pid
        assert is_alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("options", [["--threads", "2"], ["--workers", "1"]], ids=["one process", "workers"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_child_that_stays(tmp_path: Path, options: list[str], number: signal.Signals) -> None:
    """A child that outlives the server keeps neither its clients, nor its port, nor its files."""
    place = tmp_path / "server.pid"
    options = [*options, "--pid-file", str(place), "--graceful-timeout", "0.3s"]
    with server(tmp_path, *options) as child:
        with RawClient(child.address(), PATIENCE * 2) as client:
            client.send(b"GET /started HTTP/1.1\r\nHost: a\r\n\r\n")
            with ended_after(int(client.response()[2])):
                child.send(number)
                child.process.wait(PATIENCE * 2)  # the output goes on: the other process has a copy of the pipe
                assert client.socket.recv(1) == b""
                wait_until(lambda: tried_port(child.address()), what="the port")
                if number == signal.SIGTERM:
                    assert not place.exists()
                with server(tmp_path, *options) as second:
                    assert second.stop() == 0, second.output


def test_child_of_unix_server(tmp_path: Path) -> None:
    """Children that come back leave the Unix socket's file and the pid file alone."""
    path, place = str(tmp_path / "s"), tmp_path / "server.pid"
    (tmp_path / "shop.py").write_text(APPLICATION, encoding="utf-8")
    options = ["--listen", f"unix:{path}", "--pid-file", str(place)]
    with Child([script("wiverno"), "run", "shop:app", *options], cwd=tmp_path) as child:
        child.wait_for("Serving on unix:")
        for kind, status in (("return", b"0"), ("exit", b"3"), ("raise", b"1")):
            assert ask(path, f"/fork/{kind}") == (200, status)
        assert place.read_text().strip() == str(child.process.pid)
        assert ask(path, "/pid")[0] == 200
        assert child.stop() == 0, child.output
        assert not place.exists()
        assert not Path(path).exists()


LOADING = """
import multiprocessing, os, sys, time

def stay():
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    os.write(1, f"child {process.pid}\\n".encode())

def come_back(kind):
    pid = os.fork()
    if pid:
        os.write(1, f"{kind}: {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\\n".encode())
    elif kind == "exit":
        sys.exit(3)
    elif kind == "raise":
        raise ValueError("only the child's")
    else:
        return True

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % os.getpid()]
"""

LOADED = {
    "one process": [],
    "workers": ["--workers", "1"],
    "preload": ["--workers", "1", "--preload"],
}


@pytest.mark.parametrize("way", LOADED)
@pytest.mark.parametrize(("kind", "status"), [("return", 0), ("exit", 3), ("raise", 1)])
def test_child_of_the_import(tmp_path: Path, way: str, kind: str, status: int) -> None:
    """A process that is forked while the application is loaded becomes no second server, no failure of the first."""
    code = f"{LOADING}\nif come_back({kind!r}):\n    print('the child goes on')\n"
    (tmp_path / "shop.py").write_text(code, encoding="utf-8")
    command = [script("wiverno"), "run", "shop:app", "--listen", "127.0.0.1:0", *LOADED[way]]
    with Child(command, cwd=tmp_path) as child:
        assert ask(child.address(), "/")[0] == 200
        child.wait_for(f"{kind}: {status}\n")
        assert child.stop() == 0, child.output
        assert child.output.count("Serving on") == 1


@pytest.mark.parametrize("way", LOADED)
def test_child_of_the_import_that_stays(tmp_path: Path, way: str) -> None:
    """A child from the import of the application keeps neither the port nor workers of a supervisor that was killed."""
    (tmp_path / "shop.py").write_text(f"{LOADING}\nstay()\n", encoding="utf-8")
    command = [
        script("wiverno"),
        "run",
        "shop:app",
        "--listen",
        "127.0.0.1:0",
        "--graceful-timeout",
        "0.3s",
        *LOADED[way],
    ]
    with Child(command, cwd=tmp_path) as child:
        worker = int(ask(child.address(), "/")[1])
        with ended_after(int(child.wait_for(r"child (\d+)\n")[1])):
            child.process.kill()
            child.process.wait(PATIENCE)
            wait_until(lambda: not is_alive(worker), PATIENCE * 2, what="the worker's end")
            wait_until(lambda: tried_port(child.address()), what="the port")


def wait_for_another(child: Child, worker: int) -> None:
    """Wait until another worker than this one answers."""
    wait_until(lambda: int(ask(child.address(), "/")[1]) != worker, PATIENCE * 2, what="another worker")


def test_supervisor_has_lost_a_status(tmp_path: Path) -> None:
    """A worker whose exit status the application has taken in the main process is replaced, and the log says so."""
    code = f"""{LOADING}
import ctypes, pathlib, signal, threading
waitpid = ctypes.PyDLL(None).waitpid  # it keeps the GIL: the supervisor does not look before the status is taken
def take_status():
    while not pathlib.Path("worker").exists():
        time.sleep(0.01)
    worker = int(pathlib.Path("worker").read_text())
    os.kill(worker, signal.SIGKILL)
    waitpid(worker, None, 0)
threading.Thread(target=take_status, daemon=True).start()
"""
    (tmp_path / "shop.py").write_text(code, encoding="utf-8")
    command = [script("wiverno"), "run", "shop:app", "--listen", "127.0.0.1:0", *LOADED["preload"]]
    with Child(command, cwd=tmp_path) as child:
        worker = int(ask(child.address(), "/")[1])
        (tmp_path / "aside").write_text(str(worker))
        (tmp_path / "aside").rename(tmp_path / "worker")
        lost = f"worker {worker} ended; the application took its exit status"
        child.wait_for(lost if has_gil() else f"{lost}|worker {worker} was killed")
        wait_for_another(child, worker)
        assert child.stop() == 0, child.output


PROGRAMS = {
    "forks before run": """
server = wiverno.create_server(app, host="127.0.0.1", port=0)
port = server.effective_port
pids = [serve_in_child(server) for _ in range(2)]
found = {ask(port) for _ in range(60)}
assert found <= set(pids), (found, pids)
for pid in pids:
    os.kill(pid, signal.SIGTERM)
    assert status_of(pid) == 0
server.close()
""",
    "serves in a child of a server": """
server = wiverno.create_server(app, host="127.0.0.1", port=0)
thread = threading.Thread(target=server.run)
thread.start()
assert ask(server.effective_port) == os.getpid()
other = wiverno.create_server(app, host="127.0.0.1", port=0)
pid = serve_in_child(other)
assert ask(other.effective_port) == pid
assert ask(server.effective_port) == os.getpid()
os.kill(pid, signal.SIGTERM)
assert status_of(pid) == 0
server.close()
thread.join()
""",
    "closes in a child": """
path = os.path.abspath("socket")
server = wiverno.create_server(app, unix_socket=path, threads=2)
thread = threading.Thread(target=server.run)
thread.start()
pid = os.fork()
if not pid:
    server.close()
    assert server.end_within(5)
    sys.exit(4)
assert status_of(pid) == 4
assert os.path.exists(path)
assert thread.is_alive()
server.close()
thread.join()
assert not os.path.exists(path)
""",
}

PROGRAM = """
import os, signal, sys, threading, urllib.request
import wiverno

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % os.getpid()]

def status_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def ask(port):
    return int(urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=20).read())

def serve_in_child(server):
    pid = os.fork()
    if not pid:
        server.run()
        os._exit(0)
    return pid
"""


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_that_fork(tmp_path: Path, name: str) -> None:
    """A program may fork before it serves, beside a server, and close its copy of one."""
    (tmp_path / "program.py").write_text(PROGRAM + PROGRAMS[name], encoding="utf-8")
    with Child([str(tmp_path / "program.py")], cwd=tmp_path) as child:
        assert child.wait() == 0, child.output


def test_inherited_socket() -> None:
    """Programs that the application starts do not inherit a listening socket that the server has inherited."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.set_inheritable(True)
        copy = os.dup(sock.fileno())
        os.set_inheritable(copy, True)
        with inherited(str(copy)) as found:
            assert not found.get_inheritable()


PROCESS_ONE = """
import ctypes, os, signal, subprocess, sys, time
from wiverno.cli.process_one import fork_server

assert ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: as process 1
first = os.getpid()
fork_server()
assert os.getpid() != first and os.getppid() == first and os.getpgid(0) == os.getpid()

def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except FileNotFoundError:
        return 0

orphan = int(subprocess.run(["sh", "-c", "sleep 0.2 >&2 & echo $!"], stdout=subprocess.PIPE).stdout)
wait_until(lambda: parent_of(orphan) != os.getpid())
wait_until(lambda: parent_of(orphan) == 0)
print("reaped", flush=True)
assert subprocess.run(["sh", "-c", "exit 5"]).returncode == 5
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()

def on_signal(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(7)

for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, on_signal)
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_process_one(tmp_path: Path) -> None:
    """Process 1 reaps orphans, hands signals on, and ends with the status of the server or 128 and its signal."""
    program = tmp_path / "program.py"
    program.write_text(PROCESS_ONE, encoding="utf-8")
    with Child([str(program)], cwd=tmp_path) as child:
        child.wait_for("reaped\n")
        child.wait_for("ready\n")
        for number in (signal.SIGHUP, signal.SIGUSR1):
            child.send(number)
            child.wait_for(f"{number.name}\n")
        assert child.stop() == 7, child.output
    with Child([str(program)], cwd=tmp_path) as child:
        child.wait_for("ready\n")
        assert child.stop(signal.SIGINT) == 128 + signal.SIGINT, child.output
