"""The child process: what it serves when there is nothing to serve, and what it says on the terminal."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.waiting import PATIENCE
from tests.support.wsgi import call
from wiverno.dev import child
from wiverno.dev.child import FailurePage, Order, load_application, watch_parent
from wiverno.dev.guard import Guard


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module `devchild` whose text a test writes."""
    import sys

    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "devchild.py"
    sys.modules.pop("devchild", None)


def order(target: str = "devchild:app", **more: Any) -> Order:
    values: dict[str, Any] = {
        "target": target, "is_factory": False, "descriptors": (), "lifeline": -1, "hosts": (), "is_live": False,
        "threads": 1,
    }  # fmt: skip
    return Order(**{**values, **more})


def test_an_order_travels_as_text() -> None:
    one = order(descriptors=(3, 4), hosts=("a", "b"), ended="x", static=({"path": "/s"},))
    assert Order.from_text(one.to_text()) == one


def test_applications_and_factories(module: Path) -> None:
    module.write_text("def app(environ=None, start_response=None): return app\nmade = app\n")
    assert callable(load_application(order()))
    assert callable(load_application(order("devchild:made", is_factory=True)))


@pytest.mark.parametrize(
    ("text", "log", "page"),
    [
        ("x = 1\n1 / 0\n", 'devchild.py", line 2', "ZeroDivisionError: division by zero"),
        ("def f(:\n", "SyntaxError", "def f(:"),
        ("raise SystemExit(3)\n", "SystemExit", "SystemExit: 3"),
        ("app = 5\n", "'devchild:app' is a int, which cannot be called", "ImportTargetError"),
        ("other = 5\n", "has no attribute 'app'", "ImportTargetError"),
    ],
)
def test_what_cannot_be_imported_is_a_page(
    module: Path, caplog: pytest.LogCaptureFixture, text: str, log: str, page: str
) -> None:
    module.write_text(text)
    application = load_application(order())
    assert isinstance(application, FailurePage)
    assert log in caplog.text
    assert "importlib" not in caplog.text
    got = call(application)
    assert got.status == "500 Internal Server Error"
    assert page in got.body.decode()
    assert "importlib" not in got.body.decode()
    assert call(application, "HEAD").body == b""


def test_ctrl_c_is_no_page(module: Path) -> None:
    module.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_application(order())


def test_an_ended_process_is_a_page() -> None:
    got = call(load_application(order(ended="Its process ended with status 3.")))
    assert b"Its process ended with status 3." in got.body


def test_the_lifeline() -> None:
    reading, writing = os.pipe()
    ended = threading.Event()
    watch_parent(reading, ended.set)
    assert not ended.is_set()
    os.close(writing)
    assert ended.wait(10)
    os.close(reading)


def test_it_serves_the_sockets_of_its_order(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is the parent's affair, programs of the application do not get the sockets, and the guard is in front."""
    module.write_text("def app(environ, start_response):\n    return []\n")
    listening, (reading, writing) = socket.create_server(("127.0.0.1", 0)), os.pipe()
    descriptor = os.dup(listening.fileno())
    for number in (descriptor, reading):
        os.set_inheritable(number, True)
    made: list[tuple[Any, dict[str, Any]]] = []
    ended: list[float] = []

    class Server:
        engine = SimpleNamespace(stop_by=4.5)
        closed = threading.Event()

        def __init__(self, application: Any, **options: Any) -> None:
            made.append((application, options))

        def serve(self, say: Callable[[], None]) -> None:
            say()
            os.close(writing)  # the parent has ended
            assert self.closed.wait(PATIENCE)

        def close(self) -> None:
            self.closed.set()

    monkeypatch.setattr(child, "create_server", Server)
    monkeypatch.setattr(child, "watch_end", ended.append)
    monkeypatch.setattr("logging.basicConfig", lambda **given: None)
    before = signal.getsignal(signal.SIGINT)
    try:
        child.main(order(descriptors=(descriptor,), lifeline=reading, threads=3))
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    ((application, options),) = made
    assert isinstance(application, Guard)
    assert options["threads"] == 3
    assert [sock.fileno() for sock in options["sockets"]] == [descriptor]
    assert not os.get_inheritable(descriptor)
    assert not os.get_inheritable(reading)
    assert ended == [4.5]
    for sock in options["sockets"]:
        sock.close()
    os.close(reading)
    listening.close()
