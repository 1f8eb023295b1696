"""`wiverno serve`: waitress-serve's options and statuses; nothing is served here."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wiverno.cli import run as starter
from wiverno.cli.group import group
from wiverno.workers.plan import Plan

SHOP = "def app(environ, start_response):\n    return []\n\ndef make():\n    return app\n"


@pytest.fixture(autouse=True)
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """What would have been served."""
    found: list[Plan] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "shop_of_test_serve", raising=False)
    monkeypatch.setattr(starter, "run_plan", lambda plan, configure: found.append(plan))
    monkeypatch.setattr(starter, "watch_end", lambda by: None)
    (tmp_path / "shop_of_test_serve.py").write_text(SHOP)
    return found


def serve(*words: str) -> Result:
    return CliRunner().invoke(group, ["serve", *words])


@pytest.mark.parametrize(
    "words", [["shop_of_test_serve:app"], ["--app", "shop_of_test_serve:app"], ["--call", "shop_of_test_serve:make"]]
)
def test_one_application(plans: list[Plan], words: list[str]) -> None:
    """As an argument, as an option, or made by a call; the working directory is the last place for modules."""
    done = serve(*words, "--threads=7")
    assert done.exit_code == 0, done.output
    (plan,) = plans
    assert plan.adjustments.threads == 7
    assert plan.load().__name__ == "app"
    assert sys.path[-1] in ("", str(Path.cwd()))


def test_neither_file_nor_environment_counts(plans: list[Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    Path("wiverno.toml").write_text("[server]\nthreads = 9\n")
    monkeypatch.setenv("WIVERNO_THREADS", "8")
    serve("shop_of_test_serve:app")
    assert plans[0].adjustments.threads == 4


def test_a_unix_socket_beside_listen_is_one_more_address(plans: list[Plan]) -> None:
    serve("--listen=127.0.0.1:1", "--listen=127.0.0.1:2", "--unix-socket=/tmp/a.sock", "shop_of_test_serve:app")
    assert [str(address) for address in plans[0].adjustments.addresses] == [
        "unix:/tmp/a.sock", "127.0.0.1:1", "127.0.0.1:2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "specify one application: wiverno serve [OPTIONS] MODULE:OBJECT"),
        (["a:b", "--app", "c:d"], "specify one application"),
        (["--no-such-option", "a:b"], "No such option"),
        (["--port=99999", "a:b"], "option --port"),
    ],
)
def test_everything_wrong_has_status_1(plans: list[Plan], words: list[str], text: str) -> None:
    done = serve(*words)
    assert done.exit_code == 1
    assert text in done.output
    assert not plans


def test_warnings_are_lines_on_standard_error() -> None:
    """A setting that does nothing is accepted and named."""
    done = serve("--cleanup-interval=3", "shop_of_test_serve:app")
    assert done.exit_code == 0
    assert "warning: " in done.output
    assert "cleanup_interval does nothing" in done.output
