"""What an application raises while it is loaded is told as the application's, with its own lines and none of ours."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.support.processes import Child, run, script
from tests.support.workers import reload, service, wait_for_workers

PATIENCE = 30.0  # seconds: the machine may be busy

GOOD = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n"

FAILURES = {
    "OSError": ("x = 1\nopen('/nonexistent/catalogue.json')\n", "No such file or directory: '/nonexistent/cat"),
    "ConnectionRefusedError": ("raise ConnectionRefusedError(111, 'database')\n", "database"),
    "ImportError": ("import no_such_module_at_all\n", "No module named 'no_such_module_at_all'"),
    "SyntaxError": ("def app(:\n", "SyntaxError: invalid syntax"),
    "SystemExit": ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
    "KeyError": ("{}['absent']\n", "KeyError: 'absent'"),
    "BaseException": ("class Odd(BaseException):\n    pass\nraise Odd('odd')\n", "odd"),
    "unprintable": ("class Odd(Exception):\n    def __str__(self): raise Odd\nraise Odd()\n", "str() failed"),
}
DOORS = {
    "run": ["run", "shop:app", "--listen", "127.0.0.1:0"],
    "workers": ["run", "shop:app", "--listen", "127.0.0.1:0", "--workers", "1"],
    "preload": ["run", "shop:app", "--listen", "127.0.0.1:0", "--workers", "1", "--preload"],
    "check": ["run", "shop:app", "--check"],
    "serve": ["serve", "shop:app", "--listen", "127.0.0.1:0"],
}


def assert_told(text: str, words: str) -> None:
    assert "the application shop:app failed to load:\n" in text
    assert words in text
    assert 'shop.py", line' in text
    assert "cannot listen" not in text
    assert "/wiverno/" not in text.partition("failed to load")[2]  # the checkout may have that name
    assert "importlib" not in text


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ["OSError", "SystemExit"])
def test_doors(tmp_path: Path, door: str, kind: str) -> None:
    """Every door says which application failed and where, and ends with status 1."""
    source, words = FAILURES[kind]
    (tmp_path / "shop.py").write_text(source)
    ended = run([script("wiverno"), *DOORS[door]], cwd=tmp_path)
    assert_told(ended.stderr, words)
    assert ended.returncode == 1


@pytest.mark.parametrize("kind", [kind for kind in FAILURES if kind not in ("OSError", "SystemExit")])
def test_kinds(tmp_path: Path, kind: str) -> None:
    """Whatever is raised is told the same way."""
    source, words = FAILURES[kind]
    (tmp_path / "shop.py").write_text(source)
    ended = run([script("wiverno"), *DOORS["run"]], cwd=tmp_path)
    assert_told(ended.stderr, words)
    assert ended.returncode == 1


def test_a_factory(tmp_path: Path) -> None:
    """A factory that raises has failed like a module that does."""
    (tmp_path / "shop.py").write_text("def app():\n    return open('/nonexistent/settings')\n")
    ended = run([script("wiverno"), *DOORS["run"], "--factory"], cwd=tmp_path)
    assert_told(ended.stderr, "/nonexistent/settings")
    assert ended.returncode == 1


@pytest.mark.parametrize("kind", ["OSError", "SystemExit"])
@pytest.mark.parametrize("file", ["shop.toml", "shop.ini"])
def test_pserve(tmp_path: Path, file: str, kind: str) -> None:
    """pserve ends with the application's lines, too, and no lines of pserve."""
    source, words = FAILURES[kind]
    (tmp_path / "shop.py").write_text(source)
    (tmp_path / "shop.toml").write_text('[app]\nuse = "shop:app"\n[server]\nlisten = "127.0.0.1:0"\n')
    (tmp_path / "shop.ini").write_text(
        "[app:main]\nuse = egg:wiverno\napp = shop:app\n[server:main]\nuse = egg:wiverno\nlisten = 127.0.0.1:0\n"
    )
    ended = run([script("pserve"), file], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert_told(ended.stderr, words)
    assert "pserve.py" not in ended.stderr
    assert ended.returncode == 1


@pytest.mark.parametrize("kind", ["OSError", "SystemExit", "BaseException"])
@pytest.mark.parametrize("preload", ["false", "true"])
def test_a_reload(tmp_path: Path, kind: str, preload: str) -> None:
    """The old workers stay, and the reason is in the log; the next reload takes what is right again."""
    source, words = FAILURES[kind]
    with service(tmp_path, application=GOOD, settings=f"workers = 1\npreload = {preload}") as served:
        before = wait_for_workers(served, 1)
        served.write("other.py", source)
        served.write("wiverno.toml", (tmp_path / "wiverno.toml").read_text().replace("shop:app", "other:app"))
        served.child.send(signal.SIGHUP)
        served.child.wait_for("reload failed", PATIENCE)
        served.child.wait_for('other.py", line', PATIENCE)
        served.child.wait_for(re.escape(words))
        served.child.wait_for("the application other:app failed to load")
        assert served.workers() == before
        served.write("wiverno.toml", (tmp_path / "wiverno.toml").read_text().replace("other:app", "shop:app"))
        reload(served, 1)
        assert served.child.stop() == 0


def test_a_stop_while_the_application_is_loaded(tmp_path: Path) -> None:
    """SIGTERM ends a worker that is still importing; that is no failure of the application."""
    (tmp_path / "shop.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    with Child([script("wiverno"), *DOORS["workers"]], cwd=tmp_path) as child:
        child.wait_for("importing", PATIENCE)
        assert child.stop(deadline=PATIENCE) == 0
        assert "failed to load" not in child.output
