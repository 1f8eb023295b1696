"""One process without a supervisor: what the admin application is told, and what it can do."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sockets import LOOPBACK
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import ask
from wiverno.config.settings import Adjustments
from wiverno.core.server import build_server
from wiverno.core.telemetry.status import RefusedError
from wiverno.workers.sd_notify import Notifier
from wiverno.workers.single_process import SingleProcess


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


class Admin:
    samples = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any], /) -> Iterable[bytes]:
        return application(environ, start_response)

    def sample(self) -> None:
        self.samples += 1


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(20)
        listener.bind(str(tmp_path / "notify"))
        yield listener


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("force", [False, True])
def test_its_life(tmp_path: Path, manager: socket.socket, threads: int, force: bool) -> None:
    """Starting, ready, probed, reopened, stopped: by the admin application, and for the service manager."""
    listen, pid_path = f"unix:{tmp_path}/admin.sock", tmp_path / "server.pid"
    settings = Adjustments.from_keywords(
        host=LOOPBACK, port=0, threads=threads, umask="022", admin_listen=listen, pid_file=str(pid_path)
    )
    server = build_server(application, settings)
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000000"})
    process, admin = SingleProcess(server, notifier=notifier, version="0"), Admin()
    assert process.status().state == "starting"
    failures: list[BaseException] = []

    def steps() -> None:
        wait_until(lambda: process.status().state == "ready")
        assert manager.recv(1000) == b"READY=1\nSTATUS=serving"
        assert manager.recv(1000) == b"WATCHDOG=1"
        assert pid_path.read_text() == f"{os.getpid()}\n"
        assert ask(f"{tmp_path}/admin.sock", "/")[0] == 200
        assert process.probe()
        wait_until(lambda: admin.samples)
        assert process.ask("reopen") == "reopening the log files"
        for action, words in (("reload", "one process can't replace itself"), ("more", "there is one process")):
            with pytest.raises(RefusedError, match=words):
                process.ask(action)
        if not force:
            assert process.ask("stop") == "stopping: finishing the requests in progress"

    def drive() -> None:
        try:
            steps()
        except BaseException as error:
            failures.append(error)
        finally:
            server.engine.stop(force=force)

    thread = threading.Thread(target=drive, daemon=True)
    process.run(admin, thread.start)
    thread.join(PATIENCE)
    if failures:
        raise failures[0]
    assert process.status().state == "stopping"
    while (message := manager.recv(1000)) == b"WATCHDOG=1":
        pass
    assert message == b"STOPPING=1\nSTATUS=finishing the requests in progress"
    assert not pid_path.exists()
    server.close()
