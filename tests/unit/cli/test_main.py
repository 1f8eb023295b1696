"""The program itself: which status it leaves to the end of its process."""

import sys

import pytest

from wiverno import cli
from wiverno.cli.commands import overview
from wiverno.workers import process_exit


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the end of the process is told."""
    found: list[int] = []
    monkeypatch.setattr(process_exit, "watch_unserved", found.append)
    monkeypatch.setattr(cli, "prepare_streams", lambda: None)
    return found


def test_help_needs_no_command(
    statuses: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["wiverno", "--help"])
    cli.main("python -m wiverno")
    assert capsys.readouterr().out == overview("python -m wiverno")
    assert statuses == []


@pytest.mark.parametrize(
    ("words", "status"), [(["config", "explain", "threads"], 0), (["config", "explain", "threds"], 2), (["rnu"], 2)]
)
def test_the_status_is_known_to_the_end_of_the_process(
    statuses: list[int], words: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that an imported application has started must not keep the command alive, nor change its status."""
    monkeypatch.setattr(sys, "argv", ["wiverno", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert (caught.value.code or 0) == status
    assert statuses == [status]


def test_an_exception_is_a_failure(statuses: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**kw: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(sys, "argv", ["wiverno", "config"])
    monkeypatch.setattr("wiverno.cli.group.group", fail)
    with pytest.raises(ValueError, match="broken"):
        cli.main()
    assert statuses == [cli.FAILURE]


@pytest.mark.parametrize(("words", "forks"), [(["run", "shop:app"], True), (["serve"], True), (["config"], False)])
def test_process_one_forks_for_servers(
    statuses: list[int], words: list[str], forks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a command that serves has children to reap."""
    seen: list[bool] = []
    monkeypatch.setattr("wiverno.cli.process_one.fork_server", lambda: seen.append(True))
    monkeypatch.setattr("os.getpid", lambda: 1)
    monkeypatch.setattr("wiverno.cli.group.group", lambda **kw: None)
    monkeypatch.setattr(sys, "argv", ["wiverno", *words])
    cli.main()
    assert bool(seen) == forks
