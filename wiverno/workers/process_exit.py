"""The end of a process of wiverno, with a limit for the application's threads, executors and exit handlers.

Python waits for every thread that is not a daemon, for the jobs of executors, and then calls the exit handlers
(atexit). One thread that polls for ever keeps a process alive that has drained and closed its sockets. So a thread
watches the end. When the time is over it logs what keeps the process alive, with the stacks, calls the exit handlers
that have not been called, and ends the process with the status that it would have had.

    threads end in time      → exit handlers → the end
    they do not, or a second → their names and stacks are logged → exit handlers, for 2 seconds → the end
    signal comes
    exit handlers hang       → all stacks on standard error → the end, with status 1

A program that calls `serve()` continues afterwards as it likes; its end is not watched.
"""

import atexit
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final, NoReturn

from wiverno.foreign_code import guarded_logger
from wiverno.standard_streams import STDERR

logger = guarded_logger("wiverno")

HANDLERS_TIMEOUT: Final = 2.0  # seconds for exit handlers; a supervisor kills a worker 3 s after graceful_timeout
MIN_TIME: Final = 0.5  # seconds that threads get after a drain that took all of graceful_timeout
UNSERVED_TIMEOUT: Final = (
    2.0  # seconds that threads get when nothing was served, as after a mistake in the configuration
)

_watches: Final[list["EndWatch"]] = []  # one, as soon as the end is watched


class EndWatch:
    """Ends this process in time, from a daemon thread.

    The thread that takes `_handlers` calls the exit handlers: the main thread when all threads have ended, or this one.
    """

    def __init__(self, by: float, status: int = 0) -> None:
        """Watch from `start` on.

        Args:
            by: monotonic seconds until which threads may go on; infinity for no limit, 0 for a forced end.
            status: the exit status.
        """
        self._by = by
        self._status = status
        self._begun = threading.Event()
        self._forced = threading.Event()
        self._handlers = [True]
        self._handlers_by = 0.0
        self._thread = threading.Thread(target=self._watch, name="wiverno-end", daemon=True)

    def start(self, *, at_exit: bool = False) -> None:
        """Begin: now, or with `at_exit` when the main thread has come to the program's end."""
        _watches.append(self)
        atexit.register(self._before_handlers)  # the last one that is registered is called first
        on_end: Callable[[Callable[[], None]], None] | None = getattr(threading, "_register_atexit", None)
        if at_exit and on_end is not None:
            on_end(self._begun.set)
        else:
            self._begun.set()
        self._thread.start()

    def force(self, number: int = 0, frame: FrameType | None = None) -> None:
        """End at once; the second time without exit handlers. A signal handler."""
        if self._forced.is_set():
            os._exit(self._status)
        self._forced.set()

    def take_signals(self) -> None:
        """Let the next SIGTERM, SIGINT, SIGQUIT or SIGBREAK force the end (main thread)."""
        for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(signal.Signals[name], self.force)

    def claim_handlers(self) -> None:
        """Claim the exit handlers for the calling thread; if the watch has them, wait for the end of the process."""
        now = time.monotonic()
        self._handlers_by = now + HANDLERS_TIMEOUT
        try:
            self._handlers.pop()
        except IndexError:
            while True:
                time.sleep(HANDLERS_TIMEOUT)  # the watch ends the process
        if self._by != float("inf"):
            # The interpreter's finalization may hang, too.
            _end_without_python(max(self._by - now, HANDLERS_TIMEOUT) + 2 * MIN_TIME)

    def _before_handlers(self) -> None:
        if threading.current_thread() is not self._thread and not self._handlers_by:
            self.claim_handlers()

    # ---------------------------------------------------------------- its thread

    def _watch(self) -> None:
        self._begun.wait()
        if self._by:
            by = max(self._by, time.monotonic() + MIN_TIME)
            limit = f"for up to {by - time.monotonic():.1f} s" if by != float("inf") else "without a limit"
            with suppress(Exception):
                names, stacks = find_blocking_threads()
                if stacks:
                    logger.info("%s; the process waits for them %s", names, limit)
            self._forced.wait(None if by == float("inf") else max(by - time.monotonic(), 0.0))
        while not self._forced.is_set() and (left := self._handlers_by - time.monotonic()) > 0:
            self._forced.wait(left)
        self._end_now()

    def _end_now(self) -> NoReturn:
        try:
            _end_without_python(HANDLERS_TIMEOUT + MIN_TIME)  # this thread calls foreign code now
            has_handlers = bool(self._handlers) and bool(self._handlers.pop())
            with suppress(Exception):  # threads have names of the application's
                self._report(has_handlers)
            if has_handlers:
                _call_handlers()
        except BaseException:  # noqa: BLE001 - nothing may keep the process from ending here
            pass
        finally:
            os._exit(self._status)

    def _report(self, has_handlers: bool) -> None:
        why = "the end was forced" if self._forced.is_set() or not self._by else "the time for the end is over"
        if not has_handlers:
            names, stacks = "an exit handler (atexit) has not returned", _stack(threading.main_thread())
        else:
            names, stacks = find_blocking_threads()
        if stacks:
            logger.warning("%s, and the process has not ended: %s; ending it\n%s", why, names, stacks)


