"""A configuration that is gone, empty or half-written when a reload comes: the reload fails, everything stays."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import Child, script
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import APPLICATION, ServerContext, log_lines, service, wait_for_workers

FAILED = "reload failed, still running the previous configuration"
BASE = """\
[server]
host = "127.0.0.1"
port = 0
workers = 1
admin_listen = "unix:${here}/admin.sock"
ident = "${file:ident}"
threads = 16
"""
TOML = """\
extends = "base.toml"

[app]
use = "shop:app"

[server]
max_request_line_size = 16000
"""
INI = """\
[app:main]
use = egg:wiverno
app = shop:app

[server:main]
use = egg:wiverno
host = 127.0.0.1
port = 0
workers = 1
admin_listen = unix:%(here)s/admin.sock
"""


def gone(file: Path) -> str:
    """A deployment has removed the file and not written the next one yet."""
    file.unlink()
    return "no such file or directory|cannot be read"


def empty(file: Path) -> str:
    """A program has opened the file to write and not written yet."""
    file.write_text("")
    return r"is empty|there is no \[server:main\] any more"


def directory(file: Path) -> str:
    """Something else has the name."""
    file.unlink()
    file.mkdir()
    return "is a directory|Is a directory"


def link_to_itself(file: Path) -> str:
    """The file can't be opened, root included."""
    file.unlink()
    file.symlink_to(file.name)
    return "(?i)symbolic links"


def cut_off(file: Path) -> str:
    """The file has been written to the middle of its last line, where it is still well-formed."""
    file.write_text(file.read_text().rstrip("\n")[:-1])
    return "ends in the middle of a line"


def without_section(file: Path) -> str:
    """A part of the file is there, but nothing about the server."""
    file.write_text(file.read_text().partition("[server")[0])
    return r"no server's section any more|there is no \[server:main\] any more"


def without_address(file: Path) -> str:
    """The section is there and says no longer where to listen."""
    file.write_text(
        file.read_text().replace('host = "127.0.0.1"\nport = 0\n', "").replace("host = 127.0.0.1\nport = 0\n", "")
    )
    return "does not fall back to the default address"


Disaster = Callable[[Path], str]


def refuse_each(served: ServerContext, file: Path, disasters: tuple[Disaster, ...]) -> None:
    """Let each disaster happen to a file, ask for a reload by turns in both ways, and see that nothing has changed."""
    text = file.read_text()
    before, address = served.workers(), served.status()["addresses"]
    for number, disaster in enumerate(disasters):
        failures = served.status()["reloads"]["failed"]
        words = disaster(file)
        if number % 2:
            assert served.admin("/reload", "POST")[0] == 202
        else:
            served.child.send(signal.SIGHUP)
        wait_until(lambda f=failures: served.status()["reloads"]["failed"] == f + 1, PATIENCE, what=disaster.__name__)  # type: ignore[misc]
        assert re.search(words, served.status()["reloads"]["last_failure"]), disaster.__name__
        assert (served.workers(), served.status()["addresses"]) == (before, address), disaster.__name__
        assert served.get()[0] == 200
        if file.is_dir() and not file.is_symlink():
            file.rmdir()
        file.unlink(missing_ok=True)
        file.write_text(text)
    assert log_lines(served, FAILED)
    assert "nothing was started" not in served.child.output
    served.child.send(signal.SIGHUP)
    wait_until(lambda: served.status()["reloads"]["succeeded"] == 1, PATIENCE * 2, what="the reload")


FILES = {"shop.py": APPLICATION, "base.toml": BASE, "ident": "shop\n", "wiverno.toml": TOML, "site.ini": INI}


@contextmanager
def run(folder: Path, *words: str, files: Mapping[str, str] = FILES, **env: str) -> Iterator[ServerContext]:
    """Serve with one of the programs in a folder that has these files."""
    for name, text in files.items():
        (folder / name).write_text(text)
    variables = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder), **env}
    with Child([script(words[0]), *words[1:]], cwd=folder, env=variables) as child:
        served = ServerContext(child, folder)
        wait_for_workers(served, 1)
        yield served


