"""What a developer's machine does to the watched folders and to the terminal."""

import fcntl
import http.client
import os
import pty
import shutil
import signal
import subprocess
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT, SERVING, Child, environment, script
from tests.support.programs import program
from tests.support.waiting import PATIENCE, wait_until
from wiverno.dev.polling import poll
from wiverno.dev.watching import Relevant, bursts

QUEUE = "/proc/sys/fs/inotify/max_queued_events"

WATCH = """
import ctypes, os, platform, sys, threading
from pathlib import Path
import wiverno.dev.watching as watching
import logging
logging.basicConfig(format="%(message)s")
# In a new user namespace a process has no rights over files, even root, and limits that it may lower.
if ctypes.CDLL(None).unshare(0x10000000):
    sys.exit("no namespace")
for name in sys.argv[2:]:
    Path("/proc/sys/user", name).write_text("0")
folder = Path(sys.argv[1])
for burst in watching.bursts([folder], watching.Relevant([folder], [], with_assets=False), 1, threading.Event()):
    print("burst", *[path.name for path in burst], flush=True)
"""


def need_namespaces() -> None:
    """Leave the test out where the system gives no process a user namespace."""
    if subprocess.run(
        [program("unshare", package="util-linux"), "--user", "true"], check=False, capture_output=True
    ).returncode:
        pytest.skip("needs user namespaces, which this system does not allow")


def save(folder: Path, name: str, text: str = "x = 1\n") -> None:
    (folder / "aside").write_text(text)
    (folder / "aside").replace(folder / name)


@pytest.mark.parametrize(
    ("limit", "said"),
    [([], None), (["max_inotify_instances"], "does not report changes"), (["max_inotify_watches"], "max_user_watches")],
    ids=["none", "instances", "watches"],
)
def test_unreadable_folders_and_limits(tmp_path: Path, limit: list[str], said: str | None) -> None:
    """A folder that cannot be read below the watched one is left out; without a watch left, it looks by itself."""
    need_namespaces()
    (tmp_path / "locked").mkdir(0o000)
    try:
        with Child(["-c", WATCH, str(tmp_path), *limit], env={"PYTHONPATH": str(ROOT)}) as child:
            child.wait_for("burst\n")
            save(tmp_path, "run.py")
            child.wait_for(r"burst run\.py\n")
            assert (said or "") in child.output
            assert ("does not report" in child.output) == (said is not None)
    finally:
        (tmp_path / "locked").chmod(0o700)


BURSTS = """
import sys, threading
from pathlib import Path
from wiverno.dev.watching import Relevant, bursts
folder = Path(sys.argv[1])
for burst in bursts([folder], Relevant([folder], [], with_assets=False), 1, threading.Event()):
    print("burst", *[path.name for path in burst], flush=True)
"""


@pytest.mark.skipif(not Path("/proc/sys/fs/inotify").exists(), reason="asks Linux how long its queue is")
def test_more_changes_than_the_system_reports(tmp_path: Path) -> None:
    """The queue overflows while the watcher does not run: the file that was saved last is found all the same, once."""
    save(tmp_path, "run.py")
    with Child(["-c", BURSTS, str(tmp_path)], env={"PYTHONPATH": str(ROOT)}) as child:
        child.wait_for("burst\n")
        child.send(signal.SIGSTOP)
        with open(tmp_path / "one.log", "w", 1) as one, open(tmp_path / "two.log", "w", 1) as two:
            for _ in range(int(Path(QUEUE).read_text())):  # twice as many: equal events in turn would be joined
                one.write("line\n")
                two.write("line\n")
        save(tmp_path, "run.py", "x = 2\n")
        child.send(signal.SIGCONT)
        child.wait_for(r"burst run\.py\n")
        save(tmp_path, "other.py")
        child.wait_for(r"burst other\.py\n")
        assert child.output.count("run.py") == 1


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[list[list[Path]]]:
    """The bursts of the folder `project`, watched by a thread."""
    (tmp_path / "project").mkdir()
    found: list[list[Path]] = []
    stopping = threading.Event()
    folder = tmp_path / "project"
    watched = bursts([folder], Relevant([folder], [], with_assets=False), 1, stopping)

    def watch() -> None:
        found.extend(burst for burst in watched)

    thread = threading.Thread(target=watch)
    thread.start()
    wait_until(lambda: found, what="the first look")
    yield found
    stopping.set()
    thread.join(PATIENCE)


