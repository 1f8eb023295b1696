"""The watchdog for requests that run longer than `request_timeout`: logged once with the thread's stack.

Nothing is recorded when a request starts or ends. Now and then the stack of every thread is inspected: one with a frame
of `Gateway.respond` runs a request, that frame knows which one, and the connection knows since when. So the watchdog
costs the hot path nothing, and it finds what blocks a thread, in the application or below it.

With threads the leader checks. A server of one thread can't check itself, so a separate thread does.
"""

import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.timers import Repeating
from wiverno.core.telemetry.escaping import escape
from wiverno.foreign_code import guarded_logger
from wiverno.wsgi.gateway import Gateway

logger = guarded_logger("wiverno.stuck")

LONGEST_INTERVAL: Final = 15.0  # seconds between two checks
SHORTEST_INTERVAL: Final = 0.2
MOST_NAMED: Final = 8  # different requests in one line
LONGEST_NAME: Final = 100  # characters

_RESPOND: Final = Gateway.respond.__code__


class SlowRequestWatchdog:
    """Inspects the stacks of all threads."""

    def __init__(self, timeout: float, on_stuck: Callable[[str], None]) -> None:
        """Log requests that are older than `timeout` seconds; `on_stuck` is called for each with its stack."""
        self.interval = min(max(timeout / 4, SHORTEST_INTERVAL), LONGEST_INTERVAL)
        self._timeout = timeout
        self._on_stuck = on_stuck
        self._reported: dict[int, dict[str, Any]] = {}  # thread → environ of the request that was logged

    def check(self) -> None:
        """Log slow requests that have not been logged."""
        now = time.monotonic()
        reported: dict[int, dict[str, Any]] = {}
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            found = _request_of(frame)
            if found is None:
                continue
            gateway, environ, since = found
            age = now - since
            if self._reported.get(ident) is environ:
                reported[ident] = environ
            elif age >= self._timeout:
                reported[ident] = environ
                self._report(gateway, age, names.get(ident, str(ident)), frame)
        self._reported = reported

    def _report(self, gateway: Gateway, age: float, name: str, frame: FrameType) -> None:
        stack = "".join(traceback.format_list(_application_stack(frame))).rstrip()
        method, target = escape(gateway.method), escape(gateway.target)
        logger.warning(
            "%s %s has been running for %.1f s in thread %s (request_timeout = %g s):\n%s",
            method, target, age, name, self._timeout, stack,
        )  # fmt: skip
        self._on_stuck(f"{method} {target.partition('?')[0]} for {age:.1f} s in thread {name}\n{stack}")

    # ---------------------------------------------------------------- when to check

    def watch_in(self, loop: Loop) -> None:
        """Have the leader of `loop` check now and then."""
        Repeating(loop, self.interval, self.check)

    def watch_beside(self, ended: threading.Event) -> None:
        """Check from a separate thread until `ended`."""

        def watch() -> None:
            while not ended.wait(self.interval):
                try:
                    self.check()
                except BaseException as error:  # the next check may succeed
                    logger.error("error while checking for slow requests", exc_info=error)

        threading.Thread(target=watch, name="wiverno-watch", daemon=True).start()


def describe_running() -> str:
    """Return which requests all threads run, as text for a log line: the most numerous first, with the oldest's age."""
    now = time.monotonic()
    ages: dict[str, list[float]] = {}
    for frame in sys._current_frames().values():
        found = _request_of(frame)
        if found is not None:
            gateway, _, since = found
            name = f"{escape(gateway.method)} {escape(gateway.target.partition('?')[0])}"
            ages.setdefault(name[:LONGEST_NAME], []).append(now - since)
    lines = sorted(ages.items(), key=lambda item: (-len(item[1]), item[0]))
    parts = [f"{len(times)} × {name} (up to {max(times):.1f} s)" for name, times in lines[:MOST_NAMED]]
    if len(lines) > MOST_NAMED:
        parts.append(f"and {sum(len(times) for _, times in lines[MOST_NAMED:])} more")
    return ", ".join(parts)


def _request_of(frame: FrameType | None) -> tuple[Gateway, dict[str, Any], float] | None:
    """Return the gateway and environ of the request that a thread runs, and when it was complete, monotonic seconds.

    The environ only identifies the request: its content belongs to the application.
    """
    while frame is not None:
        if frame.f_code is _RESPOND:
            variables = frame.f_locals
            gateway, environ = variables.get("self"), variables.get("environ")
            if not isinstance(gateway, Gateway) or type(environ) is not dict:
                return None
            since = getattr(gateway.sink, "since", None)
            return (gateway, environ, since) if isinstance(since, float) else None
        frame = frame.f_back
    return None


def _application_stack(frame: FrameType) -> list[traceback.FrameSummary]:
    """Return the frames above `Gateway.respond` in a stack: the application's part."""
    stack = traceback.extract_stack(frame)
    for position, entry in enumerate(stack):
        if entry.name == _RESPOND.co_name and entry.filename == _RESPOND.co_filename:
            return list(stack)[position + 1 :] or list(stack)
    return list(stack)
