"""Every example is served with its own configuration, as its first line says, and asked for its pages."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.processes import ROOT, Child, script
from tests.support.sockets import in_url

EXAMPLES = ROOT / "examples"
COMMANDS = {
    "plain": ("wiverno", "run", "--config", "wiverno.toml"),
    "guestbook": ("wiverno", "run", "--config", "wiverno.toml"),
    "guestbook dev": ("wiverno", "run", "dev", "--port", "0"),
    "flask": ("wiverno", "run", "--config", "wiverno.toml"),
    "django": ("wiverno", "run", "--config", "wiverno.ini"),
    "django pserve": ("pserve", "wiverno.ini"),
    "pyramid": ("wiverno", "run", "--config", "production.toml"),
    "pyramid INI": ("wiverno", "run", "--config", "development.ini"),
    "pyramid pserve": ("pserve", "development.ini"),
    "pyramid pserve TOML": ("pserve", "production.toml"),
}


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an example answers; it runs in a copy, so nothing is left beside the sources."""
    name = str(request.param)
    folder = Path(shutil.copytree(EXAMPLES / name.split(maxsplit=1)[0], tmp_path / "example"))
    program, *rest = COMMANDS[name]
    variables = {"PORT": "0", "http_port": "0"}
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


def test_every_example_is_run() -> None:
    """No folder without a command, and the table of the page names every folder."""
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert {name.split(maxsplit=1)[0] for name in COMMANDS} == folders
    page = (EXAMPLES / "README.md").read_text()
    assert set(re.findall(r"^\| \[(\w+)\]", page, re.MULTILINE)) == folders
