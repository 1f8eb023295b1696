"""An HTTP/1.1 connection that logs what happens to it: for the debug log, so that others pay nothing for it."""

from typing import Final

from wiverno.core.http1.connection import Connection
from wiverno.core.http1.states import CLOSED, NAMES, RUNNING
from wiverno.core.loop.connection_log import log_event
from wiverno.wsgi.outcomes import BROKEN, CLOSE, KEEP, SUSPENDED
from wiverno.wsgi_types import Environ

OUTCOMES: Final = {CLOSE: "close", KEEP: "keep", SUSPENDED: "suspended", BROKEN: "broken"}


class FollowedConnection(Connection):
    """The same connection, with a line for each request, state and end."""

    __slots__ = ()

    def _move(self, state: int) -> None:
        if state == RUNNING:
            log_event(self.fd, "handed off to another thread")
        elif state not in (CLOSED, self.state):
            log_event(self.fd, "%s -> %s", NAMES[self.state], NAMES[state])
        super()._move(state)

    def _parse(self, block: bytes) -> Connection | None:
        exchange = super()._parse(block)
        if exchange is not None and self._body is None:  # else `_end_body` has logged it
            self._log_request()
        return exchange

    def _end_body(self) -> Connection | None:
        exchange = super()._end_body()
        self._log_request()
        return exchange

    def _log_request(self) -> None:
        environ = self.environ
        path = str(environ.get("REQUEST_URI", "")).partition("?")[0]  # a query may hold what is secret
        log_event(self.fd, "request received: %s %s", environ.get("REQUEST_METHOD"), path)

    def answer(self, status: int, detail: str, retry_after: int = 0, environ: Environ | None = None) -> None:
        """Send an error response, and log it."""
        log_event(self.fd, "error response %d: %s", status, detail)
        super().answer(status, detail, retry_after, environ)

    def finish_response(self, outcome: int) -> None:
        """Continue after a response, and log it."""
        log_event(self.fd, "response ended: %s", OUTCOMES[outcome])
        super().finish_response(outcome)

    def close(self, reason: str = "by the server") -> None:
        """Close, and log why."""
        if self.state != CLOSED:
            log_event(self.fd, "closed: %s", reason)
        super().close(reason)
