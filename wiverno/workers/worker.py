"""A worker process, from the fork to its end.

A worker has its own engine on the supervisor's sockets. The supervisor controls it by signals (TERM drains, a second
TERM or QUIT ends at once, USR1 reopens the log files, USR2 prints all stacks) and by the life line: a pipe whose other
end only the supervisor holds, so that a worker notices the supervisor's end even after kill -9. The worker reports
through another pipe, in lines of JSON, and through its counters.
"""

import importlib
import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from wiverno.application_process import extend_import_path, prepare_process
from wiverno.config.settings import ConfigError
from wiverno.core import forks
from wiverno.core.accept.protocols import load_protocols
from wiverno.core.context import new_certificates
from wiverno.core.engine import Engine
from wiverno.core.log_files import prepare_for
from wiverno.core.loop.descriptors import Descriptor
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import READ
from wiverno.core.loop.signals import print_stacks_on, take_signal
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.ownership import future_owner
from wiverno.core.server import check_application
from wiverno.core.telemetry.counters import Counters
from wiverno.core.threads.recovery import ServerFailedError
from wiverno.files import error_text, start_directory
from wiverno.foreign_code import guarded_logger
from wiverno.importer import ImportTargetError
from wiverno.workers.exit_reasons import FAILED_TO_LOAD
from wiverno.workers.hooks import WorkerHooks, describe_server
from wiverno.workers.load_stop import LoadStopped, repeated_if_lost
from wiverno.workers.plan import LoadFailedError, Plan, set_log_level
from wiverno.workers.privileges import drop_privileges
from wiverno.workers.process_exit import end_process, leave_to_parent
from wiverno.wsgi_types import Application

if sys.platform != "win32":
    import fcntl  # not later: the worker's user may not be allowed to read the standard library
    import termios

if TYPE_CHECKING:
    from wiverno.core.net.certificates import Certificates

logger = guarded_logger("wiverno")

MAX_REPORT: Final = 32768  # bytes of a report: less than a pipe holds, so that writing one never waits
MAX_UNREAD: Final = 16384  # bytes in the pipe with which nothing is added that only the status page shows


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a worker inherits from the supervisor.

    Attributes:
        plan: what to serve.
        application: the loaded application, or None to load it here.
        listeners: where to accept.
        counters: where to count.
        report: descriptor to write reports to.
        life: descriptor that ends with the supervisor.
        certificates: the supervisor's, or None to read them here if the settings name any.
    """

    plan: Plan
    application: Application | None
    listeners: list[Listener]
    counters: Counters
    report: int
    life: int
    certificates: "Certificates | None" = None

    def read_certificates(self) -> "Certificates | None":
        """Return the supervisor's certificates, or read them: call it before root's rights are given up.

        Raises:
            OSError: a file can't be read or used.
        """
        settings = self.plan.adjustments
        found = self.certificates or new_certificates(settings)
        if found is not None and future_owner(settings) is not None:
            found.is_fixed = True  # the supervisor has the worker replaced when they change
        return found


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


class LifeLine:
    """Watches the supervisor's pipe, which is never written to: only its end comes."""

    __slots__ = ("_loop", "_on_end", "fd", "tick")

    def __init__(self, fd: int, loop: Loop, on_end: Callable[[], None]) -> None:
        self.fd = fd
        self.tick = 0
        self._loop = loop
        self._on_end = on_end
        loop.handlers[fd] = self
        loop.poller.register(fd, READ)

    def ready(self, events: int) -> None:
        """Act on the end of the supervisor."""
        self._loop.poller.unregister(self.fd)
        del self._loop.handlers[self.fd]
        self._on_end()

    def deadline(self) -> float:
        """Return infinity: the supervisor may run for any time."""
        return float("inf")

    def expire(self) -> None:
        """Do nothing."""


