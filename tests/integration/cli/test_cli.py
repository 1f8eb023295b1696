"""`wiverno run`, `serve` and `routes` as a person types them: what answers, what is said, the exit status."""

import signal
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Child, run, script
from tests.support.sockets import RawClient, busy_port, free_port, in_url

DATA = ROOT / "tests" / "data" / "applications"
WIVERNO = script("wiverno")
SERVER = '[server]\nhost = "127.0.0.1"\nport = 0\n'


def wiverno(*arguments: str, cwd: Path = DATA, env: dict[str, str | None] | None = None) -> Child:
    return Child([WIVERNO, *arguments], cwd=cwd, env=env)


def body(child: Child, path: str = "/") -> str:
    host, port = child.address()
    with urllib.request.urlopen(f"http://{in_url(host)}:{port}{path}", timeout=10) as response:
        text: str = response.read().decode()
        return text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "site_app:application", "--port", "0"], "plain WSGI"),
        (["run", "-m", "site_app", "-a", "application", "-h", "127.0.0.1", "-p", "0"], "plain WSGI"),
        (["run", "site_app:create_app", "--factory", "--port=0"], "made by a factory"),
        (["run", "site_app:application", "--port", "0", "--mode", "simple"], "plain WSGI"),
        (["run", "prod", "--host", "127.0.0.1", "--port", "0"], "run.py"),
        (["run", "prod", "--app-name", "other", "--port", "0"], "the other one"),
        (["run", "prod", "-m", "site_app", "-a", "application", "--port", "0"], "plain WSGI"),
        (["serve", "--port=0", "--host=127.0.0.1", "site_app:application"], "plain WSGI"),
        (["serve", "--listen=127.0.0.1:0", "--threads=2", "--call", "site_app:create_app"], "made by a factory"),
        (["serve", "--app=site_app:application", "--listen=127.0.0.1:0", "--no-ipv6"], "plain WSGI"),
    ],
)
def test_answers(arguments: list[str], expected: str) -> None:
    """Every way of naming an application ends in a server that answers, and SIGTERM in status 0."""
    with wiverno(*arguments) as child:
        assert expected in body(child)
        assert child.stop(signal.SIGTERM) == 0


def test_python_m() -> None:
    """`python -m wiverno` is the same command."""
    with Child(["-m", "wiverno", "run", "site_app:application", "--port", "0"], cwd=DATA) as child:
        assert body(child) == "plain WSGI"
        assert child.stop(signal.SIGINT) == 0


def test_run_prod_is_run_server() -> None:
    """`wiverno run prod` creates a RunServer: its three lines, its defaults but for the port."""
    with wiverno("run", "prod", "--port", "0") as child:
        child.wait_for(r"Wiverno server started on http://(localhost|127\.0\.0\.1|\[::1\]):\d+")
        child.wait_for("Request queue size: 5")
        child.wait_for(r"Press Ctrl\+C to stop the server")


def test_ctrl_c_finishes_the_request() -> None:
    """SIGINT lets a request that is running end, and the program ends with status 0 and no traceback."""
    with Child([WIVERNO, "run", "--config", str(ROOT / "configs/production.toml"), "--port", "0"]) as child:
        address = child.address()
        with RawClient(address) as client:
            client.send(b"GET /play/slow?seconds=1 HTTP/1.1\r\nHost: a\r\n\r\n")
            with RawClient(address) as other:  # answered, so the first one has been read
                other.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                assert other.response()[0] == 200
            child.send(signal.SIGINT)
            assert client.response()[0] == 200
        assert child.wait() == 0
        assert child.output.endswith(" stopped\n")  # as with workers: the end was an orderly one
        assert "Traceback" not in child.output


@pytest.mark.parametrize("name", ["production.toml", "development.ini"])
def test_environment_over_file(name: str) -> None:
    """WIVERNO_PORT stands above the file, an option above both."""
    config = str(ROOT / "configs" / name)
    port = free_port()
    with wiverno("run", "--config", config, env={"WIVERNO_PORT": str(port)}) as child:
        assert child.address()[1] == port
        assert "wiverno" in body(child)
    with wiverno("run", "--config", config, "--port", "0", env={"WIVERNO_PORT": str(port)}) as child:
        assert child.address()[1] != port