def _end_without_python(seconds: float) -> None:
    """Print all stacks and end with status 1 after so many seconds, whatever the interpreter does then."""
    with suppress(Exception):
        faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)


def find_blocking_threads() -> tuple[str, str]:
    """Return the threads that Python waits for at the end, as a sentence, and their stacks."""
    threads = [
        thread for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread() and thread.is_alive()
    ]  # fmt: skip
    names = ", ".join(repr(thread.name) for thread in threads)
    return f"{len(threads)} thread(s) of the application still run: {names}", "\n".join(map(_stack, threads))


def _stack(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)
    lines = traceback.format_stack(frame) if frame is not None else []
    return f"Thread {thread.name!r}:\n{''.join(lines)}"


def _call_handlers() -> None:
    """Call the exit handlers and flush what is left; each may raise anything."""
    for action in (atexit._run_exitfuncs, _flush):
        with suppress(BaseException):
            action()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


# ---------------------------------------------------------------- which process ends


def watch_end(by: float, status: int = 0, *, at_exit: bool = False) -> None:
    """Limit the time that this process takes to end; see `EndWatch`. Only the first call counts."""
    if _watches:
        return
    watch = EndWatch(by, status)
    if not at_exit:
        with suppress(ValueError):  # not in the main thread
            watch.take_signals()
    watch.start(at_exit=at_exit)


def watch_unserved(status: int) -> None:
    """Do the same if nothing was served: after a command that only read, or a start that failed."""
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        watch_end(time.monotonic() + UNSERVED_TIMEOUT, status)


class End:
    """The time at which a process must have ended: monotonic seconds, None if nothing was served."""

    __slots__ = ("by",)

    def __init__(self) -> None:
        self.by: float | None = None


@contextmanager
def ends_with_pserve() -> Iterator[End]:
    """Watch the end of pserve, which follows the block, from the moment when its main thread ends.

    Other programs that run a PasteDeploy server may continue, so their end is not watched.
    """
    end = End()
    try:
        yield end
    finally:
        if "pyramid.scripts.pserve" in sys.modules:
            by = time.monotonic() + UNSERVED_TIMEOUT if end.by is None else end.by
            watch_end(by, 1 if end.by is None else 0, at_exit=True)


def end_process(status: int, by: float) -> NoReturn:
    """End this worker process as Python would: threads, exit handlers, streams."""
    try:
        watch = EndWatch(by, status)
        watch.take_signals()
        watch.start()
        if by:
            threading._shutdown()  # type: ignore[attr-defined]
        watch.claim_handlers()
        _call_handlers()
    except BaseException:  # noqa: BLE001 - as above
        pass
    finally:
        os._exit(status)


def leave_to_parent() -> None:
    """Leave to the supervisor, after the fork of a worker, what must be done once.

    Exit handlers that were registered before the fork run in each worker, as after every fork: they send what an
    exporter holds. But finalizers (weakref.finalize) remove temporary directories, and multiprocessing's handler ends
    and joins processes: these belong to the supervisor.
    """
    registry: Any = getattr(weakref.finalize, "_registry", {})
    for finalizer in list(registry):
        finalizer.atexit = False
    children: Any = getattr(sys.modules.get("multiprocessing.process"), "_children", None)
    if children is not None:
        children.clear()