class Worker:
    """The service of one worker process; everything but the application runs in the main thread."""

    def __init__(self, inheritance: Inheritance) -> None:
        self._inheritance = inheritance
        self._engine: Engine | None = None
        self._was_ready = self._is_stopped = False
        self._hooks: WorkerHooks | None = None
        settings = inheritance.plan.adjustments
        jitter = random.randint(0, settings.max_requests_jitter) if settings.max_requests else 0
        self._limit = settings.max_requests + jitter

    def run(self) -> int:
        """Serve until a signal ends it; return the exit status."""
        with repeated_if_lost():
            self._take_signals()
            status = self._load()
        engine, inherited = self._engine, self._inheritance
        if engine is None or status or self._is_stopped:
            return status
        LifeLine(inherited.life, engine.loop, self._on_orphaned)
        engine.on_heartbeat = self._on_heartbeat
        engine.on_stuck = self._on_stuck
        engine.vital_descriptors += [
            Descriptor(inherited.life, "the pipe from the supervisor"),
            Descriptor(inherited.report, "the pipe to the supervisor"),
        ]
        try:
            engine.run()
        except ServerFailedError:
            return 1  # the reason was logged
        return 0

    def _load(self) -> int:
        """Load the application and make the engine; return the exit status if that failed, else 0."""
        inherited = self._inheritance
        settings = inherited.plan.adjustments
        try:
            if settings.umask is not None:
                os.umask(settings.umask)
            if inherited.application is None:
                _enter_start_directory()
                extend_import_path(settings)
            # Before the user changes: perhaps only root may read the key.
            certificates = inherited.read_certificates()
            load_protocols(settings)
            prepare_for(future_owner(settings), inherited.plan.prepare)
            drop_privileges(settings.user, settings.group)
            set_log_level(settings)
            if settings.hooks:
                prepare_process(settings)
                self._hooks = WorkerHooks(describe_server(settings, os.getppid(), inherited.listeners))
                self._hooks.post_fork()
            application = inherited.application or inherited.plan.load()
            check_application(application)
            engine = Engine(application, settings, inherited.listeners, is_shared=True, certificates=certificates)
            engine.count(inherited.counters)
            self._engine = engine
        except (ConfigError, ImportTargetError, LoadFailedError, OSError) as error:
            self._report(failed=error_text(error))
            return FAILED_TO_LOAD
        except Exception:  # noqa: BLE001 - a logging configuration runs foreign code
            self._report(failed=traceback.format_exc())
            return FAILED_TO_LOAD
        return 0

    @property
    def stop_by(self) -> float:
        """Monotonic seconds until which threads of the application may continue after `run`."""
        return self._engine.stop_by if self._engine is not None else 0.0

    def call_exit_hook(self) -> None:
        """Call the hook `worker_exit`, if there is one."""
        if self._hooks is not None:
            self._hooks.worker_exit(self.stop_by)

    def abandon(self) -> None:
        """Close this process's copies of what the worker has, after the application has forked."""
        for listener in self._inheritance.listeners:
            listener.socket.close()
        for fd in (self._inheritance.report, self._inheritance.life):
            os.close(fd)

    def _take_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
            take_signal(number, _do_nothing)  # SIG_IGN would be inherited by programs that the application starts
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1):
            take_signal(number, self._on_signal)
        take_signal(signal.SIGCHLD, signal.SIG_DFL)
        print_stacks_on(signal.SIGUSR2)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        engine = self._engine
        if engine is None:
            if number != signal.SIGUSR1:
                self._is_stopped = True  # the application may swallow the exception
                raise LoadStopped(0)
        elif number == signal.SIGQUIT:
            engine.stop(force=True)
        else:
            engine.order.idle_grace = max(engine.order.idle_grace, self._inheritance.counters.get("idle_grace"))
            engine.take_signal(signal.Signals(number))

    def _on_orphaned(self) -> None:
        logger.warning("worker %d: the supervisor has ended; draining", os.getpid())
        assert self._engine is not None
        self._engine.stop()

    def _on_stuck(self, text: str) -> None:
        if self._inheritance.plan.adjustments.stuck_requests == "recycle":
            self._report(retire_reason="stuck")
        report_note(self._inheritance.report, stuck=text)

    def _on_heartbeat(self) -> None:
        if not self._was_ready:
            self._was_ready = True
            self._report(ready=True)
        counters = self._inheritance.counters
        if self._limit and counters.get("requests") >= self._limit:
            self._limit = 0
            self._report(retire_reason="max_requests")
        slowest = self._engine.slowest if self._engine is not None else None
        if slowest is not None and slowest.has_changed:
            report_note(self._inheritance.report, slowest=slowest.read())

    def _report(self, **words: Any) -> None:
        report(self._inheritance.report, **words)


def _enter_start_directory() -> None:
    """Enter the start directory by its name: a symbolic link in it may lead to another release than at the start."""
    start = start_directory()
    if start is not None:
        with suppress(OSError):  # it was removed; modules that were imported from elsewhere still work
            os.chdir(start)
    importlib.invalidate_caches()  # the directories of both releases may have the same times


def report(fd: int, **words: Any) -> None:
    """Report to the supervisor through its pipe: ready, retire_reason, failed."""
    for name in ("failed", "stuck"):
        text = words.get(name, "")
        if len(text) > MAX_REPORT // 4:
            words[name] = text[: MAX_REPORT // 16] + "\n[…]\n" + text[-MAX_REPORT // 8 :]
    # In UTF-8 a character has four bytes at most, as an escape twelve; half of a surrogate pair becomes an escape.
    line = json.dumps(words, ensure_ascii=False).encode("utf-8", "backslashreplace")
    try:
        os.write(fd, line + b"\n")
    except OSError:
        pass  # the supervisor has ended


def report_note(fd: int, **words: Any) -> None:
    """Report what only the status page shows, stuck or slowest, unless much waits in the pipe.

    The supervisor does not read while it loads an application for a reload. The leader must not wait for it, and what
    `report` writes needs the room.
    """
    if _count_unread(fd) <= MAX_UNREAD:
        report(fd, **words)


def _count_unread(fd: int) -> int:
    """Return how many bytes of a pipe have not been read; 0 where the system does not say."""
    if sys.platform == "win32":  # it has no workers
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)
    except OSError:
        return 0


def run_worker(inheritance: Inheritance) -> NoReturn:
    """Be a worker in a process that was just forked, with all signals blocked; never returns."""
    status = 1
    worker = Worker(inheritance)
    forks.register(worker)
    try:
        leave_to_parent()
        status = worker.run()
        worker.call_exit_hook()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # the application's exit hook may raise anything, and the process ends either way
        logger.exception("worker %d failed", os.getpid())
    finally:
        end_process(status, worker.stop_by)
