"""`wiverno run`: which application and settings a command line names, and how it ends; nothing is served here."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from wiverno.cli import run as module
from wiverno.cli.group import group
from wiverno.core.threads.recovery import ServerFailedError
from wiverno.workers.plan import LoadFailedError, Plan, StartFailedError

SHOP = """\
def app(environ, start_response):
    return []

other = app

def make():
    return app
"""
FILE = """\
[app]
use = "shop_of_test_run:app"
[server]
port = 8001
threads = "${COUNT:-3}"
"""


class Starts:
    """What would have been served: the plan, and how a reload reads it again."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.configure: Callable[[], Plan] | None = None
        self.error: Exception | None = None
        self.ended: list[float] = []

    def run_plan(self, plan: Plan, configure: Callable[[], Plan] | None = None) -> float:
        if self.error is not None:
            raise self.error
        self.plans.append(plan)
        self.configure = configure
        return 12.5


@pytest.fixture(autouse=True)
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starts:
    found = Starts()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("shop_of_test_run", "run"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(module, "run_plan", found.run_plan)
    monkeypatch.setattr(module, "watch_end", found.ended.append)
    (tmp_path / "shop_of_test_run.py").write_text(SHOP)
    (tmp_path / "run.py").write_text(SHOP)
    (tmp_path / "a.toml").write_text(FILE)
    return found


def run(*words: str) -> Result:
    return CliRunner().invoke(group, ["run", *words])


@pytest.mark.parametrize(
    ("words", "name", "mode"),
    [
        (["shop_of_test_run:other"], "shop_of_test_run:other", "threaded"),
        (["-m", "shop_of_test_run"], "shop_of_test_run:app", "threaded"),
        (["-m", "shop_of_test_run", "-a", "make", "--factory"], "shop_of_test_run:make", "threaded"),
        (["--config", "a.toml"], "shop_of_test_run:app", "threaded"),
        (["--config", "a.toml", "shop_of_test_run:other"], "shop_of_test_run:other", "threaded"),
        (["prod"], "run:app", "simple"),
        (["prod", "-a", "other"], "run:other", "simple"),
        (["prod", "--config", "a.toml"], "shop_of_test_run:app", "threaded"),
        (["prod", "shop_of_test_run:other"], "shop_of_test_run:other", "simple"),
    ],
)
def test_the_application_that_is_named(started: Starts, words: list[str], name: str, mode: str) -> None:
    """By a word, by options, by a file; `prod` means run:app on RunServer where nothing else is said."""
    done = run(*words)
    assert done.exit_code == 0, done.output
    (plan,) = started.plans
    assert plan.name == name
    assert plan.adjustments.mode == mode
    assert callable(plan.load())
    assert started.ended == [12.5]


def test_settings_come_from_file_variables_and_options(started: Starts) -> None:
    """An option counts more than the file, NAME=VALUE fills in the file's ${NAME}, and -w is the number of workers."""
    assert run("--config", "a.toml", "COUNT=7", "--port", "9000", "-w", "2").exit_code == 0
    settings = started.plans[0].adjustments
    assert (settings.port, settings.threads, settings.workers) == (9000, 7, 2)


def test_a_reload_reads_the_file_of_the_start(started: Starts, tmp_path: Path) -> None:
    """./wiverno.toml that was found by default is read again by its name."""
    Path("wiverno.toml").write_text(FILE)
    assert run().exit_code == 0
    assert started.configure is not None
    Path("wiverno.toml").write_text(FILE.replace("8001", "8002"))
    assert started.configure().adjustments.port == 8002


def test_tables_that_a_name_replaces_are_told() -> None:
    Path("a.toml").write_text(FILE + "[app.settings]\ncolour = 'red'\n")
    done = run("--config", "a.toml", "shop_of_test_run:other")
    assert "[app.settings] are not used, because the command line names shop_of_test_run:other" in done.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["shop_of_test_run:app", "--listen", "127.0.0.1:9"], "127.0.0.1:9 (4 threads) from no file"),
        (["prod", "shop_of_test_run:app"], "localhost:8000 (RunServer) from no file"),
        (["--config", "a.toml", "--host", "::1"], "[::1]:8001 (3 threads) from a.toml"),
    ],
)
def test_check_loads_and_ends(started: Starts, words: list[str], text: str) -> None:
    done = run(*words, "--check")
    assert (done.exit_code, done.output) == (0, f"ok: shop_of_test_run:app would be served on {text}\n")
    assert not started.plans


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "nothing to serve: name an application"),
        (["a:b", "c:d"], "only one application can be served: a:b, so what is c:d?"),
        (["a:b", "-m", "c"], "both a:b and --app-module c name an application"),
        (["a:b", "-a", "c"], "both a:b and --app-name c name an application"),
        (["dev", "a"], "'a' names no object; write 'module:attribute', like 'a:app'"),
        (["dev", "a.py"], "'a.py' is a file name; write the module and the object, like 'a:app'"),
        (
            ["dev", "a:make(debug=True)"],
            "is a call; name the function, 'a:make', and say that it makes the application",
        ),
        (["a:b", "-w", "2", "--workers", "3"], "-w and --workers say the same"),
        (["a:b", "-w", "src"], "-w src: -w is the number of workers"),
        (["a:b", "--watch", "src"], "--watch is for wiverno run dev"),
        (["a:b", "--allow-host", "x"], "--allow-host is for wiverno run dev"),
        (["--config", "a.toml", "--factory"], "--factory is for an application named here"),
        (["a:b", "--server-name", "x"], "--server-name x is a table of a file"),
        (["a:b", "X=1"], "X=1 is a variable for a file"),
        (["a:b", "--port", "99999"], "--port"),
        (["--config", "missing.toml"], "missing.toml"),
    ],
)
def test_mistakes_in_the_call_have_status_2(started: Starts, words: list[str], text: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert text in done.output
    assert not started.plans


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.EADDRINUSE, "Address already in use: 127.0.0.1:9"), "Address already in use"),
        (LoadFailedError("shop:app can't be loaded"), "error: shop:app can't be loaded\n"),
        (ServerFailedError("the epoll set was closed"), "error: the epoll set was closed\n"),
        (StartFailedError("no worker could begin to serve"), "error: no worker could begin to serve\n"),
    ],
)
def test_what_keeps_it_from_serving_has_status_1(started: Starts, error: Exception, text: str) -> None:
    started.error = error
    done = run("shop_of_test_run:app")
    assert done.exit_code == 1
    assert text in done.output
    assert "Traceback" not in done.output


def test_check_of_an_application_that_can_not_be_loaded() -> None:
    Path("shop_of_test_run.py").write_text("1 / 0")
    done = run("shop_of_test_run:app", "--check")
    assert done.exit_code == 1
    assert "ZeroDivisionError" in done.output


def test_prepare_activates_the_configuration(started: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker sets up logging before it loads the application."""
    seen: list[Any] = []
    monkeypatch.setattr(module, "set_up_logging", lambda loaded: seen.append(loaded.adjustments.port))
    run("--config", "a.toml")
    assert seen == [8001]
    started.plans[0].prepare()
    assert seen == [8001, 8001]
