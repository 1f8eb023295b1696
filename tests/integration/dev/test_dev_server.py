"""The development server as a process: restarts that lose no request, errors as pages, a certain end."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Child
from tests.support.waiting import PATIENCE, wait_until

APP = """
from wiverno.main import Wiverno
app = Wiverno()

@app.get("/")
def home(request):
    return "200 OK", "<p>version {version}</p>"
"""

START = "import json, sys; from wiverno.dev.dev_server import DevServer;DevServer.serve(**json.loads(sys.argv[1]))"


class Project:
    """A folder with an application, and the development server that serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.child: Child | None = None
        self.address = ("", 0)
        self.write("run.py", APP.format(version=0))

    def write(self, name: str, text: str) -> None:
        """Save a file as editors do: the new content appears at once."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".aside")
        aside.write_text(text)
        aside.replace(path)

    def start(self, **options: object) -> Project:
        arguments = json.dumps({"host": "127.0.0.1", "port": 0, "debounce_seconds": 0.5, **options})
        self.child = Child(["-c", START, arguments], cwd=self.folder, env={"PYTHONPATH": str(ROOT)})
        self.address = self.child.address()
        self.get()
        return self

    @property
    def output(self) -> str:
        assert self.child is not None
        return self.child.output

    @property
    def restarts(self) -> int:
        return self.output.count("restarting")

    def get(self, path: str = "/", **headers: str) -> tuple[int, str]:
        """Make one request on a new connection, without a second try."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def wait_for(self, text: str, path: str = "/") -> tuple[int, str]:
        """Ask until the answer holds ``text``."""

        def asked() -> tuple[int, str] | None:
            answer = self.get(path)
            return answer if text in answer[1] else None

        answer = wait_until(asked, what=f"{text!r} in the page\n{self.output}")
        assert answer is not None
        return answer


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    if made.child is not None:
        with made.child:
            pass


def test_two_hundred_requests_during_twenty_saves(project: Project) -> None:
    """A client that connects during a restart waits; none is refused, cut off or answered with an error."""
    project.start()
    answers: list[int | Exception] = []
    saved = threading.Event()

    def ask() -> None:
        while not saved.is_set() or len(answers) < 200:
            try:
                answers.append(project.get()[0])
            except Exception as error:
                answers.append(error)

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        for number in range(1, 21):
            project.write("run.py", APP.format(version=number))
            wait_until(lambda number=number: project.restarts >= number, what="restart")  # type: ignore[misc]
    finally:
        saved.set()
        for client in clients:
            client.join(PATIENCE * 3)
    assert len(answers) >= 200
    assert [answer for answer in answers if answer != 200] == []
    assert project.wait_for("version 20")[0] == 200


def test_one_restart_a_burst(project: Project) -> None:
    project.start()
    for number in range(30):
        project.write(f"module{number}.py", f"x = {number}")
    project.write("run.py", APP.format(version=1))
    project.wait_for("version 1")
    wait_until(lambda: project.output.count("ready in") == 2, what="the second child")
    assert project.restarts == 1


def test_a_syntax_error_is_a_page_and_heals(project: Project) -> None:
    project.start()
    project.write("run.py", "x = 1\ndef f(<:\n")
    status, page = project.wait_for("SyntaxError")
    assert status == 500
    assert "def f(<:" in page
    assert "run.py" in page
    assert "Save a file when it is fixed" in page
    wait_until(lambda: "SyntaxError" in project.output, what="the error on the terminal")
    waiting = "the browser shows the error until a file changes"
    wait_until(lambda: project.output.partition("SyntaxError")[2].count(waiting) == 1, what="the line after it")
    assert project.output.count("ready in") == 1
    html = project.get(Accept="text/html")[1]
    assert "def f(&lt;:" in html
    project.write("run.py", APP.format(version=2))
    assert project.wait_for("version 2")[0] == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_dependency", "ModuleNotFoundError: No module named 'no_such_dependency'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(4)", "SystemExit: 4"),
        ("application = 3", "module 'run' has no attribute 'app'"),
        ("app = 3", "'run:app' is a int, which cannot be called"),
        ("import os; os._exit(3)", "ended with status 3"),
    ],
)
def test_every_way_not_to_start_is_a_page_and_heals(project: Project, text: str, message: str) -> None:
    project.write("run.py", text + "\n")
    project.start()
    assert project.wait_for(message)[0] == 500
    wait_until(lambda: message in project.output, what="the error on the terminal")
    project.write("run.py", APP.format(version=1))
    assert project.wait_for("version 1")[0] == 200


