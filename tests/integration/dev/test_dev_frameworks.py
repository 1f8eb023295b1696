"""`wiverno run dev` with real frameworks: saves, mistakes and exceptions, while clients keep asking."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.dev.test_dev_named import page, write
from tests.support.processes import Child, script
from tests.support.waiting import PATIENCE

FLASK = """
import os
from flask import Flask, jsonify
def create_app(greeting="none"):
    app = Flask(__name__)
    @app.get("/")
    def home():
        return f"{greeting} {os.environ['SHOP_MODE']} VERSION"
    @app.get("/boom")
    def boom():
        raise ZeroDivisionError("trouble")
    return app
"""
TOML = """
[app]
use = "shop:create_app"
factory = true
[app.settings]
greeting = "Welcome"
[server]
listen = ["127.0.0.1:0"]
env = { SHOP_MODE = "dev" }
"""
DJANGO = """
import os
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
settings.configure(DEBUG=True, SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
urlpatterns = [path("", lambda request: HttpResponse("VERSION"))]
app = get_wsgi_application()
"""
PYRAMID = """
from pyramid.config import Configurator
from pyramid.response import Response
def create_app(**settings):
    with Configurator(settings=settings) as config:
        config.add_route("home", "/")
        config.add_view(lambda request: Response("VERSION"), route_name="home")
        return config.make_wsgi_app()
"""
PLAIN = """
def app(environ, start_response):
    if environ["PATH_INFO"] == "/boom":
        raise ZeroDivisionError("trouble")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"VERSION"]
"""


def get(child: Child, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection(*child.address(), timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Accept": "text/html"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@contextmanager
def asking(child: Child) -> Iterator[list[str]]:
    """Ask all the time in another thread; the list gets the requests that failed, but for error pages."""
    failed: list[str] = []
    asked = [0]
    ending = threading.Event()

    def ask() -> None:
        while not ending.is_set():
            asked[0] += 1
            try:
                get(child)
            except (OSError, http.client.HTTPException) as error:
                failed.append(repr(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failed
    finally:
        ending.set()
        thread.join()
    assert asked[0]


def save_and_heal(folder: Path, child: Child, saves: int) -> None:
    """Save new versions, a syntax error, and the healed file, while another client asks."""
    text = (folder / "shop.py").read_text()
    with asking(child) as failed:
        for number in range(saves):
            write(folder / "shop.py", text.replace("VERSION", f"version-{number}"))
            page(child, f"version-{number}")
        write(folder / "shop.py", f"{text}\ndef broken(:\n")
        page(child, "SyntaxError")
        write(folder / "shop.py", text.replace("VERSION", "healed"))
        page(child, "healed")
    assert not failed


def test_a_flask_factory(tmp_path: Path) -> None:
    """Factory, settings and variables of the configuration; saves, data, an exception that Flask swallows."""
    (tmp_path / "shop.py").write_text(FLASK)
    (tmp_path / "wiverno.toml").write_text(TOML)
    (tmp_path / "data").mkdir()
    with Child([script("wiverno"), "run", "dev", "--config", "wiverno.toml"], cwd=tmp_path) as child:
        page(child, "Welcome dev VERSION")
        assert get(child, "/boom")[0] == 500
        child.wait_for(r'for Flask: app\.config\["PROPAGATE_EXCEPTIONS"\] = True')
        child.wait_for(r"\d\d:\d\d:\d\d GET /boom  500  [\d.]+ ms")
        (tmp_path / "data" / "orders.json").write_text("{}")
        save_and_heal(tmp_path, child, 2)
        assert "orders.json" not in child.output


@pytest.mark.long
def test_twenty_saves(tmp_path: Path) -> None:
    """Twenty saves and a syntax error cost no request."""
    (tmp_path / "shop.py").write_text(FLASK)
    (tmp_path / "wiverno.toml").write_text(TOML)
    with Child([script("wiverno"), "run", "dev", "--config", "wiverno.toml"], cwd=tmp_path) as child:
        save_and_heal(tmp_path, child, 20)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param(DJANGO, ["shop:app"], id="django", marks=pytest.mark.long),
        pytest.param(PYRAMID, ["shop:create_app", "--factory"], id="pyramid", marks=pytest.mark.long),
        pytest.param(PLAIN, ["shop:app"], id="plain"),
    ],
)
def test_named_on_the_command_line(tmp_path: Path, source: str, words: list[str]) -> None:
    """MODULE:ATTRIBUTE and --factory, reloaded and healed; an exception of plain WSGI has a debug page."""
    (tmp_path / "shop.py").write_text(source)
    with Child([script("wiverno"), "run", "dev", *words, "--port", "0"], cwd=tmp_path) as child:
        page(child, "VERSION")
        save_and_heal(tmp_path, child, 1)
        if source == PLAIN:
            status, text = get(child, "/boom")
            assert (status, "ZeroDivisionError" in text) == (500, True)
            assert "PROPAGATE" not in child.output


def test_named_with_a_configuration(tmp_path: Path) -> None:
    """The variables of the configuration are set for an application that the command line names."""
    (tmp_path / "shop.py").write_text(FLASK)
    (tmp_path / "wiverno.toml").write_text(TOML)
    with Child([script("wiverno"), "run", "dev", "shop:create_app", "--factory"], cwd=tmp_path) as child:
        page(child, "none dev VERSION")


def test_exceptions_that_flask_lets_through(tmp_path: Path) -> None:
    """With the setting that the hint names, the exception is in the browser."""
    (tmp_path / "shop.py").write_text(
        FLASK.replace("return app\n", 'app.config["PROPAGATE_EXCEPTIONS"] = True\n    return app\n')
    )
    (tmp_path / "wiverno.toml").write_text(TOML)
    with Child([script("wiverno"), "run", "dev", "--config", "wiverno.toml"], cwd=tmp_path) as child:
        page(child, "VERSION")
        status, text = get(child, "/boom")
        assert (status, "ZeroDivisionError" in text, "shop.py" in text) == (500, True, True)
