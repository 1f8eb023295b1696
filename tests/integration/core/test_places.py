"""Relative paths mean the directory where the server was started, whatever directory the application changes to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import Child, run, script
from tests.support.waiting import wait_until
from tests.support.workers import ask

PATIENCE = 30.0  # seconds: the machine may be busy
TLS = Path(__file__).parents[2] / "data" / "tls"

# It leaves the directory while it is imported, and goes back and forth in its requests.
RESTLESS = """
import os
here = os.getcwd()
away = os.environ["AWAY"]
os.chdir(away)
def app(environ, start_response):
    os.chdir("/" if environ["PATH_INFO"] == "/root" else away)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""

ODD_NAME = "50% of #1, c&a ü"

PROCESSES = ("", "workers = 1", "workers = 1\npreload = true")

LOGGING = """
[logging]
version = 1
disable_existing_loggers = false
root = {level = "INFO", handlers = ["console", "file"]}
handlers.console = {class = "logging.StreamHandler"}
handlers.file = {class = "logging.FileHandler", filename = "error.log"}
"""


@contextmanager
def restless(
    tmp_path: Path, processes: str, *, settings: str = "", logging: str = "", files: Mapping[str, Path] | None = None
) -> Iterator[tuple[Child, Path]]:
    """Run a server with relative paths in a directory with an odd name."""
    start, away = tmp_path / ODD_NAME, tmp_path / "away"
    start.mkdir()
    away.mkdir()
    for name, source in (files or {}).items():
        shutil.copy(source, start / name)
    (start / "restless.py").write_text(RESTLESS, encoding="utf-8")
    (start / "wiverno.toml").write_text(
        '[app]\nuse = "restless:app"\n[server]\nlisten = ["unix:app.sock", "127.0.0.1:0"]\n'
        'access_log = "access.log"\npid_file = "server.pid"\nadmin_listen = "unix:admin.sock"\n'
        f"{processes}\n{settings}\n{logging}",
        encoding="utf-8",
    )
    child = Child([script("wiverno"), "run"], cwd=start, env={"AWAY": str(away), "PYTHONDONTWRITEBYTECODE": "1"})
    with child:
        child.wait_for("Serving on https?:", PATIENCE)
        yield child, start
    assert not list(away.iterdir())


def fetch(address: str | tuple[str, int], path: str = "/") -> None:
    assert ask(address, path, timeout=PATIENCE) == (200, b"ok")


def lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n") if path.exists() else 0


@pytest.mark.parametrize("processes", PROCESSES)
def test_relative_paths_of_a_running_server(tmp_path: Path, processes: str) -> None:
    """Logs stay where they were begun when they are rotated; socket and pid file are found again and removed."""
    with restless(tmp_path, processes, logging=LOGGING) as (child, start):
        address = child.address()
        fetch(address)
        fetch(address, "/root")
        wait_until(lambda: lines(start / "access.log") == 2, PATIENCE, what="two lines in the access log")
        assert (start / "server.pid").read_text() == f"{child.process.pid}\n"
        for name in ("access.log", "error.log"):
            (start / name).rename(start / f"{name}.1")
        child.send(signal.SIGUSR1)
        wait_until((start / "access.log").exists, PATIENCE, what="the rotated access log")
        wait_until((start / "error.log").exists, PATIENCE, what="the rotated error log")
        fetch(address)
        wait_until(lambda: lines(start / "access.log") == 1, PATIENCE, what="a line in the new access log")
        command = [script("wiverno"), "ctl", "status", "--json", "--admin", "unix:admin.sock"]
        assert json.loads(run(command, cwd=start).stdout)["pid"] == child.process.pid
        assert child.stop(deadline=PATIENCE) == 0
        assert not {"app.sock", "admin.sock", "server.pid"} & {path.name for path in start.iterdir()}


@pytest.mark.parametrize("processes", PROCESSES[1:])
def test_relative_paths_after_a_reload(tmp_path: Path, processes: str) -> None:
    """The configuration is read from where it was, and new relative paths in it start from there too."""
    with restless(tmp_path, processes, logging=LOGGING) as (child, start):
        config = start / "wiverno.toml"
        text = config.read_text(encoding="utf-8").replace("access.log", "other.log").replace("app.sock", "new.sock")
        config.write_text(text.replace("error.log", "events.log"), encoding="utf-8")
        child.send(signal.SIGHUP)
        child.wait_for("reloaded: 1 new", PATIENCE)

        def is_logged() -> bool:
            fetch(child.address())  # the old worker, which has not drained yet, may take the first ones
            return lines(start / "other.log") >= 1

        wait_until(is_logged, PATIENCE, what="a line in the new access log")
        assert (start / "events.log").exists()
        assert (start / "new.sock").is_socket()
        wait_until(lambda: not (start / "app.sock").exists(), PATIENCE, what="the old socket's end")
        assert child.stop(deadline=PATIENCE) == 0
        assert not (start / "new.sock").exists()


