"""Every example is served with its own configuration, as its first line says, and asked for its pages."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.processes import ROOT, Child, run, script
from tests.support.sockets import in_url

EXAMPLES = ROOT / "examples"
COMMANDS = {
    "plain": ("wiverno", "run", "--config", "wiverno.toml"),
    "guestbook": ("wiverno", "run", "--config", "wiverno.toml"),
    "guestbook dev": ("wiverno", "run", "dev", "--port", "0"),
    "flask": ("wiverno", "run", "--config", "wiverno.toml"),
    "django": ("wiverno", "run", "--config", "wiverno.ini"),
    "django pserve": ("pserve", "wiverno.ini"),
    "django_static": ("wiverno", "run", "--config", "wiverno.toml"),
    "flask_vite": ("wiverno", "run", "--config", "wiverno.toml"),
    "pyramid": ("wiverno", "run", "--config", "production.toml"),
    "pyramid INI": ("wiverno", "run", "--config", "development.ini"),
    "pyramid pserve": ("pserve", "development.ini"),
    "pyramid pserve TOML": ("pserve", "production.toml"),
}


# What the first lines of an example's configuration say to run before.
BEFORE = {"django_static": (("manage.py", "collectstatic", "--no-input"), ("manage.py", "migrate"))}


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an example answers; it runs in a copy, so nothing is left beside the sources."""
    name = str(request.param)
    folder = Path(shutil.copytree(EXAMPLES / name.split(maxsplit=1)[0], tmp_path / "example"))
    program, *rest = COMMANDS[name]
    variables = {"PORT": "0", "http_port": "0"}
    for command in BEFORE.get(name, ()):
        done = run(command, cwd=folder)
        assert done.returncode == 0, done.stderr
    with Child([script(program), *rest], cwd=folder, env={**variables, "PYTHONPATH": str(folder)}) as child:
        host, port = child.address()
        yield f"http://{in_url(host)}:{port}"
        assert child.stop() == 0, child.output
        assert "Traceback" not in child.output, child.output


def serving(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("url", names, indirect=True)


@serving("plain")
def test_plain(url: str) -> None:
    """A page, a stream in chunks, a checksum over an upload larger than memory keeps, and a 404."""
    with requests.Session() as session:
        assert session.get(url).text == "Hello from wiverno, 127.0.0.1\n"
        streamed = session.get(f"{url}/count")
        assert streamed.headers["Transfer-Encoding"] == "chunked"
        assert streamed.text.splitlines() == [f"line {number}" for number in range(1, 6)]
        body = bytes(range(256)) * 8192
        assert session.post(f"{url}/checksum", data=body).text.strip() == hashlib.sha256(body).hexdigest()
        assert session.get(f"{url}/nothing").status_code == 404


@serving("guestbook", "guestbook dev")
def test_guestbook(url: str) -> None:
    """A visitor signs, sees the entry escaped and the name remembered; programs get JSON."""
    with requests.Session() as session:
        assert "There are no entries yet." in session.get(url).text
        signed = session.post(url, data={"name": "Ada & Co", "message": "<b>Hello</b>\nfrom afar: äöü"})
        assert (signed.status_code, len(signed.history), signed.history[0].status_code) == (200, 1, 303)
        assert "<strong>Ada &amp; Co</strong>" in signed.text
        assert "&lt;b&gt;Hello&lt;/b&gt;" in signed.text
        assert 'value="Ada &amp; Co"' in signed.text, "the name comes back from the cookie"
        (entry,) = session.get(f"{url}/api/entries").json()
        assert entry["message"].splitlines() == ["<b>Hello</b>", "from afar: äöü"]
        assert session.get(f"{url}/api/entries/{entry['id']}").json() == entry
        assert session.get(f"{url}/api/entries/99").status_code == 404
        assert session.post(url, data={"name": "", "message": "x"}).status_code == 400


@serving("flask")
def test_flask(url: str) -> None:
    """The factory gets [app.settings]; query and JSON arrive."""
    with requests.Session() as session:
        assert session.get(url, params={"name": "Grace"}).text == "The Flask shop greets Grace"
        answer = session.post(f"{url}/orders", json={"item": "tea", "amount": 2})
        assert (answer.status_code, answer.json()) == (201, {"ordered": "tea", "amount": 2})


@serving("django", "django pserve")
def test_django(url: str) -> None:
    """A page, and a multipart upload."""
    with requests.Session() as session:
        assert re.fullmatch(r"Django \S+ greets 127\.0\.0\.1", session.get(url).text)
        assert session.post(f"{url}/upload", files={"report": b"x" * 5000}).json() == {"report": 5000}
        assert session.get(f"{url}/nothing").status_code == 404


@serving("pyramid", "pyramid INI", "pyramid pserve", "pyramid pserve TOML")
def test_pyramid(url: str, request: pytest.FixtureRequest) -> None:
    """Settings of the file reach the view, from INI and from TOML, under pserve and under wiverno run."""
    with requests.Session() as session:
        assert session.get(url).text in ("Pyramid greets from INI", "Pyramid greets from TOML")
        assert session.get(f"{url}/entries/7").json() == {"number": "7", "client": "127.0.0.1"}


def linked(page: str) -> list[str]:
    """Return the style sheets and scripts that a page loads."""
    return re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"', page)


@serving("django_static")
def test_django_static(url: str) -> None:
    """What collectstatic has gathered is served beside the application, the admin's style sheets included."""
    with requests.Session() as session:
        for page, least in ("/", 1), ("/admin/login/", 5):
            answer = session.get(url + page)
            assert answer.status_code == 200
            names = linked(answer.text)
            assert len(names) >= least
            for name in names:
                file = session.get(url + name)
                assert file.status_code == 200, name
                assert "immutable" in file.headers["Cache-Control"], name
                assert file.headers["Content-Type"].partition(";")[0] in ("text/css", "text/javascript")
        assert session.get(f"{url}/static/nothing.css").status_code == 404


@serving("flask_vite")
def test_flask_vite(url: str) -> None:
    """The names of the manifest are those of the files that are served; the manifest itself is hidden."""
    with requests.Session() as session:
        page = linked(session.get(url).text)
        assert [name.rpartition(".")[2] for name in page] == ["css", "js"]
        for name, kind, content in zip(
            page, ("text/css", "text/javascript"), ("button{", "querySelector"), strict=True
        ):
            answer = session.get(url + name)
            assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, kind)
            assert "immutable" in answer.headers["Cache-Control"]
            assert content in answer.text
        assert session.get(f"{url}/static/.vite/manifest.json").status_code == 404


def test_every_example_is_run() -> None:
    """No folder without a command, and the table of the page names every folder."""
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert {name.split(maxsplit=1)[0] for name in COMMANDS} == folders
    page = (EXAMPLES / "README.md").read_text()
    assert set(re.findall(r"^\| \[(\w+)\]", page, re.MULTILINE)) == folders
