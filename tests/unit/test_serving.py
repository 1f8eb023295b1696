"""serve, serve_paste and profile without a process around them."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.errors import ConfigError
from wiverno.config.settings import Adjustments
from wiverno.serving import explain_bind_error, profile, serve, serve_paste


class Recorder:
    """Stands where create_server stands, through serve's own `_server` keyword, and writes down what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []

    def __call__(self, app: object, **kw: object) -> "Recorder":
        self.calls.append(("made", kw))
        return self

    def print_listen(self, words: str) -> None:
        self.calls.append(("said", words))

    def run(self) -> None:
        self.calls.append(("ran", None))

    def close(self) -> None:
        self.calls.append(("closed", None))


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    return []


def test_order() -> None:
    """serve makes the server with the keywords that are left, says where it listens, runs it and closes it."""
    server = Recorder()
    serve(app, _server=server, port=0, threads=2)
    assert server.calls == [
        ("made", {"port": 0, "threads": 2}),
        ("said", "Serving on http://{}:{}"),
        ("ran", None),
        ("closed", None),
    ]


def test_quiet() -> None:
    """_quiet=True says nothing and leaves logging alone."""
    logger = logging.getLogger("wiverno")
    before, handlers = logger.level, list(logging.getLogger().handlers)
    server = Recorder()
    serve(app, _server=server, _quiet=True)
    assert [name for name, _ in server.calls] == ["made", "ran", "closed"]
    assert logger.level == before
    assert logging.getLogger().handlers == handlers


def test_heard() -> None:
    """Without _quiet the logger has level INFO unless somebody has chosen one."""
    logger = logging.getLogger("wiverno")
    before = logger.level
    try:
        logger.setLevel(logging.NOTSET)
        serve(app, _server=Recorder())
        assert logger.level == logging.INFO
        logger.setLevel(logging.ERROR)
        serve(app, _server=Recorder())
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)


def test_profiled(capsys: pytest.CaptureFixture[str]) -> None:
    """_profile=True prints a profile when the server has ended."""
    server = Recorder()
    serve(app, _server=server, _quiet=True, _profile=True)
    assert ("ran", None) in server.calls
    assert "function calls" in capsys.readouterr().out


@pytest.mark.parametrize("application", [None, 17])
def test_no_application(application: object) -> None:
    """What is no application is a ValueError before anything is bound."""
    with pytest.raises(ValueError, match="application is"):
        serve(application, _quiet=True, port=0)


def test_mistakes() -> None:
    """Keywords that are wrong are one ValueError with all of them."""
    with pytest.raises(ValueError) as caught:
        serve(app, _quiet=True, prot=1, port=99999)
    assert "prot: unknown setting" in str(caught.value)
    assert "port: must be at most 65535" in str(caught.value)


def test_paste_mistakes(tmp_path: Path) -> None:
    """serve_paste locates the mistakes of its section in the file."""
    file = tmp_path / "site.ini"
    file.write_text("[server:main]\nuse = egg:wiverno#main\nprot = 1\nthreads = x\n")
    with pytest.raises(ConfigError) as caught:
        serve_paste(app, {"__file__": str(file), "here": str(tmp_path)}, prot="1", threads="x")
    assert f"{file}:3: prot: unknown setting" in str(caught.value)
    assert f"{file}:4: threads: expected a whole number" in str(caught.value)


@pytest.mark.parametrize(
    ("callers", "order", "words"),
    [
        (False, None, "Ordered by: cumulative time, call count, internal time"),
        (False, ("time",), "Ordered by: internal time"),
        (True, None, "was called by..."),
    ],
)
def test_profile(capsys: pytest.CaptureFixture[str], callers: bool, order: tuple[str, ...] | None, words: str) -> None:
    """profile runs a command with the given names and prints times or callers in the given order."""
    found: list[int] = []
    profile("found.append(sum(numbers))", {"numbers": [1, 2]}, {"found": found}, order, callers)
    assert found == [3]
    assert words in capsys.readouterr().out


def test_profile_assigns(capsys: pytest.CaptureFixture[str]) -> None:
    """What the command assigns is in the given locals afterwards."""
    names: dict[str, object] = {}
    profile("answer = 6 * 7", {}, names)
    assert names["answer"] == 42
    assert "function calls" in capsys.readouterr().out


def test_profile_after_exit(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that exits is profiled all the same; other exceptions pass through."""
    profile("raise SystemExit(3)", {}, {})
    assert "function calls" in capsys.readouterr().out
    with pytest.raises(ZeroDivisionError):
        profile("1 / 0", {}, {})


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
def test_why_not_started(number: int, settings: dict[str, object], advice: str) -> None:
    """A bind failure is one line: the operating system's words, the place, and what to do."""
    line = explain_bind_error(failure(number, "there"), Adjustments(**settings))
    assert line.startswith(f"cannot listen: {os.strerror(number)}: there")
    assert advice in line
    assert "\n" not in line
