"""An event loop with the threads that lead it: it accepts, serves and drains. An engine has one, or several.

With the GIL one is best: a second leader would only wait for the first. Without it each processor gets a reactor, and
what computes runs in parallel. A connection belongs to one reactor from accept to close, and each reactor has its own
poller, tables, leader, monitor thread and thread pool: in a request no reactor waits for another one.

All reactors watch the same listening sockets. The one that accepts a client gives it to the one with the fewest.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from wiverno.config.settings import Adjustments
from wiverno.core.accept.accept_backoff import AcceptBackoff
from wiverno.core.accept.acceptor import Acceptor, ConnectionLimit
from wiverno.core.accept.acceptors import open_acceptors
from wiverno.core.context import ServerContext
from wiverno.core.loop.draining import Shutdown, Step, next_step
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import new_poller
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.telemetry.slow_requests import describe_running
from wiverno.core.threads.file_leader import new_leaders
from wiverno.foreign_code import guarded_logger
from wiverno.tables import has_gil

logger = guarded_logger("wiverno")

IDLE_CHECK_INTERVAL: Final = 0.1  # seconds between two checks of idle connections while draining
IDLE_GRACE: Final = 0.25  # seconds that an idle connection is kept when draining begins: a request may be on its way


@dataclass(slots=True)
class StopOrder:
    """Whether and how an engine stops; its reactors share it.

    Attributes:
        is_given: `stop` has been called.
        is_forced: nothing may be finished.
        drain_delay: seconds from `stop` until draining begins.
        timeout: seconds for draining, 0 for no limit.
        idle_grace: seconds that an idle connection is kept when draining begins.
        on_announce: called by each reactor that has noticed the order.
        on_draining: called by each reactor that has stopped accepting.
    """

    drain_delay: float
    timeout: float
    is_given: bool = False
    is_forced: bool = False
    idle_grace: float = IDLE_GRACE
    on_announce: Callable[["Reactor"], None] = field(default=lambda reactor: None)
    on_draining: Callable[["Reactor"], None] = field(default=lambda reactor: None)


class Reactor:
    """One event loop with its leader. `run` belongs to one thread, the rest to the leader except where it says so.

    Attributes:
        loop: the event loop.
        leaders: the threads that may lead it.
        others: the other reactors of the engine; the first reactor ends when all of them have.
        shutdown: the times of its graceful shutdown.
    """

    def __init__(
        self, settings: Adjustments, order: StopOrder, context: ServerContext, *, number: int = 0, count: int = 1,
        is_shared: bool = False,
    ) -> None:  # fmt: skip
        """Prepare.

        Args:
            settings: the server's; each reactor has its `threads`, as each worker has; clients are divided among them.
            order: tells when to stop.
            context: says whether there are mounts.
            number: which of them it is, from 0.
            count: how many the engine has.
            is_shared: other processes accept from the same sockets.
        """
        self.loop = Loop(new_poller(settings.poller))
        self.leaders = new_leaders(
            context.site, self.loop, settings.pool_threads, queue_size=settings.queue_size,
            queue_timeout=settings.queue_timeout, max_threads=settings.max_threads,
            max_per_client=settings.max_requests_per_client // count,
        )  # fmt: skip
        self.leaders.growth.describe_running = describe_running
        self.limit = ConnectionLimit(-(-settings.connection_limit // count), self.loop)
        self.others: Sequence[Reactor] = ()
        self.is_first = not number
        self.shutdown = Shutdown()
        self._settings = settings
        self._order = order
        self._is_shared = is_shared
        self._thread: threading.Thread | None = None
        self._accept_backoff = AcceptBackoff(self.loop, self.leaders, self.limit.acceptors)
        self.loop.on_connection_closed = self.limit.check

    def enter(self, listeners: Sequence[Listener], context: ServerContext) -> None:
        """Accept from `listeners` from now on (before `run`)."""
        loop = self.loop
        should_defer = self._accept_backoff.should_defer if self._is_shared else None
        open_acceptors(listeners, self._settings, context, loop, self.limit, should_defer)
        loop.after_wait = self._check_stop

    def share_clients(self) -> None:
        """Give each client that is accepted to the reactor with the fewest (after all have entered)."""
        for number, acceptor in enumerate(self.limit.acceptors):
            acceptor.others = [other.limit.acceptors[number] for other in self.others]
            acceptor.place = self._new_place(acceptor.others)

    def _new_place(self, others: "Sequence[Acceptor]") -> Callable[[], Acceptor | None]:
        def place() -> Acceptor | None:
            """Return the acceptor of the reactor that has fewer clients than this one, None for this one."""
            if self._order.is_given:
                return None  # the others may have ended
            best, fewest = None, self.loop.load
            for other in others:
                if other.load < fewest:
                    best, fewest = other, other.load
            return best

        return place

    # ---------------------------------------------------------------- the thread beside the first reactor's

    def start_beside(self, end_all: Callable[[], None]) -> None:
        """Run in a thread; `end_all` is called if the reactor can't continue."""

        def run() -> None:
            recovery = self.leaders.recovery
            try:
                self.leaders.run()
            except BaseException as error:  # noqa: BLE001 - the engine raises it
                recovery.fail(error)
            finally:
                if recovery.failure is not None:
                    end_all()
                self.others[0].loop.poller.wake()

        self._thread = threading.Thread(target=run, name="wiverno-monitor", daemon=True)
        self._thread.start()

    def join(self, deadline: float) -> int:
        """Wait for the threads to end until `deadline` (monotonic seconds); return how many still run."""
        if self._thread is not None:
            self._thread.join(max(deadline - time.monotonic(), 0.0))
        return self.leaders.join(deadline)

    # ---------------------------------------------------------------- stopping

    def _has_work(self) -> bool:
        if self.loop.connections or self.leaders.queued:
            return True
        # A client may be on its way from another reactor; and the first one writes the heartbeat as long as any serves.
        return bool(self.others) and (
            bool(self.loop.callbacks) or (self.is_first and any(not other.leaders.has_ended for other in self.others))
        )

    def _check_stop(self) -> None:
        """Begin to drain, and end when that is done (leader, after every wait)."""
        if self._accept_backoff.is_paused:
            self._accept_backoff.resume_if_due()
        if not self._order.is_given:
            return
        while True:
            step = next_step(self.shutdown, self.loop.now, has_work=self._has_work())
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
        self.shutdown.drain_at = self.loop.wake_at = self.loop.now + self._order.drain_delay
        self._order.on_announce(self)

    def _begin_drain(self) -> None:
        self.shutdown.is_draining = True
        loop = self.loop
        timeout = self._order.timeout
        self.shutdown.deadline = loop.now + timeout if timeout else float("inf")
        loop.keep_alive = False
        for acceptor in self.limit.acceptors:
            while acceptor.accept():  # the kernel has completed these connections already
                pass
            del loop.handlers[acceptor.fd]
            loop.poller.unregister(acceptor.fd)
            loop.deadlines.discard(acceptor)
        self.limit.acceptors.clear()
        loop.limit_reached = False
        self._order.on_draining(self)
        for connection in list(loop.connections):  # a copy: threads remove theirs meanwhile
            connection.begin_drain()
        self.shutdown.idle_check_at = loop.wake_at = min(loop.now + self._order.idle_grace, self.shutdown.deadline)

    def _close_idle(self) -> None:
        """Close connections that have had no request in progress for a moment."""
        loop = self.loop
        for connection in list(loop.connections):
            connection.drain(loop.now - self._order.idle_grace)
        soon, deadline = loop.now + IDLE_CHECK_INTERVAL, self.shutdown.deadline
        self.shutdown.idle_check_at = loop.wake_at = soon if loop.now >= deadline else min(soon, deadline)

    @property
    def stop_by(self) -> float:
        """Monotonic seconds at which draining is over, 0 if the end is forced, infinity without a limit."""
        if self._order.is_forced:
            return 0.0
        if self.shutdown.is_draining:
            return self.shutdown.deadline
        return time.monotonic() + (self._order.timeout or float("inf"))


def count_reactors(settings: Adjustments) -> int:
    """Return how many reactors a process has: `event_loops`, or without the GIL its share of the processors.

    Each may run a request of each client at least. One thread at a time means one reactor.
    """
    wanted = settings.event_loops or (1 if has_gil() else _count_processors() // max(settings.workers, 1))
    if not settings.pool_threads:
        return 1
    return max(min(wanted, settings.max_requests_per_client or wanted), 1)


def _count_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
