"""What operators, limits and accidents do to a supervisor: storms of signals, no room, kill -9 at a bad time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.descriptors import links
from tests.support.load import Load
from tests.support.programs import program
from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import APPLICATION, is_alive, log_lines, service, wait_for_workers

WAITING = """
import os, time
while not os.path.exists({path!r}):
    time.sleep(0.02)
"""


def children_of(pid: int) -> set[int]:
    """Return the living children of a process."""
    return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if is_alive(int(word))}


def pipes_of(pid: int) -> int:
    """Return how many ends of pipes a process has."""
    return sum(link.startswith("pipe:") for link in links(pid))


def test_a_storm_of_reloads_loses_nothing(tmp_path: Path) -> None:
    """Ten SIGHUPs while clients ask: the last one wins, no worker is left over, and no request fails."""
    with service(tmp_path, settings="workers = 2\nthreads = 2") as served:
        before = wait_for_workers(served, 2)
        load = Load(served.address)
        with load.running(kept=2, fresh=1):
            for _ in range(10):
                seen = load.answers
                served.child.send(signal.SIGHUP)
                wait_until(lambda seen=seen: load.answers > seen + 5)  # type: ignore[misc]
            wait_until(lambda: served.status()["reloads"]["succeeded"] >= 1, PATIENCE * 3)
            # A signal that came during a reload makes another one: which workers are the last is known at the end only.
            wait_for_workers(served, 2, without=before)
            wait_until(
                lambda: len(served.workers()) == 2 and children_of(served.child.process.pid) == served.workers(),
                PATIENCE * 3,
                what="the others' end",
            )
            assert not served.workers() & before
        assert load.failures == []
        assert load.answers > 50
        assert served.child.stop() == 0


def test_a_request_in_a_reload_that_fails_is_finished(tmp_path: Path) -> None:
    """A new worker that serves already when another one fails finishes what it has begun."""
    first = tmp_path / "first"  # made by whichever worker comes first
    second_fails = (
        f"import os\ntry:\n    os.close(os.open({str(first)!r}, os.O_CREAT | os.O_EXCL))\n"
        "except FileExistsError:\n    import time\n"
        f"    while not os.path.exists({str(tmp_path / 'go')!r}):\n        time.sleep(0.02)\n    raise SystemExit(5)\n"
    )
    with service(tmp_path, settings="workers = 2\nthreads = 2") as served:
        old = wait_for_workers(served, 2)
        served.write("shop.py", second_fails + APPLICATION)
        served.child.send(signal.SIGHUP)
        fresh = wait_until(lambda: served.workers() - old, PATIENCE * 2, what="the first new worker") or set()
        clients: list[RawClient] = []
        while not any(busy["connections"] for busy in served.status()["workers"] if busy["pid"] in fresh):
            client = RawClient(served.address)
            client.send(b"GET /sleep/2 HTTP/1.1\r\nHost: x\r\n\r\n")
            clients.append(client)
        (tmp_path / "go").touch()
        served.child.wait_for("reload failed")
        for client in clients:
            assert client.response()[0] == 200
            client.close()
        wait_until(lambda: served.workers() == old, PATIENCE * 2)


@pytest.mark.parametrize("stage", ["loading", "ready"])
def test_kill_during_a_reload_leaves_no_process(tmp_path: Path, stage: str) -> None:
    """Workers of both generations end; one that still loads the application does so when it has."""
    go = tmp_path / "go"
    with service(tmp_path, settings="workers = 2") as served:
        wait_for_workers(served, 2)
        served.write("shop.py", WAITING.format(path=str(go)) + APPLICATION)
        served.child.send(signal.SIGHUP)
        everybody = wait_until(
            lambda: found if len(found := children_of(served.child.process.pid)) == 4 else None, what="four workers"
        )
        assert everybody is not None
        if stage == "ready":
            go.touch()
        served.child.process.kill()
        go.touch()
        wait_until(lambda: not any(map(is_alive, everybody)), PATIENCE * 2, what="the orphans' end")
        with pytest.raises(ConnectionError):
            served.get()


def test_workers_inherit_no_more_than_they_need(tmp_path: Path) -> None:
    """Neither the admin socket nor the pipes of others: a worker that is taken over can't use them."""
    with service(tmp_path, settings="workers = 3\nthreads = 1") as served:
        wait_for_workers(served, 3)
        first = wait_for_workers(served, 3)
        os.kill(min(first), signal.SIGKILL)
        pids = wait_for_workers(served, 3, without={min(first)})
        admin = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines() if "admin.sock" in line}
        assert admin
        kinds = set()
        for pid in pids:
            found = links(pid)
            assert not {f"socket:[{inode}]" for inode in admin} & set(found)
            names = ("socket:", "pipe:", "anon_inode:")
            kinds.add(tuple(sum(link.startswith(name) for link in found) for name in names))
        assert len(kinds) == 1, kinds  # the last one has not got what belongs to those before it


UNFINISHED = (b"G", b"", b"POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")


