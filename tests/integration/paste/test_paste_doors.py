"""Other ways through Paste's doors: a rival loader, gunicorn, a .wsgi file, INI files of waitress."""

import signal
import urllib.request
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Child, run, script
from tests.support.sockets import free_port, in_url

DATA = ROOT / "tests" / "data" / "pyramid"


def get(host: str, port: int, path: str = "/") -> str:
    with urllib.request.urlopen(f"http://{in_url(host)}:{port}{path}", timeout=10) as response:
        text: str = response.read().decode()
        return text


@pytest.fixture
def rival(tmp_path: Path) -> Path:
    """Another installed distribution that also wants to load file+toml."""
    (tmp_path / "rival.py").write_text("class Loader:\n    def __init__(self, uri): raise SystemExit('the rival')\n")
    info = tmp_path / "rival-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    groups = ("plaster.loader_factory", "plaster.wsgi_loader_factory")
    (info / "entry_points.txt").write_text("\n".join(f"[{group}]\nfile+toml = rival:Loader\n" for group in groups))
    return tmp_path


def test_rival_loader(rival: Path) -> None:
    """Where two loaders want TOML files, plaster wants to know which; wiverno's own schemes say it."""
    env: dict[str, str | None] = {"PYTHONPATH": f"{DATA}:{rival}"}
    done = run([script("pserve"), "production.toml"], cwd=DATA, env=env)
    assert done.returncode != 0
    assert "MultipleLoadersFound" in done.stderr
    for uri in ("wiverno://production.toml", "wiverno+file+toml://production.toml"):
        with Child([script("pserve"), uri], cwd=DATA, env=env) as child:
            assert get(*child.address()) == "Pyramid says hello"
            assert child.stop() == 0


@pytest.mark.parametrize("name", ["production.toml", "development.ini"])
def test_gunicorn(name: str) -> None:
    """gunicorn serves the application of either file through app_from."""
    port = free_port()
    arguments = [f"wiverno.paste:app_from('{name}')", "--bind", f"127.0.0.1:{port}"]
    with Child([script("gunicorn"), *arguments], cwd=DATA, env={"PYTHONPATH": str(DATA)}) as child:
        child.wait_for("Booting worker")
        assert get("127.0.0.1", port) == "Pyramid says hello"
        assert "hello from" in get("127.0.0.1", port, "/settings")
        assert child.stop(signal.SIGTERM) == 0


def test_wsgi_file(tmp_path: Path) -> None:
    """A .wsgi file, as mod_wsgi and uWSGI run it from any working directory, needs one line."""
    file = tmp_path / "site.wsgi"
    file.write_text(f"from wiverno.paste import app_from\napplication = app_from({str(DATA / 'production.toml')!r})\n")
    host = tmp_path / "host.py"
    host.write_text(
        "import runpy\nfrom wsgiref.simple_server import make_server\n"
        f"application = runpy.run_path({str(file)!r})['application']\n"
        "with make_server('127.0.0.1', 0, application) as server:\n"
        "    print(f'Serving on http://127.0.0.1:{server.server_port}', flush=True)\n"
        "    server.serve_forever()\n"
    )
    with Child(["host.py"], cwd=tmp_path, env={"PYTHONPATH": str(DATA)}) as child:
        assert get(*child.address()) == "Pyramid says hello"


def test_from_waitress(tmp_path: Path) -> None:
    """s/waitress/wiverno/ in the section of Pyramid's cookiecutter serves the same application."""
    text = (DATA / "development.ini").read_text().partition("[server:main]")[0]
    section = "[server:main]\nuse = egg:waitress#main\nlisten = localhost:0\nthreads = 2\nexpose_tracebacks = true\n"
    (tmp_path / "site.ini").write_text(text + section.replace("waitress", "wiverno"))
    with Child([script("pserve"), "site.ini"], cwd=tmp_path, env={"PYTHONPATH": str(DATA)}) as child:
        _, port = child.address()
        assert get("localhost", port) == "Pyramid says hello"
        assert child.stop() == 0
