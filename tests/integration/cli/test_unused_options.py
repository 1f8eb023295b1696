"""No option or argument is taken in silence: each is honoured, or the command ends and says what to do."""

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.processes import Child, script
from tests.support.sockets import in_url
from wiverno.cli.group import group

MISTAKES = {
    "watch": ("run shop:app --watch src", "--watch is for wiverno run dev, which watches files; leave it out here"),
    "ignore": ("run prod --ignore *.tmp", "--ignore is for wiverno run dev"),
    "allow-host": ("run shop:app --allow-host x", "--allow-host is for wiverno run dev"),
    "live": ("run --config wiverno.toml --live", "--live is for wiverno run dev"),
    "-w words": ("run shop:app -w src", "-w src: -w is the number of workers; what to watch is for wiverno run dev"),
    "-w twice": ("run shop:app -w 2 --workers 3", "-w and --workers say the same; leave one of them out"),
    "-w watch": ("run dev -w a --watch b", "-w and --watch say the same"),
    "-w number": ("run dev -w 4", "4: no such folder to watch; wiverno run dev has one process"),
    "threads": ("run shop:app --mode simple --threads 8", "threads: has no effect in mode simple"),
    "max_threads": ("run shop:app --max-threads 2", "max_threads: 2 is below threads, which is 4, the default"),
    "max_threads simple": ("run shop:app --mode simple --max-threads 8", "max_threads: has no effect in mode simple"),
    "module": ("run shop:app -m other", "both shop:app and --app-module other name an application"),
    "name": ("run shop:app --app-name other", "both shop:app and --app-name other name an application"),
    "dev name": ("run dev shop:app -a other", "both shop:app and --app-name other name an application"),
    "factory": ("run --config wiverno.toml --factory", "in a configuration it is factory = true in [app]"),
    "dev check": ("run dev --check", "wiverno run dev takes no --check; wiverno config check --app"),
    "dev setting": ("run dev --workers 2", "wiverno run dev takes no --workers"),
    "variable": ("run shop:app PORT=1", "PORT=1 is a variable for a file, and none is read; add --config"),
    "server name": ("run shop:app --server-name x", "--server-name x is a table of a file, and none is read"),
    "stdin": ("run dev --config -", "give it a file's name"),
    "routes file": ("routes shop:app --config wiverno.toml", "both shop:app and --config wiverno.toml name an appl"),
    "routes factory": ("routes --config wiverno.toml --factory", "in a configuration it is factory = true in [app]"),
    "convert force": ("config convert a.ini --force", "--force overwrites the file of --output; name one"),
    "convert to": ("config convert a.ini --to ini -o a.toml", "--to ini and --output a.toml are two formats"),
    "init ini": ("config init a.toml --ini", "--ini and a.toml are two formats"),
    "ctl change": ("ctl workers --more --fewer", "--more and --fewer contradict each other"),
    "ctl twice": ("ctl --admin unix:a status --admin unix:b", "--admin is given twice, as unix:a and unix:b"),
    "check variable": ("config check A=1", "A=1 is a variable for a file, and none is read"),
}


@pytest.mark.parametrize(("words", "message"), MISTAKES.values(), ids=MISTAKES)
def test_refused(words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 2 and one line that names the option and what to do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text("def app(environ, start_response): ...\n")
    (tmp_path / "run.py").write_text("from shop import app\n")
    if "wiverno.toml" in words:
        (tmp_path / "wiverno.toml").write_text('[app]\nuse = "shop:app"\n')
    (tmp_path / "a.ini").write_text("[server:main]\nuse = egg:wiverno\n")
    done = CliRunner().invoke(group, words.split(), input='[app]\nuse = "shop:app"\n', catch_exceptions=False)
    assert message in done.output
    assert done.exit_code == 2


SLOW = """
from threading import Barrier
meet = Barrier(2)
def app(environ, start_response):
    if environ["PATH_INFO"] == "/meet":
        meet.wait(20)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(environ["wsgi.multiprocess"]).encode()]
"""


def answer(child: Child, path: str = "/") -> str:
    host, port = child.address()
    with urllib.request.urlopen(f"http://{in_url(host)}:{port}{path}", timeout=30) as response:
        text: str = response.read().decode()
        return text


def test_w_is_workers(tmp_path: Path) -> None:
    """`-w 2` is what gunicorn's users type."""
    (tmp_path / "shop.py").write_text(SLOW)
    with Child([script("wiverno"), "run", "shop:app", "-w", "2", "--listen", "127.0.0.1:0"], cwd=tmp_path) as child:
        assert answer(child) == "True"


@pytest.mark.parametrize("how", ["option", "file"])
def test_prod_with_threads(tmp_path: Path, how: str) -> None:
    """`prod` serves as many at a time as it is told to, where RunServer would: on this machine's name."""
    (tmp_path / "run.py").write_text(SLOW)
    (tmp_path / "wiverno.toml").write_text("[server]\nport = 0\n" + ("threads = 2\n" if how == "file" else ""))
    options = ["--threads", "2"] if how == "option" else []
    with Child([script("wiverno"), "run", "prod", *options], cwd=tmp_path) as child:
        child.wait_for(r"Serving on http://(localhost|127\.0\.0\.1|\[::1\]):\d+")
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda _: answer(child, "/meet"), range(2))) == ["False", "False"]
