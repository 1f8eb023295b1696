"""Reloads: the new configuration and code serve, nothing is lost, and what does not work changes nothing."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import termios
from pathlib import Path

import pytest

from tests.support.load import Load
from tests.support.waiting import wait_until
from tests.support.workers import APPLICATION, ask, is_alive, reload, service, wait_for_workers


def test_nothing_is_lost(tmp_path: Path) -> None:
    """New code and a new setting take effect under load, several times, without one failed request."""
    with service(tmp_path, settings="workers = 2\nthreads = 2") as served:
        first = wait_for_workers(served, 2)
        load = Load(served.address)
        with load.running(kept=4, fresh=2):
            for version in range(2, 5):
                served.write("shop.py", APPLICATION.replace("VERSION = 1", f"VERSION = {version}"))
                reload(served, 2)
                seen = load.answers
                wait_until(lambda seen=seen: load.answers > seen + 20)  # type: ignore[misc]
        assert load.failures == []
        assert load.versions == {b"1", b"2", b"3", b"4"}
        assert load.answers > 100
        assert not any(map(is_alive, first))
        assert served.child.stop() == 0


def test_settings_that_change_are_named(tmp_path: Path) -> None:
    with service(tmp_path, settings="workers = 1\nthreads = 2") as served:
        wait_for_workers(served, 1)
        text = (tmp_path / "wiverno.toml").read_text().replace("threads = 2", 'threads = 3\nchannel_timeout = "9s"')
        served.write("wiverno.toml", text.replace("workers = 1", "workers = 2"))
        reload(served, 2)
        served.child.wait_for(r"reloading: .*threads: 2 → 3")
        served.child.wait_for(r"channel_timeout: 2m → 9s")
        assert served.status()["workers"][0]["threads"] == 3


def test_which_settings_wait_for_a_restart_is_said(tmp_path: Path) -> None:
    """Those of the main process do; a umask is the new workers' at once."""
    application = APPLICATION.replace("VERSION = 1", "VERSION = os.umask(0)\nos.umask(VERSION)")
    with service(tmp_path, application=application, settings='workers = 1\numask = "022"') as served:
        wait_for_workers(served, 1)
        assert served.get()[1].split()[1] == b"%d" % 0o022
        text = (tmp_path / "wiverno.toml").read_text().replace('"022"', '"077"')
        served.write("wiverno.toml", f'{text}pid_file = "{tmp_path}/pid"\n')
        reload(served, 1)
        served.child.wait_for(r"pid_file: none → \S+ \(after a restart\)")
        served.child.wait_for(r"umask: 0?22 → 0?77(;|\n)")
        assert served.get()[1].split()[1] == b"%d" % 0o077
        assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("wiverno.toml", "threads = 0", r"wiverno\.toml:\d+: threads: must be at least 1"),
        ("wiverno.toml", "thread = 3", r'unknown setting.*\n(.*\n)*.*did you mean "threads"\?'),
        ("shop.py", "def app(:\n", r'shop\.py", line 1(.*\n)+.*SyntaxError'),
        ("shop.py", "raise RuntimeError('on purpose')\n", "RuntimeError: on purpose"),
        ("shop.py", "import os; os._exit(9)\n", "exited with status 9"),
        ("shop.py", "other = 1\n", "app"),
    ],
)
def test_what_does_not_work_changes_nothing(tmp_path: Path, name: str, text: str, words: str) -> None:
    """The old workers go on, the log says where the mistake is, and the next reload may succeed."""
    with service(tmp_path, settings="workers = 2") as served:
        before = wait_for_workers(served, 2)
        good = (tmp_path / name).read_text()
        served.write(name, good.replace("workers = 2", f"workers = 2\n{text}") if name.endswith("toml") else text)
        served.child.send(signal.SIGHUP)
        served.child.wait_for("reload failed, still running the previous configuration")
        served.child.wait_for(words)
        assert served.get()[0] == 200
        wait_until(lambda: len(served.status()["workers"]) == 2)
        assert served.workers() == before
        assert served.status()["reloads"]["failed"] == 1
        served.write(name, good)
        reload(served, 2)
        assert not served.workers() & before


def test_a_new_address_is_bound_and_an_old_one_closed(tmp_path: Path) -> None:
    with service(tmp_path, settings="workers = 1") as served:
        wait_for_workers(served, 1)
        path = tmp_path / "web.sock"
        text = (
            (tmp_path / "wiverno.toml").read_text().replace('host = "127.0.0.1"\nport = 0', f'unix_socket = "{path}"')
        )
        served.write("wiverno.toml", text)
        reload(served, 1)
        assert ask(str(path), "/")[0] == 200
        with pytest.raises(ConnectionError):
            served.get()


