"""Several processes under a supervisor: who serves, what happens when one of them ends, hangs or grows."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from tests.support.processes import Child, script
from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import APPLICATION, ServerContext, ask, is_alive, log_lines, service, wait_for_workers


def seen(served: ServerContext, count: int) -> set[int]:
    """Ask until `count` different workers have answered."""
    pids: set[int] = set()

    def all_seen() -> bool:
        pids.add(served.pid())
        return len(pids) == count

    wait_until(all_seen, what=f"{count} workers to answer")
    return pids


def test_workers_share_the_sockets(tmp_path: Path) -> None:
    """Both workers answer on one port, know that they are several, and end with the supervisor."""
    with service(tmp_path, settings="workers = 2") as served:
        pids = seen(served, 2)
        assert pids == wait_for_workers(served, 2)
        assert served.child.process.pid not in pids
        assert served.get()[1].endswith(b"True")
        assert served.child.stop() == 0
        assert not any(map(is_alive, pids))
        assert not (tmp_path / "admin.sock").exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/exit", "exited with status 7"),
        ("/fault", "killed by SIGSEGV: a fault in compiled code"),
        ("", "killed by SIGKILL"),
    ],
)
def test_a_worker_that_dies_is_replaced(tmp_path: Path, path: str, words: str) -> None:
    """The log says why it ended, and another one serves."""
    with service(tmp_path, settings="workers = 2") as served:
        before = wait_for_workers(served, 2)
        if path:
            with RawClient(served.address) as client:
                client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert client.is_closed()
        else:
            os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: len(served.workers() - before) == 1, what="a new worker")
        served.child.wait_for(words)
        assert served.status()["restarts"] == {"died": 1}
        assert served.get()[0] == 200


def test_deaths_in_short_time_slow_the_replacement(tmp_path: Path) -> None:
    """A worker that keeps dying is not started in a busy loop."""
    with service(tmp_path, settings="workers = 1") as served:
        pids = wait_for_workers(served, 1)
        for _ in range(3):
            os.kill(min(pids), signal.SIGKILL)
            pids = wait_for_workers(served, 1, without=pids)
        assert [line.rpartition("; restarting ")[2] for line in log_lines(served, "was killed")] == [
            "now",
            "in 1 s",
            "in 2 s",
        ]


def test_a_hung_worker_is_replaced_after_its_stacks_were_printed(tmp_path: Path) -> None:
    """A thread that never gives Python's lock back stops the whole process: the supervisor sees it."""
    with service(tmp_path, settings="workers = 2\nworker_timeout = 5") as served:
        before = wait_for_workers(served, 2)
        with RawClient(served.address) as client:
            client.send(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
            served.child.wait_for("no heartbeat for 5 s .worker_timeout.; dumping its stacks")
            served.child.wait_for(r'File ".*shop\.py", line \d+ in app')
            wait_until(lambda: len(served.workers() - before) == 1, what="a new worker")
        wait_until(lambda: served.status()["restarts"] == {"hung": 1})


def test_max_requests(tmp_path: Path) -> None:
    """A worker with enough requests drains when its replacement is ready; no request is lost."""
    with service(tmp_path, settings="workers = 1\nmax_requests = 20\nmax_requests_jitter = 5") as served:
        [before] = wait_for_workers(served, 1)
        wait_until(lambda: served.get()[0] == 200 and served.pid() != before, PATIENCE * 2)
        served.child.wait_for("replaced .max_requests., draining")
        wait_until(lambda: not is_alive(before))


def test_max_rss(tmp_path: Path) -> None:
    with service(tmp_path, settings='workers = 1\nmax_rss = "120MiB"') as served:
        [before] = wait_for_workers(served, 1)
        assert served.get("/grow")[0] == 200
        wait_for_workers(served, 1, without={before})
        served.child.wait_for("replaced .max_rss., draining")


def test_scaling_up_and_down(tmp_path: Path) -> None:
    with service(tmp_path, settings="workers = 1") as served:
        wait_for_workers(served, 1)
        served.child.send(signal.SIGTTIN)
        both = wait_for_workers(served, 2)
        served.child.send(signal.SIGTTOU)
        [left] = wait_for_workers(served, 1)
        assert left in both
        served.child.send(signal.SIGTTOU)
        wait_until(lambda: len(log_lines(served, "workers wanted: 1")) == 2)
        assert wait_for_workers(served, 1) == {left}


def test_orphans_end_by_themselves(tmp_path: Path) -> None:
    """After kill -9 of the supervisor the workers finish their requests and end."""
    with service(tmp_path, settings="workers = 2") as served:
        pids = wait_for_workers(served, 2)
        with RawClient(served.address) as client:
            client.send(b"GET /sleep/1 HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: served.status()["total"]["gauges"]["connections"] == 1)
            served.child.send(signal.SIGKILL)
            assert client.response()[0] == 200
        wait_until(lambda: not any(map(is_alive, pids)), what="the orphans' end")


def test_log_files_are_reopened_everywhere(tmp_path: Path) -> None:
    """SIGUSR1 to the supervisor reaches the access log of every worker."""
    path = tmp_path / "access.log"
    with service(tmp_path, settings=f'workers = 2\naccess_log = "{path}"\naccess_log_format = "{{pid}}"') as served:
        pids = seen(served, 2)
        wait_until(lambda: set(map(int, path.read_text().split())) == pids)
        path.rename(tmp_path / "old.log")
        served.child.send(signal.SIGUSR1)

        def both() -> bool:
            served.get()
            return path.exists() and set(map(int, path.read_text().split())) == pids

        wait_until(both)


@pytest.mark.parametrize("preload", ["false", "true"])
def test_an_application_that_cannot_be_loaded_ends_the_start(tmp_path: Path, preload: str) -> None:
    """No endless restarts at the first start: the traceback and an exit status."""
    (tmp_path / "shop.py").write_text("def app(:\n")
    options = ["--port", "0", "--host", "127.0.0.1", "--workers", "2", f"--{'' if preload == 'true' else 'no-'}preload"]
    with Child([script("wiverno"), "run", "shop:app", *options], cwd=tmp_path) as child:
        assert child.wait() == 1
        assert 'shop.py", line 1' in child.output
        assert "SyntaxError" in child.output


def test_preload_loads_once(tmp_path: Path) -> None:
    """With preload the application is imported by the supervisor alone."""
    told = APPLICATION + '\nprint("loaded by", os.getpid(), flush=True)\n'
    with service(tmp_path, settings="workers = 2\npreload = true", application=told) as served:
        seen(served, 2)
        served.child.wait_for(f"loaded by {served.child.process.pid}\n")
        assert served.child.output.count("loaded by") == 1


def test_collections_leave_the_shared_memory_alone(tmp_path: Path) -> None:
    """A worker's garbage collection does not look at what it shares with the supervisor, which would copy it."""
    application = """
import gc, os
def app(environ, start_response):
    before = private()
    gc.collect()
    body = b"%d %d" % (gc.get_freeze_count(), private() - before)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
def private():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty:"))
"""
    with service(tmp_path, "--workers", "1", application=application) as served:
        frozen, copied = map(int, served.get()[1].split())
    assert frozen > 10_000  # objects
    assert copied < 2_000  # KiB


def test_one_worker_is_under_a_supervisor(tmp_path: Path) -> None:
    with service(tmp_path, settings="workers = 1\nthreads = 1") as served:
        assert served.pid() != served.child.process.pid
        assert served.child.stop(signal.SIGINT) == 0


def test_serve_in_code_has_workers_too(tmp_path: Path) -> None:
    """The application of serve(app, workers=2) was loaded before: the workers share it."""
    program = APPLICATION + (
        "\nfrom wiverno.serving import serve"
        f"\nserve(app, host='127.0.0.1', port=0, workers=2, admin_listen='unix:{tmp_path}/admin.sock')\n"
    )
    with Child(["-c", program]) as child:
        served = ServerContext(child, tmp_path)
        assert seen(served, 2) == served.workers()
        assert child.stop() == 0


def test_quit_ends_at_once(tmp_path: Path) -> None:
    with service(tmp_path, settings="workers = 2") as served:
        wait_for_workers(served, 2)
        with RawClient(served.address) as client:
            client.send(b"GET /sleep/30 HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: served.status()["total"]["gauges"]["connections"] == 1)
            served.child.send(signal.SIGQUIT)
            assert served.child.wait(PATIENCE) == 0


def test_unix_socket_outlives_its_workers(tmp_path: Path) -> None:
    """A worker's end does not remove the file; the supervisor's does."""
    path = str(tmp_path / "web.sock")
    (tmp_path / "shop.py").write_text(APPLICATION)
    options = ["--unix-socket", path, "--workers", "1", "--admin-listen", f"unix:{tmp_path}/admin.sock"]
    with Child([script("wiverno"), "run", "shop:app", *options], cwd=tmp_path) as child:
        child.wait_for("ready: 1 worker")
        pid = int(ask(path, "/")[1].split()[0])
        os.kill(pid, signal.SIGKILL)
        child.wait_for("was killed")
        assert ask(path, "/")[0] == 200
        assert child.stop() == 0
    assert not Path(path).exists()


def queued_beside_free_threads(folder: Path) -> int:
    """Have one request more than two workers have threads, one after the other; return how many waited too early."""
    folder.mkdir()
    early = 0
    with service(folder, settings="workers = 2\nthreads = 3") as served, ExitStack() as stack:
        wait_for_workers(served, 2)

        def total(what: str) -> int:
            return sum(worker[what] for worker in served.status()["workers"])

        for count in range(1, 8):
            client = stack.enter_context(RawClient(served.address))
            client.send(b"GET /sleep/60 HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda count=count: total("busy") + total("queued") == count, what=f"{count} requests")  # type: ignore[misc]
            early += total("busy") < min(count, 6)
        assert early or (total("busy"), total("queued")) == (6, 1)
    return early


@pytest.mark.alone
def test_a_busy_worker_leaves_clients_to_others(tmp_path: Path) -> None:
    """As long as any worker has a free thread, no request waits in the queue of another one.

    It leaves them a moment only, and on a busy machine the other worker may not get to run meanwhile: two of six times
    have to be enough here. What happens in that moment is tests/unit/core/test_courtesy.py's.
    """
    times = (queued_beside_free_threads(tmp_path / str(attempt)) for attempt in range(6))
    assert len(list(islice((early for early in times if not early), 2))) == 2


@pytest.mark.parametrize("processes", ["workers = 0", "workers = 1"])
def test_log_level(tmp_path: Path, processes: str) -> None:
    """The server's own messages can be silenced and made more, in every process."""
    with service(tmp_path, settings=f'{processes}\nrequest_timeout = "1s"') as served:
        served.child.stop()
    directory = tmp_path / "quiet"
    directory.mkdir()
    (directory / "shop.py").write_text(APPLICATION)
    options = ["--host", "127.0.0.1", "--port", "0", "--workers", processes[-1], "--log-level", "error"]
    path = f"{directory}/admin.sock"
    with Child(
        [script("wiverno"), "run", "shop:app", *options, "--admin-listen", f"unix:{path}"], cwd=directory
    ) as child:
        wait_until(lambda: _is_ready(path))
        assert child.stop() == 0
        assert child.output == ""


def _is_ready(path: str) -> bool:
    try:
        return ask(path, "/readyz")[0] == 200
    except OSError:
        return False  # its socket is not there yet, or bound and not listening


def test_create_server_is_one_server_in_a_program() -> None:
    """What concerns the whole process is refused there instead of ignored."""
    from wiverno.core.server import create_server

    with pytest.raises(ValueError, match=r"workers, admin_listen: not for one server among others"):
        create_server(lambda environ, start_response: [], workers=2, admin_listen="127.0.0.1:0")
