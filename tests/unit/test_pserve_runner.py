"""A configuration as PasteDeploy's server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wiverno import pserve_runner
from wiverno.config.loader import LoadedConfig, load
from wiverno.config.settings import Adjustments
from wiverno.pserve_runner import create_server_runner, section_runner
from wiverno.start_errors import NotStartedError

Reread = Callable[[], Adjustments]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    return []


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, Adjustments, Reread | None]]:
    """The arguments that `run_server` gets; it serves nothing and ends at once."""
    calls: list[tuple[object, Adjustments, Reread | None]] = []

    def run(application: object, adjustments: Adjustments, reread: Reread | None, *, source: str) -> float:
        calls.append((application, adjustments, reread))
        return float("inf")

    monkeypatch.setattr(pserve_runner, "run_server", run)
    monkeypatch.setattr(pserve_runner, "activate", lambda loaded: None)
    return calls


def config(tmp_path: Path, text: str) -> LoadedConfig:
    file = tmp_path / "a.toml"
    file.write_text(text)
    return load(file, environ={}, hand_over=True)


def test_a_section_becomes_a_runner(served: list[Any]) -> None:
    """The runner serves the application with the section's settings and returns 0."""
    assert section_runner({}, {"threads": "3"})(app) == 0
    assert section_runner({}, {}, "simple")(app) == 0
    (_, threaded, reread), (_, simple, _) = served
    assert (threaded.threads, reread) == (3, None)
    assert simple.mode == "simple"


def test_a_mistake_ends_the_process_before_the_application(capsys: pytest.CaptureFixture[str]) -> None:
    """With the report and status 2."""
    with pytest.raises(SystemExit) as ended:
        section_runner({}, {"prot": "1"})
    assert ended.value.code == 2
    assert "prot: unknown setting" in capsys.readouterr().err


def test_warnings_are_printed_at_once(served: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before pserve imports the application."""
    create_server_runner(config(tmp_path, "[server]\nsend_bytes = 5\n"))
    assert "warning: send_bytes does nothing" in capsys.readouterr().err


def test_a_reload_reads_the_file_again(served: list[Any], tmp_path: Path) -> None:
    """A section for another server is refused: only a restart can change the server."""
    text = "[server]\nport = 8000\nworkers = 1\nthreads = 3\n"
    runner = create_server_runner(
        config(tmp_path, text), reread=lambda: load(tmp_path / "a.toml", environ={}, hand_over=True)
    )
    runner(app)
    reread = served[0][2]
    config(tmp_path, text.replace("3", "5"))
    assert reread().threads == 5
    config(tmp_path, '[server]\nuse = "egg:waitress"\nport = 8000\n')
    with pytest.raises(ValueError, match="which only a restart can begin"):
        reread()


def test_what_keeps_it_from_starting_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The exception's text says what to do about a busy port."""

    def run(*_: object, **__: object) -> float:
        raise OSError(98, "Address already in use: 127.0.0.1:80")

    monkeypatch.setattr(pserve_runner, "run_server", run)
    monkeypatch.setattr(pserve_runner, "activate", lambda loaded: None)
    monkeypatch.setattr("sys.excepthook", lambda *_: None)
    with pytest.raises(NotStartedError, match="cannot listen: Address already in use"):
        create_server_runner(config(tmp_path, "[server]\nport = 80\n"))(app)


def test_a_directory_that_is_missing_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As with `wiverno run`; a worker that runs the program again reports it to its supervisor."""
    loaded = config(tmp_path, f'[server]\nchdir = "{tmp_path}/none"\n')
    words = f"chdir: {tmp_path}/none: no such file or directory"
    monkeypatch.setattr("sys.excepthook", lambda *_: None)
    with pytest.raises(NotStartedError, match=words):
        create_server_runner(loaded)
    reported: list[str] = []
    worker = SimpleNamespace(report_failure=reported.append)
    for module in ("pserve_runner", "start_errors"):
        monkeypatch.setattr(f"wiverno.{module}.inherited_worker", lambda: worker)
    with pytest.raises(SystemExit) as ended:
        create_server_runner(loaded)
    assert (reported, ended.value.code) == ([words], 1)


def test_another_server_gets_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is passed to its factory unchecked, with native values."""
    (tmp_path / "server_of_shop.py").write_text("def make(conf, **settings):\n    return lambda app: settings\n")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = config(tmp_path, '[server]\nuse = "call:server_of_shop:make"\nport = 5\nprot = [1]\n')
    assert not loaded.is_own_server
    settings: object = create_server_runner(loaded)(app)
    assert settings == {"port": 5, "prot": [1]}
