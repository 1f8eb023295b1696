"""The packaged demonstration shows what serves it, masks secrets, and plays along."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.wsgi import call
from wiverno.config import loader
from wiverno.config.settings import Adjustments
from wiverno.demo import create_app, facts


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that was started with a configuration whose port came from a file."""
    file = tmp_path / "x.toml"
    file.write_text("[server]\nport = 8081\n")
    loaded = loader.load(file, environ={"WIVERNO_THREADS": "3"})
    monkeypatch.setattr(loader, "find_active", lambda: loaded)


def test_the_page_names_its_server_and_loads_nothing_from_elsewhere() -> None:
    body = call(create_app(), SERVER_SOFTWARE="wiverno/<1.0>").body.decode()
    assert "wiverno/&lt;1.0&gt;" in body
    assert "Started from code" in body
    assert "://" not in body
    assert "<script" not in body


@pytest.mark.usefixtures("configured")
def test_the_page_shows_settings_with_their_origin() -> None:
    body = call(create_app()).body.decode()
    assert "8081" in body
    assert "x.toml:2" in body
    assert "environment variable WIVERNO_THREADS" in body
    rows = facts.setting_rows()
    assert rows is not None
    assert {row.name for row in rows if not row.is_default} == {"port", "threads"}
    assert not rows[0].is_default
    assert {row.name for row in rows} <= set(Adjustments.model_fields)


def test_secrets_are_masked() -> None:
    app = create_app(
        title="Shop & more", database={"url": "postgres://u:hunter2@db/x", "password": "hunter2"}, api_key="hunter2"
    )
    body = call(app).body.decode()
    assert "hunter2" not in body
    assert "postgres://u:" in body
    assert "Shop &amp; more" in body
    echoed = call(app, path="/play/echo", HTTP_AUTHORIZATION="Bearer hunter2", HTTP_COOKIE="a=hunter2").body
    assert b"hunter2" not in echoed


def test_links_stay_below_the_mount_point() -> None:
    assert 'href="/m/play/echo' in call(create_app(), SCRIPT_NAME="/m").body.decode()


def test_the_playground() -> None:
    app = create_app()
    assert json.loads(call(app, path="/healthz").body)["status"] == "ok"
    assert call(app, path="/play/hello/you").body == b"Hello, you!\n"
    echoed = json.loads(call(app, "POST", "/play/echo", body=b"x" * 7, QUERY_STRING="a=1&a=2").body)
    assert (echoed["method"], echoed["body_bytes"], echoed["query"]) == ("POST", 7, {"a": ["1", "2"]})
    assert call(app, path="/play/slow", QUERY_STRING="seconds=0").body == b"slept 0 s\n"
    assert call(app, path="/play/stream", QUERY_STRING="lines=2").body == b"line 1 of 2\nline 2 of 2\n"
    answer = call(app, path="/play/bytes", QUERY_STRING="size=70000")
    assert (answer.headers["content-length"], len(answer.body)) == ("70000", 70000)
    assert call(app, path="/play/error").status == "500 Internal Server Error"


@pytest.mark.parametrize("query", ["seconds=x", "seconds=-1", "seconds=1e9", "seconds=nan"])
def test_numbers_are_bounded(query: str) -> None:
    assert call(create_app(), path="/play/slow", QUERY_STRING=query).status == "400 Bad Request"


@pytest.mark.parametrize(("seconds", "text"), [(1.25, "1.2 s"), (600.0, "10 min"), (86400.0, "24.0 h")])
def test_uptime_in_words(seconds: float, text: str) -> None:
    assert dict(facts.server_rows({}, seconds))["Up for"] == text


def test_free_threading_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert "free-threaded" in dict(facts.server_rows({}, 0))["Python"]


def test_a_configuration_without_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = loader.load(environ={})
    monkeypatch.setattr(loader, "find_active", lambda: loaded)
    body = call(create_app()).body.decode()
    assert "Started without a configuration file." in body
    assert "Nothing was set; every value is a default." in body
