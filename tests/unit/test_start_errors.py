"""What keeps a server from starting, in one line."""

import errno
import os
import sys

import pytest

from wiverno.config.errors import ConfigError, Problem
from wiverno.config.settings import Adjustments
from wiverno.files import SetupError
from wiverno.start_errors import (
    NotStartedError,
    exit_on_config_error,
    exit_with_error,
    explain_bind_error,
    load_named,
)


def failure(number: int, place: str) -> OSError:
    return OSError(number, f"{os.strerror(number)}: {place}")


@pytest.mark.parametrize(
    ("number", "settings", "advice"),
    [
        (errno.EADDRINUSE, {"port": 8000}, "(lsof -i :8000 shows it), or choose another port"),
        (errno.EADDRINUSE, {"unix_socket": "/run/a"}, "stop that server, or choose another path"),
        (errno.EACCES, {"port": 80}, "ports below 1024 need privileges"),
        (errno.EADDRNOTAVAIL, {"host": "192.0.2.1"}, "no interface of this machine has that address"),
        (errno.EEXIST, {"unix_socket": "/run/a"}, "choose another path, or remove it"),
        (errno.ENOENT, {"unix_socket": "/run/a"}, "the socket's directory must exist and be writable"),
        (errno.EACCES, {"unix_socket": "/run/a"}, "the socket's directory must exist and be writable"),
        (errno.EMFILE, {"port": 8000}, "Too many open files"),
    ],
)
def test_explained_bind_errors(number: int, settings: dict[str, object], advice: str) -> None:
    """A bind failure is one line: the operating system's words, the place, and what to do."""
    line = explain_bind_error(failure(number, "there"), Adjustments(**settings))
    assert line.startswith(f"cannot listen: {os.strerror(number)}: there")
    assert advice in line
    assert "\n" not in line


def test_the_port_that_is_taken_is_named() -> None:
    """Of several addresses it is the one that could not be bound."""
    settings = Adjustments(listen="127.0.0.1:8443 [::1]:8000 [::1]:80")
    for port in (8443, 8000, 80):
        assert f"(lsof -i :{port} shows it)" in explain_bind_error(failure(errno.EADDRINUSE, f"::1:{port}"), settings)


def test_other_files_are_named() -> None:
    """What is not a listening address says so: a file with its name, a set-up error with its complete text."""
    error = OSError(errno.EACCES, "Permission denied", "/run/shop.pid")
    assert explain_bind_error(error, Adjustments()) == "cannot start: Permission denied: /run/shop.pid"
    assert explain_bind_error(SetupError(errno.ENOENT, "no user shop"), Adjustments()) == "no user shop"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """The exceptions that would have been shown with their traceback."""
    shown: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: shown.append(error))
    return shown


def test_a_line_takes_the_place_of_the_traceback(hook: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    """The error ends the process with its message alone; other exceptions keep their traceback."""
    with pytest.raises(NotStartedError) as caught:
        exit_with_error("cannot listen: port 80")
    sys.excepthook(NotStartedError, caught.value, None)
    assert capsys.readouterr().err == "error: cannot listen: port 80\n"
    other = ValueError("x")
    sys.excepthook(ValueError, other, None)
    assert hook == [other]


def test_an_application_that_fails_is_named(hook: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    """Its exception passes through and ends the process with the application's own lines; an exit becomes status 1."""
    with pytest.raises(ZeroDivisionError) as caught:
        load_named("shop:app", lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    sys.excepthook(ZeroDivisionError, caught.value, None)
    assert capsys.readouterr().err.startswith("error: the application shop:app failed to load:\n")
    with pytest.raises(SystemExit) as ended:
        load_named("shop:app", lambda: sys.exit(3))
    assert ended.value.code == 1
    assert "the application shop:app failed to load" in capsys.readouterr().err
    assert hook == []


def test_a_configuration_error_is_a_report_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Under pserve as on the command line."""

    def load() -> None:
        raise ConfigError([Problem("unknown setting", key="prot")])

    with pytest.raises(SystemExit) as ended:
        exit_on_config_error(load)
    assert ended.value.code == 2
    assert "error: prot: unknown setting" in capsys.readouterr().err
    assert exit_on_config_error(lambda: 7) == 7
