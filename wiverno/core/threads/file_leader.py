"""The leader of a server with mounts: requests of files use none of the application's threads.

A file is usually answered in some microseconds by the leader itself, as every quick request. The exceptions:

    saturation  Every thread of the application is held up, and the monitor thread leads.
    prediction  A disk has blocked before: all files of its mount share one memory in the predictor.

In both cases a file thread answers. The file that blocks first, unexpectedly, keeps one thread of the application until
it is read, as a request of the application that blocks does.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from wiverno.core.threads.client_of import client_of
from wiverno.core.threads.dispatcher import Dispatcher
from wiverno.core.threads.exchange import NO_ENVIRON, Exchange
from wiverno.core.threads.leader import LeaderFollowers
from wiverno.core.threads.predictor import Predictor
from wiverno.core.threads.thread_pool import PoolThread, ThreadPool
from wiverno.wsgi_types import Environ

if TYPE_CHECKING:
    from wiverno.static.site import StaticSite


class MountPredictor(Predictor):
    """A predictor for which the files of a mount are one kind of request: they are on one disk."""

    __slots__ = ("_site",)

    def __init__(self, site: "StaticSite") -> None:
        super().__init__()
        self._site = site

    def is_blocking(self, method: str, path: str) -> bool:
        """Tell whether this request is expected to block."""
        return super().is_blocking(*self._kind(method, path))

    def learn(self, method: str, path: str, *, has_blocked: bool) -> None:
        """Record whether a request has blocked."""
        if has_blocked or self.counters:
            super().learn(*self._kind(method, path), has_blocked=has_blocked)

    def _kind(self, method: str, path: str) -> tuple[str, str]:
        mount = self._site.find_owner(method, path)
        return (method, path) if mount is None else ("GET", mount.path + "/")


class FileDispatcher(Dispatcher):
    """A dispatcher that gives files to the file threads; they are in no queue, and in no client's limit."""

    def __init__(self, site: "StaticSite", run: Callable[[Exchange, Environ], bool], *arguments: Any) -> None:
        super().__init__(*arguments)
        self._site = site
        self._run = run

    def queue(self, exchange: Exchange) -> None:
        """Give a file to a file thread, another request to a free thread, or queue it."""
        environ = exchange.environ
        if not is_file(self._site, environ):
            super().queue(exchange)
            return
        exchange.environ = NO_ENVIRON
        exchange.hand_off()
        if not self._run(exchange, environ):
            exchange.answer(503, "no thread can be started", retry_after=1, environ=environ)

    def admit(self, exchange: Exchange, environ: Environ) -> str:
        """Return whose request it is; "" if it was queued."""
        if not is_file(self._site, environ):
            return super().admit(exchange, environ)
        client = self._admitted = client_of(exchange, environ)
        return client


class FileLeaders(LeaderFollowers):
    """The thread pool and the monitor thread of a server with mounts."""

    def __init__(self, site: "StaticSite", *arguments: Any, **options: Any) -> None:
        """Make a thread pool that is not running yet; `site` says what is a file, the rest is as in the base class."""
        self._site = site
        super().__init__(*arguments, **options)
        self._predictor = MountPredictor(site)

    def _use_pool(self, thread_pool: ThreadPool) -> None:
        super()._use_pool(thread_pool)
        self._dispatcher = FileDispatcher(self._site, self._run_file, self, self._loop, self._tasks, self.growth)

    def _run_task(self, me: PoolThread, exchange: Exchange, environ: Environ, queued_at: float, client: str) -> None:
        """Run a request outside the lead; a file, which is expected to block, in a file thread."""
        if is_file(self._site, environ) and self._run_file(exchange, environ):
            me.job = None
            if self._tasks.limits_clients:
                me.client = client  # it is counted as running until this thread takes another job
        else:
            super()._run_task(me, exchange, environ, queued_at, client)

    def _run_file(self, exchange: Exchange, environ: Environ) -> bool:
        """Have a file thread answer; False if there is none."""
        return self.file_threads.run(partial(self._answer, exchange, environ))

    def _answer(self, exchange: Exchange, environ: Environ) -> None:
        """Answer a request in a file thread."""
        super()._run_task(PoolThread(), exchange, environ, time.monotonic(), "")


def is_file(site: "StaticSite", environ: Environ) -> bool:
    """Tell whether a request needs no thread of the application."""
    return site.find_owner(environ["REQUEST_METHOD"], environ["PATH_INFO"]) is not None


def new_leaders(site: "StaticSite | None", *arguments: Any, **options: Any) -> LeaderFollowers:
    """Return the thread pool of a server; `site` is its mounts, the rest goes to `LeaderFollowers`."""
    if site is None:
        return LeaderFollowers(*arguments, **options)
    return FileLeaders(site, *arguments, **options)
