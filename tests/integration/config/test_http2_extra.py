"""`http2 = true` without the extra: every way to start says what to install; HTTP/1.1 alone does without."""

import sys
from pathlib import Path

import pytest

from tests.support.processes import run, script

HIDE = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == "hpack" else super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""
APPLICATION = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""
FILE = '[app]\nuse = "shop:app"\n[server]\nlisten = "127.0.0.1:0"\nhttp2 = true\n'
REASON = "needs the package hpack"
ADVICE = "install the extra: pip install 'wiverno[http2]>=2'"
CODE = "import shop, wiverno; wiverno.create_server(shop.app, port=0, http2=True)"
SERVES = """
import sys, threading, urllib.request, shop, wiverno
server = wiverno.create_server(shop.app, host="127.0.0.1", port=0)
thread = threading.Thread(target=server.run)
thread.start()
print(urllib.request.urlopen(f"http://127.0.0.1:{server.effective_port}/").read())
server.close()
thread.join()
print([name for name in sys.modules if name.startswith(("hpack", "wiverno.http2", "wiverno.core.http2"))])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose Python has no hpack."""
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    (tmp_path / "shop.py").write_text(APPLICATION)
    (tmp_path / "wiverno.toml").write_text(FILE)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "where"),
    [
        (["run", "--config", "wiverno.toml"], "wiverno.toml:5: http2: "),
        (["run", "shop:app", "--listen", "127.0.0.1:0", "--http2"], "option --http2: http2: "),
        (["config", "check", "--config", "wiverno.toml"], "wiverno.toml:5: http2: "),
    ],
    ids=["file", "option", "check"],
)
def test_what_to_install_is_said(folder: Path, command: list[str], where: str) -> None:
    """`config check` and a start find the same mistake, say where it stands, and end with status 2."""
    ended = run([script("wiverno"), *command], cwd=folder, env={"PYTHONPATH": str(folder)})
    said = ended.stdout + ended.stderr
    assert ended.returncode == 2, said
    assert f"{where}{REASON}" in said
    assert ADVICE in said
    assert "Traceback" not in said


def test_a_program_gets_a_config_error(folder: Path) -> None:
    ended = run([sys.executable, "-c", CODE], cwd=folder, env={"PYTHONPATH": str(folder)})
    assert ended.returncode == 1
    assert "ConfigError" in ended.stderr
    assert REASON in ended.stderr
    assert ADVICE in ended.stderr


def test_without_the_setting_nothing_of_it_is_loaded(folder: Path) -> None:
    """A server that speaks HTTP/1.1 only does without the extra, and imports no module of HTTP/2."""
    ended = run([sys.executable, "-c", SERVES], cwd=folder, env={"PYTHONPATH": str(folder)})
    assert ended.stdout.splitlines() == ["b'hello'", "[]"], ended.stderr
