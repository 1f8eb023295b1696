"""Which protocol a new connection speaks, and the connection that speaks it: the one place that knows them all.

Over TLS the client chooses by ALPN during the handshake. On a plain socket HTTP/2 begins with a preface of 24 bytes
that no HTTP/1.1 request begins with ("prior knowledge", RFC 9113 §3.3, §3.4). It is recognised only where it is
allowed, at trusted proxies and on Unix sockets, and before a connection exists: HTTP/1.1 has no branch for it.
"""

import socket
from collections.abc import Callable
from typing import Any, Final

from wiverno.config.settings import Adjustments
from wiverno.core.context import ServerContext
from wiverno.core.http1.connection import Connection
from wiverno.core.http1.followed import FollowedConnection
from wiverno.core.loop.connection_log import log_event
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.handlers import HEAD_AGE, Client
from wiverno.core.loop.poller import READ
from wiverno.core.net.new_client import NewClient
from wiverno.wsgi_types import Environ

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ALPN_HTTP2: Final = "h2"

OnProtocol = Callable[[bool, bytes], None]
"""Called with whether the client speaks HTTP/2, and what it has sent."""


def new_connection(
    sock: Any,
    variables: Environ,
    context: ServerContext,
    loop: Loop,
    *,
    trusted: bool,
    is_http2: bool = False,
    received: bytes = b"",
    is_followed: bool = False,
) -> Client:
    """Return a connection of the protocol that the client speaks; arguments as for `Connection`.

    If the connection `is_followed`, the debug log tells what happens to it.
    """
    if is_http2:
        if is_followed:
            log_event(sock.fileno(), "speaks HTTP/2")
        from wiverno.core.http2.connection import Http2Connection  # HPACK is loaded where HTTP/2 is spoken

        return Http2Connection(sock, variables, context, loop, trusted=trusted, received=received)
    kind = connection_class(context, is_followed=is_followed)
    return kind(sock, variables, context, loop, trusted=trusted, received=received)


def connection_class(context: ServerContext, *, is_followed: bool) -> type[Connection]:
    """Return the class of an HTTP/1.1 connection; what few servers need is imported where it is needed."""
    if context.redirects is not None:
        from wiverno.core.http1.redirect import FollowedRedirectConnection, RedirectConnection

        return FollowedRedirectConnection if is_followed else RedirectConnection
    if context.allowed_hosts is not None:
        from wiverno.core.http1.host_check import FollowedHostCheckedConnection, HostCheckedConnection

        return FollowedHostCheckedConnection if is_followed else HostCheckedConnection
    return FollowedConnection if is_followed else Connection


def load_protocols(settings: Adjustments) -> None:
    """Import what the first client needs, for a process that gives up the right to read its own package."""
    if settings.user is not None or settings.group is not None:
        import http  # noqa: F401 - for the reason phrase of the first error
        import tempfile  # noqa: F401 - for the first body that goes to a file

        import wiverno.core.http1.recording
        import wiverno.core.telemetry.heartbeat
    if settings.certfile is not None:
        import wiverno.core.net.tls
    if settings.http2:
        import wiverno.core.http2.connection
    if settings.proxy_protocol:
        import wiverno.core.net.proxy_protocol
    if settings.static:
        import wiverno.static.site
    if settings.allowed_hosts:
        import wiverno.core.http1.host_check
    if settings.redirect_listen:
        import wiverno.core.http1.redirect  # noqa: F401 - imported for later


def may_begin_with_preface(context: ServerContext, *, trusted: bool) -> bool:
    """Tell whether a plain connection may speak HTTP/2 by prior knowledge."""
    return context.http2_connections is not None and trusted


class PrefaceReader(NewClient):
    """Reads the first bytes of a new connection until they show the protocol; one byte is enough for most requests."""

    __slots__ = ("_on_protocol", "_received")

    grace = HEAD_AGE

    def __init__(
        self, sock: socket.socket, loop: Loop, timeout: float, on_protocol: OnProtocol, received: bytes
    ) -> None:
        """Begin with what has been received already; `timeout` in seconds, 0 for none."""
        super().__init__(sock, loop, timeout)
        self._on_protocol = on_protocol
        self._received = received

    def ready(self, events: int) -> None:
        """Read, and decide as soon as the bytes allow it."""
        if events or not self._received:
            try:
                data = self.sock.recv(65536)
            except (BlockingIOError, InterruptedError):
                self._wait_for(READ)
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            self._received += data
        received = self._received
        if received[: len(PREFACE)] == PREFACE:
            self._decide(is_http2=True)
        elif PREFACE.startswith(received):
            self._wait_for(READ)
        else:
            self._decide(is_http2=False)

    def _decide(self, *, is_http2: bool) -> None:
        self._pass_on(lambda: self._on_protocol(is_http2, self._received))

    def drain(self, before: float = float("inf")) -> None:
        """Close if nothing has come since `before`."""
        if self._since <= before and not self.has_input():
            self.close()
