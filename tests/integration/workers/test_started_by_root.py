"""Started by root with `user` and `group`: whose the files are, who may open them again and remove them.

These tests need root, which the containers have that CI runs in; see `require_root`.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.h2_client import h2_client
from tests.support.processes import Child, run, script
from tests.support.programs import program, require_root
from tests.support.sockets import RawClient, free_port
from tests.support.waiting import wait_until
from tests.support.workers import ask, is_alive

PATIENCE = 30.0  # seconds: the machine may be busy


@pytest.fixture(autouse=True)
def _root() -> None:
    require_root()


ROOT = Path(__file__).resolve().parents[3]
PACKAGE, TLS = ROOT / "wiverno", ROOT / "tests" / "data" / "tls"
USER = "nobody"
PROCESSES = ("", "workers = 1")
each_way = pytest.mark.parametrize("processes", PROCESSES, ids=["one", "workers"])

APPLICATION = """
import json, logging, os
def app(environ, start_response):
    logging.getLogger("shop").warning("asked for %s", environ["PATH_INFO"])
    body = json.dumps([os.getpid(), os.getuid(), os.geteuid(), os.getgid(), sorted(os.getgroups())]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

SETTINGS = """
[app]
use = "shop:app"
[server]
listen = ["unix:app.sock", "127.0.0.1:0"]
unix_socket_perms = "660"
admin_listen = "unix:admin.sock"
access_log = "access.log"
pid_file = "server.pid"
user = "nobody"
"""

LOGGING = """
[logging]
version = 1
disable_existing_loggers = false
root = {level = "INFO", handlers = ["console", "file"]}
handlers.console = {class = "logging.StreamHandler"}
handlers.file = {class = "logging.FileHandler", filename = "error.log"}
"""

MADE = ("app.sock", "admin.sock", "access.log", "error.log", "server.pid")


@pytest.fixture(params=["root's", "the user's"])
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory that the user can reach: root's, in which root alone may write, or the user's own."""
    with directory(is_users=request.param != "root's") as made:
        yield made


@contextmanager
def directory(*, is_users: bool) -> Iterator[Path]:
    # Not below pytest's, which root alone can reach.
    made = Path(tempfile.mkdtemp(prefix="wiverno-root-"))
    try:
        made.chmod(0o755)
        if is_users:
            os.chown(made, *ids())
        (made / "shop.py").write_text(APPLICATION)
        yield made
    finally:
        shutil.rmtree(made)


def ids() -> tuple[int, int]:
    entry = pwd.getpwnam(USER)
    return entry.pw_uid, entry.pw_gid


def owner(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid


@contextmanager
def served(place: Path, processes: str, *, settings: str = SETTINGS + "{processes}" + LOGGING) -> Iterator[Child]:
    (place / "wiverno.toml").write_text(settings.replace("{processes}", processes))
    with Child([script("wiverno"), "run"], cwd=place, env={"PYTHONDONTWRITEBYTECODE": "1"}) as child:
        child.wait_for("Serving on http", PATIENCE)
        yield child


def has(path: Path, text: str) -> bool:
    return path.exists() and text in path.read_text()


@each_way
def test_files_from_start_to_end(place: Path, processes: str) -> None:
    """Sockets, logs and pid file are the user's, logs go on after rotation, and what should go at the end is gone."""
    with served(place, processes) as child:
        assert ask(child.address(), "/first", timeout=PATIENCE)[0] == 200
        for name in MADE:
            assert owner(place / name) == ids(), name
        modes = {name: (place / name).stat().st_mode & 0o777 for name in MADE[:2]}
        assert modes == {"app.sock": 0o660, "admin.sock": 0o600}
        wait_until(lambda: has(place / "access.log", "/first"), PATIENCE, what="a line in the access log")
        wait_until(lambda: has(place / "error.log", "/first"), PATIENCE, what="a line in the error log")
        for name in ("access.log", "error.log"):
            (place / name).rename(place / f"{name}.1")
        child.send(signal.SIGUSR1)
        for name in ("access.log", "error.log"):
            wait_until((place / name).exists, PATIENCE, what=f"a new {name}")
            wait_until(lambda: owner(place / name) == ids(), PATIENCE, what=f"the owner of {name}")  # noqa: B023
        wait_until(
            lambda: ask(child.address(), "/next", timeout=PATIENCE) and has(place / "access.log", "/next"),
            PATIENCE, what="a line in the new access log",
        )  # fmt: skip
        # Without the GIL a request may come between the two files, and say its line in the old error log.
        wait_until(
            lambda: ask(child.address(), "/next", timeout=PATIENCE) and has(place / "error.log", "/next"),
            PATIENCE, what="a line in the new error log",
        )  # fmt: skip
        assert child.stop(deadline=PATIENCE) == 0
        assert "can't be" not in child.output
    left = {path.name for path in place.iterdir()}
    assert not left & {"app.sock", "admin.sock", "server.pid"}


@each_way
def test_the_user_can_connect(processes: str) -> None:
    """The application's socket and the administration's are open to the user who serves."""
    setpriv, curl = program("setpriv", package="util-linux"), program("curl")
    with directory(is_users=False) as place, served(place, processes) as child:
        for name, path in (("app.sock", "/"), ("admin.sock", "/healthz")):
            command = [
                setpriv, f"--reuid={ids()[0]}", f"--regid={ids()[1]}", "--clear-groups", curl, "-s", "-f", "-m", "20",
                "-o", "/dev/null", "--unix-socket", str(place / name), f"http://localhost{path}",
            ]  # fmt: skip
            assert subprocess.run(command, check=False, timeout=PATIENCE).returncode == 0, name
        assert child.stop(deadline=PATIENCE) == 0


@each_way
def test_rights_are_given_up_for_good(processes: str) -> None:
    """The process that serves has the user's ids and groups, and no others."""
    with directory(is_users=False) as place, served(place, processes) as child:
        body = ask(child.address(), "/", timeout=PATIENCE)[1].decode()
        uid, gid = ids()
        groups = sorted(os.getgrouplist(USER, gid))
        assert body.partition(", ")[2] == f"{uid}, {uid}, {gid}, {groups}]"
        process = Path(f"/proc/{body[1:].partition(',')[0]}/status")
        if process.exists():
            assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in process.read_text()
        assert child.stop(deadline=PATIENCE) == 0


def test_a_worker_after_the_log_was_moved() -> None:
    """A worker that starts between the moving of a log and the signal makes a new file, where only root may do so."""
    with directory(is_users=False) as place, served(place, "workers = 1") as child:
        address = child.address()
        first = int(ask(address, "/", timeout=PATIENCE)[1][1:].partition(b",")[0])
        for name in ("access.log", "error.log"):
            (place / name).rename(place / f"{name}.1")
        os.kill(first, signal.SIGKILL)
        child.wait_for(f"worker {first} was killed", PATIENCE)
        assert ask(address, "/second", timeout=PATIENCE)[0] == 200
        wait_until(lambda: has(place / "access.log", "/second"), PATIENCE, what="a line in the new access log")
        assert owner(place / "access.log") == owner(place / "error.log") == ids()
        assert child.stop(deadline=PATIENCE) == 0


def test_a_reload_makes_new_files() -> None:
    """Sockets and logs that a reload brings belong to the user too."""
    with directory(is_users=False) as place, served(place, "workers = 1") as child:
        config = place / "wiverno.toml"
        config.write_text(config.read_text().replace("app.sock", "new.sock").replace(".log", ".txt"))
        child.send(signal.SIGHUP)
        child.wait_for("reloaded: 1 new", PATIENCE)
        for name in ("new.sock", "access.txt", "error.txt"):
            assert owner(place / name) == ids(), name
        wait_until(lambda: not (place / "app.sock").exists(), PATIENCE, what="the old socket's end")
        assert child.stop(deadline=PATIENCE) == 0
        assert not (place / "new.sock").exists()


def test_the_keeper_ends_with_the_server() -> None:
    """After kill -9 the socket and the pid file go all the same, and no process of root's is left."""
    with directory(is_users=False) as place, served(place, "") as child:
        children = Path(f"/proc/{child.process.pid}/task/{child.process.pid}/children")
        keepers = [int(pid) for pid in children.read_text().split()] if children.exists() else []
        child.process.kill()
        for name in ("app.sock", "admin.sock", "server.pid"):
            wait_until(lambda: not (place / name).exists(), PATIENCE, what=f"the end of {name}")  # noqa: B023
        wait_until(lambda: not any(map(is_alive, keepers)), PATIENCE, what="the end of the keeper")


def test_a_file_of_another_ones_is_left_alone_at_the_end() -> None:
    """The keeper removes nothing that was made by another server meanwhile."""
    with directory(is_users=False) as place, served(place, "") as child:
        (place / "app.sock").unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(place / "app.sock"))
            (place / "server.pid").unlink()
            (place / "server.pid").write_text("7\n")
            assert child.stop(deadline=PATIENCE) == 0
        assert (place / "app.sock").is_socket()
        assert (place / "server.pid").read_text() == "7\n"


