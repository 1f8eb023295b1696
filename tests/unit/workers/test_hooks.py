"""Hooks: what they are given, and what becomes of everything that foreign code can do."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forking import run_in_child
from tests.support.waiting import wait_until
from wiverno.config.settings import Adjustments
from wiverno.workers import hooks
from wiverno.workers.hooks import ProcessHooks, load_hook, load_hooks, run_logged
from wiverno.workers.load_stop import LoadStopped
from wiverno.workers.plan import LoadFailedError

MODULE = """
import threading
calls = []
free = threading.Event()
not_callable = 5
def note(*arguments):
    calls.append(arguments)
def wrong(*arguments):
    raise ValueError("wrong")
def leave(*arguments):
    raise SystemExit("oops")
def hang(*arguments):
    calls.append(arguments)
    free.wait(20)
def stop(*arguments):
    from wiverno.workers.load_stop import LoadStopped
    raise LoadStopped(0)
class Odd(BaseException):
    def __str__(self):
        raise Odd
def odd(*arguments):
    raise Odd
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = "hooks_of_a_test"
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / "hooks_that_fail.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def settings(**targets: str) -> Adjustments:
    return Adjustments.from_keywords(hooks=targets, listen="127.0.0.1:8000")


def test_arguments(module: str) -> None:
    """Hooks get what gunicorn's get: the server, and in workers the worker."""
    made = settings(post_fork=f"{module}:note", worker_exit=f"{module}:note", when_ready=f"{module}:note")
    process = ProcessHooks(made)
    process.post_fork()
    process.when_ready(())
    calls = sys.modules[module].calls
    wait_until(lambda: len(calls) == 2, what="when_ready")
    process.worker_exit(time.monotonic() + 20)
    process.worker_exit(time.monotonic() + 20)
    assert [len(arguments) for arguments in calls] == [2, 1, 2]
    server, worker = calls[0]
    assert server.address == ("127.0.0.1:8000",)
    assert server.settings is worker.settings is made
    assert server.pid == worker.pid
    assert server.log is worker.log is logging.getLogger("wiverno")


def test_without_hooks() -> None:
    """Nothing is imported, and no thread is started."""
    before = threading.active_count()
    process = ProcessHooks(settings())
    process.post_fork()
    process.when_ready(())
    process.worker_exit(float("inf"))
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{module}:nothing", "hook post_fork: .* has no attribute 'nothing'"),
        ("nowhere_at_all:x", "hook post_fork: .*'nowhere_at_all'"),
        ("{module}:not_callable", "hook post_fork: .*:not_callable is a int, not a function"),
        ("hooks_that_fail:x", r"(?s)hook post_fork \(hooks_that_fail:x\) failed to load:\n.*ZeroDivisionError"),
        ("{module}:wrong", r"(?s)hook post_fork \(.*:wrong\) raised:\n.*ValueError: wrong"),
        ("{module}:leave", "(?s)hook post_fork .* raised:\n.*SystemExit: oops"),
        ("{module}:odd", "(?s)hook post_fork .* raised:\n.*Odd"),
    ],
)
def test_what_fails_a_worker(module: str, target: str, message: str) -> None:
    """A hook that is not there, and whatever post_fork raises, fail the start of the worker, with its own lines."""
    process = ProcessHooks(settings(post_fork=target.format(module=module)))
    with pytest.raises(LoadFailedError, match=message):
        process.post_fork()


def test_a_wrong_name_of_any_hook_fails_the_worker(module: str) -> None:
    """A typing error in a hook that runs only at the end shows at the start."""
    with pytest.raises(LoadFailedError, match="hook worker_exit"):
        ProcessHooks(settings(worker_exit=f"{module}:nothing")).post_fork()
    assert load_hook(settings(), "post_fork") is None
    assert list(load_hooks(settings(on_reload=f"{module}:note"))) == ["on_reload"]


def test_a_hook_without_a_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that fails because the directory was removed is not the hook's mistake."""
    gone = tmp_path / "gone"
    gone.mkdir()
    (tmp_path / "hooks_without_a_directory.py").write_text("open('no such file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(gone)
    hooks = settings(when_ready="hooks_without_a_directory:x")
    with pytest.raises(LoadFailedError, match=r"hook when_ready .* failed to load"):
        load_hook(hooks, "when_ready")
    gone.rmdir()
    with pytest.raises(LoadFailedError, match=r"^the current directory was removed; change to another one$"):
        load_hook(hooks, "when_ready")


def test_a_signal_during_post_fork(module: str) -> None:
    """SIGTERM ends a worker whose post_fork has not returned."""
    with pytest.raises(LoadStopped):
        ProcessHooks(settings(post_fork=f"{module}:stop")).post_fork()


@pytest.mark.parametrize("function", ["wrong", "leave", "odd"])
def test_worker_exit_raises_nothing(module: str, function: str, caplog: pytest.LogCaptureFixture) -> None:
    """What it raises is logged, and the worker ends as it would have."""
    process = ProcessHooks(settings(worker_exit=f"{module}:{function}"))
    process.post_fork()
    process.worker_exit(float("inf"))
    assert f"hook worker_exit ({module}:{function}) raised" in caplog.text


def test_worker_exit_that_hangs(module: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker ends without it, when graceful_timeout is over."""
    monkeypatch.setattr(hooks, "MIN_TIME", 0.05)
    process = ProcessHooks(settings(worker_exit=f"{module}:hang"))
    process.post_fork()
    process.worker_exit(0.0)
    assert "hook worker_exit has not returned in time" in caplog.text
    sys.modules[module].free.set()


def test_the_log_says_which_hook_hangs(
    module: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while the log has the stack of a hook that has not returned."""
    monkeypatch.setattr(hooks, "PATIENCE", 0.5)  # the hook is imported meanwhile
    ProcessHooks(settings(when_ready=f"{module}:hang")).when_ready(())
    wait_until(lambda: "in hang" in caplog.text, what="the stack")
    assert f"hook when_ready ({module}:hang) has not returned for 0.5 s; the server goes on without it" in caplog.text
    sys.modules[module].free.set()


def test_a_hook_that_forks(module: str) -> None:
    """The copy of the process that returns from a hook ends, and only the first continues."""

    def fork() -> None:
        os.fork()

    def call() -> None:
        run_logged("when_ready", "x:y", fork)
        print("returned")
        os.wait()  # a copy whose parent has ended counts as a daemon, which continues

    status, output = run_in_child(call)
    assert (status, output.splitlines().count("returned")) == (0, 1), output
