"""Requests that run longer than they should: found, and told of once with the stack of their thread.

Nothing is noted when a request starts or ends. Now and then every thread's stack is looked at: one that stands in
`Gateway.respond` runs a request, that frame knows which, and the connection knows since when. So the watch costs the
hot path nothing, and it finds whatever holds a thread up, in the application or below it.

With threads the leader looks. In a server of one thread, which can't look at itself, a thread of its own does.
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
from wiverno.core.telemetry.access_log import escaped
from wiverno.foreign_code import guarded_logger
from wiverno.wsgi.gateway import Gateway

logger = guarded_logger("wiverno.stuck")

LONGEST_INTERVAL: Final = 15.0  # seconds between two looks
SHORTEST_INTERVAL: Final = 0.2

_RESPOND: Final = Gateway.respond.__code__


class SlowRequestWatchdog:
    """Inspects the stacks of all threads."""

    def __init__(self, timeout: float, on_stuck: Callable[[], None]) -> None:
        """Tell of requests that are older than `timeout` seconds; `on_stuck` is called for each."""
        self.interval = min(max(timeout / 4, SHORTEST_INTERVAL), LONGEST_INTERVAL)
        self._timeout = timeout
        self._on_stuck = on_stuck
        self._reported: dict[int, dict[str, Any]] = {}  # thread → environ of the request that it was told of for

    def check(self) -> None:
        """Tell of what is stuck and has not been told of."""
        now = time.monotonic()
        told: dict[int, dict[str, Any]] = {}
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            found = _request_of(frame)
            if found is None:
                continue
            gateway, environ, since = found
            age = now - since
            if self._reported.get(ident) is environ:
                told[ident] = environ
            elif age >= self._timeout:
                told[ident] = environ
                self._report(gateway, age, names.get(ident, str(ident)), frame)
        self._reported = told

    def _report(self, gateway: Gateway, age: float, name: str, frame: FrameType) -> None:
        logger.warning(
            "%s %s has been running for %.1f s in thread %s (request_timeout = %g s):\n%s",
            escaped(gateway.method),
            escaped(gateway.target),
            age,
            name,
            self._timeout,
            "".join(traceback.format_list(_application_stack(frame))).rstrip(),
        )
        self._on_stuck()

    # ---------------------------------------------------------------- when to look

    def watch_in(self, loop: Loop) -> None:
        """Have the leader of `loop` check now and then."""
        Repeating(loop, self.interval, self.check)

    def watch_beside(self, ended: threading.Event) -> None:
        """Look from a thread of its own until `ended`."""

        def watch() -> None:
            while not ended.wait(self.interval):
                try:
                    self.check()
                except Exception:
                    logger.exception("Error while looking for requests that are stuck")

        threading.Thread(target=watch, name="wiverno-watch", daemon=True).start()


def _request_of(frame: FrameType | None) -> tuple[Gateway, dict[str, Any], float] | None:
    """Return the gateway and environ of the request that a thread runs, and when it was complete, monotonic seconds.

    The environ only tells one request from another: what stands in it is the application's by now.
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
    """Return what stands above `Gateway.respond` in a stack: the application's part."""
    stack = traceback.extract_stack(frame)
    for position, entry in enumerate(stack):
        if entry.name == _RESPOND.co_name and entry.filename == _RESPOND.co_filename:
            return list(stack)[position + 1 :] or list(stack)
    return list(stack)
