"""What a thread of the pool does from its start to its end: it waits for a job, leads, and runs queued requests.

An exception may come at any place in these threads: MemoryError, or one that another thread throws in
(PyThreadState_SetAsyncExc, as libraries for time limits use it). It ends no thread and costs one connection at most. So
what a thread has to do is written down before it begins and not only a value on its stack: in `PoolThread.job` what is
to run, in LeaderFollowers who leads.
"""

import time
from abc import ABC, abstractmethod
from typing import Any, Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.threads.blocking import new_detector
from wiverno.core.threads.exchange import Exchange
from wiverno.core.threads.fair_queue import Task
from wiverno.core.threads.predictor import Predictor
from wiverno.core.threads.recovery import Recovery
from wiverno.core.threads.request_queue import RequestQueue, reject
from wiverno.core.threads.thread_pool import END, PoolThread, ThreadPool
from wiverno.wsgi import forked
from wiverno.wsgi_types import Environ

LEAD: Final = object()
"""The job of a thread that leads."""


class Followers(ABC):
    """The threads of the pool, without what the leader does.

    Attributes:
        thread_pool: which threads there are, and which are idle.
        recovery: what happens to a connection after an exception.
        has_ended: the loop is over: the threads end.
        is_abandoned: a copy in a process that the application forked: a thread that returns here ends the process.
    """

    thread_pool: ThreadPool

    def __init__(self, loop: Loop, tasks: RequestQueue) -> None:
        self._tasks = tasks
        self._lock = tasks.lock  # guards the idle threads, _tasks and the hand-over of jobs
        self._predictor = Predictor()
        self._blocking = new_detector()
        self.recovery = Recovery(loop, self.end)
        self.has_ended = False
        self.is_abandoned = False

    @abstractmethod
    def end(self) -> None:
        """End the loop and with it the threads."""

    @abstractmethod
    def _lead(self, me: PoolThread | None) -> None:
        """Lead until another thread does; no exception ends that."""

    @abstractmethod
    def _restore_lead(self, me: PoolThread) -> None:
        """Have the thread lead that an exception has kept from it (lock held)."""

    def _serve(self, me: PoolThread) -> None:
        """Run a thread of the pool until the end; no exception ends it, wherever it comes."""
        failure: BaseException | None = None
        while True:
            try:
                self._serve_after(failure, me)
                return
            except BaseException as error:  # noqa: BLE001 - nothing may end a thread
                failure = error

    def _serve_after(self, failure: BaseException | None, me: PoolThread) -> None:
        """Find out what is left to do after an exception, if there was one, and do job after job until the end."""
        is_woken = failure is not None and self._rejoin(me)
        if failure is not None:
            self.recovery.log_error(failure)
            if not is_woken and (self.has_ended or me.has_left):
                return
        while True:
            if not is_woken:
                me.park.acquire()
            is_woken = False
            if self._serve_once(me):
                return

    def _rejoin(self, me: PoolThread) -> bool:
        """Make the thread idle after an exception, unless it has something to do: then return True."""
        with self._lock:
            self._finish(me)
            self._restore_lead(me)
            return self.thread_pool.rejoin(me)

    def _serve_once(self, me: PoolThread) -> bool:
        """Do the job that the thread was woken for, then what is queued; True if the thread ends."""
        job = me.job
        if job is None:
            job = self._find_job(me)
        if job is END:
            return True
        if job is LEAD:
            me.job = None
            self._lead(me)
        elif job is not None:
            self._run_task(me, *job)
        while (task := self._next_task(me)) is not None:
            self._run_task(me, *task)
        return self.has_ended or me.has_left  # join() does not wait for threads that have left before

    def _find_job(self, me: PoolThread) -> Any:
        """Return what a thread has to do that was woken for no job; None if there is nothing.

        It is an additional thread, or an exception came between a job and its thread: `me` was woken without the job,
        or twice, and the job comes now.
        """
        with self._lock:
            self.thread_pool.take_out(me)
            self._restore_lead(me)
            if me.job is not None:
                me.park.acquire(blocking=False)
            return me.job

    def _next_task(self, me: PoolThread) -> Task | None:
        """Take a queued request as the thread's job, or become idle, or leave if there are too many threads."""
        if self.is_abandoned:
            forked.leave()
        with self._lock:
            self._finish(me)
            task = me.job = None if self.has_ended else self._tasks.take()
            if task is None and not self.thread_pool.leave(me):
                self.thread_pool.wait_idle(me)
            return task

    def _finish(self, me: PoolThread) -> None:
        """Note that the request that the thread ran outside the lead has ended (lock held)."""
        if me.client:
            self._tasks.finish(me.client)
            me.client = ""

    def _run_task(self, me: PoolThread, exchange: Exchange, environ: Environ, queued_at: float, client: str) -> None:
        """Run a request outside the lead, and remember whether it blocked."""
        try:
            me.job = None
            if self._tasks.limits_clients:
                me.client = client
            started = time.monotonic()
            if self._tasks.is_late(queued_at, started):
                reject(exchange, environ)
                return
            # Read now: once the application is called, the environ belongs to it.
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            before = self._blocking.begin_call()
            outcome = exchange.gateway.respond(environ)
            has_blocked = self._blocking.has_blocked(before, time.monotonic() - started)
            self._predictor.learn(method, path, has_blocked=has_blocked)
            exchange.finish_response(outcome)
        except BaseException as error:  # noqa: BLE001 - nothing may end a thread
            self.recovery.drop_exchange(exchange, error)