@pytest.mark.parametrize("processes", PROCESSES[:2])
def test_a_relative_certificate_is_read_again(tmp_path: Path, processes: str) -> None:
    """A certificate that was renewed is taken from the place of the first one."""
    start = tmp_path / ODD_NAME
    with restless(tmp_path, processes, files={name: TLS / name for name in ("first.pem", "first.key")},
                  settings='certfile = "first.pem"\nkeyfile = "first.key"') as (child, _):  # fmt: skip
        os.utime(start / "first.pem", (1, 1))
        child.wait_for("certificates read from first.pem", PATIENCE)
        assert "certificates stay" not in child.output
        assert child.stop(deadline=PATIENCE) == 0


@pytest.mark.parametrize("command", ["pserve", "run"])
def test_names_with_odd_characters_in_ini(tmp_path: Path, command: str) -> None:
    """`%(here)s` stands for any directory, and pserve and `wiverno run` find the same files there.

    PasteDeploy itself can't read a file below a directory whose name has a percent sign.
    """
    start = tmp_path / (ODD_NAME if command != "pserve" else ODD_NAME.replace("%", ""))
    start.mkdir()
    (tmp_path / "away").mkdir()
    (start / "restless.py").write_text(RESTLESS, encoding="utf-8")
    (start / "server.ini").write_text(
        "[app:main]\nuse = egg:wiverno\napp = restless:app\n"
        "[server:main]\nuse = egg:wiverno#main\nlisten = 127.0.0.1:0\naccess_log = %(here)s/access.log\n"
        "pid_file = server.pid\n", encoding="utf-8",
    )  # fmt: skip
    variables = {"AWAY": str(tmp_path / "away"), "PYTHONPATH": str(start), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [script("pserve")] if command == "pserve" else [script("wiverno"), "run", "--config"]
    with Child([*words, "server.ini"], cwd=start, env=variables) as child:
        fetch(child.address())
        wait_until(lambda: lines(start / "access.log") == 1, PATIENCE, what="a line in the access log")
        assert (start / "server.pid").exists()
        child.stop(deadline=PATIENCE)
        assert not (start / "server.pid").exists()


@pytest.mark.parametrize("option", ["--unix-socket", "--admin-listen", "ctl"])
def test_the_path_of_a_socket_is_too_long(tmp_path: Path, option: str) -> None:
    """The message has the limit and the length; the configuration's check finds it too."""
    (tmp_path / "shop.py").write_text("def app(environ, start_response): ...\n")
    path = f"{tmp_path}/{'d' * 120}"
    if option == "ctl":
        command = ["ctl", "status", "--admin", f"unix:{path}"]
    else:
        command = ["run", "shop:app", "--listen", "127.0.0.1:0", option, f"unix:{path}"]
        if option == "--unix-socket":
            command = ["run", "shop:app", option, path]
    ended = run([script("wiverno"), *command], cwd=tmp_path)
    assert ended.returncode == 2
    limit = 107 if sys.platform == "linux" else 103
    length = len(os.fsencode(path))
    assert f"the path of a Unix socket may have {limit} bytes, this one has {length}: {path}" in ended.stderr
    assert "None" not in ended.stderr


def test_the_current_directory_was_removed(tmp_path: Path) -> None:
    """A directory that a deployment has removed is told in a line."""
    gone = tmp_path / "gone"
    gone.mkdir()
    words = ["bash", "-c", 'rmdir "$PWD"; exec "$0" "$@"', script("wiverno"), "run", "wiverno.demo:app", "--port", "0"]
    ended = run(words, cwd=gone)
    assert ended.returncode == 1
    assert "error: the current directory was removed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_short_path_in_a_long_directory(tmp_path: Path) -> None:
    """A relative path that fits is used, though the same path from the root would be too long."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    (deep / "shop.py").write_text("def app(environ, start_response): ...\n")
    with Child([script("wiverno"), "run", "shop:app", "--unix-socket", "app.sock"], cwd=deep) as child:
        child.wait_for("Serving on unix:app.sock", PATIENCE)
        assert (deep / "app.sock").is_socket()
        assert child.stop(deadline=PATIENCE) == 0
    assert not (deep / "app.sock").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('access_log = "missing/access.log"', "the access log missing/access.log can't be opened: No such file or"),
        ('access_log = "."', "the access log . can't be opened: Is a directory"),
        ('certfile = "missing.pem"', "certfile missing.pem: No such file or directory"),
        ('unix_socket = "missing/a.sock"', "cannot listen: No such file or directory: {start}/missing/a.sock"),
        ('host = "127.0.0.1"\nuser = "no-such-user"', "user: there is no user 'no-such-user' on this system"),
    ],
)
@pytest.mark.parametrize("processes", PROCESSES[:2])
def test_what_cannot_be_opened_is_named(tmp_path: Path, processes: str, settings: str, words: str) -> None:
    """The one line that ends the start has the file's name, and does not speak of listening if that is not it."""
    (tmp_path / "shop.py").write_text("def app(environ, start_response): ...\n")
    address = "" if "unix" in settings else "port = 0\n"
    (tmp_path / "wiverno.toml").write_text(f'[app]\nuse = "shop:app"\n[server]\n{address}{settings}\n{processes}\n')
    ended = run([script("wiverno"), "run"], cwd=tmp_path)
    assert ended.returncode == 1
    assert words.format(start=tmp_path) in ended.stderr
    assert "Errno" not in ended.stderr
    if "cannot listen" not in words:
        assert "cannot listen" not in ended.stderr