@each_way
@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_link_in_the_users_directory(processes: str, kind: str) -> None:
    """A link that the user has put in the place of a log gives away no file of root's."""
    with directory(is_users=True) as place:
        precious = place / "precious"
        precious.write_text("root's\n")
        precious.chmod(0o600)
        if kind == "symbolic":
            (place / "access.log").symlink_to(precious)
        else:
            os.link(precious, place / "access.log")
        (place / "wiverno.toml").write_text(SETTINGS + processes)
        ended = run([script("wiverno"), "run"], cwd=place)
        assert ended.returncode == 1
        assert "the access log access.log can't be opened: " in ended.stderr
        assert precious.read_text() == "root's\n"
        assert owner(precious) == (0, 0)


@each_way
def test_a_log_of_roots_in_the_users_directory(processes: str) -> None:
    """What an earlier version left behind is told before anything is served, with what to do about it."""
    with directory(is_users=True) as place:
        (place / "access.log").write_text("")
        (place / "access.log").chmod(0o640)
        (place / "wiverno.toml").write_text(SETTINGS + processes)
        ended = run([script("wiverno"), "run"], cwd=place)
        assert ended.returncode == 1
        assert "may not write to it (sudo chown" in ended.stderr or "Permission denied" in ended.stderr
        assert "access.log" in ended.stderr
        assert "Serving on" not in ended.stderr or processes


