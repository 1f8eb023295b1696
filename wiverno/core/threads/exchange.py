"""One request and its response, as the threads and the request queue know it.

An HTTP/1.1 connection serves one exchange at a time and is its own exchange, so nothing is allocated for it; in HTTP/2
each stream is one. An exchange belongs to one thread at a time: to the leader, or from `hand_off` until
`finish_response` or `answer` to the thread that runs it.
"""

from typing import Any, Final, Protocol

from wiverno.wsgi_types import Environ

NO_ENVIRON: Final[Environ] = {}
"""The value where there is no request; never changed."""


class RespondingGateway(Protocol):
    """What runs the application for an exchange."""

    def respond(self, environ: Environ) -> int:
        """Call the application; return one of the outcomes of `wiverno.wsgi.outcomes`."""


class Exchange(Protocol):
    """What `Handler.ready` returns when a request is complete.

    Attributes:
        environ: the request's; taken by the thread that calls the application, and NO_ENVIRON afterwards.
        needs_finish: `finish_response` has something to do even if the outcome is KEEP.
    """

    @property
    def gateway(self) -> RespondingGateway:
        """Calls the application."""

    @property
    def client(self) -> Any:
        """The connection, whose descriptor the loop knows."""

    environ: Environ
    needs_finish: bool

    def hand_off(self) -> None:
        """Give the request to another thread than the leader."""

    def hand_off_locked(self) -> None:
        """Do the same with the loop's `arming` lock held by the caller."""

    def finish_response(self, outcome: int) -> None:
        """Continue after a response: keep, close, reset, or wait until what is left has been sent."""

    def answer(self, status: int, detail: str, retry_after: int = 0, environ: Environ | None = None) -> None:
        """Send one of the server's own responses instead of calling the application; `retry_after` in seconds."""

    def close(self) -> None:
        """End the exchange, and with HTTP/1.1 its connection, because of an error in the engine."""
