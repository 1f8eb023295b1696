"""Listening sockets in the loop: accept in bursts, within the limit of connections.

At the limit, and when the descriptor table is full, idle and unfinished connections are evicted (idle_eviction.py). If
there are none, the listening sockets are disarmed instead of accepting and closing: the kernel keeps the next clients
in the accept queue, and they are served as soon as others leave.
"""

import errno
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from wiverno.core.accept.idle_eviction import LOG_INTERVAL, RETRY, IdleEvictor
from wiverno.core.accept.protocols import ALPN_HTTP2, PrefaceReader, may_begin_with_preface, new_connection
from wiverno.core.context import ServerContext
from wiverno.core.loop.connection_log import is_followed, log_event
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.handlers import Client
from wiverno.core.loop.poller import NOTHING, READ, is_readable
from wiverno.core.net.closing import close_client
from wiverno.core.net.listener_kinds import Listener
from wiverno.foreign_code import guarded_logger
from wiverno.standard_streams import COUNT as STANDARD_STREAMS
from wiverno.standard_streams import reserve_descriptors
from wiverno.wsgi.partial_request import describe_partial
from wiverno.wsgi_types import Environ

if TYPE_CHECKING:
    from wiverno.http.proxy_protocol import ProxyPreamble

logger = guarded_logger("wiverno")

BURST: Final = 64  # connections accepted before other events are handled
# Descriptors left to the application and to bodies in files, once the descriptor table was full.
RESERVE: Final = 16
SHARE_OF_RESERVE: Final = 8  # but no more than one in so many of the connections
LOWERED: Final = 10.0  # seconds for which a full table keeps the limit low

PLAIN_HTTP: Final = "plain HTTP request sent to an HTTPS port; use https:// in the address"

# accept(2): the connection was gone before it was accepted, or the network had an error that concerns only it.
_PASSING: Final = frozenset(
    getattr(errno, name)
    for name in ("ECONNABORTED", "EPROTO", "EPERM", "ENETDOWN", "EHOSTDOWN", "EHOSTUNREACH", "ENETUNREACH", "EINTR")
    if hasattr(errno, name)
)
_TABLE_FULL: Final = (errno.EMFILE, errno.ENFILE)


