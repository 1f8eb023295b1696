"""What the service manager is sent, and when nothing is."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from wiverno.workers.sd_notify import Notifier


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = str(tmp_path / "notify") if request.param == "file" else f"@wiverno-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(20)
        listener.bind(name.replace("@", "\0") if request.param == "abstract" else name)
        yield name, listener


def test_messages(manager: tuple[str, socket.socket]) -> None:
    """One fact a line; a line break in a text would be another fact."""
    name, listener = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    assert notifier
    notifier.ready("2 workers\nREADY=0")
    assert listener.recv(1000) == b"READY=1\nSTATUS=2 workers READY=0"
    notifier.reloading()
    assert listener.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    notifier.stopping("stopping")
    assert listener.recv(1000) == b"STOPPING=1\nSTATUS=stopping"
    notifier.reset_watchdog()
    assert listener.recv(1000) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("pid", "usec", "expected"),
    [("", "4000000", 2.0), ("own", "4000000", 2.0), ("1", "4000000", 0.0), ("", "soon", 0.0), ("", "", 0.0)],
)
def test_watchdog(pid: str, usec: str, expected: float) -> None:
    """Half of the limit, if it is this process's."""
    pid = str(os.getpid()) if pid == "own" else pid  # not as a parameter: it differs between pytest's processes
    assert Notifier({"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}).watchdog == expected


def test_without_a_manager_nothing_happens() -> None:
    notifier = Notifier({})
    assert not notifier
    notifier.ready("ready")


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "absent")}).ready("ready")
