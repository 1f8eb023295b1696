"""Timing and logging of responses; absent when neither is configured.

A server without access log and metrics has no recorder, and its connections have plain gateways: the hot path does not
know this module. Otherwise a connection gets a gateway with `Recording`, which records a response when the application
has finished, and the loop flushes the records before it waits.

The time at which a request began to wait is known already: it is when the connection last received something.
"""

import os
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from wiverno.config.settings import Adjustments
from wiverno.core.log_files import reopen_log_files
from wiverno.core.telemetry.access_log import AccessLog
from wiverno.core.telemetry.counters import Counters
from wiverno.core.telemetry.log_formats import PATH, GetValues, Record, Values, needs_request_id, needs_times
from wiverno.core.telemetry.notes import SlowestPaths
from wiverno.foreign_code import guarded_logger, is_from_signal
from wiverno.tables import new_counter
from wiverno.wsgi.gateway import SUSPENDED, Gateway
from wiverno.wsgi_types import Environ

logger = guarded_logger("wiverno")

# The form of an id from a proxy: any other is replaced, so that ids can be searched for.
_ID: Final = re.compile(r"[0-9A-Za-z._:/+=@-]{1,128}")


class RequestRecorder:
    """Collects records of responses; every method may be called by any thread.

    Attributes:
        record: takes a Record; the next `flush` writes it.
        with_ids: every request gets an id.
        is_plain: records need neither times nor ids.
        values: takes what the access log needs of the environ; nothing if there is no log.
        slowest: the requests that were longest in the application.
    """

    def __init__(
        self,
        access_log: AccessLog | None,
        *,
        with_ids: bool = False,
        is_timed: bool = True,
    ) -> None:
        """`access_log` is closed by `close`."""
        self._counters: Counters | None = None
        self.slowest = SlowestPaths()
        self.with_ids = with_ids
        self.is_plain = not is_timed and not with_ids
        self._access_log = access_log
        self.values: GetValues = access_log.values if access_log is not None else _no_values
        self._records: deque[Record] = deque()
        self.record = self._records.append
        self._lock = threading.Lock()
        self._prefix = os.urandom(4).hex()
        self._next_number = new_counter()

    def count_into(self, counters: Counters) -> None:
        """Count what is recorded from now on."""
        self._counters = counters
        self.is_plain = False

    def request_id(self, environ: Environ, *, trusted: bool) -> str:
        """Return the id that a trusted proxy gave the request, or a new one."""
        if trusted:
            given = environ.get("HTTP_X_REQUEST_ID", "")
            if _ID.fullmatch(given):
                return str(given)
        return f"{self._prefix}-{self._next_number():x}"

    def record_error_response(self, environ: Environ, code: int, sent: int) -> None:
        """Record one of the server's own responses, with `sent` bytes of content."""
        now = time.monotonic()
        method = environ.get("REQUEST_METHOD") or "-"
        if not environ.get(PATH):
            environ = {**environ, PATH: "-"}
        self.record((self.values(environ), None, method, ErrorResponseHead(code), sent, now, now, now))

    def count_redirect(self) -> None:
        """Count a redirect to https; the response is recorded as any other."""
        if self._counters is not None:
            with self._lock:
                self._counters.increase("redirects")

    def flush(self) -> None:
        """Write the records; only a signal handler's exception is raised."""
        records = self._records
        if not records:
            return
        with self._lock:
            batch = [records.popleft() for _ in range(len(records))]
            try:
                if self._counters is not None:
                    self._counters.add(batch)
                if self._access_log is not None:
                    self._access_log.write(batch)
            except BaseException as error:
                if is_from_signal(error):
                    raise
                logger.error("%d response(s) are missing in the access log", len(batch), exc_info=error)

    def check(self) -> None:
        """Make sure that the access log's descriptor still is the log's (now and then)."""
        with self._lock:
            if self._access_log is not None:
                self._access_log.check()

    def reopen(self) -> None:
        """Reopen the log files."""
        self.flush()
        with self._lock:
            if self._access_log is not None:
                self._access_log.reopen()
        reopen_log_files()

    def close(self) -> None:
        """Write everything and close files."""
        self.flush()
        with self._lock:
            if self._access_log is not None:
                self._access_log.close()


@dataclass(frozen=True, slots=True)
class ErrorResponseHead:
    """The head of one of the server's own responses, as far as it is recorded."""

    code: int


def open_recorder(target: str, settings: Adjustments) -> RequestRecorder:
    """Return the recorder for the access log `target`.

    Raises:
        OSError: the access log can't be opened.
    """
    form = settings.access_log_format
    log = AccessLog(target, form, sample=settings.access_log_sample, skip=settings.access_log_skip)
    return RequestRecorder(log, with_ids=needs_request_id(form), is_timed=needs_times(form))


class Recording(Gateway):
    """What a gateway adds that records each response; mixed into a protocol's gateway."""

    __slots__ = ()

    _recorder: RequestRecorder
    _trusted: bool
    _recorded: tuple[Values, str | None, float, float] | None  # of a suspended response

    def record_into(self, recorder: RequestRecorder, *, trusted: bool) -> None:
        """Record into `recorder`; `trusted` says whether the peer is a trusted proxy."""
        self._recorder = recorder
        self._trusted = trusted
        self._recorded = None

    def respond(self, environ: Environ) -> int:
        """Run one request as the gateway does, and record its response."""
        recorder = self._recorder
        sink: Any = self.sink
        if recorder.with_ids:
            environ["wiverno.request_id"] = recorder.request_id(environ, trusted=self._trusted)
        # Once the application is called, the environ belongs to it.
        values = recorder.values(environ)
        user = None
        is_timed = not recorder.is_plain
        since, started = (sink.since, time.monotonic()) if is_timed else (0.0, 0.0)
        outcome = _respond(self, environ)
        if values:
            try:
                if "REMOTE_USER" in environ:
                    user = _user(environ)
            except BaseException as error:  # noqa: BLE001 - see _pass_signal
                _pass_signal(error)
        if outcome == SUSPENDED:
            self._recorded = (values, user, since, started)
            return outcome
        ended = time.monotonic() if is_timed else 0.0
        if ended - started > recorder.slowest.least:
            recorder.slowest.add(self.method, self.target, ended - started)
        recorder.record((values, user, self.method, self.head, self.sent, since, started, ended))
        if sink.is_handed_off():  # this thread does not lead, and the leader may wait for long
            recorder.flush()
        return outcome

    def resume(self) -> int:
        """Continue a suspended response, and record it when it is complete."""
        outcome = super().resume()
        if outcome != SUSPENDED:
            self._record_suspended()
        return outcome

    def abandon(self) -> None:
        """Drop a suspended response, and record what was sent of it."""
        super().abandon()
        self._record_suspended()

    def _record_suspended(self) -> None:
        recorded, self._recorded = self._recorded, None
        if recorded is not None:
            values, user, since, started = recorded
            ended = time.monotonic()
            self._recorder.record((values, user, self.method, self.head, self.sent, since, started, ended))


_respond: Final = Gateway.respond


def _no_values(environ: Environ) -> Values:
    """Return nothing."""
    return ()


def _user(environ: Environ) -> str | None:
    """Return REMOTE_USER as text: the only variable that the log takes from the application."""
    user = environ["REMOTE_USER"]
    return user if user is None or type(user) is str else str.__str__(str(user))


def _pass_signal(error: BaseException) -> None:
    """Drop an exception of a lazy user's code, unless it is a signal handler's: the user stays unknown."""
    if is_from_signal(error):
        raise error