def test_clients_of_the_admin_listener_stop_no_worker(tmp_path: Path) -> None:
    """In whatever stage they are, lingering after a malformed request or in the middle of one, workers are replaced."""
    with service(tmp_path, settings="workers = 2") as served, ExitStack() as stack:
        workers = wait_for_workers(served, 2)

        def disturb() -> None:
            for data in (*UNFINISHED, b"nonsense\r\n\r\n"):
                client = stack.enter_context(RawClient(served.admin_path))
                client.send(data)
            assert client.response()[0] == 400  # and keeps its end open

        for _ in range(2):
            disturb()
            os.kill(min(workers), signal.SIGKILL)
            workers = wait_for_workers(served, 2, without={min(workers)})
            disturb()
            served.child.send(signal.SIGHUP)
            workers = wait_for_workers(served, 2, without=workers)
        found = served.status()
        assert found["reloads"] == {"succeeded": 2, "failed": 0, "last_failure": ""}
        assert found["restarts"] == {"died": 2}
        assert not log_lines(served, "Traceback|Error")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may write to; pytest keeps its own to its user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


UNPRIVILEGED = 65534 if os.geteuid() == 0 else os.geteuid()


def as_unprivileged() -> list[str]:
    """Return what starts a program as a user whose RLIMIT_NPROC counts, which root's does not; it reads all files."""
    if os.geteuid() == UNPRIVILEGED:
        return []
    user = ["--reuid", str(UNPRIVILEGED), "--regid", str(UNPRIVILEGED), "--clear-groups"]
    reads = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    return [program("setpriv", package="util-linux"), *user, *reads]


def set_limit(pid: int, resource: str, number: int | str) -> None:
    """Set a soft limit of a process of that user, as the user itself: not every container's root may."""
    command = [program("prlimit", package="util-linux"), "--pid", str(pid), f"--{resource}={number}:"]
    user = UNPRIVILEGED if as_unprivileged() else None
    subprocess.run(command, user=user, group=user, extra_groups=None if user is None else [], check=True)


@pytest.mark.parametrize(
    ("resource", "least", "reason"),
    [("nofile", 6, "Too many open files"), ("nproc", 0, "Resource temporarily unavailable")],
    ids=["descriptors", "processes"],
)
def test_no_room_for_a_worker(open_folder: Path, resource: str, least: int, reason: str) -> None:
    """A supervisor that can't start a worker says why, keeps the others, and tries again; it loses no descriptor."""
    with service(open_folder, settings="workers = 2", prefix=as_unprivileged()) as served:
        before = wait_for_workers(served, 2)
        pid, victim = served.child.process.pid, min(before)
        pipes = pipes_of(pid)
        limits = Path(f"/proc/{pid}/limits").read_text()
        usual = re.search({"nofile": r"open files +(\w+)", "nproc": r"processes +(\w+)"}[resource], limits)
        assert usual is not None
        set_limit(pid, resource, least)
        os.kill(victim, signal.SIGKILL)
        said = f"cannot start a worker: {reason}; trying again in"
        wait_until(lambda: len(log_lines(served, said)) >= 2, PATIENCE * 2, what="a second attempt")
        assert served.get()[0] == 200
        assert pipes_of(pid) == pipes - 1  # the victim's
        set_limit(pid, resource, usual[1])
        after = wait_for_workers(served, 2, without={victim})
        assert before - {victim} < after
        assert pipes_of(pid) == pipes
        assert served.child.stop() == 0


def test_an_application_that_writes_into_the_wrong_descriptor(tmp_path: Path) -> None:
    """Garbage in a worker's pipe to the supervisor is ignored."""
    noisy = APPLICATION + (
        "\ninner = app\ndef app(environ, start_response):\n"
        "    for fd in map(int, os.listdir('/proc/self/fd')):\n"
        "        try:\n"
        "            if fd > 2 and os.readlink(f'/proc/self/fd/{fd}').startswith('pipe:'):\n"
        "                os.write(fd, b'garbage\\n[1]\\n\"x\"\\n{\\n' + b'x' * 40000)\n"
        "        except OSError:\n            pass\n"
        "    return inner(environ, start_response)\n"
    )
    with service(tmp_path, application=noisy, settings="workers = 1\nthreads = 1") as served:
        before = wait_for_workers(served, 1)
        for _ in range(5):
            assert served.get()[0] == 200
        assert served.workers() == before
        assert not log_lines(served, "Traceback")
        assert served.child.stop() == 0


def test_a_link_in_the_way_of_the_pid_file(tmp_path: Path) -> None:
    """In a directory that others may write to, the file is made and the link is not followed."""
    precious = tmp_path / "precious"
    precious.write_text("kept")
    path = tmp_path / "wiverno.pid"
    path.symlink_to(precious)
    with service(tmp_path, settings=f'workers = 1\npid_file = "{path}"') as served:
        wait_for_workers(served, 1)
        assert precious.read_text() == "kept"
        assert path.read_text() == f"{served.child.process.pid}\n"
        assert path.stat().st_mode & 0o777 == 0o644
        assert served.child.stop() == 0
    assert not path.exists()
