"""Hooks: functions of the application's author that the server calls at certain times.

    post_fork(server, worker)     in each worker, before the application is loaded; what it raises fails the worker
    worker_exit(server, worker)   in each worker, after its last request; it has until the end of graceful_timeout
    when_ready(server)            when clients are served      } in a process forked from the supervisor, or in a thread
    on_reload(server)             when a reload has succeeded  } of the only process: nothing waits for it

They are foreign code: they may raise anything, never return, fork, or end the process. The arguments have gunicorn's
names, so that most functions written for it work as they are.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from wiverno.config.settings import Adjustments
from wiverno.core.net.listener_kinds import Listener
from wiverno.foreign_code import guarded_logger
from wiverno.importer import ImportTargetError, load_object, own_traceback
from wiverno.workers.load_stop import LoadStopped
from wiverno.workers.plan import LoadFailedError, load_failure
from wiverno.wsgi.forked import leave_if_copy

PATIENCE: Final = 10.0  # seconds after which the log says that a hook has not returned
MIN_TIME: Final = 0.5  # seconds that worker_exit gets after a drain that took all of graceful_timeout

logger = guarded_logger("wiverno")

Hook = Callable[..., Any]


def _logger() -> logging.Logger:
    return logging.getLogger("wiverno")


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The server, as hooks see it.

    Attributes:
        pid: the process id of the supervisor, or of the only process.
        address: the addresses that it listens on, as text.
        settings: the effective settings.
        log: the logger `wiverno`.
    """

    pid: int
    address: tuple[str, ...]
    settings: Adjustments
    log: logging.Logger = field(default_factory=_logger, compare=False)


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker, as hooks see it; in a server of one process that process.

    Attributes:
        pid: its process id.
        settings: the effective settings.
        log: the logger `wiverno`.
    """

    pid: int
    settings: Adjustments
    log: logging.Logger = field(default_factory=_logger, compare=False)


def describe_server(settings: Adjustments, pid: int, listeners: Iterable[Listener] = ()) -> ServerInfo:
    """Return the server as hooks see it; without listeners the addresses of the settings."""
    return ServerInfo(pid, tuple(map(str, listeners)) or tuple(map(str, settings.addresses)), settings)


def load_hook(settings: Adjustments, name: str) -> Hook | None:
    """Import and return a hook, None if none of this name is configured.

    Raises:
        LoadFailedError: it is not there, or not a function, or its module raised.
    """
    target = settings.hooks.get(name)
    if target is None:
        return None
    pid = os.getpid()
    try:
        found = load_object(target)
        leave_if_copy(pid)
    except ImportTargetError as error:
        raise LoadFailedError(f"hook {name}: {error}") from error
    except (KeyboardInterrupt, LoadStopped):
        raise
    except BaseException as error:
        leave_if_copy(pid, error)
        raise load_failure(f"hook {name} ({target})", error) from error
    if not callable(found):
        raise LoadFailedError(f"hook {name}: {target} is a {type(found).__name__}, not a function")
    return found


class WorkerHooks:
    """The hooks of one worker, in its main thread."""

    def __init__(self, server: ServerInfo) -> None:
        self._server = server
        self._worker = WorkerInfo(os.getpid(), server.settings)
        self._on_exit: Hook | None = None

    def post_fork(self) -> None:
        """Import all hooks, so that a wrong name shows at the start, and call `post_fork`.

        Raises:
            LoadFailedError: a hook cannot be imported, or `post_fork` raised.
        """
        settings = self._server.settings
        if not settings.hooks:
            return
        hooks = load_hooks(settings)
        if (hook := hooks.get("post_fork")) is not None:
            target, pid = settings.hooks["post_fork"], os.getpid()
            with announced("post_fork", target, "this worker serves when it returns"):
                try:
                    hook(self._server, self._worker)
                    leave_if_copy(pid)
                except (KeyboardInterrupt, LoadStopped):
                    raise
                except BaseException as error:
                    leave_if_copy(pid, error)
                    raise LoadFailedError(f"hook post_fork ({target}) raised:\n{own_traceback(error)}") from error
        self._on_exit = hooks.get("worker_exit")

    def worker_exit(self, by: float) -> None:
        """Call `worker_exit` in a thread and wait for it; it raises nothing.

        Args:
            by: monotonic seconds at which graceful_timeout is over; 0 for a forced end, infinity for no limit.
        """
        hook, self._on_exit = self._on_exit, None
        if hook is None:
            return
        limit = None if by == float("inf") else max(by - time.monotonic(), MIN_TIME)
        arguments = self._server, self._worker
        thread = run_in_thread("worker_exit", self._server.settings.hooks["worker_exit"], lambda: hook(*arguments))
        thread.join(limit)
        if thread.is_alive():
            logger.warning("hook worker_exit has not returned in time; worker %d ends without it", os.getpid())


class ProcessHooks(WorkerHooks):
    """The hooks of a server of one process, which is its own worker."""

    def __init__(self, settings: Adjustments) -> None:
        super().__init__(describe_server(settings, os.getpid()))

    def when_ready(self, listeners: Iterable[Listener]) -> None:
        """Call `when_ready` in a thread, so that it delays no client."""
        settings = self._server.settings
        target = settings.hooks.get("when_ready")
        if target is None:
            return
        server = describe_server(settings, os.getpid(), listeners)

        def call() -> None:
            hook = load_hook(settings, "when_ready")
            assert hook is not None
            hook(server)

        run_in_thread("when_ready", target, call)


def load_hooks(settings: Adjustments) -> dict[str, Hook]:
    """Import and return all hooks.

    Raises:
        LoadFailedError: see `load_hook`.
    """
    found = {name: load_hook(settings, name) for name in settings.hooks}
    return {name: hook for name, hook in found.items() if hook is not None}


def run_in_thread(name: str, target: str, call: Callable[[], object]) -> threading.Thread:
    """Call a hook in a daemon thread; what it raises is logged."""
    thread = threading.Thread(target=run_logged, args=(name, target, call), name=f"wiverno-{name}", daemon=True)
    thread.start()
    return thread


def run_logged(name: str, target: str, call: Callable[[], object]) -> bool:
    """Call a hook; log what it raises, and that it has not returned for a while. Return whether it raised nothing."""
    pid = os.getpid()
    try:
        with announced(name, target, "the server goes on without it"):
            call()
        leave_if_copy(pid)
    except BaseException as error:  # noqa: BLE001 - foreign code; nothing of it may end the server
        leave_if_copy(pid, error)
        text = str(error) if isinstance(error, LoadFailedError) else f"hook {name} ({target}) raised:\n{_text(error)}"
        logger.error("%s", text)
        return False
    return True


def _text(error: BaseException) -> str:
    try:
        return own_traceback(error)
    except BaseException:  # noqa: BLE001 - the exception's own __str__ may raise
        return type(error).__name__


class announced:  # noqa: N801 - it is used as a function
    """Within the block, log after a while that a hook has not returned, with its stack."""

    def __init__(self, name: str, target: str, consequence: str) -> None:
        self._words = f"hook {name} ({target}) has not returned for {PATIENCE:g} s; {consequence}"
        self._thread = threading.get_ident()
        self._timer = threading.Timer(PATIENCE, self._warn)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _warn(self) -> None:
        frame = sys._current_frames().get(self._thread)
        stack = "".join(traceback.format_stack(frame)).rstrip() if frame is not None else ""
        logger.warning("%s\n%s", self._words, stack)
