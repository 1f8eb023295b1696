"""The leader of a server with mounts: which requests are files, and what the predictor learns of them.

That files are answered while every thread is held up, and while a disk blocks, is tested over sockets in
tests/integration/static/test_static_operations.py.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import rig
from tests.support.waiting import PATIENCE
from wiverno.core.threads.file_leader import FileLeaders, MountPredictor, new_leaders
from wiverno.core.threads.leader import LeaderFollowers
from wiverno.core.threads.thread_pool import PoolThread
from wiverno.static.mounts import Mount
from wiverno.static.site import StaticSite
from wiverno.wsgi.gateway import KEEP


def site(directory: str, **options: bool) -> StaticSite:
    return StaticSite(lambda environ, start_response: [], [Mount("/s", directory, **options)], "x")  # type: ignore[arg-type]


def test_files_of_a_mount_are_one_kind_of_request() -> None:
    """They are on one disk; the application's paths are told apart as ever."""
    predictor = MountPredictor(site("/"))
    predictor.learn("GET", "/s/one", has_blocked=False)
    assert not predictor.counters
    predictor.learn("GET", "/s/one", has_blocked=True)
    predictor.learn("GET", "/x", has_blocked=True)
    assert predictor.is_blocking("GET", "/s/two.css")
    assert predictor.is_blocking("HEAD", "/s/css/three")
    assert predictor.is_blocking("GET", "/x")
    assert not predictor.is_blocking("GET", "/y")
    assert not predictor.is_blocking("POST", "/x")


def test_with_a_fallback_only_known_files_are(tmp_path: Path) -> None:
    """Everything else may be the application's."""
    predictor = MountPredictor(site(os.fspath(tmp_path), fallback=True))
    predictor.learn("GET", "/s/page", has_blocked=True)
    assert not predictor.is_blocking("GET", "/s/other")


class FakeExchange:
    """A request as the threads know it; remembers what was done with it, and in which thread."""

    def __init__(self, path: str) -> None:
        self.environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "REMOTE_ADDR": "192.0.2.1"}
        self.gateway = self.client = self
        self.needs_finish = False
        self.seen: list[str] = []
        self.finished = threading.Event()

    def hand_off(self) -> None:
        self.seen.append("handed off")

    def respond(self, environ: dict[str, str]) -> int:
        self.seen.append(f"{environ['PATH_INFO']} in {threading.current_thread().name}")
        return KEEP

    def finish_response(self, outcome: int) -> None:
        self.finished.set()

    def answer(self, status: int, *_: object, **__: object) -> None:
        self.seen.append(str(status))


@pytest.fixture
def leaders() -> Iterator[Any]:
    """A thread pool that does not run: every request that is queued waits."""
    with rig() as made:
        found = FileLeaders(site("/"), made.loop, 2, queue_size=0, queue_timeout=0.0, max_per_client=1)
        yield found
        found.end()
        assert found.join(time.monotonic() + PATIENCE) == 0


def test_files_are_answered_while_every_thread_is_busy(leaders: Any) -> None:
    """A file goes to a file thread, another request waits in the queue."""
    file, page = FakeExchange("/s/x"), FakeExchange("/x")
    leaders._dispatcher.queue(file)
    leaders._dispatcher.queue(page)
    assert file.finished.wait(PATIENCE)
    assert file.seen == ["handed off", "/s/x in wiverno-file-0"]
    assert (page.seen, leaders.queued) == (["handed off"], 1)


def test_a_file_that_is_expected_to_block(leaders: Any) -> None:
    """It leaves the thread of the pool, which is free for the application; it does not count for its client's limit."""
    file, page = FakeExchange("/s/x"), FakeExchange("/x")
    me = PoolThread()
    leaders._run_task(me, file, file.environ, time.monotonic(), "a client")
    assert file.finished.wait(PATIENCE)
    assert (file.seen, me.client) == (["/s/x in wiverno-file-0"], "a client")
    leaders._run_task(PoolThread(), page, page.environ, time.monotonic(), "a client")
    assert page.seen == [f"/x in {threading.current_thread().name}"]
    assert leaders._dispatcher.admit(file, file.environ) == leaders._dispatcher.admit(page, page.environ) != ""


def test_no_file_thread_after_the_end(leaders: Any) -> None:
    """Such a request is answered 503, or by the thread that has it."""
    leaders.end()
    assert leaders.join(time.monotonic() + PATIENCE) == 0
    file = FakeExchange("/s/x")
    leaders._dispatcher.queue(file)
    assert file.seen == ["handed off", "503"]


def test_which_leaders_there_are() -> None:
    """A server without mounts has those that know nothing of files."""
    with rig() as made:
        options = {"queue_size": 0, "queue_timeout": 0.0}
        assert type(new_leaders(None, made.loop, 2, **options)) is LeaderFollowers
        assert type(new_leaders(site("/"), made.loop, 2, **options)) is FileLeaders
