"""`wiverno run dev` serves whatever the command line or the configuration names."""

import http.client
from pathlib import Path

import pytest

from tests.support.processes import Child, script
from tests.support.waiting import PATIENCE, wait_until

SHOP = """
def create_app(**settings):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{settings} {environ.get('shop.wrapped')} VERSION".encode()]
    return app

plain = create_app(plain=1)

class Wrapped:
    def __init__(self, app, word):
        self.app, self.word = app, word
    def __call__(self, environ, start_response):
        environ["shop.wrapped"] = self.word
        return self.app(environ, start_response)
"""
TOML = """
[app]
use = "shop:create_app"
factory = true
[app.settings]
greeting = "${WORD:-Welcome}"
[[middleware]]
use = "shop:Wrapped"
settings = { word = "inside" }
[server]
listen = ["127.0.0.1:0"]
workers = 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "wiverno.toml").write_text(TOML)
    return tmp_path


def page(child: Child, text: str) -> str:
    """Ask until the page holds `text`: a change takes a moment to be noticed."""

    def asked() -> str | None:
        connection = http.client.HTTPConnection(*child.address(), timeout=PATIENCE)
        try:
            connection.request("GET", "/")
            body = connection.getresponse().read().decode()
        finally:
            connection.close()
        return body if text in body else None

    found = wait_until(asked, PATIENCE * 2, what=f"{text!r} in the page")
    assert found is not None
    return found


def write(path: Path, text: str) -> None:
    aside = path.with_suffix(".aside")
    aside.write_text(text)
    aside.replace(path)


def test_what_the_file_names(folder: Path) -> None:
    """Its factory, settings, middleware, address; code and file are read after each change, mistakes are pages."""
    with Child([script("wiverno"), "run", "dev", "--config", "wiverno.toml", "WORD=Hello"], cwd=folder) as child:
        page(child, "{'greeting': 'Hello'} inside VERSION")
        child.wait_for("the development server does not use workers; wiverno run does")
        write(folder / "shop.py", SHOP.replace("VERSION", "two"))
        page(child, "inside two")
        write(folder / "wiverno.toml", TOML.replace("inside", "outside"))
        page(child, "outside two")
        write(folder / "wiverno.toml", TOML.replace('word = "inside"', "word = "))
        failure = page(child, "shop:create_app (wiverno.toml) cannot be imported")
        assert "wiverno.toml:" in failure
        write(folder / "wiverno.toml", TOML)
        page(child, "inside two")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["dev", "--port", "0"], "{'greeting': 'Welcome'} inside"),
        (["dev", "shop:plain", "--port", "0"], "{'plain': 1} None"),
        (["dev", "shop:create_app", "--factory", "--listen", "127.0.0.1:0"], "{} None"),
        (["prod", "--port", "0"], "{'greeting': 'Welcome'} inside"),
        (["prod", "shop:plain", "--port", "0"], "{'plain': 1} None"),
    ],
    ids=" ".join,
)
def test_named(folder: Path, words: list[str], expected: str) -> None:
    """./wiverno.toml without an option; a name on the command line stands above it; prod finds the same as dev."""
    if words[0] == "prod":
        (folder / "wiverno.toml").write_text(TOML.replace("workers = 2", ""))
    with Child([script("wiverno"), "run", *words], cwd=folder) as child:
        page(child, expected)
        replaced = "wiverno.toml: [app.settings] and [[middleware]] are not used, because the command line names shop:"
        assert (replaced in child.output) == ("inside" not in expected)


def test_mounts(folder: Path) -> None:
    """Files are served without caching, so that a reload of the page shows each change; foreign hosts get none."""
    (folder / "public").mkdir()
    (folder / "public" / "site.css").write_text("body {}")
    config = folder / "wiverno.toml"
    config.write_text(f'{TOML}\n[[static]]\npath = "/static"\ndirectory = "public"\n')
    with Child([script("wiverno"), "run", "dev"], cwd=folder) as child:
        page(child, "Welcome")
        for host, status in (("localhost", 200), ("evil.example", 403)):
            connection = http.client.HTTPConnection(*child.address(), timeout=PATIENCE)
            connection.request("GET", "/static/site.css", headers={"Host": host})
            response = connection.getresponse()
            assert (response.status, response.read() == b"body {}") == (status, status == 200)
            assert response.headers.get("Cache-Control", "no-cache") == "no-cache"
            connection.close()
        assert "does not use workers;" in child.output
