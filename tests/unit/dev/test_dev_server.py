"""DevServer as an object: its attributes, its refusals, and stop() from another thread."""

from __future__ import annotations

import http.client
import threading
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE, wait_until
from wiverno.dev.dev_server import DevServer
from wiverno.importer import ImportTargetError


def test_attributes() -> None:
    server = DevServer("shop.wsgi", "application", "127.0.0.1", 8001, ["a"], ["*.tmp"], 0.5)
    assert (server.app_module, server.app_name, server.host, server.port) == (
        "shop.wsgi",
        "application",
        "127.0.0.1",
        8001,
    )
    assert (server.watch_dirs, server.ignore_patterns, server.debounce_seconds) == ([Path("a")], ["*.tmp"], 0.5)
    assert DevServer("run").watch_dirs == [Path()]


def test_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImportTargetError, match="there is no module 'nowhere_at_all' in"):
        DevServer("nowhere_at_all.wsgi").start()
    with pytest.raises(ImportTargetError, match="there is no module"):
        DevServer("./run.py").start()
    with pytest.raises(NotADirectoryError, match="missing: no such folder to watch"):
        DevServer("json", watch_dirs=["missing"]).start()


def test_stop_from_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.py").write_text(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'one']\n"
    )
    monkeypatch.chdir(tmp_path)
    server = DevServer("run", host="127.0.0.1", port=0, debounce_seconds=0.2)
    thread = threading.Thread(target=server.start)
    thread.start()
    try:
        wait_until(lambda: server.port)

        def get() -> bytes:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            connection.request("GET", "/")
            body = connection.getresponse().read()
            connection.close()
            return body

        assert get() == b"one"
        (tmp_path / "run.py").write_text((tmp_path / "run.py").read_text().replace("one", "two"))
        wait_until(lambda: get() == b"two")
        (tmp_path / "run.py").write_text("import os\nos._exit(7)\n")
        wait_until(lambda: b"ended with status 7" in get())
    finally:
        server.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        get()
