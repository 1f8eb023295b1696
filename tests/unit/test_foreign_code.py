"""Loggers that can't raise, and telling a signal handler's exception from a call's."""

from __future__ import annotations

import functools
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.processes import run
from wiverno.foreign_code import guarded_logger, is_from_signal

NAME = "wiverno.test-of-guard"


@contextmanager
def refusing(error: type[BaseException]) -> Iterator[None]:
    def refuse(record: logging.LogRecord) -> bool:
        raise error("on purpose")

    logger = logging.getLogger(NAME)
    logger.addFilter(refuse)
    try:
        yield
    finally:
        logger.removeFilter(refuse)


def test_messages_are_logged_as_by_any_logger(caplog: pytest.LogCaptureFixture) -> None:
    """Level, arguments, traceback, and the place in the code that logged."""
    caplog.set_level(logging.DEBUG, NAME)
    logger = guarded_logger(NAME)
    for method in (logger.debug, logger.info, logger.warning, logger.error, logger.critical):
        method("%d and %s", 1, "two")
    logger.log(logging.INFO, "last")
    try:
        raise ValueError("meant")
    except ValueError:
        logger.exception("oh")
    levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "INFO", "ERROR"]
    assert [record.levelname for record in caplog.records] == levels
    assert caplog.records[0].getMessage() == "1 and two"
    assert {record.filename for record in caplog.records} == {"test_foreign_code.py"}
    assert "ValueError: meant" in caplog.text


@pytest.mark.parametrize("error", [TypeError, SystemExit, GeneratorExit])
def test_what_can_not_be_logged_is_printed(
    error: type[BaseException], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Warnings and errors each time, what is less important once a minute: an access log has many lines."""
    logger = guarded_logger(NAME)
    caplog.set_level(logging.INFO, NAME)  # which is as it was before, after the test
    with refusing(error):
        for number in range(3):
            logger.info("%d answered", number)
            logger.error("%d failed", number)
            logger.error("%d %d is not formatted", number)  # noqa: PLE1206
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["0 answered", "0 failed", "1 failed", "2 failed"]
    assert lines[0] == f"wiverno: the program's logging raised {error.__name__}; not logged: 0 answered"


def test_standard_error_that_raises_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be said, nothing is."""

    class Stream:
        def write(self, text: str) -> int:
            raise SystemExit("on purpose")

    monkeypatch.setattr("sys.stderr", Stream())
    with refusing(TypeError):
        guarded_logger(NAME).error("unheard")


class Handler:
    def __call__(self, number: int, frame: Any) -> None:
        raise SystemExit(3)

    def method(self, number: int, frame: Any) -> None:
        raise SystemExit(3)


def function(number: int, frame: Any) -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    "handler", [function, Handler().method, Handler(), functools.partial(function)],
    ids=["function", "method", "object", "partial"],
)  # fmt: skip
def test_exceptions_of_signal_handlers(handler: Callable[..., Any]) -> None:
    """A handler's SystemExit is told from one that a call raised, whatever kind of callable the handler is."""
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(SystemExit) as caught:
            signal.raise_signal(signal.SIGUSR1)
        assert is_from_signal(caught.value)
        with pytest.raises(SystemExit) as caught:
            raise SystemExit(3)
        assert not is_from_signal(caught.value)
        assert not is_from_signal(ValueError())
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_pythons_own_handler_of_sigint() -> None:
    """Its KeyboardInterrupt has no frame of a handler; where another handler is set, a call has raised it."""
    with pytest.raises(KeyboardInterrupt) as caught:
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert is_from_signal(caught.value)
        signal.signal(signal.SIGINT, function)
        assert not is_from_signal(caught.value)
    finally:
        signal.signal(signal.SIGINT, before)


PROGRAM = """
import logging, os, signal, sys
from wiverno.core.server import create_server

def stop(number, frame):
    raise SystemExit(0)

def application(environ, start_response):
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        pass

signal.signal(signal.SIGTERM, stop)
server = create_server(application, host="127.0.0.1", port=0, threads=int(sys.argv[1]), graceful_timeout=1)
import socket, threading
client = socket.create_connection((server.effective_host, int(server.effective_port)))
client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
server.run()
print("returned")
"""


def test_a_programs_handler_ends_a_server_whose_only_thread_is_in_a_call() -> None:
    """The SystemExit that it raises inside the application's code is the program's wish, and no failed request."""
    done = run(["-c", PROGRAM, "1"])
    assert (done.returncode, done.stdout) == (0, "returned\n"), done.stderr
    assert "Exception while serving" not in done.stderr
