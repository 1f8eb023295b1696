"""serve, serve_paste and profile without a process around them."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.errors import ConfigError
from wiverno.serving import serve, serve_paste


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


def test_serving_is_logged() -> None:
    """Without _quiet the logger has level INFO unless the program has chosen one."""
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
