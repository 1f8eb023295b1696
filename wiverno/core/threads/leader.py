"""Which thread leads, which ones wait, and when the lead is passed on: Leader/Followers with a monitor thread.

The pattern is *Leader/Followers* (POSA2). One thread *leads*: it polls, reads, parses, calls the application itself and
sends. The monitor thread does what sysmon does in Go's runtime. Three things make the lead change hands:

    prediction  A request of a kind that has blocked before: the leader passes the lead to a waiting thread first and
                then runs the request, so that no other client waits for it.
    stall       The monitor thread (the thread in `run`) wakes every millisecond under load, every other one if nothing
                has blocked for a while. If the leader is still inside the same application call, the monitor thread
                takes the claim on that call, detaches its connection and passes the lead to a waiting thread. The
                blocked thread finishes its response alone. Without the GIL it must wait, not compute (blocking.py).
    saturation  No thread waits: the monitor thread leads, but never calls the application (dispatcher.py). It queues
                requests for the threads that become free, until one is free and the queue empty, and starts further
                threads if it may (growth.py).

Invariants, tested in tests/integration/core/test_lead.py and tests/property/test_claims.py:

    1. At most one thread leads: `_hand_lead` passes the lead on, or `_monitor` takes it.
    2. A thread leads, or the monitor thread does, or the server has ended.
    3. A claim is put before the call and taken by exactly one thread: list.pop is atomic, and every term of leading
       has its own list. If the leader takes it, it leads on; if the monitor thread does, another thread leads.
    4. An exchange runs in one thread, and is answered exactly once.
    5. An exception at any place in a thread of the pool, such as MemoryError or one that is thrown in from outside,
       costs a connection at most (tests/integration/core/test_thrown.py): `_leader` says who leads, `PoolThread.job`
       what is to run.
"""

import time
from collections import deque
from contextlib import suppress
from typing import Any, Final

from wiverno.core.loop.event_loop import MAX_WAIT, Loop
from wiverno.core.threads.dispatcher import Dispatcher
from wiverno.core.threads.exchange import NO_ENVIRON, Exchange
from wiverno.core.threads.file_threads import FileThreads
from wiverno.core.threads.followers import LEAD, Followers
from wiverno.core.threads.growth import Growth
from wiverno.core.threads.parking import new_parking
from wiverno.core.threads.read_ahead import receive, send_held
from wiverno.core.threads.request_queue import RequestQueue
from wiverno.core.threads.thread_pool import PoolThread, ThreadPool
from wiverno.wsgi import forked
from wiverno.wsgi.gateway import CLOSE, KEEP

CHECK_INTERVAL: Final = 0.001  # seconds between two checks of the leader
CALM_CHECKS: Final = 500  # checks without a blocked call, after which they become rarer: each costs the leader 20 µs
CALM_INTERVAL: Final = 0.002  # seconds between two checks then
LATE: Final = 0.002  # seconds; a check that is so late means that the leader did not run either
QUIET_CHECKS: Final = 20  # checks without a new turn before the monitor thread parks

Claim = list[tuple[Exchange, str, str]]
"""On the call that the leader is in, with its method and path: one, or none; taking from a list is atomic."""