@each_way
def test_a_handler_that_rotates_by_itself(processes: str) -> None:
    """A handler that will not be able to begin its next file is reported at the start."""
    kind = LOGGING.replace("logging.FileHandler", "logging.handlers.RotatingFileHandler")
    with (
        directory(is_users=False) as place,
        served(place, processes, settings=SETTINGS + "{processes}" + kind) as child,
    ):
        assert f"can't rotate its file: user {ids()[0]} may not write to {place}" in child.output
        assert ask(child.address(), "/", timeout=PATIENCE)[0] == 200
        assert child.stop(deadline=PATIENCE) == 0


@each_way
def test_code_that_only_root_can_read(processes: str) -> None:
    """What serves the first client, over TLS and HTTP/2 too, was imported before the rights were given up."""
    hidden = Path(tempfile.mkdtemp(prefix="wiverno-hidden-"))  # only its owner can reach it
    try:
        shutil.copytree(PACKAGE, hidden / "wiverno", ignore=shutil.ignore_patterns("__pycache__"))
        with directory(is_users=False) as place:
            keys = f'certfile = "{TLS / "first.pem"}"\nkeyfile = "{TLS / "first.key"}"\nhttp2 = true\n'
            plain = free_port()
            keys += f'allowed_hosts = ["localhost", "127.0.0.1"]\nredirect_listen = "127.0.0.1:{plain}"\n'
            server = f'listen = "127.0.0.1:0"\nadmin_listen = "unix:admin.sock"\nuser = "{USER}"\n{keys}{processes}\n'
            (place / "wiverno.toml").write_text(f'[app]\nuse = "shop:app"\n[server]\n{server}')
            command = [sys.executable, "-m", "wiverno", "run"]
            with Child(command, cwd=place, env={"PYTHONPATH": str(hidden), "PYTHONDONTWRITEBYTECODE": "1"}) as child:
                child.wait_for("Serving on https", PATIENCE)
                with h2_client(child.address(), secure=True) as client:
                    assert client.fetch("/").status == "200", child.output
                host, port = child.address()
                with urllib.request.urlopen(f"https://{host}:{port}/", context=trusting()) as answer:
                    assert answer.status == 200
                with RawClient(("127.0.0.1", plain), PATIENCE) as client:
                    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert client.response()[1]["location"] == f"https://localhost:{port}/"
                status, page = ask(str(place / "admin.sock"), "/")
                assert (status, page[:9].lower()) == (200, b"<!doctype"), child.output
                assert child.stop(deadline=PATIENCE) == 0, child.output
    finally:
        shutil.rmtree(hidden)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def name_of(address: tuple[str, int]) -> str:
    """Return the name in the certificate that a server shows."""
    with socket.create_connection(address, timeout=PATIENCE) as plain:
        context = ssl.create_default_context(cafile=TLS / "ca.pem")
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            found: Any = secure.getpeercert()
            return str(dict(pair[0] for pair in found["subject"])["commonName"])


