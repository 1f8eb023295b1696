"""The admin listener's engine, by itself and beside another one."""

from __future__ import annotations

import logging
import stat
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.sockets import LOOPBACK
from tests.support.waiting import wait_until
from tests.support.workers import ask
from wiverno.config.settings import Adjustments
from wiverno.workers.admin_listener import admin_engine, run_beside


class Admin:
    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any], /) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"admin"]

    def sample(self) -> None:
        """Nothing to add."""


@pytest.mark.parametrize("kind", ["unix", "tcp", "none"])
def test_it_answers_in_another_thread(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """On the address of the settings; a Unix socket is the owner's alone."""
    caplog.set_level(logging.INFO, "wiverno")
    path = tmp_path / "admin.sock"
    listen = {"unix": f"unix:{path}", "tcp": f"{LOOPBACK}:0", "none": None}[kind]
    engine = admin_engine(Adjustments.from_keywords(admin_listen=listen), Admin())
    failures: list[BaseException] = []
    with run_beside(engine, failures.append):
        if kind == "unix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert ask(str(path), "/") == (200, b"admin")
            assert f"admin listener on unix:{path}" in caplog.messages
        elif kind == "tcp":
            port = int(caplog.messages[-1].rpartition(":")[2])
            assert ask((LOOPBACK, port), "/") == (200, b"admin")
    assert not failures
    assert not [thread for thread in threading.enumerate() if thread.name == "wiverno-admin"]
    engine.close()


def test_its_failure_is_reported() -> None:
    """An admin listener that has ended must not go unnoticed."""
    engine = admin_engine(Adjustments.from_keywords(), Admin())
    failures: list[BaseException] = []
    with run_beside(engine, failures.append):
        engine.loop.call_soon_threadsafe(lambda: engine.fail(OSError(9, "lost")))
        wait_until(lambda: failures)
    engine.close()