def test_templates_and_configuration_are_watched_and_ignored_files_are_not(project: Project) -> None:
    project.start(ignore_patterns=["ignored*"])
    for number, name in enumerate(["templates/page.html", "shop.toml", "development.ini", ".env"], 1):
        project.write(name, "x")
        wait_until(lambda number=number: project.restarts == number, what=name)  # type: ignore[misc]
    project.write("ignored.py", "x")
    project.write("notes.log", "x")
    project.write("run.py", APP.format(version=1))
    project.wait_for("version 1")  # perhaps from the restart before, which may find the new file already
    wait_until(lambda: project.restarts == 5, what="run.py")
    assert "ignored" not in project.output


def test_foreign_hosts_are_refused_unless_allowed(project: Project) -> None:
    project.start(allowed_hosts=["shop.test"])
    assert project.get(Host="evil.example")[0] == 403
    assert project.get(Host="shop.test:1")[0] == 200
    assert project.get(Host="localhost")[0] == 200


def test_live_reload_notices_a_restart(project: Project) -> None:
    project.write("site.css", "a{}")
    project.start(live=True)
    page = project.get()[1]
    match = re.search(r'data-version="(\w+)"', page)
    assert match is not None
    assert project.get("/__wiverno_dev__/version")[1] == match[1]
    assert project.get("/__wiverno_dev__/live.js")[0] == 200
    project.write("site.css", "b{}")
    wait_until(lambda: project.get("/__wiverno_dev__/version")[1] != match[1], what="another version")


def test_a_request_under_way_is_finished_before_the_restart(project: Project) -> None:
    project.write(
        "run.py",
        APP.format(version=0) + "import pathlib, time\n@app.get('/slow')\ndef slow(request):\n"
        "    pathlib.Path('started').touch()\n"
        "    while not pathlib.Path('go-on').exists(): time.sleep(0.01)\n    return 'finished'\n",
    )
    project.start()
    answers: list[tuple[int, str]] = []
    client = threading.Thread(target=lambda: answers.append(project.get("/slow")))
    client.start()
    wait_until((project.folder / "started").exists)
    project.write("run.py", APP.format(version=1))
    assert project.child is not None
    project.child.wait_for("changed, restarting")
    (project.folder / "go-on").touch()
    client.join(PATIENCE)
    assert answers == [(200, "finished")]
    project.wait_for("version 1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_parent_and_child(project: Project, number: signal.Signals) -> None:
    project.start()
    assert project.child is not None
    assert project.child.stop(number) == 0
    assert "Server stopped successfully." in project.output
    assert "Traceback" not in project.output
    with pytest.raises(ConnectionRefusedError):
        project.get()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no signal mask")
def test_ctrl_c_while_the_child_is_imported_is_the_parents(project: Project) -> None:
    """Python itself would end with a traceback: here before its first line of wiverno, in sitecustomize."""
    project.write(
        "sitecustomize.py",
        "import os, pathlib, sys, time\n"
        "if 'wiverno.dev.child' in sys.orig_argv:\n"
        "    pathlib.Path('aside').write_text(str(os.getpid()))\n"
        "    pathlib.Path('aside').rename('begun')\n"
        "    while not pathlib.Path('go-on').exists(): time.sleep(0.01)\n",
    )
    path = os.pathsep.join(map(str, (project.folder, ROOT)))
    arguments = json.dumps({"host": "127.0.0.1", "port": 0})
    project.child = child = Child(["-c", START, arguments], cwd=project.folder, env={"PYTHONPATH": path})
    project.address = child.address()
    wait_until((project.folder / "begun").exists, what="the child to begin")
    os.kill(int((project.folder / "begun").read_text()), signal.SIGINT)
    (project.folder / "go-on").touch()
    assert "version 0" in project.get()[1]
    assert child.stop(signal.SIGINT) == 0
    assert "Traceback" not in project.output


@pytest.mark.skipif(os.name != "posix", reason="the lifeline is a POSIX pipe")
def test_no_orphan_keeps_the_port(project: Project) -> None:
    project.start()
    assert project.child is not None
    project.child.process.kill()
    project.child.process.wait(PATIENCE)

    def refused() -> bool:
        try:
            project.get()
        except OSError:
            return True
        return False

    wait_until(refused, what="the child to end")


def test_a_busy_port_and_a_missing_module_are_said_at_once(project: Project) -> None:
    project.start()
    host, port = project.address
    with Child(
        ["-c", START, f'{{"host": "{host}", "port": {port}}}'], cwd=project.folder, env={"PYTHONPATH": str(ROOT)}
    ) as second:
        assert second.wait() == 1
        assert "Address already in use" in second.output
    with Child(
        ["-c", START, '{"app_module": "rum", "port": 0}'], cwd=project.folder, env={"PYTHONPATH": str(ROOT)}
    ) as third:
        assert third.wait() == 1
        assert "there is no module 'rum' in" in third.output
    with Child(
        ["-c", START, '{"watch_dirs": ["nowhere"], "port": 0}'], cwd=project.folder, env={"PYTHONPATH": str(ROOT)}
    ) as fourth:
        assert fourth.wait() == 1
        assert "nowhere: no such folder to watch" in fourth.output
