"""The guard around a developer's application: any WSGI application gets debug pages, a log line and live reload."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.wsgi import call
from wiverno.dev.guard import Guard
from wiverno.dev.hosts import AllowedHosts
from wiverno.web.application import Wiverno


def foreign(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """An application of another framework."""
    if environ["PATH_INFO"] == "/boom":
        raise ZeroDivisionError("foreign trouble")
    if environ["PATH_INFO"] == "/late":
        start_response("200 OK", [])
        raise ZeroDivisionError("late trouble")
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", "2")])
    return [b"ab"]


def guard(app: Any = foreign, *, live: bool = False) -> Guard:
    return Guard(app, AllowedHosts(), "v1", is_live=live)


def test_without_live_reload_the_body_passes_untouched(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wiverno.dev")
    got = call(guard(), path="/a\n")
    assert got.chunks == [b"ab"]
    assert caplog.records[-1].getMessage().startswith("GET /a%0A  200  ")


def test_live_reload() -> None:
    got = call(guard(live=True))
    assert got.body.startswith(b"ab\n<script src=")
    assert got.headers["content-length"] == str(len(got.body))
    assert call(guard(live=True), path="/__wiverno_dev__/version").body == b"v1"
    assert b"location.reload" in call(guard(live=True), path="/__wiverno_dev__/live.js").body
    assert call(guard(), path="/__wiverno_dev__/version").body == b"ab", "off by default"


def test_head_stays_empty() -> None:
    app = Wiverno()
    app.get("/")(lambda request: "ab")
    head, get = call(guard(app, live=True), "HEAD"), call(guard(app, live=True))
    assert (head.body, head.headers) == (b"", get.headers)


@pytest.mark.parametrize("path", ["/boom", "/late"])
def test_exceptions_become_debug_pages(path: str, caplog: pytest.LogCaptureFixture) -> None:
    got = call(guard(), path=path, HTTP_ACCEPT="text/html")
    assert got.status == "500 Internal Server Error"
    assert b"trouble" in got.body
    assert "trouble" in caplog.text


def test_debug_mode_is_on_for_the_framework() -> None:
    app = Wiverno()
    app.get("/")(lambda request: str(1 // 0))
    assert b"ZeroDivisionError" in call(guard(app), HTTP_ACCEPT="text/html").body


def test_foreign_hosts_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    got = call(guard(), HTTP_HOST="evil.example<b>")
    assert got.status == "403 Forbidden"
    assert got.headers["content-type"] == "text/plain; charset=utf-8"
    assert b"--allow-host" in got.body
    assert "evil.example" in caplog.text
