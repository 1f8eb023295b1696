"""Reloads under the real pserve: file and code are read again, and a failed reload changes nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import Child, script
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import APPLICATION, ServerContext, is_alive, wait_for_workers

FACTORY = (
    APPLICATION.replace("VERSION, ", "ANSWER, ").replace("%d %d %r", "%d %s %r")
    + '\ndef main(global_config, **settings):\n'
    + '    globals()["ANSWER"] = b"%d-%s" % (VERSION, settings["greeting"].encode())\n    return app\n'
)  # fmt: skip
FILES = {
    "site.ini": (
        "[DEFAULT]\nword = old\n[app:main]\nuse = call:shop:main\ngreeting = %(word)s\n"
        "[server:other]\nuse = egg:wiverno\nport = 0\n"
        "[server:main]\nuse = egg:wiverno\nhost = 127.0.0.1\nport = ${http_port}\nworkers = 2\nthreads = 2\n"
        "event_loops = 1\nadmin_listen = unix:%(here)s/admin.sock\n"
    ),
    "runner.ini": (
        "[app:main]\nuse = call:shop:main\ngreeting = old\n"
        "[server:main]\npaste.server_runner = wiverno.serving:serve_paste\nhost = 127.0.0.1\nport = ${http_port}\n"
        "workers = 2\nthreads = 2\nevent_loops = 1\nadmin_listen = unix:%(here)s/admin.sock\n"
    ),
    "site.toml": (
        '[app]\nuse = "call:shop:main"\n[app.settings]\ngreeting = "old"\n'
        '[server]\nhost = "127.0.0.1"\nport = "${http_port}"\nworkers = 2\nthreads = 2\n'
        'event_loops = 1\nadmin_listen = "unix:${here}/admin.sock"\n'
    ),
}


@contextmanager
def pserved(directory: Path, name: str, more: str = "", *, ready: int = 2) -> Iterator[ServerContext]:
    """Run pserve on a file with two workers for the length of the block."""
    (directory / "shop.py").write_text(FACTORY, encoding="utf-8")
    (directory / name).write_text(FILES[name] + more, encoding="utf-8")
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(directory)}
    with Child([script("pserve"), name, "http_port=0"], cwd=directory, env=environment) as child:
        served = ServerContext(child, directory)
        wait_for_workers(served, ready)
        yield served


def reload(served: ServerContext, count: int = 2) -> None:
    """Reload and wait until only new workers are left."""
    before = served.status()["reloads"]["succeeded"]
    served.child.send(signal.SIGHUP)
    wait_until(lambda: served.status()["reloads"]["succeeded"] == before + 1, PATIENCE * 4, what="the reload")
    wait_until(lambda: len(served.status()["workers"]) == count, PATIENCE * 2, what="the old workers' end")


@pytest.mark.parametrize("name", sorted(FILES))
def test_file_and_code_are_read_again(tmp_path: Path, name: str) -> None:
    """Settings of the server and of the application, and the code, are those of the files, more than once."""
    with pserved(tmp_path, name) as served:
        first = served.workers()
        assert served.get()[1].split()[1:] == [b"1-old", b"True"]
        text = FILES[name].replace("threads = 2", "threads = 3").replace("workers = 2", "workers = 1")
        served.write(name, text.replace("= old", "= new").replace('"old"', '"new"'))
        served.write("shop.py", FACTORY.replace("VERSION = 1", "VERSION = 2"))
        reload(served, 1)
        served.child.wait_for(r"reloading: .*threads: 2 → 3")
        assert served.get()[1].split()[1:] == [b"2-new", b"True"]
        assert served.status()["workers"][0]["threads"] == 3
        assert not any(map(is_alive, first))
        second = served.workers()
        served.write("shop.py", FACTORY.replace("VERSION = 1", "VERSION = 3"))
        reload(served, 1)
        assert served.get()[1].split()[1:] == [b"3-new", b"True"]
        assert not any(map(is_alive, second))
        third = served.workers()
        assert served.child.stop() == 0
        assert not any(map(is_alive, third))


@pytest.mark.parametrize("name", ["site.ini", "site.toml"])
@pytest.mark.parametrize(
    ("what", "old", "new", "words"),
    [
        ("file", "threads = 2", "threads = 0", r"site\.\w+:\d+: threads: must be at least 1"),
        ("file", "threads = 2", "thread = 2", r'did you mean "threads"\?'),
        ("file", "workers = 2", "workers 2", r"site\.\w+:\d+: "),
        ("file", "call:shop:main", "call:shop:man", "man"),
        ("code", "import os", "import os,", r"shop\.py\", line 2(.*\n)+.*SyntaxError"),
        ("code", "def main", "raise RuntimeError('on purpose')\ndef main", "RuntimeError: on purpose"),
        ("code", "def main", "os._exit(9)\ndef main", "exited with status 9"),
    ],
)
def test_what_does_not_work_changes_nothing(
    tmp_path: Path, name: str, what: str, old: str, new: str, words: str
) -> None:
    """The old workers go on, the log says where the mistake is, and the next reload succeeds."""
    with pserved(tmp_path, name) as served:
        before = served.workers()
        target, good = (name, FILES[name]) if what == "file" else ("shop.py", FACTORY)
        served.write(target, good.replace(old, new))
        served.child.send(signal.SIGHUP)
        served.child.wait_for("reload failed, still running the previous configuration")
        served.child.wait_for(words)
        wait_until(lambda: len(served.status()["workers"]) == 2)
        assert served.workers() == before
        assert served.get()[0] == 200
        served.write(target, good)
        reload(served)
        assert not served.workers() & before


def test_another_server_needs_a_restart(tmp_path: Path) -> None:
    with pserved(tmp_path, "site.ini") as served:
        served.write("site.ini", FILES["site.ini"].replace("egg:wiverno\nhost", "egg:waitress#main\nhost"))
        served.child.send(signal.SIGHUP)
        served.child.wait_for(r"site\.ini:\d+: use: is another server, which only a restart can begin")
        assert served.get()[0] == 200


def test_a_worker_of_a_reload_is_replaced_when_it_dies(tmp_path: Path) -> None:
    with pserved(tmp_path, "site.ini") as served:
        reload(served)
        before = served.workers()
        victim = served.pid()
        os.kill(victim, signal.SIGKILL)
        after = wait_for_workers(served, 2, without={victim})
        assert len(after & before) == 1
        assert served.get()[1].split()[1:] == [b"1-old", b"True"]


def test_preload_keeps_the_code_and_says_so(tmp_path: Path) -> None:
    with pserved(tmp_path, "runner.ini", "preload = on\n") as served:
        served.write("shop.py", FACTORY.replace("VERSION = 1", "VERSION = 2"))
        reload(served)
        served.child.wait_for("the application's code is not loaded again: it was loaded before the workers")
        assert served.get()[1].split()[1] == b"1-old"


def test_orphans_of_a_reload_end(tmp_path: Path) -> None:
    """Workers that began by running the program again see the supervisor's end as the others do."""
    with pserved(tmp_path, "site.ini") as served:
        reload(served)
        workers = served.workers()
        served.child.process.kill()
        wait_until(lambda: not any(map(is_alive, workers)), PATIENCE * 2, what="the orphans' end")


