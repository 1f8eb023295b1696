"""A deployment that turns the symbolic link `current` to another release and asks for a reload."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.processes import Child, run, script
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import APPLICATION, ServerContext, wait_for_workers

APP = APPLICATION.replace("import os, time", "import os, time\nimport part").replace(
    "    start_response(", '    body += b" " + os.getcwd().encode()\n    start_response('
)
TOML = """\
[app]
use = "shop:app"
[server]
host = "127.0.0.1"
port = 0
workers = 1
threads = NUMBER
event_loops = 1
admin_listen = "unix:ADMIN"
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
threads = NUMBER
event_loops = 1
admin_listen = unix:ADMIN
"""


def release(root: Path, number: int) -> Path:
    """Write a release; the times of its files and directories are those of every other one."""
    folder = root / "releases" / str(number)
    (folder / "lib").mkdir(parents=True)
    texts = {
        "wiverno.toml": TOML,
        "site.ini": INI,
        "shop.py": APP.replace("VERSION = 1", "VERSION = part.VERSION"),
        "lib/part.py": "VERSION = NUMBER\n",
    }
    for name, text in texts.items():
        written = text.replace("NUMBER", str(number)).replace("ADMIN", f"{root}/admin.sock")
        (folder / name).write_text(written)
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


def turn(root: Path, number: int) -> None:
    """Turn the link in one step."""
    (root / "next").symlink_to(f"releases/{number}")
    (root / "next").replace(root / "current")


DOORS = {
    "found by default": ("current", ["wiverno", "run"], "lib"),
    "named from elsewhere": (".", ["wiverno", "run", "--config", "current/wiverno.toml"], "{root}/current:current/lib"),
    "INI": ("current", ["wiverno", "run", "--config", "site.ini"], "{root}/current/lib"),
    "settings alone": ("current", ["wiverno", "run", "shop:app"], "lib"),
    "pserve": ("current", ["pserve", "site.ini"], ".:lib"),
    "pserve from elsewhere": (".", ["pserve", "{root}/current/wiverno.toml"], "current:current/lib"),
}


@pytest.mark.parametrize("door", DOORS)
def test_new_code_and_the_new_file_are_taken(tmp_path: Path, door: str) -> None:
    """The old release may be gone by then; after the next turn the same holds."""
    root = tmp_path.resolve()
    where, words, path = DOORS[door]
    for number in (1, 2, 3):
        release(root, number)
    turn(root, 1)
    command = [script(words[0]), *(word.format(root=root) for word in words[1:])]
    directory = str(root) if where == "." else f"{root}/{where}"
    env = {"PWD": directory, "PYTHONPATH": path.format(root=root), "PYTHONDONTWRITEBYTECODE": "1"}
    with Child(command, cwd=Path(directory), env=env) as child:
        served = ServerContext(child, root)
        wait_for_workers(served, 1)
        assert served.get()[1].split()[1] == b"1"
        for number in (2,) if words[0] == "pserve" else (2, 3):
            turn(root, number)
            shutil.rmtree(root / "releases" / str(number - 1))
            child.send(signal.SIGHUP)
            done = number - 1
            wait_until(lambda d=done: served.status()["reloads"]["succeeded"] == d, PATIENCE * 2, what="the reload")  # type: ignore[misc]
            wait_until(lambda: len(served.status()["workers"]) == 1, PATIENCE * 2, what="the old worker's end")
            words_of_answer = served.get()[1].split()
            assert words_of_answer[1] == b"%d" % number
            assert served.status()["workers"][0]["threads"] == number
            if where != ".":
                assert words_of_answer[3].decode() == f"{root}/releases/{number}"


def test_a_link_that_leads_nowhere_changes_nothing(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    release(root, 1)
    turn(root, 1)
    env = {"PWD": f"{root}/current", "PYTHONPATH": "lib", "PYTHONDONTWRITEBYTECODE": "1"}
    with Child([script("wiverno"), "run"], cwd=root / "current", env=env) as child:
        served = ServerContext(child, root)
        before = wait_for_workers(served, 1)
        turn(root, 2)
        child.send(signal.SIGHUP)
        child.wait_for("reload failed, still running the previous configuration:\n.*No such file or directory")
        assert served.workers() == before
        assert served.get()[0] == 200


def test_a_unit_names_the_link(tmp_path: Path) -> None:
    """`wiverno service` writes no release into the unit."""
    root = tmp_path.resolve()
    release(root, 1)
    turn(root, 1)
    done = run([script("wiverno"), "service", "systemd"], cwd=root / "current", env={"PWD": f"{root}/current"})
    assert f"WorkingDirectory={root}/current\nEnvironment=PWD={root}/current\n" in done.stdout
    assert f"--config {root}/current/wiverno.toml\n" in done.stdout