def test_a_socket_that_stays_gets_new_permissions(tmp_path: Path) -> None:
    """The same file serves on, with what the new settings say of it."""
    path = tmp_path / "web.sock"
    with service(tmp_path, settings="workers = 1") as served:
        wait_for_workers(served, 1)
        text = (
            (tmp_path / "wiverno.toml").read_text().replace('host = "127.0.0.1"\nport = 0', f'unix_socket = "{path}"')
        )
        served.write("wiverno.toml", text)
        reload(served, 1)
        before = path.stat()
        assert before.st_mode & 0o777 == 0o600
        served.write("wiverno.toml", text + 'unix_socket_perms = "660"\nbacklog = 7\n')
        reload(served, 1)
        assert path.stat().st_mode & 0o777 == 0o660
        assert path.stat().st_ino == before.st_ino
        assert ask(str(path), "/")[0] == 200


def test_an_address_that_cannot_be_bound_changes_nothing(tmp_path: Path) -> None:
    with service(tmp_path, settings="workers = 1") as served:
        before = wait_for_workers(served, 1)
        text = (
            (tmp_path / "wiverno.toml").read_text().replace('host = "127.0.0.1"\nport = 0', 'unix_socket = "/no/where"')
        )
        served.write("wiverno.toml", text)
        served.child.send(signal.SIGHUP)
        served.child.wait_for("reload failed(.*\n)+.*No such file or directory: /no/where")
        assert served.workers() == before


def test_a_stop_during_a_reload_ends_both(tmp_path: Path) -> None:
    with service(tmp_path, settings="workers = 1") as served:
        wait_for_workers(served, 1)
        served.write("shop.py", "import time\ntime.sleep(60)\n" + APPLICATION)
        served.child.send(signal.SIGHUP)
        wait_until(lambda: len(served.status()["workers"]) == 2)
        assert served.child.stop() == 0


def test_a_stop_during_a_reload_resets_no_client(tmp_path: Path) -> None:
    """A worker that loads the application holds the sockets, and accepts nothing: it ends before the others stop."""
    with service(tmp_path, settings="workers = 2") as served:
        wait_for_workers(served, 2)
        waiting = f"import pathlib, time\npathlib.Path({str(tmp_path / 'loads')!r}).touch()\ntime.sleep(60)\n"
        served.write("shop.py", waiting + APPLICATION)
        load = Load(served.address)
        with load.running(kept=0, fresh=6):
            served.child.send(signal.SIGHUP)
            wait_until((tmp_path / "loads").exists)
            assert served.child.stop() == 0
        assert load.answers > 0
        lost = [failure.words for failure in load.failures if "ConnectionRefused" not in failure.words]
        assert len(lost) < 6, lost  # a client can always connect just before the socket is closed, but not all of them


def test_one_process_says_that_it_cannot(tmp_path: Path) -> None:
    """A single process can't reload; the answer says what to do."""
    with service(tmp_path) as served:
        status, body = served.admin("/reload", "POST")
        assert (status, body) == (
            409, b"one process can't replace itself: set workers = 1 or more to be able to reload\n"
        )  # fmt: skip
        served.child.send(signal.SIGHUP)
        served.child.wait_for("SIGHUP: log files were reopened; one process can't reload: set workers = 1 or more")
        assert served.get()[0] == 200


def unread_pipes(pid: int) -> int:
    """Return how many pipes of a process hold what it has not read; a wake-up of a few bytes does not count."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if (name := str(entry.readlink())).startswith("pipe:"):
            fd = os.open(entry, os.O_RDONLY | os.O_NONBLOCK)
            unread = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
            os.close(fd)
            if int.from_bytes(unread, sys.byteorder) > 8:
                found.add(name)
    return len(found)


def test_an_old_worker_that_retires_as_the_new_one_is_ready_has_no_successor(tmp_path: Path) -> None:
    """The supervisor reads both reports in one turn; nothing with the old code stays beside the new worker."""
    with service(tmp_path, settings="workers = 1\nmax_requests = 5") as served:
        wait_for_workers(served, 1)
        waiting = "import time, pathlib\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\n"
        served.write("shop.py", waiting + APPLICATION.replace("VERSION = 1", "VERSION = 2"))
        served.child.send(signal.SIGHUP)
        wait_until(lambda: served.workers("starting"), what="the new worker")
        served.child.send(signal.SIGSTOP)
        for _ in range(10):
            assert served.get()[1].split()[1] == b"1"
        served.write("go", "")
        wait_until(lambda: unread_pipes(served.child.process.pid) == 2, what="the reports of both")
        served.child.send(signal.SIGCONT)
        wait_until(lambda: served.status()["reloads"]["succeeded"] == 1, what="the reload")
        wait_until(lambda: len(served.status()["workers"]) == 1, what="the old worker's end")
        assert served.get()[1].split()[1] == b"2"
        assert served.child.stop() == 0
