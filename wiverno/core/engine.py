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
from wiverno.core.accept.accept_backoff import AcceptBackoff
from wiverno.core.accept.acceptor import Acceptor, ConnectionLimit
from wiverno.core.context import new_certificates, new_context, variables_of
from wiverno.core.log_files import reopen_log_files
from wiverno.core.loop.descriptor_watch import watch_descriptors
from wiverno.core.loop.descriptors import Descriptor, detach_lost
from wiverno.core.loop.draining import Shutdown, Step, next_step
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import READ, new_poller
from wiverno.core.loop.signals import REFRESH_SIGNALS, signals_wake
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.telemetry.counters import Counters
from wiverno.core.telemetry.heartbeat import Heartbeat
from wiverno.core.telemetry.request_recorder import RequestRecorder, new_recorder
from wiverno.core.telemetry.slow_requests import SlowRequestWatchdog, describe_running
from wiverno.core.threads.leader import LeaderFollowers
from wiverno.core.threads.recovery import ServerFailedError
from wiverno.foreign_code import guarded_logger
from wiverno.standard_streams import reserve_descriptors
from wiverno.wsgi import forked
from wiverno.wsgi_types import Application

if TYPE_CHECKING:
    from wiverno.core.net.certificates import Certificates

logger = guarded_logger("wiverno")