@pytest.mark.parametrize("how", ["removed", "moved away", "quickly"])
def test_a_folder_that_comes_back(
    tmp_path: Path, seen: list[list[Path]], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is waited for, counts as a change, and is watched again; also if another one takes its place at once."""
    folder = tmp_path / "project"
    if how == "moved away":
        folder.rename(tmp_path / "elsewhere")
    else:
        shutil.rmtree(folder)
    if how != "quickly":
        wait_until(lambda: f"{folder} was removed; waiting for it" in caplog.messages, what="the warning")
    folder.mkdir()
    wait_until(lambda: [folder] in seen, what="the folder in a burst")
    save(folder, "run.py")
    wait_until(lambda: [folder / "run.py"] in seen, what="the file in a burst")


def test_a_link_that_is_turned(tmp_path: Path) -> None:
    """A deployment that turns a link is a change, and the new folder is watched."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    link = tmp_path / "current"
    link.symlink_to("one")
    watched = bursts([link], Relevant([link], [], with_assets=False), 1, threading.Event())
    assert next(watched) == []
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(link)
    assert next(burst for burst in watched if burst) == [link]
    save(tmp_path / "two", "run.py")
    assert [path.name for path in next(burst for burst in watched if burst)] == ["run.py"]
    watched.close()  # type: ignore[attr-defined]


def test_looking(tmp_path: Path) -> None:
    """Without the system's help: added, changed and deleted files, once a burst, and nothing of what never matters."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    save(tmp_path, "old.py")
    found = poll([tmp_path], 1, threading.Event())
    assert next(found) == set()
    save(tmp_path / ".git", "x.py")
    assert next(found) == set()
    save(tmp_path / "deep", "new.py")
    save(tmp_path, "old.py", "another = 1\n")
    changes = {(change.name, Path(path).name) for change, path in next(burst for burst in found if burst)}
    assert changes == {("added", "new.py"), ("modified", "old.py")}
    (tmp_path / "old.py").unlink()
    (change,) = next(burst for burst in found if burst)
    assert (change[0].name, Path(change[1]).name) == ("deleted", "old.py")


PROJECT = """
import termios
def app(environ, start_response):
    if environ["PATH_INFO"] == "/mute":
        settings = termios.tcgetattr(0)
        settings[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(0, termios.TCSANOW, settings)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"VERSION"]
"""


def ask(address: tuple[str, int], path: str) -> str:
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_a_terminal_without_echo(tmp_path: Path) -> None:
    """What an application in pdb did to the terminal is undone at the restart and at the end."""
    save(tmp_path, "run.py", PROJECT)
    master, slave = pty.openpty()

    def echoes() -> bool:
        return bool(termios.tcgetattr(slave)[3] & termios.ECHO)

    log = tmp_path / "log.out"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [script("wiverno"), "run", "dev", "--listen", "127.0.0.1:0"], cwd=tmp_path, env=environment(), stdin=slave,
            stdout=stream, stderr=stream, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
        )  # fmt: skip
    try:
        match = wait_until(lambda: SERVING.search(log.read_text()), PATIENCE * 2, what="the server")
        assert match is not None
        address = match["host"], int(match["port"])
        assert ask(address, "/mute") == "VERSION"
        assert not echoes()
        save(tmp_path, "run.py", PROJECT.replace("VERSION", "two"))
        wait_until(lambda: ask(address, "/") == "two", PATIENCE * 2, what="the restart")
        assert echoes()
        ask(address, "/mute")
        process.terminate()
        assert process.wait(PATIENCE * 2) == 0, log.read_text()
        assert echoes()
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


def test_the_current_folder_is_made_again(tmp_path: Path) -> None:
    """Where the server was started is removed and made again: the application is served from the new one."""
    folder = tmp_path / "shop"
    folder.mkdir()
    page = 'def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"VERSION"]\n'
    save(folder, "run.py", page)
    with Child([script("wiverno"), "run", "dev", "--listen", "127.0.0.1:0"], cwd=folder) as child:
        address = child.address()
        assert ask(address, "/") == "VERSION"
        shutil.rmtree(folder)
        child.wait_for("shop was removed; waiting for it")
        folder.mkdir()
        save(folder, "run.py", page.replace("VERSION", "two"))
        wait_until(lambda: ask(address, "/") == "two", PATIENCE * 2, what="the new folder's application")
        assert child.stop() == 0