def test_the_file_that_was_found_by_default(tmp_path: Path) -> None:
    """./wiverno.toml was read at the start, so it is read at a reload, or nothing is."""
    with run(tmp_path, "wiverno", "run") as served:
        refuse_each(served, tmp_path / "wiverno.toml", (gone, empty, directory, link_to_itself, cut_off))


@pytest.mark.parametrize(
    ("name", "disasters"),
    [
        ("base.toml", (gone, empty, directory, cut_off, without_section, without_address)),
        ("ident", (gone, empty, directory)),
    ],
)
def test_what_the_file_is_built_on(tmp_path: Path, name: str, disasters: tuple[Disaster, ...]) -> None:
    """A base of `extends`, and a file in `${file:…}`."""
    files = {**FILES, "wiverno.toml": TOML.partition("[server]")[0]}
    with run(tmp_path, "wiverno", "run", files=files, WIVERNO_CONFIG="wiverno.toml") as served:
        refuse_each(served, tmp_path / name, disasters)


@pytest.mark.parametrize(
    "words", [("wiverno", "run", "--config", "site.ini"), ("pserve", "site.ini"), ("pserve", "wiverno.toml")]
)
def test_other_doors(tmp_path: Path, words: tuple[str, ...]) -> None:
    """INI files, and pserve, whose workers are the program run again."""
    disasters = (gone, empty, cut_off, without_address) if words[-1].endswith("ini") else (gone, empty, cut_off)
    with run(tmp_path, *words) as served:
        refuse_each(served, tmp_path / words[-1], disasters)


def test_standard_input_is_not_read_a_second_time(tmp_path: Path) -> None:
    """Its end would look like an empty file."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    (tmp_path / "ident").write_text("shop\n")
    (tmp_path / "start.py").write_text(
        "import io, sys\nfrom wiverno.cli import main\n"
        f"sys.stdin = io.TextIOWrapper(io.BytesIO({BASE.encode()!r}))\n"
        "sys.argv = ['wiverno', 'run', '--config', '-', 'shop:app']\nmain()\n"
    )
    with Child(["start.py"], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as child:
        served = ServerContext(child, tmp_path)
        before = wait_for_workers(served, 1)
        child.send(signal.SIGHUP)
        child.wait_for(FAILED + r":\n.*standard input can't be read again")
        assert served.workers() == before


def test_a_worker_that_starts_while_the_file_is_gone(tmp_path: Path) -> None:
    """It needs no file: its application and its logging are those of the configuration that was read."""
    logging = (
        "[loggers]\nkeys = root\n[handlers]\nkeys = h\n[formatters]\nkeys =\n[logger_root]\nhandlers = h\n"
        "[handler_h]\nclass = StreamHandler\nargs = (sys.stderr,)\n"
    )
    files = {**FILES, "site.ini": INI + logging}
    with run(tmp_path, "wiverno", "run", "--config", "site.ini", files=files) as served:
        (before,) = served.workers()
        (tmp_path / "site.ini").unlink()
        os.kill(before, signal.SIGKILL)
        wait_for_workers(served, 1, without={before})
        assert served.get()[0] == 200


def test_a_table_that_is_changed_on_purpose_is_taken(tmp_path: Path) -> None:
    """Settings may go, and addresses change, as long as one is written."""
    with service(tmp_path, settings="workers = 1\nthreads = 2") as served:
        wait_for_workers(served, 1)
        text = (tmp_path / "wiverno.toml").read_text().replace("threads = 2\n", "")
        served.write("wiverno.toml", text.replace('host = "127.0.0.1"\nport = 0', 'listen = ["127.0.0.1:0"]'))
        served.child.send(signal.SIGHUP)
        wait_until(lambda: served.status()["reloads"]["succeeded"] == 1, PATIENCE * 2, what="the reload")
