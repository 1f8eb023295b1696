"""One process without a supervisor: it serves in the main thread, the admin listener runs in another thread."""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Final

from wiverno.config.settings import Adjustments, UnixAddress
from wiverno.core.accept.protocols import load_protocols
from wiverno.core.log_files import log_paths
from wiverno.core.loop.timers import EVERY_SECOND, Repeating
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.ownership import future_owner
from wiverno.core.server import BaseWSGIServer
from wiverno.core.telemetry.counters import Counters
from wiverno.core.telemetry.notes import Notes
from wiverno.core.telemetry.status import LEAVING, READY, STARTING, STOPPING, RefusedError, ServiceStatus, WorkerStatus
from wiverno.files import make_absolute
from wiverno.workers.admin_listener import Admin, admin_engine, run_beside
from wiverno.workers.keeper import MadeFile, identify, run_keeper
from wiverno.workers.pid_file import pid_file
from wiverno.workers.privileges import drop_privileges
from wiverno.workers.sd_notify import Notifier

PROBE_TIMEOUT: Final = 2.0  # seconds that the event loop gets to turn when health is requested


class SingleProcess:
    """A server of one process, as the admin application sees it."""

    def __init__(self, server: BaseWSGIServer, *, notifier: Notifier, version: str) -> None:
        """Prepare `server`, which does not run yet, for the admin application and the service manager."""
        self._server = server
        self._notifier = notifier
        self._version = version
        self._counters = Counters()
        self._counters.set("pid", os.getpid())
        self._started = time.monotonic()
        self._was_ready = self._was_stopping = False
        server.engine.count(self._counters)
        server.engine.on_heartbeat = self._on_heartbeat
        server.engine.on_stop = self._on_stop
        self._notes = notes = Notes()
        server.engine.on_stuck = lambda text: notes.add_stuck(os.getpid(), text)

    def run(self, admin: Admin, announce: Callable[[], None]) -> None:
        """Serve until a signal ends it; `admin` answers on the admin listener, `announce` says that clients may come.

        Raises:
            OSError: the admin address can't be bound, the pid file not written, or the user not changed.
        """
        settings = self._server.adj
        with ExitStack() as stack:
            keeper = stack.enter_context(ExitStack())  # ends last: it removes what this process may not remove
            stack.enter_context(pid_file(settings.pid_file, future_owner(settings)))
            if settings.admin_listen is not None:
                engine = admin_engine(settings, admin)
                Repeating(engine.loop, EVERY_SECOND, admin.sample, at_once=True)
                stack.enter_context(run_beside(engine, self._server.engine.fail))
            if future_owner(settings) is not None:
                certificates = self._server.engine.certificates
                files = certificates.files if certificates is not None else ()
                made = _made_files(self._server.listeners, settings)
                read = keeper.enter_context(run_keeper(made, log_paths(settings), files))
                if certificates is not None:
                    certificates.read_with(read)
            load_protocols(settings)
            drop_privileges(settings.user, settings.group)
            self._server.serve(announce)
            self._on_stop()  # for a stop that was forced at once

    def _on_stop(self) -> None:
        if not self._was_stopping:
            self._was_stopping = True
            self._notifier.stopping("finishing the requests in progress")

    def _on_heartbeat(self) -> None:
        if not self._was_ready:
            self._was_ready = True
            self._notifier.ready("serving")
        if self._notifier.watchdog:
            self._notifier.reset_watchdog()
        slowest = self._server.engine.slowest
        if slowest is not None and slowest.has_changed:
            self._notes.add_slow(slowest.read())

    def status(self) -> ServiceStatus:
        """Return the service as /status shows it."""
        now = time.monotonic()
        counts = self._counters.read()
        is_stopping = self._server.engine.is_stopping
        state = STOPPING if is_stopping else READY if counts.gauges["heartbeat"] else STARTING
        worker = LEAVING if is_stopping else state
        silence = now - (counts.gauges["heartbeat"] or self._started)
        return ServiceStatus(
            state=state,
            pid=os.getpid(),
            version=self._version,
            age=now - self._started,
            addresses=tuple(map(str, self._server.listeners)),
            workers=(WorkerStatus(os.getpid(), worker, 1, now - self._started, silence, counts),),
            wanted=1,
            notes=self._notes.read(),
        )

    def probe(self) -> bool:
        """Tell whether the event loop turns; with one thread a request may block it for a while."""
        [worker] = self.status().workers
        if worker.counts.gauges["max_threads"] <= 1:
            return worker.is_turning
        return self._server.engine.turns(PROBE_TIMEOUT)

    def ask(self, action: str) -> str:
        """Do what the admin listener asks for, if one process can do it."""
        engine = self._server.engine
        if action == "stop":
            engine.stop()
            return "stopping: finishing the requests in progress"
        if action == "reopen":
            engine.refresh()
            return "reopening the log files"
        if action == "reload":
            raise RefusedError("one process can't replace itself: set workers = 1 or more to be able to reload")
        raise RefusedError("there is one process and no supervisor: set workers")


def _made_files(listeners: Iterable[Listener], settings: Adjustments) -> list[MadeFile]:
    """Return the files that are removed at the end: sockets and the pid file."""
    address = settings.admin_address
    paths = [listener.path for listener in listeners if listener.path]
    paths += [make_absolute(address.path)] if isinstance(address, UnixAddress) else []
    paths += [make_absolute(settings.pid_file)] if settings.pid_file else []
    return [made for path in paths if (made := identify(os.path.realpath(path))) is not None]