def test_a_stop_during_a_reload_ends_both(tmp_path: Path) -> None:
    """Workers that have not come as far as loading the application end too, and the end is told once."""
    with pserved(tmp_path, "site.ini") as served:
        served.child.send(signal.SIGHUP)
        wait_until(lambda: len(served.status()["workers"]) == 4)
        workers = {worker["pid"] for worker in served.status()["workers"]}
        assert served.child.stop() == 0
        assert not any(map(is_alive, workers))
        assert served.child.output.count("stopped\n") == 1
        assert "Traceback" not in served.child.output


def test_an_application_given_in_code_stays(tmp_path: Path) -> None:
    """serve() has the application as an object: a reload replaces the workers, and says that this is all it can do."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    program = tmp_path / "program.py"
    program.write_text(
        f'import wiverno, shop\nwiverno.serve(shop.app, listen="127.0.0.1:0", workers=2, '
        f'admin_listen="unix:{tmp_path}/admin.sock")\n'
    )
    with Child([str(program)], cwd=tmp_path, env={"PYTHONDONTWRITEBYTECODE": "1"}) as child:
        served = ServerContext(child, tmp_path)
        before = wait_for_workers(served, 2)
        reload(served)
        child.wait_for("the application's code is not loaded again: it was given to the server ready-made")
        assert not served.workers() & before
        assert child.stop() == 0