def test_file_by_default(tmp_path: Path) -> None:
    """./wiverno.toml is found, WIVERNO_CONFIG stands above it, --config above both."""
    (tmp_path / "wiverno.toml").write_text(
        '[app]\nuse = "site_app:create_app"\nfactory = true\n[app.settings]\ngreeting = "${WORD:-found}"\n' + SERVER
    )
    (tmp_path / "other.toml").write_text('[app]\nuse = "site_app:application"\n' + SERVER)
    path = {"PYTHONPATH": str(DATA)}
    both = {**path, "WIVERNO_CONFIG": "other.toml"}
    with wiverno("run", cwd=tmp_path, env={**path}) as child:
        assert body(child) == "found"
    with wiverno("run", "WORD=given", cwd=tmp_path, env={**path}) as child:
        assert body(child) == "given"
    with wiverno("run", cwd=tmp_path, env={**both}) as child:
        assert body(child) == "plain WSGI"
    with wiverno("run", "--config", "wiverno.toml", cwd=tmp_path, env={**both}) as child:
        assert body(child) == "found"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "nothing to serve: name an application"),
        (["run", "absent:app"], "there is no module 'absent'"),
        (["run", "site_app:absent"], "module 'site_app' has no attribute 'absent'"),
        (["run", "site_app:applicaton"], "did you mean 'application'?"),
        (["run", "site_app:nothing"], "site_app:nothing is None, not a WSGI application"),
        (["run", "site_app:number"], "site_app:number is a int, which is not callable"),
        (["run", "site_app:create_app"], "cannot be called with (environ, start_response)"),
        (["run", "site_app:forgets_to_return", "--factory"], "returned None, not a WSGI application"),
        (["run", "site_app"], "'site_app' names no object; write 'module:attribute'"),
        (["run", "one:app", "two:app"], "only one application can be served"),
        (["run", "--config", "absent.toml"], "absent.toml: no such file or directory"),
        (["run", "prod", "--port", "99999"], "option --port: port: must be at most 65535"),
        (["run", "prod", "--threads", "many"], "option --threads: threads: expected a whole number"),
        (["run", "prod", "--prot", "1"], "No such option"),
        (["rnu"], "no such command 'rnu'; did you mean 'run'?"),
        (["routes"], "nothing to list"),
        (["routes", "site_app:application"], "is not a wiverno application"),
    ],
)
def test_mistakes(arguments: list[str], message: str) -> None:
    """A mistake ends with status 2, says what is wrong, and shows no traceback."""
    done = run([WIVERNO, *arguments], cwd=DATA)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve"], "specify one application"),
        (["serve", "--prot=1", "site_app:application"], "No such option"),
        (["serve", "--port=99999", "site_app:application"], "option --port: port: must be at most 65535"),
        (["serve", "absent:app"], "there is no module 'absent'"),
        (["serve", "--host=127.0.0.1", "--listen=127.0.0.1:0", "site_app:application"], "may not be set if"),
    ],
)
def test_mistakes_of_serve(arguments: list[str], message: str) -> None:
    """`wiverno serve` ends with status 1 as waitress-serve does, but says more."""
    done = run([WIVERNO, *arguments], cwd=DATA)
    assert done.returncode == 1, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_bug_of_the_application() -> None:
    """An exception of the application's own code keeps its traceback."""
    done = run([WIVERNO, "run", "raises:app"], cwd=DATA)
    assert done.returncode == 1
    assert 'raise RuntimeError("a bug of the application")' in done.stderr


