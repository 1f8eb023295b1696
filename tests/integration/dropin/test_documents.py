"""Every code example of the two documents that the project was created from, executed.

The examples stand in tests/data/documents as they were printed. Ports and durations are put in before they run; where
a document says `waitress`, its example says `wiverno`. An example imports the application that its document leaves out.
"""

import re
import shutil
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Child, run, script
from tests.support.programs import program
from tests.support.sockets import RawClient, busy_port, free_port, in_url
from tests.support.waiting import wait_until

DOCUMENTS = ROOT / "tests" / "data" / "documents"


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """A copy of the examples with every port made one that the system chooses."""
    folder = Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))
    for path in folder.iterdir():
        path.write_text(re.sub(r"\b(port ?= ?)\d+", r"\g<1>0", path.read_text()))
    return folder


def get(child: Child, path: str = "/") -> str:
    host, port = child.address()
    with urllib.request.urlopen(f"http://{in_url(host)}:{port}{path}", timeout=10) as response:
        text: str = response.read().decode()
        return text


def set_port(path: Path, port: int) -> None:
    path.write_text(re.sub(r"\b(port ?= ?)\d+", rf"\g<1>{port}", path.read_text()))


@pytest.mark.parametrize(
    ("name", "path", "expected", "log"),
    [
        ("runserver_start.py", "/", "Hello", "INFO:wiverno.core.server:Request queue size: 5"),
        ("runserver_host_and_port.py", "/", "Hello", None),
        ("runserver_production.py", "/api/health", '{"status": "ok"}', "core.server - INFO - Request queue size: 10"),
        ("runserver_light_traffic.py", "/", "Hello", None),
        ("management_basic.py", "/", "Hello World", "INFO:wiverno:Serving on http://0.0.0.0:"),
        ("management_configured.py", "/", "Hello World", "INFO:wiverno:Serving on http://127.0.0.1:"),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_server_example(
    examples: Path, name: str, path: str, expected: str, log: str | None, number: signal.Signals
) -> None:
    """An example that blocks serves, says what its document shows, and ends with status 0 on Ctrl-C and SIGTERM."""
    port = free_port()
    file = examples / name
    if name == "management_basic.py":  # its point is that it names no port; 8080 may be taken on this machine
        file.write_text(file.read_text().replace("serve(my_app)", f"serve(my_app, port={port})"))
    else:
        set_port(file, port)
    with Child(["-u", name], cwd=examples) as child:
        assert expected in fetch(child, port, path)
        if log is not None:
            child.wait_for(re.escape(log))
        if name.startswith("runserver") and log is not None:
            child.wait_for(f"Wiverno server started on http://0.0.0.0:{port}")
            child.wait_for(re.escape("Press Ctrl+C to stop the server"))
        assert child.stop(number) == 0
        assert "Traceback" not in child.output


def fetch(child: Child, port: int, path: str = "/") -> str:
    """Ask as soon as the port answers; some examples set up no logging and say nothing."""

    def ask() -> str | None:
        if child.process.poll() is not None:
            pytest.fail(f"ended with {child.process.returncode}:\n{child.output}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                text: str = response.read().decode()
                return text
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()
        except OSError:
            return None

    return wait_until(ask, 60, what=f"an answer on port {port}") or ""  # eight workers of another server start slowly


def test_basic_usage(examples: Path) -> None:
    """The first complete program serves."""
    port = free_port()
    set_port(examples / "runserver_basic.py", port)
    with Child(["runserver_basic.py"], cwd=examples) as child:
        assert fetch(child, port) == "<html><body>Hello!</body></html>"
        assert child.stop(signal.SIGINT) == 0


def test_constructor(examples: Path) -> None:
    """The constructor binds nothing and its four attributes are readable."""
    (examples / "look.py").write_text(
        "from runserver_constructor import app, server\n"
        "print(server.host, server.port, server.request_queue_size, server.application is app)\n"
    )
    assert run(["look.py"], cwd=examples).stdout.split() == ["localhost", "0", "10", "True"]


def test_port_in_use(examples: Path) -> None:
    """The example of error handling recognises a port in use by the operating system's words."""
    with busy_port("0.0.0.0") as port:
        set_port(examples / "runserver_errors.py", port)
        done = run(["runserver_errors.py"], cwd=examples)
    assert done.stdout == "Error: Port 80 is already in use\nKill the process or use a different port\n", done.stderr
    assert done.returncode == 0


def test_privileged_port(examples: Path) -> None:
    """The example of error handling recognises a privileged port by the operating system's words."""
    least = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    setpriv = program("setpriv", package="util-linux")
    if least <= 1:
        pytest.skip("this system has no privileged ports (net.ipv4.ip_unprivileged_port_start)")
    set_port(examples / "runserver_errors.py", 80)
    without = ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    done = run([setpriv, *without, sys.executable, "runserver_errors.py"], cwd=examples)
    assert done.stdout.splitlines() == [
        "Error: Port 80 requires root privileges",
        "Try: sudo python run.py",
        "Or use port >= 1024",
    ], done.stderr


def test_programmatic_stop(examples: Path) -> None:
    """A server in a daemon thread is stopped from the main thread, and the program ends by itself."""
    port = free_port()
    file = examples / "runserver_stop.py"
    set_port(file, port)
    work = "import pathlib\nwhile not pathlib.Path('done').exists(): time.sleep(0.01)"
    file.write_text(file.read_text().replace("time.sleep(60)", work))
    with Child(["runserver_stop.py"], cwd=examples) as child:
        assert fetch(child, port) == "Hello"
        (examples / "done").touch()
        assert child.wait() == 0


@pytest.mark.parametrize("command", ["prod", "dev"])
def test_command_line(examples: Path, command: str) -> None:
    """`wiverno run prod` and `wiverno run dev` with --host and --port serve run.py of the working directory."""
    shutil.copy(examples / "runserver_basic.py", examples / "run.py")
    port = free_port()
    arguments = ["run", command, "--host", "0.0.0.0", "--port", str(port)]
    with Child([script("wiverno"), *arguments], cwd=examples) as child:
        assert fetch(child, port) == "<html><body>Hello!</body></html>"
        assert child.stop(signal.SIGINT) == 0


def test_other_servers(examples: Path) -> None:
    """The framework's application runs on waitress and gunicorn as the document says."""
    port = free_port()
    set_port(examples / "runserver_waitress.py", port)
    with Child(["runserver_waitress.py"], cwd=examples) as child:
        assert "404" in fetch(child, port)
    shutil.copy(examples / "runserver_basic.py", examples / "myapp.py")
    port = free_port()
    arguments = ["--workers", "8", "--worker-class", "sync", "--max-requests", "1000", "--max-requests-jitter", "100"]
    address = f"127.0.0.1:{port}"
    with Child([script("gunicorn"), "myapp:app", *arguments, "--bind", address], cwd=examples) as child:
        assert fetch(child, port) == "<html><body>Hello!</body></html>"
        assert child.stop() == 0


def test_unix_socket(examples: Path, tmp_path: Path) -> None:
    """serve(unix_socket=...) listens on the path."""
    path = tmp_path / "w.sock"
    file = examples / "management_unix.py"
    file.write_text(file.read_text().replace("/tmp/waitress.sock", str(path)))
    with Child(["management_unix.py"], cwd=examples) as child:
        child.wait_for(re.escape(f"Serving on http://unix:{path}"))
        with RawClient(str(path)) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response()[2] == b"<h1>Hello World!</h1>"
        assert child.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("management_not_started.py", "Starting server on"), ("management_classes.py", "Server running on")],
)
def test_create_server(examples: Path, name: str, words: str) -> None:
    """The effective address is known before run(), which also listens after _start=False; close() may come twice."""
    with Child(["-u", name], cwd=examples) as child:
        port = int(child.wait_for(rf"{words} [\w.:]+:(\d+)")[1])
        assert port != 0
        assert fetch(child, port) == "<h1>Hello World!</h1>"
        assert child.stop(signal.SIGINT) == 0


def test_several_servers(examples: Path) -> None:
    """Servers are made side by side in one process."""
    file = examples / "management_several.py"
    file.write_text(file.read_text().replace("[8080, 8081, 8082]", "[0, 0, 0]") + (
        "print(len({server.effective_port for server in servers}))\nfor server in servers: server.close()\n"
    ))  # fmt: skip
    done = run(["management_several.py"], cwd=examples)
    assert done.stdout == "3\n", done.stderr


def test_paste_section(examples: Path) -> None:
    """The section of the document, with this server's name in it, serves under pserve."""
    with Child([script("pserve"), "management_paste.ini"], cwd=examples, env={"PYTHONPATH": str(examples)}) as child:
        child.wait_for("Serving on http://0.0.0.0:")
        assert get(child) == "<h1>Hello World!</h1>"
        assert child.stop() == 0


def test_profile(examples: Path) -> None:
    """profile() prints its statistics when the server has ended."""
    with Child(["-u", "management_profile.py"], cwd=examples) as child:
        assert get(child) == "Hello World"
        assert child.stop(signal.SIGINT) == 0
        assert "Ordered by: cumulative time, internal time" in child.output
        assert "function calls" in child.output