class Acceptor:
    """Accepts the clients of one listener; belongs to the leader."""

    def __init__(
        self, listener: Listener, variables: Environ, context: ServerContext, loop: Loop, limit: "ConnectionLimit"
    ) -> None:
        """`variables` are the listener's part of the environ; `context` is what connections accepted later get."""
        self.fd = listener.socket.fileno()
        self.descriptor = listener.descriptor
        self.tick = 0
        self._listener = listener
        self._variables = variables
        self.context = context
        self._loop = loop
        self._limit = limit
        self._retry_at = float("inf")
        self._next_log = 0.0
        self.burst = BURST
        self.should_defer: Callable[[], bool] | None = None
        self.place: Callable[[], Acceptor | None] | None = None
        """Returns the acceptor of another event loop that a new client is given to, None for this one."""
        self.others: Sequence[Acceptor] = ()
        """The acceptors of the same listener in other event loops."""
        self._is_followed = is_followed()

    def __repr__(self) -> str:
        return f"<Acceptor {self._listener} fd={self.fd}>"

    def ready(self, events: int) -> None:
        """Accept waiting clients, up to a burst."""
        if self.should_defer is not None and self.should_defer():
            return
        for _ in range(self.burst):
            if self._limit.is_reached(self.fd):
                return
            if not self.accept():
                return

    def accept(self) -> bool:
        """Accept one connection; False if none waits or none can be accepted now."""
        try:
            sock, peer = self._listener.socket.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno in _PASSING:
                return True
            if error.errno in _TABLE_FULL and self._limit.lower(error):
                return not self._limit.is_reached(self.fd)
            self.descriptor.check()
            self._pause(error)
            return False
        try:
            other = self.place() if self.place is not None else None
            if other is not None and sock.fileno() >= STANDARD_STREAMS:  # the others are moved at once
                other.give(sock, peer)
            else:
                self._take(sock, peer)
        except BaseException:  # the client would wait as long as a traceback is kept that refers to its socket
            sock.close()
            raise
        return True

    @property
    def load(self) -> int:
        """How many clients its event loop has, with those that are given to it; from any thread."""
        return self._loop.load

    def give(self, sock: socket.socket, peer: Any) -> None:
        """Have this acceptor's leader admit a client; from any thread."""
        self._loop.call_soon_threadsafe(lambda: self._take(sock, peer))

    def _take(self, sock: socket.socket, peer: Any) -> None:
        try:
            if sock.fileno() < STANDARD_STREAMS:
                sock = _moved(sock)
            sock.setblocking(False)
            self._admit(sock, peer)
        except Exception as error:  # one client must not end the leader
            if not isinstance(error, OSError):
                logger.error("internal error, new connection closed", exc_info=error)
            close_client(sock)

    def _admit(self, sock: socket.socket, peer: Any) -> None:
        variables = self._variables.copy()
        host, port = self._listener.peer_of(peer)
        variables["REMOTE_ADDR"] = variables["REMOTE_HOST"] = host
        variables["REMOTE_PORT"] = port
        if self._is_followed:
            log_event(sock.fileno(), "accepted from %s:%s on %s", host, port, self._listener)
        is_secure = self.context.tls is not None and self._listener.speaks_tls
        begin = self._secure if is_secure else self._begin
        if not self.context.proxy_protocol:
            begin(sock, variables, host, b"")
            return
        policy = self.context.policy
        if policy is None or not policy.trusts(host):
            close_client(sock)
            return

        from wiverno.core.net.proxy_protocol import PreambleReader

        def on_preamble(preamble: "ProxyPreamble", rest: bytes) -> None:
            if preamble.source is not None:
                variables["REMOTE_ADDR"] = variables["REMOTE_HOST"] = preamble.source[0]
                variables["REMOTE_PORT"] = str(preamble.source[1])
            begin(sock, variables, host, rest)

        timeout = self.context.header_timeout
        self._enter(PreambleReader(sock, self._loop, timeout, on_preamble, takes_rest=not is_secure), READ)

    def _secure(self, sock: socket.socket, variables: Environ, host: str, received: bytes) -> None:
        """Begin the TLS handshake, which comes before the connection; nothing has been received yet."""
        from wiverno.core.net.tls import Handshake  # loads OpenSSL only where TLS is configured

        context = self.context
        assert context.tls is not None
        peer = {"REMOTE_ADDR": variables["REMOTE_ADDR"]}

        def on_secured(secure: Any, facts: Environ) -> None:
            variables.update(facts)
            if self._is_followed:
                log_event(secure.fileno(), "TLS handshake done: %s %s", facts["SSL_PROTOCOL"], facts["SSL_CIPHER"])
            self._begin(secure, variables, host, b"", protocol=secure.alpn)

        def answer_plain(beginning: bytes) -> bytes:
            return context.error_response(400, PLAIN_HTTP, describe_partial(peer, beginning))

        timeout = context.header_timeout
        self._enter(Handshake(sock, self._loop, context.tls, timeout, on_secured, answer_plain), READ)

    def _begin(
        self, sock: socket.socket, variables: Environ, host: str, received: bytes, protocol: str | None = None
    ) -> None:
        """Make the connection; `received` came after the PROXY preamble, `protocol` was chosen in the TLS handshake."""
        policy = self.context.policy
        trusted = policy is not None and policy.trusts(host)

        def begin(is_http2: bool, received: bytes) -> None:
            connection = new_connection(
                sock, variables, self.context, self._loop, trusted=trusted, is_http2=is_http2, received=received,
                is_followed=self._is_followed,
            )  # fmt: skip
            # The request has often arrived with the connection: read before asking the poller.
            self._enter(connection, 0 if received else READ)

        if self.context.http2_connections is None:
            begin(False, received)
        elif protocol == ALPN_HTTP2:
            begin(True, received)
        elif may_begin_with_preface(self.context, trusted=trusted or self._listener.has_trusted_clients):
            reader = PrefaceReader(sock, self._loop, self.context.header_timeout, begin, received)
            self._enter(reader, 0 if received else READ)
        else:
            begin(False, received)

    def _enter(self, client: Client, events: int) -> None:
        loop = self._loop
        if client.fd in loop.handlers:
            self._displace(client.fd)
        for other in self.others:
            other.release_number(client.fd)
        try:
            loop.handlers[client.fd] = client
            loop.connections.add(client)
            loop.watch(client, client.deadline())
            loop.ready.append((client.fd, events))
        except BaseException:  # no event would come for it, and no deadline
            client.close()
            raise

    def release_number(self, fd: int) -> None:
        """Detach a connection whose number a client of another event loop has now; from that one's leader."""
        stale: Any = self._loop.handlers.get(fd)
        if stale is None or stale not in self._loop.connections:
            return
        stale.sock.detach()  # at once: nothing may be sent to the new client, nor its socket be closed

        def displace() -> None:
            if self._loop.handlers.get(fd) is stale:
                self._displace(fd)

        self._loop.call_soon_threadsafe(displace)

    def _displace(self, fd: int) -> None:
        """Detach a connection whose descriptor something else has closed: its number belongs to the new client."""
        stale: Any = self._loop.handlers.pop(fd)
        logger.error("descriptor %d was closed by something else in this process", fd)
        if stale in self._loop.connections:
            stale.fd = -1
            stale.sock.detach()
            stale.close()

    def _pause(self, error: OSError) -> None:
        """Stop accepting for a moment: a shortage would make the loop spin on the same waiting client."""
        if self._loop.now >= self._next_log:
            self._next_log = self._loop.now + LOG_INTERVAL
            logger.warning("server accept() threw an exception: %s; trying again in %s s", error, RETRY)
        self._loop.poller.arm(self.fd, NOTHING)
        self._retry_at = self._loop.now + RETRY
        self._loop.watch(self, self._retry_at)

    def deadline(self) -> float:
        """Return when a pause ends."""
        return self._retry_at

    def expire(self) -> None:
        """End a pause."""
        self._retry_at = float("inf")
        if not self._loop.limit_reached:  # else it is armed when a connection is closed
            self._loop.poller.arm(self.fd, READ)


