"""The program itself: which status it leaves to the end of its process."""

import errno
import io
import os
import runpy
import sys

import pytest

import wiverno.main
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


def test_python_m_wiverno_is_the_same_program(
    statuses: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["wiverno", "--help"])
    runpy.run_module("wiverno", run_name="__main__")
    assert capsys.readouterr().out == overview("python -m wiverno")


@pytest.mark.parametrize(("number", "text"), [(errno.EPIPE, ""), (errno.ENOSPC, "No space left on device")])
def test_help_that_can_not_be_printed_is_a_failure(
    statuses: list[int], number: int, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader that has gone (`wiverno --help | head -1`) needs no words; a full disk does."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sys, "argv", ["wiverno", "--help"])
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == cli.FAILURE
    output = capsys.readouterr().err
    assert text in output
    assert bool(text) == bool(output)


def test_the_frameworks_import_path_is_the_framework() -> None:
    assert wiverno.main.Wiverno is wiverno.Wiverno