def test_three_mistakes_at_once(tmp_path: Path) -> None:
    """All mistakes of a file are located in one report; nothing is started."""
    broken = tmp_path / "broken.toml"
    broken.write_text('[app]\nuse = "raises:app"\n\n[server]\nprot = 8000\nport = 99999\nthreads = "many"\n')
    done = run([WIVERNO, "run", "--config", str(broken)], cwd=DATA)
    assert done.returncode == 2
    expected = {5: "prot: unknown setting", 6: "port: must be at most 65535", 7: "threads: expected a whole number"}
    for line, text in expected.items():
        assert f"{broken}:{line}: {text}" in done.stderr
    assert "3 errors; nothing was started" in done.stderr
    assert "Traceback" not in done.stderr


def test_mistakes_of_the_application_are_located(tmp_path: Path) -> None:
    """What [app] names wrongly is reported with its line."""
    config = tmp_path / "app.toml"
    config.write_text('[app]\nuse = "site_app:create_app"\nfactory = true\n[app.settings]\ngreting = "typo"\n')
    done = run([WIVERNO, "run", "--config", str(config), "--check"], cwd=DATA)
    assert done.returncode == 2
    assert f"{config}:2: app: site_app:create_app does not take its settings" in done.stderr
    assert "greting" in done.stderr


def test_busy_port() -> None:
    """A port that is taken is one line with status 1."""
    with busy_port() as port:
        done = run([WIVERNO, "run", "site_app:application", "--host", "127.0.0.1", "--port", str(port)], cwd=DATA)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"Address already in use: 127.0.0.1:{port}; stop the program that has it" in done.stderr


def test_unix_sockets(tmp_path: Path) -> None:
    """A stale socket is replaced; a path that is no socket is left alone and reported; nothing stays behind."""
    path = tmp_path / "w.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with wiverno("run", "site_app:application", "--unix-socket", str(path)) as child:
        child.wait_for("Serving on")
        with RawClient(str(path)) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response()[2] == b"plain WSGI"
        assert child.stop() == 0
    assert not path.exists()
    path.write_text("precious")
    done = run([WIVERNO, "run", "site_app:application", "--unix-socket", str(path)], cwd=DATA)
    assert done.returncode == 1
    assert "is not a socket" in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_text() == "precious"


def test_check(tmp_path: Path) -> None:
    """--check says what would be served and ends."""
    done = run([WIVERNO, "run", "--check", "--config", str(ROOT / "configs/production.toml")], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "wiverno.demo:create_app would be served on 127.0.0.1:8000 (16 threads)" in done.stdout


def test_routes() -> None:
    """`wiverno routes` lists methods, paths, names and handlers."""
    done = run([WIVERNO, "routes", "run:app"], cwd=DATA)
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["METHODS", "PATH", "NAME", "HANDLER"],
        ["GET", "/", "home", "run.home"],
        ["GET", "/users/{id:int}", "user", "run.user"],
    ]


def test_init(tmp_path: Path) -> None:
    """`wiverno init` writes a project whose tests pass and whose routes can be listed; it overwrites nothing."""
    done = run([WIVERNO, "init", "shop"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "run.py" in done.stdout
    tests = run([sys.executable, "-m", "unittest"], cwd=tmp_path / "shop")
    assert tests.returncode == 0, tests.stderr
    assert "/hello/{name}" in run([WIVERNO, "routes", "run:app"], cwd=tmp_path / "shop").stdout
    again = run([WIVERNO, "init", "shop"], cwd=tmp_path)
    assert (again.returncode, again.stderr.splitlines()) == (
        2,
        ["error: shop exists and is not an empty folder; nothing was written"],
    )
    assert run([WIVERNO, "init", "9 x"], cwd=tmp_path).returncode == 2


def test_unix_and_tcp_at_once(tmp_path: Path) -> None:
    """`wiverno serve` listens on both kinds of address in one server."""
    path = tmp_path / "w.sock"
    with wiverno("serve", f"--listen=unix:{path}", "--listen=127.0.0.1:0", "site_app:application") as child:
        assert body(child) == "plain WSGI"
        with RawClient(str(path)) as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            assert client.response()[2] == b"plain WSGI"