class LeaderFollowers(Followers):
    """The thread pool and the monitor thread around one loop; `run` belongs to one thread, the monitor thread."""

    def __init__(
        self, loop: Loop, threads: int, *, queue_size: int, queue_timeout: float, max_threads: int = 0,
        max_per_client: int = 0,
    ) -> None:  # fmt: skip
        """Make a thread pool that is not running yet.

        Args:
            loop: what the leader works with.
            threads: in the pool; 0 runs applications in the thread that calls `run`, and nothing is handed over.
            queue_size: requests that may wait for a thread, 0 for any number.
            queue_timeout: seconds after which a waiting request is answered with 503, 0 for never.
            max_threads: in the pool when requests wait; 0 for never more than `threads`.
            max_per_client: requests of one client that may run at once, 0 for any number.
        """
        super().__init__(loop, RequestQueue(loop, size=queue_size, timeout=queue_timeout, per_client=max_per_client))
        self._loop = loop
        self._count = threads
        loop.file_threads = self.file_threads = FileThreads()
        self._use_pool(ThreadPool(threads, self._serve, self._lock, most=max_threads))
        self._claim: Claim = []
        self._turn = 0  # calls made by leaders
        self._is_parked = False
        self._check_lock = new_parking()
        self._has_started = False
        self.is_saturated = False  # no thread is free: the monitor thread leads, and requests are queued
        self._leader: PoolThread | None = None  # None: the monitor thread leads, or passes the lead on just now

    def _use_pool(self, thread_pool: ThreadPool) -> None:
        self.thread_pool = thread_pool
        thread_pool.on_room = lambda: self._loop.poller.wake()  # noqa: PLW0108 - a fork replaces the poller
        if self._count:
            self._loop.thread_pool = thread_pool
            self._loop.held = deque()
        self.growth = Growth(self._loop, thread_pool, self._tasks)
        self._dispatcher = Dispatcher(self, self._loop, self._tasks, self.growth)

    # ---------------------------------------------------------------- the monitor thread

    def run(self) -> None:
        """Lead, or start the threads and monitor the leader, until `has_ended`.

        After an exception, which only a signal handler can raise here, it may be entered again.
        """
        while not self._count:
            if self.has_ended:
                return
            self._lead(None)
        if not self._has_started:
            self._has_started = True
            self.thread_pool.start()
            self.growth.start()
            self._hand_lead()
        self._monitor()

    def end(self) -> None:
        """Make `run` return: called by the leader, or by a thread that no longer waits for it."""
        self.has_ended = True
        self.run_signal_handlers()
        self._loop.poller.wake()

    def join(self, deadline: float) -> int:
        """Wait for idle threads to end until `deadline` (monotonic seconds); return how many still run."""
        return self.thread_pool.join(deadline) + self.file_threads.join(deadline, time.monotonic)

    @property
    def busy(self) -> int:
        """Threads that run a request outside the lead, and are not waiting for a client that reads slowly."""
        return self.thread_pool.busy(0 if self.is_saturated else 1)

    @property
    def queued(self) -> int:
        """Requests that wait for a thread."""
        return len(self._tasks)

    def _monitor(self) -> None:
        """Check the leader every millisecond or two; park when it is idle."""
        seen = -1
        quiet = 0
        calm = 0
        excused = False
        wait = self._check_lock.acquire
        clock = time.monotonic
        checked_at = clock()
        while not self.has_ended:
            if self.is_saturated:
                self.recovery.lead(self._dispatcher.lead)
                continue
            used = time.process_time()
            interval = CHECK_INTERVAL if calm < CALM_CHECKS else CALM_INTERVAL
            wait(True, interval)
            turn = self._turn
            now = clock()
            is_late = now - checked_at > interval + LATE and time.process_time() - used < (now - checked_at) / 2
            if turn != seen or (is_late and not excused) or self._blocking.is_running(turn, now):
                # Another call, or the processor was taken from this process and the leader could do nothing;
                # excused once a call, for some machines are always late. Or the call only takes long.
                excused = is_late and turn == seen
                seen = turn
                checked_at = now
                quiet = 0
                calm += 1
                continue
            checked_at = now
            if self._take_claim(turn):
                calm = 0
                if not self._hand_lead():
                    self.is_saturated = True
                continue
            quiet += 1
            if quiet > QUIET_CHECKS:
                quiet = 0
                self._park(turn)

    def _take_claim(self, turn: int) -> bool:
        """Take the leader's claim on the call that it is blocked in, and hand its connection off."""
        with (
            self._loop.arming
        ):  # the leader, which finishes the response when it finds its claim gone, waits for this lock
            if self._turn != turn:
                return False
            try:
                exchange, method, path = self._claim.pop()
            except IndexError:
                return False
            self._leader = None
            with suppress(OSError):  # something else closed its descriptor: its thread will notice
                exchange.hand_off_locked()
        if self._tasks.limits_clients:
            self._dispatcher.begin_admitted()
        self._predictor.learn(method, path, has_blocked=True)
        return True

    def _park(self, turn: int) -> None:
        """Sleep until the leader runs a request again."""
        self._is_parked = True
        # The leader puts its claim and then reads _is_parked; this thread does the opposite, so one notices.
        if self._turn == turn and not self._claim and not self.has_ended and not self.is_saturated:
            self._check_lock.acquire()
        self._is_parked = False

    def run_signal_handlers(self) -> None:
        """Wake the thread in `run`, so that it runs Python's signal handlers; from any thread."""
        self._is_parked = False
        try:
            self._check_lock.release()
        except RuntimeError:
            pass  # released already

    def _hand_lead(self) -> bool:
        """Wake a waiting thread as the leader, the last one that went to wait; False if all are busy."""
        with self._lock:
            pool = self.thread_pool
            if not pool.idle:
                return False
            self._leader = pool.idle[-1]
            return pool.wake_one(LEAD)

    def _restore_lead(self, me: PoolThread) -> None:
        """Have the thread lead that an exception has kept from it: the calling one, or an idle one (lock held)."""
        leader = self._leader
        if leader is me:
            me.job = LEAD
        elif leader is not None and (leader in self.thread_pool.idle or leader.job is LEAD):
            self.thread_pool.take_out(leader)
            leader.job = LEAD
            leader.wake()

    # ---------------------------------------------------------------- the lead

    def _lead(self, me: PoolThread | None) -> None:
        """Poll, read, run and send until another thread leads; no exception ends that. `me` is None without threads."""
        self._blocking.begin_lead()
        while self._leader is me and self.recovery.lead(lambda: self._lead_on(me)):
            if me is not None:
                with self._lock:
                    self._restore_lead(me)

    def _lead_on(self, me: PoolThread | None) -> None:
        """Handle event after event."""
        loop, begun, held = self._loop, self._loop.begun, self._loop.held
        claim = self._claim = self._new_claim()
        predictor, limits_clients, client = self._predictor, self._tasks.limits_clients, ""
        counters, clock = predictor.counters, time.monotonic
        exchange: Any = None  # what this thread has to answer, whatever happens
        try:
            if held:  # by the leader before
                send_held(self.recovery, loop)
            while True:  # an unconditional jump back is where CPython 3.11 specialises a function that runs
                exchange = None
                if not begun and not receive(self, loop):
                    return
                exchange = begun.popleft()
                environ = exchange.environ
                if environ is NO_ENVIRON:
                    continue  # closed, because the server was forced to end
                if me is None:
                    self._run_alone(exchange)
                    continue
                if limits_clients and not (client := self._dispatcher.admit(exchange, environ)):
                    continue
                exchange.environ = NO_ENVIRON
                if counters and predictor.is_blocking(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
                    self._pass_lead(exchange, client)
                    self._run_task(me, exchange, environ, loop.now, client)
                    return
                self._turn += 1
                claim.append((exchange, environ["REQUEST_METHOD"], environ["PATH_INFO"]))
                if self._is_parked:
                    self.run_signal_handlers()
                try:
                    outcome = exchange.gateway.respond(environ)
                except BaseException as error:  # noqa: BLE001 - nothing may end a thread
                    outcome = CLOSE
                    self.recovery.log_error(error)
                try:
                    claim.pop()
                except IndexError:
                    self._finish_alone(me, exchange, outcome, client)
                    return
                if outcome != KEEP or exchange.needs_finish:
                    self.recovery.finish_response(exchange, outcome)
                if held and clock() > loop.hold_until:
                    send_held(self.recovery, loop)
        except BaseException:  # the exchange would be forgotten; what happens to the error is decided in `lead`
            self._end_interrupted(me, claim, exchange, client)
            raise

    def _finish_alone(self, me: PoolThread, exchange: Exchange, outcome: int, client: str) -> None:
        """Finish a response whose claim the monitor thread has taken: the calling thread leads no more."""
        with self._loop.arming:  # which the monitor thread holds until the exchange has been handed off
            me.client = client
        self.recovery.finish_response(exchange, outcome)

    def _end_interrupted(self, me: PoolThread | None, claim: Claim, exchange: Exchange | None, client: str) -> None:
        """End the exchange that an exception has interrupted, whether this thread still leads or not."""
        with self._loop.arming:
            claim.clear()
        if me is not None and self._leader is not me:
            me.client = client
        if exchange is not None:
            self.recovery.finish_response(exchange, CLOSE)

    def _run_alone(self, exchange: Exchange) -> None:
        """Run a request where there is no other thread."""
        environ, exchange.environ = exchange.environ, NO_ENVIRON
        try:
            outcome = exchange.gateway.respond(environ)
        except BaseException as error:  # noqa: BLE001 - a signal handler's is raised again, and ends the exchange, too
            outcome = CLOSE
            self.recovery.log_error(error)
        if outcome != KEEP or exchange.needs_finish:
            self.recovery.finish_response(exchange, outcome)

    def _new_claim(self) -> Claim:
        return []

    def wait(self, longest: float = MAX_WAIT) -> bool:
        """Wait for events (leader); False after the end, which may have come while it was in the application."""
        if not self.has_ended:
            self._loop.wait(longest)
            self.recovery.errors = 0
        elif self.is_abandoned:
            forked.leave()
        if not self.has_ended:
            return True
        self.run_signal_handlers()  # an exception may have kept `end` from it
        return False

    def _pass_lead(self, exchange: Exchange, client: str) -> None:
        """Pass the lead to a waiting thread, or to the monitor thread if all are busy; this one keeps the request."""
        exchange.hand_off()
        if client:
            self._dispatcher.begin_admitted()
        if not self._hand_lead():
            self._leader, self.is_saturated = None, True
            self.run_signal_handlers()

    def return_lead(self) -> bool:
        """Give the lead to a waiting thread; False if there is none (monitor thread, when it leads)."""
        self.is_saturated = False
        if self._hand_lead():
            return True
        self.is_saturated = True
        return False
