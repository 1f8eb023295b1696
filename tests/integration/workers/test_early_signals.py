"""SIGTERM while a service is still beginning: it ends, says nothing frightening, and leaves no process behind."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import Child, script
from tests.support.waiting import wait_until
from tests.support.workers import is_alive

MODULE = """
print("importing", flush=True)
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return []
def main(global_config):
    return app
"""
LISTEN = "127.0.0.1:0"
DOORS = {
    "run": [script("wiverno"), "run", "shop:app", "--listen", LISTEN, "--workers", "2"],
    "preload": [script("wiverno"), "run", "shop:app", "--listen", LISTEN, "--workers", "2", "--preload"],
    "alone": [script("wiverno"), "run", "shop:app", "--listen", LISTEN, "--admin-listen", "unix:admin.sock"],
    "pserve": [script("pserve"), "site.ini"],
    "serve": ["program.py"],
}


def children_of(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def members(session: int) -> list[int]:
    """Return the processes of a session that live."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if entry.name.isdigit() and int(fields[3]) == session and is_alive(int(entry.name)):
            found.append(int(entry.name))
    return found


IMPATIENT = """
import logging, signal, sys, wiverno
class Impatient(logging.Handler):
    def emit(self, record):
        if "started on" in record.getMessage() or "Serving on" in record.getMessage():
            signal.raise_signal(signal.SIGINT)
logging.getLogger("wiverno").addHandler(Impatient())
logging.basicConfig(level="INFO")
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return []
if sys.argv[1:] == ["RunServer"]:
    wiverno.RunServer(app, "127.0.0.1", 0).start()
elif __name__ == "__main__":
    wiverno.serve(app, listen="127.0.0.1:0", **eval(sys.argv[1]))
"""


@pytest.mark.parametrize(
    "command",
    [["impatient.py", "RunServer"], ["impatient.py", "{}"], ["impatient.py", "{'mode': 'simple'}"],
     ["impatient.py", "{'_profile': True}"], ["impatient.py", "{'workers': 1}"],
     [script("wiverno"), "run", "impatient:app", "--listen", LISTEN],
     [script("wiverno"), "serve", "--listen", LISTEN, "impatient:app"]],
    ids=lambda command: " ".join(command[-2:]),
)  # fmt: skip
def test_a_signal_at_the_moment_of_the_announcement(tmp_path: Path, command: list[str]) -> None:
    """A reader of the line that it serves may stop it: the line itself is the first sign that signals are taken."""
    (tmp_path / "impatient.py").write_text(IMPATIENT)
    with Child(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as child:
        assert child.wait() == 0, child.output
        assert "Traceback" not in child.output


STAGES: dict[str, Callable[[Child], object]] = {
    "importing": lambda child: "importing" in child.output,
    "announced": lambda child: "Serving on" in child.output,
    "forked": lambda child: children_of(child.process.pid),
    "both forked": lambda child: len(children_of(child.process.pid)) == 2,
}


@pytest.mark.parametrize(
    ("door", "stage"),
    [(door, stage) for door in DOORS for stage in STAGES if door != "alone" or "forked" not in stage],
)
def test_a_signal_that_comes_early(tmp_path: Path, door: str, stage: str) -> None:
    (tmp_path / "shop.py").write_text(MODULE)
    (tmp_path / "program.py").write_text(f"import wiverno, shop\nwiverno.serve(shop.app, listen='{LISTEN}', workers=2)")
    (tmp_path / "site.ini").write_text(
        f"[app:main]\nuse = call:shop:main\n[server:main]\nuse = egg:wiverno\nlisten = {LISTEN}\nworkers = 2\n"
    )
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    for _ in range(2):
        with Child(DOORS[door], cwd=tmp_path, env=environment) as child:
            wait_until(lambda child=child: STAGES[stage](child), what=stage)  # type: ignore[misc]
            status = child.stop()
            assert status == 0 or (stage == "importing" and status == -signal.SIGTERM), child.output
            assert "Traceback" not in child.output
            wait_until(lambda child=child: not members(child.process.pid), what="the last process to end")  # type: ignore[misc]


LOST = """
import pathlib, time, weakref

class Held:
    pass

def wait(_):
    pathlib.Path("waits").touch()
    time.sleep(60)  # until the signal comes

class Finalized:
    __del__ = wait
"""
WAYS = {
    "weak reference": "held = Held()\nreference = weakref.ref(held, wait)\ndel held\n",
    "finalizer": "finalized = Finalized()\ndel finalized\n",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_signal_whose_exception_python_loses(tmp_path: Path, way: str) -> None:
    """What interrupts a callback of Python's is printed and forgotten; the worker ends all the same, and quietly."""
    (tmp_path / "shop.py").write_text(LOST + WAYS[way] + 'print("goes on", flush=True)\ntime.sleep(60)\n' + MODULE)
    command = [script("wiverno"), "run", "shop:app", "--listen", LISTEN, "--workers", "1"]
    with Child(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as child:
        wait_until((tmp_path / "waits").exists)
        assert child.stop() == 0
        assert "goes on" in child.output
        assert "Traceback" not in child.output
        assert "killed" not in child.output