FORCED_WAIT = 0.5  # seconds that threads get to end when the server is forced to stop
IDLE_CHECK_INTERVAL = 0.1  # seconds between two checks of idle connections while draining
IDLE_GRACE = 0.25  # seconds that an idle connection is kept when draining begins: a request may be on its way


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
        self._counters: Counters | None = None
        self._heartbeat: Heartbeat | None = None
        self.on_heartbeat: Callable[[], None] | None = None
        self.on_stuck: Callable[[], None] | None = None
        self.on_stop: Callable[[], None] | None = None
        self.vital_descriptors: list[Descriptor] = []
        self.idle_grace = IDLE_GRACE
        self._adjustments = adjustments
        self._listeners = listeners
        try:
            tls = certificates or new_certificates(adjustments)
            self._recorder = recorder = new_recorder(adjustments)
        except OSError:
            for listener in listeners:
                listener.close()
            raise
        self.loop = Loop(new_poller(adjustments.poller))
        self.leaders = LeaderFollowers(
            self.loop, adjustments.pool_threads, queue_size=adjustments.queue_size, max_threads=adjustments.max_threads,
            queue_timeout=adjustments.queue_timeout, max_per_client=adjustments.max_requests_per_client,
        )  # fmt: skip
        self.leaders.growth.describe_running = describe_running
        self._limit = ConnectionLimit(adjustments.connection_limit, self.loop)
        context = new_context(application, adjustments, is_threaded=bool(adjustments.pool_threads), recorder=recorder)
        self._context = replace(context, tls=tls)
        if recorder is not None:
            self.loop.before_wait = recorder.flush
        self._accept_backoff = AcceptBackoff(self.loop, self.leaders, self._limit.acceptors)
        self.loop.on_connection_closed = self._limit.check
        self._is_asked_to_stop = self._is_forced = False
        self._shutdown = Shutdown()
        self._owner = threading.Lock()  # taken once: by run() or by close(), which then closes everything
        self._ended = threading.Event()

    @property
    def application(self) -> Application:
        """The application; another one serves the connections accepted from then on."""
        return self._context.application

    @application.setter
    def application(self, application: Application) -> None:
        self._context = replace(self._context, application=application)
        for acceptor in self._limit.acceptors:
            acceptor.context = self._context

    def count(self, counters: Counters) -> None:
        """Count responses, write gauges and a heartbeat from now on; call this before `run`."""
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
            failure = self.leaders.recovery.failure
            if failure is not None:
                raise ServerFailedError(str(failure)) from failure
        finally:
            if self.leaders.is_abandoned:
                forked.leave(sys.exception())
            self._finish()
            forks.unregister(self)

    def _own_process(self) -> None:
        """Take over in this process, which may have been forked since the server was made."""
        if self._pid != os.getpid():
            self.loop.poller.close()  # epoll's set is shared with the parent
            self.loop.poller = new_poller(self._adjustments.poller)
            for listener in self._listeners:
                listener.take_over()
        forked.is_copy = False
        forks.register(self)

    def _run_threads(self) -> None:
        try:
            self.leaders.run()
        except (SystemExit, KeyboardInterrupt):
            if self.leaders.is_abandoned:
                raise
            # Raised by the program's own signal handler: requests may finish, as after a signal that the server takes.
            self.stop(force=self._is_asked_to_stop)
            self.leaders.run()
        except BaseException:
            self.leaders.end()
            raise

    def _claim_start(self) -> bool:
        """Become the one that closes everything; False if run() or close() has been called before."""
        return self._owner.acquire(blocking=False)

    def _enter_loop(self) -> None:
        loop = self.loop
        for listener in self._listeners:
            variables = variables_of(listener, self._adjustments, self._context, processes=self._is_shared)
            acceptor = Acceptor(listener, variables, self._context, loop, self._limit)
            if self._is_shared:
                acceptor.burst = 1  # the next client may find another process with less to do
                acceptor.should_defer = self._accept_backoff.should_defer
            self._limit.acceptors.append(acceptor)
            loop.handlers[acceptor.fd] = acceptor
            loop.poller.register(acceptor.fd, READ)
        loop.after_wait = self._check_stop
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
        if self._counters is not None:
            http2 = self._context.http2_connections
            self._heartbeat = Heartbeat(loop, self.leaders, self._counters, self.on_heartbeat, http2)

    def fail(self, error: Exception) -> None:
        """End because no more requests can be served; `run` raises. From any thread."""
        if not self.leaders.has_ended:
            self.leaders.recovery.fail(error)

    def _vital_descriptors(self) -> Iterable[Descriptor]:
        """Return the descriptors that the server depends on; while draining there are no listeners."""
        yield from self.vital_descriptors
        for acceptor in self._limit.acceptors:
            yield acceptor.descriptor

    def _check_access_log(self) -> None:
        if self._recorder is not None:
            self._recorder.check()

    def _on_stuck(self) -> None:
        """Count a request that runs longer than request_timeout, and call the worker's hook."""
        if self._counters is not None:
            self._counters.increase("stuck")
        if self.on_stuck is not None:
            self.on_stuck()

    def _before_wait(self) -> None:
        """Write records and gauges (leader, before every wait)."""
        assert self._recorder is not None
        self._recorder.flush()
        if self._heartbeat is not None:
            self._heartbeat.update_gauges()

    # ---------------------------------------------------------------- stopping

    def stop(self, *, force: bool = False) -> None:
        """Drain and end, or end at once. From any thread and from signal handlers."""
        self._is_forced = self._is_forced or force
        self._is_asked_to_stop = True
        self.loop.poller.wake()
        if force:
            self.leaders.end()

    def take_signal(self, number: signal.Signals) -> None:
        """Act on a signal; called by its handler."""
        if number in REFRESH_SIGNALS:
            self.refresh()
            if number.name == "SIGHUP":
                self.loop.call_soon_threadsafe(self._log_no_reload)
        else:
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
        if self._is_forced:
            return 0.0
        timeout = self._adjustments.graceful_timeout or float("inf")
        return self._shutdown.deadline if self._shutdown.is_draining else time.monotonic() + timeout

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` has been called."""
        return self._is_asked_to_stop

    def _check_stop(self) -> None:
        """Begin to drain, and end when that is done (leader, after every wait)."""
        if self._accept_backoff.is_paused:
            self._accept_backoff.resume_if_due()
        if not self._is_asked_to_stop:
            return
        while True:
            has_work = bool(self.loop.connections or self.leaders.queued)
            step = next_step(self._shutdown, self.loop.now, has_work=has_work)
            if step is Step.ANNOUNCE:
                self._announce_stop()
            elif step is Step.BEGIN:
                self._begin_drain()
            elif step is Step.CLOSE_IDLE:
                self._close_idle()
            else:
                break
        if step is not Step.WAIT:
            if step is Step.ABORT:
                logger.warning("graceful_timeout is over: %d connection(s) closed", len(self.loop.connections))
            self.leaders.end()

    def _announce_stop(self) -> None:
        # A supervisor lets the delay pass before it tells its workers.
        delay = 0.0 if self._is_shared else self._adjustments.drain_delay
        self._shutdown.drain_at = self.loop.wake_at = self.loop.now + delay
        if self.on_stop is not None:
            self.on_stop()
        if delay:
            logger.info("shutting down: not ready, draining in %g s", delay)

    def _begin_drain(self) -> None:
        self._shutdown.is_draining = True
        loop = self.loop
        timeout = self._adjustments.graceful_timeout
        self._shutdown.deadline = loop.now + timeout if timeout else float("inf")
        loop.keep_alive = False
        for acceptor in self._limit.acceptors:
            while acceptor.accept():  # the kernel has completed these connections already
                pass
            del loop.handlers[acceptor.fd]
            loop.poller.unregister(acceptor.fd)
            loop.deadlines.discard(acceptor)
        self._limit.acceptors.clear()
        loop.limit_reached = False
        for listener in self._listeners:
            listener.close()
        for connection in list(loop.connections):  # a copy: threads remove theirs meanwhile
            connection.begin_drain()
        self._shutdown.idle_check_at = loop.wake_at = min(loop.now + self.idle_grace, self._shutdown.deadline)
        if not self._is_forced:
            logger.info(
                "draining: no new connections; %d connection(s) open, %d request(s) queued",
                len(loop.connections), self.leaders.queued,
            )  # fmt: skip

    def _close_idle(self) -> None:
        """Close connections that have had no request in progress for a moment."""
        loop = self.loop
        for connection in list(loop.connections):
            connection.drain(loop.now - self.idle_grace)
        soon, deadline = loop.now + IDLE_CHECK_INTERVAL, self._shutdown.deadline
        self._shutdown.idle_check_at = loop.wake_at = soon if loop.now >= deadline else min(soon, deadline)

    def _finish(self) -> None:
        """Wait for the threads, then close everything."""
        is_cut = self.loop.connections or self.leaders.recovery.failure is not None
        wait = FORCED_WAIT if is_cut else self._adjustments.graceful_timeout or FORCED_WAIT
        running = self.leaders.join(time.monotonic() + wait)
        if running:
            logger.warning("%d thread(s) still running", running)
        if self.leaders.queued:
            logger.warning("Canceling %d pending task(s)", self.leaders.queued)
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
        self.leaders.is_abandoned = self.leaders.has_ended = True
        for listener in self._listeners:
            listener.close_copy()
        self.loop.abandon()

    def wait_ended(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until everything is closed; tell whether it is."""
        return self._ended.wait(timeout)

    def _release(self) -> None:
        """Close everything; one object that fails does not keep the others open."""
        if self.leaders.recovery.failure is not None:
            for connection in list(self.loop.connections):
                detach_lost(connection.sock)
        for thing in (*self._listeners, *self.loop.connections, self.loop.poller, self._recorder):
            try:
                if thing is not None:
                    thing.close()
            except Exception as error:  # noqa: BLE001 - the rest is closed all the same
                logger.warning("%r can't be closed: %s", thing, error)
        self._ended.set()