def _moved(sock: socket.socket) -> socket.socket:
    """Move a client's socket to another number: the application has closed a standard stream, and may print there.

    Raises:
        OSError: there is no descriptor for it.
    """
    from fcntl import F_DUPFD_CLOEXEC, fcntl  # not on Windows, where a socket has no such number

    reserve_descriptors()
    with sock:
        # Not dup(): the lowest number may be one that another thread has just given up.
        other = socket.socket(fileno=fcntl(sock.fileno(), F_DUPFD_CLOEXEC, STANDARD_STREAMS))
    reserve_descriptors()
    return other


class ConnectionLimit:
    """Bounds the clients that are connected; listeners and pipes do not count.

    At the limit idle and unfinished connections are evicted; if there are none, all listening sockets are disarmed
    until a connection is closed.
    """

    def __init__(self, limit: int, loop: Loop) -> None:
        self._setting = limit
        self._limit = limit
        self._lowered_until = 0.0
        self._reason = f"connection_limit = {limit} is reached"
        self._next_log = 0.0
        self._has_warned = False
        self._loop = loop
        self._evictor = IdleEvictor(loop)
        self.acceptors: list[Acceptor] = []

    def is_reached(self, fd: int) -> bool:
        """Tell whether no further client of a listening socket may be accepted; log when that begins."""
        loop = self._loop
        if len(loop.connections) < self._limit:
            return False
        self._restore()
        if not is_readable(fd):
            return True  # the accept queue is empty: nothing has to be evicted
        while len(loop.connections) >= self._limit:
            if not self._evictor.evict_one(self._reason):
                self._silence()
                return True
        return False

    def lower(self, error: OSError) -> bool:
        """After EMFILE, lower the limit to the current number of connections; return False if too few are open."""
        loop = self._loop
        count = len(loop.connections)
        if count < SHARE_OF_RESERVE:
            return False
        self._limit = min(self._limit, count - min(RESERVE, count // SHARE_OF_RESERVE))
        self._lowered_until = loop.now + LOWERED
        self._reason = f"server accept() threw an exception: {error}; {count} connections are open"
        return True

    def check(self) -> None:
        """Listen again if there is room (called by the loop after each wait while the limit is reached)."""
        loop = self._loop
        self._restore()
        if len(loop.connections) < self._limit:
            if self._has_warned:
                logger.info("total open connections dropped below the connection limit, listening again")
            self._has_warned = False
        elif not self._evictor.has_candidates():
            loop.deadlines.schedule_check(self._evictor.next_scan)
            return
        loop.limit_reached = False
        self._arm(READ)

    def _silence(self) -> None:
        loop = self._loop
        loop.deadlines.schedule_check(self._evictor.next_scan)
        if loop.limit_reached:
            return
        loop.limit_reached = True
        self._arm(NOTHING)
        if loop.now < self._next_log:
            return
        self._next_log = loop.now + LOG_INTERVAL
        self._has_warned = True
        if self._limit < self._setting:
            logger.warning("%s, no longer accepting new connections", self._reason)
            return
        logger.warning(
            "total open connections reached the connection limit, no longer accepting new connections "
            "(connection_limit = %s)",
            self._limit,
        )

    def _restore(self) -> None:
        """Restore the configured limit: the cause of the shortage may be gone."""
        if self._limit < self._setting and self._loop.now >= self._lowered_until:
            self._limit = self._setting
            self._reason = f"connection_limit = {self._setting} is reached"

    def _arm(self, interest: int) -> None:
        for acceptor in self.acceptors:
            self._loop.poller.arm(acceptor.fd, interest)
