"""Settings that are right but for the machine: no such user, directory, file. One report by each door, no traceback.

The doors are `wiverno run` in one process and with workers, pserve, a reload, and, for what does not
first come to be when a service manager starts the service, `wiverno config check`.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.processes import run, script
from tests.support.programs import require_root
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import service, wait_for_workers

APPLICATION = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n"

# name, settings, what is said, whether `config check` says it
PLACES = [
    pytest.param('user = "nosuch"', "there is no user 'nosuch' on this system", True, id="user"),
    pytest.param('group = "nosuch"', "there is no group 'nosuch' on this system", True, id="group"),
    pytest.param('chdir = "/nosuch"', "/nosuch", True, id="chdir"),
    pytest.param('chdir = "/etc/passwd"', "/etc/passwd", True, id="chdir-file"),
    pytest.param('certfile = "/nosuch.pem"', "/nosuch.pem: No such file or directory", True, id="certfile"),
    pytest.param('certfile = "shop.py"', "shop.py: no PEM certificate or key in it", True, id="no-certificate"),
    pytest.param(
        'certfile = "shop.py"\nkeyfile = "/nosuch.key"', "/nosuch.key: No such file or directory", True, id="keyfile"
    ),
    pytest.param('access_log = "/nosuch/access.log"', "/nosuch/access.log can't be opened", False, id="access-log"),
    pytest.param('pid_file = "/nosuch/pid"', "/nosuch/pid can't be written", False, id="pid-file"),
    pytest.param('admin_listen = "unix:/nosuch/s"', "No such file or directory: /nosuch/s", False, id="admin-socket"),
]
WITH_RESTART = {"pid-file", "admin-socket"}
LOGGING = [
    ('filename = "/nosuch/log"\nclass = "logging.FileHandler"', "'f': No such file or directory: /nosuch/log"),
    ('class = "shop.Absent"', "'f': Cannot resolve 'shop.Absent'"),
    ('class = "logging.StreamHandler"\nlevel = "LOUD"', "'f': Unknown level: 'LOUD'"),
    ('class = "logging.StreamHandler"\nformatter = "absent"', "'f': Unable to set formatter 'absent'"),
]


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APPLICATION)


def toml(settings: str) -> str:
    return f'[app]\nuse = "call:shop:main"\n[server]\nhost = "127.0.0.1"\nport = 0\n{settings}\n'


def require_rights(settings: str) -> None:
    """Only root becomes another user, so only root is told that there is none."""
    if settings.startswith(("user", "group")):
        require_root()


def ended(folder: Path, *words: str) -> str:
    """Return what a command says before it ends with an error."""
    done = run([script(words[0]), *words[1:]], cwd=folder, env={"PYTHONPATH": str(folder)})
    said = done.stdout + done.stderr
    assert done.returncode in (1, 2), said
    assert "Traceback" not in said
    return said


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A folder whose application pserve can load by `call:`."""
    (tmp_path / "shop.py").write_text(APPLICATION + "def main(global_config, **settings):\n    return app\n")
    return tmp_path


@pytest.mark.parametrize(("settings", "words", "is_checked"), PLACES)
def test_a_start(main: Path, settings: str, words: str, is_checked: bool) -> None:
    """Each door says which place; `config check` before the start, with the line."""
    require_rights(settings)
    (main / "site.toml").write_text(toml(settings))
    (main / "site.ini").write_text(
        "[app:main]\nuse = call:shop:main\n[server:main]\nuse = egg:wiverno#main\nhost = 127.0.0.1\nport = 0\n"
        + settings.replace('"', "")
        + "\n"
    )
    assert words in ended(main, "wiverno", "run", "--config", "site.toml")
    assert words in ended(main, "wiverno", "run", "--config", "site.toml", "--workers", "1")
    assert words in ended(main, "pserve", "site.ini")
    if is_checked:
        name = settings.rpartition("\n")[2].partition(" ")[0]
        said = ended(main, "wiverno", "config", "check", "site.toml")
        assert f"error: site.toml:{5 + len(settings.splitlines())}: {name}: " in said
        assert words in said


@pytest.mark.parametrize(("handler", "words"), LOGGING)
def test_logging(main: Path, handler: str, words: str) -> None:
    """A handler that can't be made is named with the reason, which logging.config hides in the cause."""
    text = toml("") + f'[logging.handlers.f]\n{handler}\n[logging.root]\nhandlers = ["f"]\n'
    (main / "site.toml").write_text(text)
    for command in (["wiverno", "run", "--config", "site.toml"], ["pserve", "site.toml"]):
        assert f"error: site.toml: logging: Unable to configure handler {words}" in ended(main, *command)


@pytest.mark.parametrize(
    ("settings", "words"),
    # The pid file and the admin listener change with a restart only, and the log of the reload says so.
    [pytest.param(*one.values[:2], id=one.id) for one in PLACES if one.id not in WITH_RESTART],
)
def test_a_reload(tmp_path: Path, settings: str, words: str) -> None:
    """A reload that meets it fails, and everything stays as it was."""
    require_rights(settings)
    with service(tmp_path, settings="workers = 1") as served:
        before = wait_for_workers(served, 1)
        text = (tmp_path / "wiverno.toml").read_text()
        served.write("wiverno.toml", text.replace("[server]\n", f"[server]\n{settings}\n"))
        served.child.send(signal.SIGHUP)
        wait_until(lambda: served.status()["reloads"]["failed"] == 1, PATIENCE * 2, what="the failed reload")
        assert served.workers() == before
        assert served.get()[0] == 200
        assert words in served.status()["reloads"]["last_failure"]
        served.child.wait_for("reload failed, still running the previous configuration")
        assert "Traceback" not in served.child.output
