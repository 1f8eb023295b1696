"""What developers of frameworks that answer exceptions themselves are told."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.wsgi import call
from wiverno.dev.guard import Guard
from wiverno.dev.hints import HINTS, find_hint
from wiverno.dev.hosts import AllowedHosts
from wiverno.web.application import Wiverno


@pytest.fixture(autouse=True)
def no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*HINTS, "django.conf"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def application_of(module: str) -> Any:
    def answer(self: object, environ: Any, start_response: Any) -> list[bytes]:
        start_response(environ.get("HTTP_STATUS", "500 Internal Server Error"), [])
        return [b"oops"]

    return type("Application", (), {"__call__": answer, "__module__": module})()


def test_the_application_tells_its_framework() -> None:
    """The application's class, else an imported package, says which framework it is."""
    hint = find_hint(application_of("flask.app"))
    assert hint is not None
    assert hint.startswith("the application has answered 500 itself")
    assert 'app.config["PROPAGATE_EXCEPTIONS"] = True' in hint
    assert find_hint(application_of("shop")) is None
    assert find_hint(Wiverno()) is None


def test_behind_middleware(monkeypatch: pytest.MonkeyPatch) -> None:
    """Middleware hides the class, so what is imported counts."""
    monkeypatch.setitem(sys.modules, "falcon", SimpleNamespace())
    assert "add_error_handler" in str(find_hint(application_of("shop")))


@pytest.mark.parametrize(("debug", "is_told"), [(True, False), (False, True)])
def test_django_has_its_own_page(debug: bool, is_told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With DEBUG Django has shown the exception."""
    conf = SimpleNamespace(settings=SimpleNamespace(DEBUG=debug))
    monkeypatch.setitem(sys.modules, "django", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "django.conf", conf)
    assert (find_hint(application_of("django.core")) is not None) is is_told


def test_once_a_start(caplog: pytest.LogCaptureFixture) -> None:
    """The hint comes with the first 500 only, and with no other status."""
    caplog.set_level(logging.INFO, "wiverno.dev")
    guard = Guard(application_of("flask.app"), AllowedHosts(), "v1", is_live=False)
    call(guard, HTTP_STATUS="200 OK")
    assert "PROPAGATE" not in caplog.text
    call(guard)
    call(guard)
    assert caplog.text.count("PROPAGATE_EXCEPTIONS") == 1
