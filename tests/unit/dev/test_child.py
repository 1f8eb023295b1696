"""The child process: what it serves when there is nothing to serve, and what it says on the terminal."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.wsgi import call
from wiverno.dev.child import FailurePage, Order, load_application, watch_parent


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
    one = order(descriptors=(3, 4), hosts=("a", "b"), ended="x")
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
