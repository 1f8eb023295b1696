"""The callables of one request that PEP 3333 and the environ give to the application.

They belong to their exchange. An application may keep them, in a closure or in a thread, and call them when the request
is over and the connection serves the next one, which behind a proxy is another user's: from then on they raise, and
nothing is sent. So each request has its own object, which holds everything that a late call could still change.

    gateway.respond() makes the exchange ── start_response, write, early_hints act through `gateway` ──┐
    the response's last byte is handed over: `gateway` is None, every call raises ←────────────────────┘
"""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from wiverno.http.response import Headers, ResponseHead, check_head, checked_head
from wiverno.wsgi.sink import Sink

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


# An exchange that the application has given back whole serves the next request of the connection: to make one costs a
# twentieth of a small request. The references to it are counted: as long as these numbers are right, the application
# keeps none. A wrong number (another interpreter counts otherwise, the environ is still in use) costs time only.
count_references: Callable[[object], int] = getattr(sys, "getrefcount", id)
START_REFERENCES = 2  # the gateway's, and the argument of the call that counts
HINTS_REFERENCES = 4  # also the connection's variables' and the environ's
DISCONNECTED_REFERENCES = 6  # which both have it under two names
CALLABLES_REFERENCES = 5  # the gateway's, the three callables', and the argument

# None of them can be less, since the exchange itself holds so many: the sum is this only if each number is right.
REFERENCES = START_REFERENCES + HINTS_REFERENCES + DISCONNECTED_REFERENCES + CALLABLES_REFERENCES

# Without a global lock another thread could take a reference while it is counted.
if not getattr(sys, "_is_gil_enabled", bool)() and hasattr(sys, "_is_gil_enabled"):
    count_references = id


class Sender(Protocol):
    """What the callables need of a gateway.

    Attributes:
        has_sent_head: the head is on its way to the client.
        sink: where the bytes go.
    """

    has_sent_head: bool
    sink: Sink

    def write(self, callables: "RequestCallables", data: bytes) -> None:
        """Send or keep a piece of the body."""

    def hint(self, callables: "RequestCallables", headers: Headers) -> None:
        """Send a 103 response."""


class RequestCallables:
    """One request and its response. Its methods may be called by any thread of the application, at any time.

    Attributes:
        gateway: what sends; None after the end.
        head: what the application gave to start_response.
    """

    # Made once a request. Without an __init__, which would cost more than all the rest: the gateway fills it in.
    __slots__ = ("gateway", "head")

    gateway: Sender | None
    head: ResponseHead | None

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[[bytes], None]:
        """Take status and headers, as PEP 3333 describes the callable of this name.

        Raises:
            ResponseError: a status or header that must not be sent.
            AssertionError: called a second time without exc_info.
            RuntimeError: called after the end of the exchange.
        """
        if self.gateway is None:
            raise ended("start_response()")
        if self.head is not None:
            self._restart(exc_info)
            exc_info = None  # breaks the cycle through the traceback
        try:
            head = checked_head((status, *headers))
        except TypeError:  # unhashable: no list of tuples of str
            head = None
        self.head = head or check_head(status, headers)
        return self.write

    def _restart(self, exc_info: ExcInfo | None) -> None:
        """Allow a second call with exc_info; raise its error if the head has been sent (PEP 3333)."""
        if exc_info is None:
            raise AssertionError("start_response called a second time without exc_info")
        gateway = self.gateway
        try:
            if gateway is not None and gateway.has_sent_head and exc_info[1] is not None:
                raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None

    def write(self, data: bytes) -> None:
        """Send or keep a piece of the body (PEP 3333, "The write Callable").

        Raises:
            ResponseError: it is not made of bytes.
            OSError: the client is gone, or what it does not take can't be kept; nothing can be sent after that.
            RuntimeError: called after the end of the exchange.
        """
        gateway = self.gateway
        if gateway is None:
            raise ended("write()")
        gateway.write(self, data)

    def early_hints(self, headers: Headers) -> None:
        """Send a 103 response before the final one (RFC 8297): environ["wsgi.early_hints"].

        Raises:
            ResponseError: fields that must not be sent.
            OSError: as for write().
            RuntimeError: called after the end of the exchange.
        """
        gateway = self.gateway
        if gateway is None:
            raise ended("wsgi.early_hints")
        gateway.hint(self, headers)

    def is_disconnected(self) -> bool:
        """Tell whether the client is gone: environ["wiverno.client_disconnected"].

        Raises:
            RuntimeError: called after the end of the exchange, when the connection may serve another request.
        """
        gateway = self.gateway
        if gateway is None:
            raise ended("wiverno.client_disconnected")
        return gateway.sink.is_disconnected()


def ended(name: str) -> RuntimeError:
    """Return what a callable raises after the end of its exchange."""
    return RuntimeError(f"{name} was called after the end of its request; nothing is sent")
