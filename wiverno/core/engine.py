"""One process that serves: an event loop, the threads and listeners; started once, drained or stopped by force once.

    new ── run() ──→ running ── stop() ──→ draining ──→ ended
                        └── stop(force=True) ──┴─────────↗

Draining stops accepting, serves what waits in the accept queue and in the request queue, answers ``Connection: close``,
and ends when the last connection is closed or after `graceful_timeout`. The thread in `run` owns the engine; `stop` may
be called from any thread and from a signal handler.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from wiverno.config.settings import Adjustments
from wiverno.core import forks
from wiverno.core.context import ServerContext, new_certificates, new_context, new_recorder
from wiverno.core.log_files import reopen_log_files
from wiverno.core.loop.descriptor_watch import watch_descriptors
from wiverno.core.loop.descriptors import Descriptor, detach_lost
from wiverno.core.loop.handlers import Client
from wiverno.core.loop.poller import new_poller
from wiverno.core.loop.signals import AGAIN, DRAINING, REFRESH_SIGNALS, signals_wake
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.reactor import Reactor, StopOrder, count_reactors
from wiverno.core.telemetry.slow_requests import SlowRequestWatchdog
from wiverno.core.threads.recovery import ServerFailedError
from wiverno.foreign_code import guarded_logger
from wiverno.standard_streams import reserve_descriptors
from wiverno.wsgi import forked
from wiverno.wsgi_types import Application

if TYPE_CHECKING:
    from wiverno.core.net.certificates import Certificates
    from wiverno.core.telemetry.counters import Counters
    from wiverno.core.telemetry.heartbeat import Heartbeat
    from wiverno.core.telemetry.notes import SlowestPaths

logger = guarded_logger("wiverno")

FORCED_WAIT = 0.5  # seconds that threads get to end when the server is forced to stop


class Engine:
    """Serves one application on some listeners."""

    def __init__(
        self,
        application: Application,
        adjustments: Adjustments,
        listeners: list[Listener],
        *,
        is_shared: bool = False,
        certificates: "Certificates | None" = None,
    ) -> None:
        """Prepare to serve an application.

        Args:
            application: the WSGI application.
            adjustments: the settings.
            listeners: bound; they belong to the engine from here on.
            is_shared: other processes accept from the same sockets.
            certificates: read before, by a process with the permission.
        """
        reserve_descriptors()
        self._pid = os.getpid()
        self._is_shared = is_shared
        self._is_interrupted = False  # the last signal was Ctrl-C
        self._counters: Counters | None = None
        self._heartbeat: Heartbeat | None = None
        self.on_heartbeat: Callable[[], None] | None = None
        self.on_stuck: Callable[[str], None] | None = None
        self.on_stop: Callable[[], None] | None = None
        self.vital_descriptors: list[Descriptor] = []
        self._adjustments = adjustments
        self._listeners = listeners
        try:
            tls = certificates or new_certificates(adjustments)
            self._recorder = recorder = new_recorder(adjustments)
        except OSError:
            for listener in listeners:
                listener.close()
            raise
        self.order = StopOrder(
            0.0 if is_shared else adjustments.drain_delay,  # a supervisor lets it pass before it tells its workers
            adjustments.graceful_timeout, on_announce=self._announce_stop, on_draining=self._on_draining,
        )  # fmt: skip
        context = new_context(application, adjustments, is_threaded=bool(adjustments.pool_threads), recorder=recorder)
        self._context = replace(context, tls=tls)
        self.reactors = self._new_reactors(context)
        self.loop, self.leaders = self.reactors[0].loop, self.reactors[0].leaders
        if recorder is not None:
            for reactor in self.reactors:
                reactor.loop.before_wait = recorder.flush
        self._draining = 0  # reactors that have stopped accepting
        self._counting = threading.Lock()  # guards the number
        self._entering = threading.Lock()  # every acceptor has the present context
        self._owner = threading.Lock()  # taken once: by run() or by close(), which then closes everything
        self._ended = threading.Event()

    def _new_reactors(self, context: ServerContext) -> list[Reactor]:
        count = count_reactors(self._adjustments)
        reactors = [
            Reactor(self._adjustments, self.order, context, number=number, count=count, is_shared=self._is_shared)
            for number in range(count)
        ]
        for reactor in reactors:
            reactor.others = [other for other in reactors if other is not reactor]
        return reactors

    @property
    def application(self) -> Application:
        """The application; another one serves the connections accepted from then on."""
        return self._context.inner_application

    @application.setter
    def application(self, application: Application) -> None:
        with self._entering:
            self._context = self._context.with_application(application)
            for reactor in self.reactors:
                for acceptor in reactor.limit.acceptors:
                    if acceptor.context.redirects is None:
                        acceptor.context = self._context

    @property
    def certificates(self) -> "Certificates | None":
        """What TLS is spoken with, None without TLS."""
        return self._context.tls

    def count(self, counters: "Counters") -> None:
        """Count responses, write gauges and a heartbeat from now on; call this before `run`."""
        from wiverno.core.telemetry.request_recorder import RequestRecorder

        self._counters = counters
        if self._recorder is None:
            self._recorder = RequestRecorder(None)
        self._recorder.count_into(counters)
        self._context = replace(self._context, recorder=self._recorder)
        self.loop.before_wait = self._before_wait

    # ---------------------------------------------------------------- running

    def listen(self) -> None:
        """Start listening on every listener."""
        for listener in self._listeners:
            listener.listen(self._adjustments.backlog)

    def run(self) -> None:
        """Serve until `stop`; returns when drained, or when `graceful_timeout` is over.

        Raises:
            ServerFailedError: no more requests can be served.
        """
        if not self._claim_start():
            return
        self._own_process()
        try:
            self.listen()
            self._enter_loop()
            with signals_wake(self.loop.poller.wake_on_signal(self.leaders.run_signal_handlers)):
                self._run_threads()
            failures = [one.leaders.recovery.failure for one in self.reactors if one.leaders.recovery.failure]
            if failures:
                raise ServerFailedError(str(failures[0])) from failures[0]
        finally:
            if self.leaders.is_abandoned:
                forked.leave(sys.exception())
            self._finish()
            forks.unregister(self)

    def _own_process(self) -> None:
        """Take over in this process, which may have been forked since the server was made."""
        if self._pid != os.getpid():
            for reactor in self.reactors:
                reactor.loop.poller.close()  # epoll's set is shared with the parent
                reactor.loop.poller = new_poller(self._adjustments.poller)
            for listener in self._listeners:
                listener.take_over()
        forked.is_copy = False
        forks.register(self)

    def _run_threads(self) -> None:
        for reactor in self.reactors[1:]:
            reactor.start_beside(self._end_all)
        try:
            self.leaders.run()
        except (SystemExit, KeyboardInterrupt):
            if self.leaders.is_abandoned:
                raise
            # Raised by the program's own signal handler: requests may finish, as after a signal that the server takes.
            self.stop(force=self.order.is_given)
            self.leaders.run()
        except BaseException:
            self._end_all()
            raise

    def _claim_start(self) -> bool:
        """Become the one that closes everything; False if run() or close() has been called before."""
        return self._owner.acquire(blocking=False)

    def _enter_loop(self) -> None:
        loop = self.loop
        with self._entering:
            for reactor in self.reactors:
                reactor.enter(self._listeners, self._context)
        if len(self.reactors) > 1:
            for reactor in self.reactors:
                reactor.share_clients()
        if self._context.tls is not None:
            from wiverno.core.net.certificates import watch_certificates

            watch_certificates(self._context.tls, loop)
        if self._adjustments.request_timeout:
            watch = SlowRequestWatchdog(self._adjustments.request_timeout, self._on_stuck)
            if self._context.is_threaded:
                watch.watch_in(loop)
            else:
                watch.watch_beside(self._ended)
        watch_descriptors(loop, self._vital_descriptors, self.fail, self._check_access_log)
        for reactor in self.reactors[1:]:
            watch_descriptors(reactor.loop, tuple, self.fail, lambda: None)
        if self._counters is not None:
            from wiverno.core.telemetry.heartbeat import Heartbeat

            http2 = self._context.http2_connections
            self._heartbeat = Heartbeat(self.reactors, self._counters, self.on_heartbeat, http2)

    @property
    def slowest(self) -> "SlowestPaths | None":
        """The requests that were longest in the application; None if nothing is recorded."""
        return self._recorder.slowest if self._recorder is not None else None

    def fail(self, error: BaseException) -> None:
        """End because no more requests can be served; `run` raises. From any thread."""
        if not self.leaders.has_ended:
            self.leaders.recovery.fail(error)

    def _vital_descriptors(self) -> Iterable[Descriptor]:
        """Yield the descriptors that the server depends on; while draining there are no listeners."""
        yield from self.vital_descriptors
        for acceptor in self.reactors[0].limit.acceptors:
            yield acceptor.descriptor

    def _check_access_log(self) -> None:
        if self._recorder is not None:
            self._recorder.check()

    def _on_stuck(self, text: str) -> None:
        """Count a request that runs longer than request_timeout, and call the worker's hook."""
        if self._counters is not None:
            self._counters.increase("stuck")
        if self.on_stuck is not None:
            self.on_stuck(text)

    def _before_wait(self) -> None:
        """Write records and gauges (leader, before every wait)."""
        assert self._recorder is not None
        self._recorder.flush()
        if self._heartbeat is not None:
            self._heartbeat.update_gauges()

    # ---------------------------------------------------------------- stopping

    def stop(self, *, force: bool = False) -> None:
        """Drain and end, or end at once. From any thread and from signal handlers."""
        self.order.is_forced = self.order.is_forced or force
        self.order.is_given = True
        for reactor in self.reactors:
            reactor.loop.poller.wake()
        if force:
            self._end_all()

    def _end_all(self) -> None:
        for reactor in self.reactors:
            reactor.leaders.end()

    def take_signal(self, number: signal.Signals) -> None:
        """Act on a signal; called by its handler."""
        if number in REFRESH_SIGNALS:
            self.refresh()
            if number.name == "SIGHUP":
                self.loop.call_soon_threadsafe(self._log_no_reload)
        else:
            self._is_interrupted = number == signal.SIGINT
            self.stop(force=self.is_stopping)

    def _log_no_reload(self) -> None:
        """Log that there is no reload; SIGHUP never reaches a worker, so this is the only process."""
        logger.info("SIGHUP: log files were reopened; one process can't reload: set workers = 1 or more for that")

    def refresh(self) -> None:
        """Have the leader reopen log files and read certificates again; from any thread and from signal handlers."""
        self.loop.call_soon_threadsafe(self._refresh)

    def _refresh(self) -> None:
        if self._context.tls is not None:
            self._context.tls.renew()
        if self._recorder is not None:
            self._recorder.reopen()
        else:
            reopen_log_files()

    @property
    def stop_by(self) -> float:
        """Monotonic seconds at which `graceful_timeout` is over, 0 if the end is forced, infinity without a limit."""
        return self.reactors[0].stop_by

    @property
    def connections(self) -> list[Client]:
        """The clients in all stages, of all reactors; from any thread."""
        return [client for reactor in self.reactors for client in list(reactor.loop.connections)]

    def turns(self, within: float) -> bool:
        """Tell whether every event loop makes a turn within so many seconds; from any other thread."""
        return all(reactor.loop.turns(within) for reactor in self.reactors)

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` has been called."""
        return self.order.is_given

    def _announce_stop(self, reactor: Reactor) -> None:
        if not reactor.is_first:
            return
        if self.on_stop is not None:
            self.on_stop()
        if self.order.drain_delay:
            logger.info("shutting down: not ready, draining in %g s", self.order.drain_delay)

    def _on_draining(self, reactor: Reactor) -> None:
        """Close the listening sockets when no reactor accepts any more (leader of any of them)."""
        with self._counting:
            self._draining += 1
            if self._draining < len(self.reactors):
                return
        for listener in self._listeners:
            listener.close()
        if not self.order.is_forced:
            connections = len(self.connections)
            logger.info(
                DRAINING, connections, sum(one.leaders.queued for one in self.reactors),
                AGAIN if self._is_interrupted and connections else "",
            )  # fmt: skip

    def _finish(self) -> None:
        """Wait for the threads, then close everything."""
        is_cut = self.connections or any(one.leaders.recovery.failure is not None for one in self.reactors)
        deadline = time.monotonic() + (FORCED_WAIT if is_cut else self._adjustments.graceful_timeout or FORCED_WAIT)
        self._end_all()  # if the first one has failed, the others still run
        running = sum(reactor.join(deadline) for reactor in self.reactors)
        if running:
            logger.warning("%d thread(s) still running", running)
        if queued := sum(one.leaders.queued for one in self.reactors):
            logger.warning("Canceling %d pending task(s)", queued)
        self._release()

    def close(self) -> None:
        """Close everything, or have run() do so when it returns; from any thread, harmless when done before."""
        if self._claim_start():
            self._release()
        else:
            self.stop()

    def abandon(self) -> None:
        """Close this process's copies after a fork, in a child that does not serve; takes no lock (forks.py)."""
        self._ended = threading.Event()
        self._ended.set()
        for listener in self._listeners:
            listener.close_copy()
        for reactor in self.reactors:
            reactor.leaders.is_abandoned = reactor.leaders.has_ended = True
            reactor.loop.abandon()

    def wait_ended(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until everything is closed; tell whether it is."""
        return self._ended.wait(timeout)

    def _release(self) -> None:
        """Close everything; one object that fails does not keep the others open."""
        for reactor in self.reactors:
            if reactor.leaders.recovery.failure is not None:
                for connection in list(reactor.loop.connections):
                    detach_lost(connection.sock)
        pollers = [reactor.loop.poller for reactor in self.reactors]
        for thing in (*self._listeners, *self.connections, *pollers, self._recorder):
            try:
                if thing is not None:
                    thing.close()
            except Exception as error:  # noqa: BLE001 - the rest is closed all the same
                logger.warning("%r can't be closed: %s", thing, error)
        self._ended.set()
