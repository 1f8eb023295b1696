"""`wiverno serve` beside the real waitress-serve: the same command lines, the same exit statuses."""

import signal
from pathlib import Path

import pytest

from tests.support.dropin import ask
from tests.support.processes import Child, run, script
from tests.support.sockets import LOOPBACK, RawClient

SHOP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]

class holder:
    app = staticmethod(app)

def make():
    return app

nothing = None
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with an application, and one that can't be imported."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "broken.py").write_text("raise RuntimeError('told you')\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "specify one application: wiverno serve [OPTIONS] MODULE:OBJECT"),
        (["shop:app", "shop:app"], "Got unexpected extra argument"),
        (["--nonsense", "shop:app"], "No such option '--nonsense'"),
        (["--port=x", "shop:app"], "option --port: port: expected a whole number (got 'x')"),
        (["--listen=*:1", "--host=::1", "shop:app"], "listen: may not be set if host is set"),
        (["nowhere:app"], "there is no module 'nowhere'"),
        (["shop:missing"], "module 'shop' has no attribute 'missing'; it defines"),
        (["broken:app"], "RuntimeError: told you"),
        (["shop:nothing"], "shop:nothing is None, not a WSGI application"),
        (["--unix-socket=/nowhere/shop", "shop:app"], "No such file or directory: /nowhere/shop"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_failures(shop: Path, arguments: list[str], words: str) -> None:
    """What ends waitress-serve with status 1 ends wiverno serve with 1, and says what is wrong on standard error."""
    theirs = run([script("waitress-serve"), *arguments], cwd=shop)
    ours = run([script("wiverno"), "serve", *arguments], cwd=shop)
    assert (theirs.returncode, ours.returncode) == (1, 1)
    assert words in " ".join(ours.stderr.split())
    assert not ours.stdout


def test_help() -> None:
    """--help succeeds and has every option of waitress-serve."""
    theirs = run([script("waitress-serve"), "--help"])
    ours = run([script("wiverno"), "serve", "--help"])
    assert (theirs.returncode, ours.returncode) == (0, 0)
    named = {word.split("=")[0].replace("[no-]", "") for word in theirs.stdout.split() if word.startswith("--")}
    assert {name for name in named if name not in ours.stdout} == set()


@pytest.mark.parametrize(
    "arguments",
    [["shop:app"], ["--call", "shop:make"], ["shop:holder.app"], ["--app=shop:app"]],
    ids=lambda arguments: " ".join(arguments),
)
@pytest.mark.parametrize("command", [["wiverno", "serve"], ["python", "-m", "wiverno", "serve"]], ids=" ".join)
def test_applications(shop: Path, command: list[str], arguments: list[str]) -> None:
    """An application, a factory, a dotted attribute; found in the working directory, also as a module of Python."""
    with Child([script(command[0]), *command[1:], "--host=127.0.0.1", "--port=0", *arguments], cwd=shop) as child:
        assert ask(child.address())[2] == b"hello"
        assert child.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("option", ["--listen=unix:", "--unix-socket="])
def test_unix_and_tcp(shop: Path, option: str) -> None:
    """A Unix socket with its permissions and a TCP address answer side by side; waitress-serve refuses the two."""
    path = shop / "socket"
    options = [f"{option}{path}", "--listen=127.0.0.1:0", "--unix-socket-perms=666", "--ident=", "--threads=2"]
    with Child([script("wiverno"), "serve", *options, "shop:app"], cwd=shop) as child:
        address = child.address()
        child.wait_for(f"Serving on .*unix:{path}")
        assert ask(address)[2] == b"hello"
        status, fields, body = ask(str(path))
        assert (status, body) == (200, b"hello")
        assert "server" not in fields
        assert path.stat().st_mode & 0o777 == 0o666
        assert child.stop(signal.SIGTERM) == 0
    assert not path.exists()


def test_a_configuration_file_is_not_read(shop: Path) -> None:
    """Like waitress-serve it takes options alone: neither ./wiverno.toml nor WIVERNO_ variables steer it."""
    (shop / "wiverno.toml").write_text('[server]\nport = "nonsense"\n')
    command = [script("wiverno"), "serve", "--listen=127.0.0.1:0", "shop:app"]
    with Child(command, cwd=shop, env={"WIVERNO_PORT": "nonsense", "WIVERNO_THREADS": "nonsense"}) as child:
        host, port = child.address()
        assert host == LOOPBACK
        with RawClient((host, port)) as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            assert client.rest().endswith(b"hello")
