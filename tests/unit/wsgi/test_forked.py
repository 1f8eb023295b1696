"""How a process ends that the application has forked inside a call; nothing is forked or ended here."""

import io
import os
import sys
from typing import NoReturn

import pytest

from wiverno.wsgi import forked
from wiverno.wsgi.sink import ClientDisconnected

PARENT = 7


class ExitError(Exception):
    """What `os._exit` is here; it has the status."""


class Broken(io.StringIO):
    """A stream of the application's that raises."""

    def flush(self) -> NoReturn:
        raise ValueError("closed")

    def write(self, text: str) -> NoReturn:
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _exits(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(status: int) -> NoReturn:
        raise ExitError(status)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(forked, "is_copy", False)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (None, 0, "since only its parent serves; end it with os._exit()"),
        (ClientDisconnected(), 0, "since only its parent serves; end it with os._exit()"),
        (SystemExit(), 0, "ends with status 0"),
        (SystemExit(3), 3, "ends with status 3"),
        (SystemExit(-1), 255, "ends with status 255"),
        (SystemExit("no"), 1, "ends with status 1"),
        (ValueError("broken"), 1, "because of an exception"),
        (KeyboardInterrupt(), 1, "because of an exception"),
    ],
    ids=repr,
)
def test_it_ends_with_the_status_that_a_script_would_have(
    error: BaseException | None, status: int, words: str,
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A log line says which process it was; the text of a SystemExit is printed."""
    caplog.set_level("INFO", "wiverno")
    with pytest.raises(ExitError) as caught:
        forked.leave(error)
    assert caught.value.args == (status,)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"process {os.getpid()}, which the application forked in process")
    assert words in record.getMessage()
    assert (capsys.readouterr().err == "no\n") == (error is not None and error.args == ("no",))


def test_nothing_keeps_it_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging and the streams may be the application's."""
    monkeypatch.setattr(sys, "stderr", Broken())
    monkeypatch.setattr(sys, "stdout", Broken())
    for error, status in ((SystemExit("text"), 1), (SystemExit(3), 3)):
        with pytest.raises(ExitError) as caught:
            forked.leave(error)
        assert caught.value.args == (status,)


@pytest.mark.parametrize(
    ("called_in", "parent", "session", "is_copy", "ends"),
    [
        ("here", PARENT, 1, False, False),
        ("here", PARENT, 1, True, False),
        ("parent", PARENT, 1, False, True),
        ("parent", PARENT, 2, False, False),
        ("parent", 1, 1, False, False),
        ("parent", 1, 1, True, True),
    ],
    ids=[
        "the server itself", "a copy that serves", "a child", "a daemon with a session", "a daemon whose parent ended",
        "a daemon of a server",
    ],
)  # fmt: skip
def test_a_daemon_goes_on_unless_a_server_runs_in_its_parent(
    called_in: str, parent: int, session: int, is_copy: bool, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getppid", lambda: parent)
    monkeypatch.setattr(os, "getsid", lambda pid: 1 if pid else session)
    monkeypatch.setattr(forked, "is_copy", is_copy)
    pid = os.getpid() if called_in == "here" else PARENT
    if ends:
        with pytest.raises(ExitError):
            forked.leave_if_copy(pid)
    else:
        forked.leave_if_copy(pid)