@each_way
def test_a_renewed_key_that_only_root_can_read(processes: str) -> None:
    """As certbot leaves it: the key is root's, in a directory that is root's; no request is lost when it is renewed."""
    with directory(is_users=False) as place:
        keys = place / "live"
        keys.mkdir(mode=0o700)
        for name in ("pem", "key"):
            shutil.copy(TLS / f"first.{name}", keys / f"site.{name}")
        (keys / "site.key").chmod(0o600)
        lines = f'certfile = "{keys}/site.pem"\nkeyfile = "{keys}/site.key"'
        settings = f'[app]\nuse = "shop:app"\n[server]\nlisten = "127.0.0.1:0"\nuser = "{USER}"\n{lines}\n{processes}\n'
        with served(place, "", settings=settings) as child:
            address = child.address()
            assert name_of(address) == "first server"
            with Requests(address) as requests:
                for name in ("pem", "key"):
                    shutil.copy(TLS / f"second.{name}", keys / f"fresh.{name}")
                    (keys / f"fresh.{name}").chmod(0o600)
                    (keys / f"fresh.{name}").replace(keys / f"site.{name}")
                wait_until(lambda: name_of(address) == "second server", PATIENCE, what="the new certificate")
                before = requests.count
                wait_until(lambda: requests.count > before + 5, PATIENCE, what="requests")
            assert requests.failures == []
            assert requests.users == {ids()[0]}
            assert child.stop(deadline=PATIENCE) == 0, child.output
        assert "Permission denied" not in child.output


class Requests:
    """Asks for pages, each on a new connection, until the block ends."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.count = 0
        self.failures: list[Exception] = []
        self.users: set[int] = set()
        self._url = "https://{}:{}/".format(*address)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                with urllib.request.urlopen(self._url, context=trusting(), timeout=PATIENCE) as answer:
                    self.users.add(json.load(answer)[1])
                self.count += 1
            except Exception as error:
                self.failures.append(error)

    def __enter__(self) -> Requests:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
