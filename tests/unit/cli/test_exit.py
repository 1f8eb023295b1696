"""How a command ends: one report, a status, and a traceback only for what is no mistake of the user's."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from wiverno.cli.exit import FAILURE, MISTAKE, end, report_config_errors, require_file
from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.files import SetupError
from wiverno.importer import ImportTargetError


def ending(error: Exception, status: int = MISTAKE) -> None:
    @report_config_errors(status)
    def command() -> None:
        raise error

    command()


@pytest.mark.parametrize("status", [MISTAKE, FAILURE])
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError([Problem("is wrong", Origin("file", "a.toml", 3), "port")]), "error: a.toml:3: port: is wrong\n"),
        (ImportTargetError("there is no module 'shop'"), "error: there is no module 'shop'\n"),
    ],
)
def test_mistakes_are_a_report_and_a_status(
    error: Exception, text: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        ending(error, status)
    assert caught.value.code == status
    assert text in capsys.readouterr().err


def test_what_the_system_lacks_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        ending(SetupError("user: there is no user 'absent' on this system"))
    assert caught.value.code == FAILURE
    assert capsys.readouterr().err == "error: user: there is no user 'absent' on this system\n"


def test_other_exceptions_come_through() -> None:
    """A missing file is the application's own affair as long as the current directory exists."""
    for error in (ValueError("broken"), FileNotFoundError("a.txt")):
        with pytest.raises(type(error)):
            ending(error)


def test_a_removed_directory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wiverno.cli.exit.directory_name", lambda: None)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setenv("PWD", str(gone))
    gone.rmdir()
    with pytest.raises(SystemExit) as caught:
        ending(FileNotFoundError("."))
    os.chdir(tmp_path)
    assert caught.value.code == FAILURE
    assert "the current directory was removed; change to another one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("section", "variables", "is_read", "text"),
    [
        ("other", {}, True, ""),
        (None, {}, False, ""),
        ("main", {}, False, ""),
        ("other", {}, False, "--server-name other is a table of a file"),
        (None, {"A": "1"}, False, "A=1 is a variable for a file"),
    ],
)
def test_what_only_a_file_can_have_needs_one(
    section: str | None, variables: dict[str, str], is_read: bool, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) if text else nullcontext():
        require_file(is_read, section=section, variables=variables)
    output = capsys.readouterr().err
    assert text in output
    assert bool(text) == bool(output)


def test_end_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        end("broken", 1)
    assert (caught.value.code, capsys.readouterr().err) == (1, "error: broken\n")
