"""The monitor thread's work while every thread is busy: it leads, but never calls the application.

It reads, sends, enforces deadlines, and queues requests for the threads that become free, until one is free and no
request waits. It also holds back requests of clients at their limit, for whichever thread leads.
"""

from typing import Any, Protocol

from wiverno.core.loop.event_loop import Loop
from wiverno.core.threads.client_of import client_of
from wiverno.core.threads.exchange import NO_ENVIRON, Exchange
from wiverno.core.threads.fair_queue import Task
from wiverno.core.threads.growth import Growth
from wiverno.core.threads.read_ahead import send_held
from wiverno.core.threads.recovery import Recovery
from wiverno.core.threads.request_queue import RequestQueue, refuse
from wiverno.core.threads.thread_pool import ThreadPool
from wiverno.wsgi_types import Environ


class Leaders(Protocol):
    """The threads, as far as they are known here.

    Attributes:
        has_ended: the loop is over.
        is_saturated: no thread is free.
        thread_pool: the threads that run requests.
        recovery: what happens to a connection after an exception.
    """

    has_ended: bool
    is_saturated: bool
    thread_pool: ThreadPool
    recovery: Recovery

    def wait(self, longest: float) -> bool:
        """Wait for events."""

    def return_lead(self) -> bool:
        """Give the lead to a waiting thread; False if there is none."""


class Dispatcher:
    """Leads while all threads are busy; belongs to the leader."""

    def __init__(self, leaders: Leaders, loop: Loop, queue: RequestQueue, growth: Growth) -> None:
        self._leaders = leaders
        self._loop = loop
        self._queue = queue
        self._growth = growth
        self._admitted = ""  # whose request was admitted last

    def lead(self) -> None:
        """Lead until a thread is free and no request waits, or until the end."""
        leaders, loop, growth, tasks = self._leaders, self._loop, self._growth, self._queue.tasks
        ready, begun = loop.ready, loop.begun
        send_held(leaders.recovery, loop)
        while not leaders.has_ended:
            if not ready and not begun:
                if leaders.wait(growth.wait_limit()):
                    growth.check()
                continue
            if leaders.thread_pool.idle and not tasks.has_ready() and leaders.return_lead():
                return
            if begun:
                self._queue_begun(begun.popleft())
                continue
            fd, events = ready.popleft()
            handler: Any = loop.handlers.get(fd)
            if handler is None:
                continue
            try:
                exchange = handler.ready(events)
                if exchange is not None:
                    self.queue(exchange)
            except BaseException as error:  # noqa: BLE001 - nothing may end the leader
                leaders.recovery.drop(handler, error)

    def _queue_begun(self, exchange: Exchange) -> None:
        """Queue a request that the leader had read before the call that blocked it."""
        if exchange.environ is NO_ENVIRON:
            return  # closed, because the server was forced to end
        try:
            self.queue(exchange)
        except BaseException as error:  # noqa: BLE001 - nothing may end the leader
            self._leaders.recovery.drop_exchange(exchange, error)

    def queue(self, exchange: Exchange) -> None:
        """Give a request to a free thread, or queue it."""
        environ, exchange.environ = exchange.environ, NO_ENVIRON
        exchange.hand_off()
        queue, pool = self._queue, self._leaders.thread_pool
        task = queue.new_task(exchange, environ)
        client = task[3]
        with pool.lock:
            if not queue.tasks.is_at_limit(client) and pool.wake_one(task):
                queue.begin(client)
                return
            refused = queue.tasks.add(task)
        self._record(task, refused)

    # ---------------------------------------------------------------- clients with a limit (any thread that leads)

    def admit(self, exchange: Exchange, environ: Environ) -> str:
        """Return whose request it is; "" if it was queued, because its client has its limit in the application.

        The leader's own request is not counted unless it blocks: only this thread could begin another one meanwhile.
        """
        client = self._admitted = client_of(exchange, environ)
        if self._queue.tasks.running and self._hold_back(exchange, client):
            return ""
        return client

    def begin_admitted(self) -> None:
        """Count the request that was admitted last; before another thread leads, which may admit the next one."""
        with self._leaders.thread_pool.lock:
            self._queue.begin(self._admitted)

    def _hold_back(self, exchange: Exchange, client: str) -> bool:
        """Queue a request if its client is at its limit; False if it is not.

        Without the lock the client could seem to be below its limit while a thread that has ended one of its requests
        takes the next one.
        """
        queue = self._queue
        with self._leaders.thread_pool.lock:
            if not queue.tasks.is_at_limit(client):
                return False
            environ, exchange.environ = exchange.environ, NO_ENVIRON
            exchange.hand_off()  # with the lock held: from the next line on another thread may take it
            task = queue.new_task(exchange, environ)
            refused = queue.tasks.add(task)
        self._record(task, refused)
        return True

    def _record(self, added: Task, refused: Task | None) -> None:
        pool = self._leaders.thread_pool
        if refused is not added:
            self._queue.record_added(added[3])
            if pool.is_full and self._leaders.is_saturated:
                self._queue.record_depth(pool.size)
        if refused is not None:
            refuse(refused[0], refused[1])
