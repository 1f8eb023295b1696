"""One client: socket ↔ request head, body and output; keep-alive and deadlines.

A connection belongs to one thread at a time: to the leader, or, from `detach` until `settle`, to the thread that runs
its request. Two things are shared meanwhile: `pending`, output that did not leave at once and that the leader sends
while the thread produces more, and what the poller is armed for, guarded by the loop's `arming` lock.

    IDLE ── part of a head ──→ HEAD ──┐
      │ ←─────────────────────────────┤ whole head
      ├── body announced ──→ BODY ────┤ whole body
      ↓                               ↓
    (request runs; RUNNING once another thread leads)
      ├── all sent ──→ IDLE, or HEAD if more was received, or closed
      ├── output waits ──→ SENDING ──→ the same
      ├── no thread to wait in ──→ SUSPENDED ──→ the request goes on
      └── refused ──→ LINGER: the answer reaches the client although it still sends (RFC 9112 §9.6)

What a request may cost is bounded in every phase by a limit in bytes and a deadline.
"""

import contextlib
import logging
import select
import socket
from dataclasses import dataclass
from typing import Any, Final

from wiverno.core.buffers import BodyBuffer, FileSegment, Pending
from wiverno.core.loop import Loop
from wiverno.core.poller import NOTHING, READ, WRITE
from wiverno.http.body import ChunkedDecoder
from wiverno.http.errors import ProtocolError
from wiverno.http.framing import CHUNKED, decide
from wiverno.http.head import parse_head, request_line_error
from wiverno.http.response import CONTINUE, Signature, error_response
from wiverno.wsgi.environ import Environ, describe_body, describe_path
from wiverno.wsgi.file_wrapper import FileWrapper
from wiverno.wsgi.gateway import CLOSE, KEEP, SUSPENDED, Application, ClientDisconnected, Gateway
from wiverno.wsgi.preamble import read_proxy_preamble
from wiverno.wsgi.proxy import ProxyPolicy

logger = logging.getLogger("wiverno")

# Phases. IDLE is 0, so that the hot path asks one question.
IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2
RUNNING: Final = 3
SENDING: Final = 4
SUSPENDED_PHASE: Final = 5
LINGER: Final = 6
PREAMBLE: Final = 7
CLOSED: Final = 8

LINGER_TIME: Final = 2.0  # seconds
LINGER_BYTES: Final = 1 << 20
BODY_READ: Final = 65536  # bytes received at a time of a chunked body
MAX_BODY_READS: Final = 16  # receives in a row before others have their turn

UNREGISTERED: Final = -1
FOREVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Service:
    """What all connections of a server share: the application and the limits. Durations in seconds, sizes in bytes."""

    application: Application
    signature: Signature
    ident: str
    expose_tracebacks: bool
    log_socket_errors: bool
    policy: ProxyPolicy | None
    proxy_protocol: bool
    url_prefix: str
    is_threaded: bool
    recv_bytes: int
    max_head: int
    max_line: int
    max_fields: int
    max_body: int
    inbuf_overflow: int
    outbuf_overflow: int
    high_water: int
    channel_timeout: float
    header_timeout: float
    body_timeout: float
    min_rate: float


class Connection:
    """A client's connection; also the sink that its gateway writes to."""

    __slots__ = (
        "__weakref__", "_armed", "_body", "_closing", "_decoder", "_environ", "_length", "_loop", "_partial", "_recv",
        "_scanned", "_send", "_service", "_started", "_swallowed", "_trusted", "base", "fd", "gateway", "pending",
        "phase", "since", "sock", "tick", "unsettled",
    )

    def __init__(self, sock: socket.socket, variables: Environ, service: Service, loop: Loop, *, trusted: bool) -> None:
        """Take over a connected, non-blocking socket.

        Args:
            sock: closed by `close`.
            variables: the listener's and the peer's variables; becomes this connection's own.
            service: application and limits.
            loop: the loop that it registers with when it first has to wait.
            trusted: whether the peer is a trusted proxy.
        """
        self.sock = sock
        self.fd = sock.fileno()
        self.tick = 0
        self.since = loop.now
        self.phase = PREAMBLE if service.proxy_protocol else IDLE
        self.pending: Pending | None = None
        self.unsettled = True  # not registered yet
        self._armed = UNREGISTERED
        self._service = service
        self._loop = loop
        self._recv = sock.recv
        self._send = sock.send
        self._partial: bytearray | None = None
        self._scanned = 0
        self._started = loop.now
        self._swallowed = 0
        self._closing = False
        self._trusted = trusted
        self._environ: Environ | None = None
        self._body: BodyBuffer | None = None
        self._decoder: ChunkedDecoder | None = None
        self._length = 0
        self.gateway = gateway = Gateway(
            service.application, self, service.signature, service.ident, expose=service.expose_tracebacks
        )
        variables["wsgi.early_hints"] = gateway.early_hints
        variables["wiverno.client_disconnected"] = variables["waitress.client_disconnected"] = self.is_disconnected
        self.base = variables

    # ---------------------------------------------------------------- receiving (leader)

    def ready(self, events: int) -> Environ | None:
        """Take an event; return the environ of a complete request, or None."""
        if self.phase:
            return self._ready_otherwise(events)
        try:
            data = self._recv(self._service.recv_bytes)
        except (BlockingIOError, InterruptedError):
            if self._armed < 0:
                self.rearm()
            return None
        except OSError as error:
            self._lost(error)
            return None
        return self._received(data)

    def _received(self, data: bytes) -> Environ | None:
        """Take the first bytes of a head: nearly always all of it."""
        service = self._service
        end = data.find(b"\r\n\r\n")
        if end < 0 or end >= service.max_head - 4 or data[0] == 13:
            return self._received_part(data)
        self.since = self._loop.now
        environ = self.base.copy()
        try:
            method, target, resource, minor, is_plain = parse_head(
                data[:end], environ, service.max_line, service.max_fields
            )
        except ProtocolError as error:
            self._refuse(error)
            return None
        if end + 4 < len(data):
            self._partial = bytearray(data[end + 4 :])
            self.unsettled = True
        return self._take_head(environ, method, target, resource, minor, is_plain)

    def _take_head(
        self, environ: Environ, method: str, target: str, resource: str, minor: int, is_plain: bool
    ) -> Environ | None:
        """Complete the environ of a parsed head; return it unless a body has to be received first."""
        service = self._service
        gateway = self.gateway
        environ["REQUEST_METHOD"] = method
        environ["REQUEST_URI"] = target
        describe_path(environ, resource, service.url_prefix)
        gateway.minor = minor
        gateway.persist = self._loop.persist
        if is_plain:
            return environ
        try:
            return self._take_framing(environ, minor)
        except ProtocolError as error:
            self._refuse(error)
            return None

    def _take_framing(self, environ: Environ, minor: int) -> Environ | None:
        service = self._service
        if not minor:
            environ["SERVER_PROTOCOL"] = "HTTP/1.0"
        framing = decide(environ, minor)
        if framing.length >= service.max_body:
            raise ProtocolError(413, f"exceeds max_body of {service.max_body}")
        if service.policy is not None:
            service.policy.apply(environ, self._trusted)
        self.gateway.persist = framing.keep_alive and self._loop.persist
        if not framing.length:
            return environ
        return self._begin_body(environ, framing.length, waits=framing.expects_continue)

    def _received_part(self, data: bytes) -> Environ | None:
        """Take bytes that are not a whole head, or the end of the stream."""
        if not data:
            self.close()
            return None
        partial = self._partial
        if partial is None:
            self._partial = bytearray(data)
            self._scanned = 0
        else:
            partial += data
        if self.phase == IDLE:
            self._begin_head()
        return self._parse_partial()

    def _begin_head(self) -> None:
        self.phase = HEAD
        self.since = self._started = self._loop.now
        self._swallowed = 0
        self._loop.watch(self, self.deadline())

    def _parse_partial(self) -> Environ | None:
        """Look for a whole head in what has been received; each byte is looked at once."""
        partial = self._partial
        assert partial is not None
        service = self._service
        if partial.startswith(b"\r\n") and not self._swallowed:
            del partial[:2]  # RFC 9112 §2.2: one empty line before the request line is ignored
            self._swallowed = 2
            self._scanned = 0
        end = partial.find(b"\r\n\r\n", self._scanned)
        if end < 0:
            self._scanned = max(len(partial) - 3, 0)
            self._check_partial(partial)
            return None
        if end >= service.max_head - 4:
            self._refuse(ProtocolError(431, f"exceeds max_header of {service.max_head}"))
            return None
        block = bytes(partial[:end])
        del partial[: end + 4]
        self._scanned = 0
        if partial:
            self.unsettled = True
        else:
            self._partial = None
        self.phase = IDLE
        self.since = self._loop.now
        environ = self.base.copy()
        try:
            method, target, resource, minor, is_plain = parse_head(
                block, environ, service.max_line, service.max_fields
            )
        except ProtocolError as error:
            self._refuse(error)
            return None
        return self._take_head(environ, method, target, resource, minor, is_plain)

    def _check_partial(self, partial: bytearray) -> None:
        """Refuse a head as soon as it can't become a good one."""
        service = self._service
        length = len(partial)
        if length >= service.max_line and partial.find(b"\r\n", 0, service.max_line + 2) < 0:
            self._refuse(request_line_error(partial[: service.max_line + 1].decode("latin-1"), service.max_line))
        elif length >= service.max_head:
            self._refuse(ProtocolError(431, f"exceeds max_header of {service.max_head}"))
        elif self._armed < 0:
            self.rearm()

    def _ready_otherwise(self, events: int) -> Environ | None:
        """Take an event in any phase but IDLE."""
        phase = self.phase
        if phase == HEAD:
            if not events:
                return self._parse_partial()
            data = self._receive(self._service.recv_bytes)
            return None if data is None else self._received_part(data)
        if phase == BODY:
            return self._receive_body()
        if phase == LINGER:
            self._linger_on()
        elif phase == PREAMBLE:
            return self._receive_preamble()
        elif self.pending is not None and events:
            self._flush()
        return None

    def _receive(self, size: int) -> bytes | None:
        """Receive once; None if there is nothing or the connection is lost, b"" at the end of the stream."""
        try:
            return self._recv(size)
        except (BlockingIOError, InterruptedError):
            if self._armed < 0:
                self.rearm()
        except OSError as error:
            self._lost(error)
        return None

    def _receive_preamble(self) -> Environ | None:
        """Receive the PROXY protocol's header; whoever may not send one is cut off."""
        if not self._trusted:
            self.close()
            return None
        data = self._receive(self._service.recv_bytes)
        if not data:
            if data is not None:
                self.close()
            return None
        partial = self._partial = (self._partial or bytearray()) + data
        try:
            preamble = read_proxy_preamble(bytes(partial))
        except ProtocolError as error:
            self._refuse(error)
            return None
        if preamble is None:
            return None
        if preamble.source is not None:
            self.base["REMOTE_ADDR"] = self.base["REMOTE_HOST"] = preamble.source[0]
            self.base["REMOTE_PORT"] = str(preamble.source[1])
        del partial[: preamble.consumed]
        self.phase = IDLE
        if not partial:
            self._partial = None
            return None
        self._begin_head()
        return self._parse_partial()

    # ---------------------------------------------------------------- bodies (leader)

    def _begin_body(self, environ: Environ, length: int, *, waits: bool) -> Environ | None:
        """Prepare for a body of `length` bytes or chunks; what came with the head goes in at once."""
        self._environ = environ
        self._length = length
        self._body = BodyBuffer(self._service.inbuf_overflow)
        self._decoder = ChunkedDecoder() if length == CHUNKED else None
        self.unsettled = True
        self.phase = BODY
        self.since = self._started = self._loop.now
        partial, self._partial = self._partial, None
        if partial and self._take_content(bytes(partial)):
            return self._end_body()
        if waits and not partial:
            # RFC 9110 §10.1.1: not if a part of the body is here already.
            try:
                self.write(CONTINUE)
            except ClientDisconnected:
                self.close()
                return None
        self._loop.watch(self, self.deadline())
        if self._armed < 0:
            self.rearm()
        return None

    def _take_content(self, data: bytes) -> bool:
        """Add received bytes to the body; True when it is complete.

        Raises:
            ProtocolError: bad chunks, or a chunked body beyond the limit.
        """
        body = self._body
        assert body is not None
        if self._decoder is None:
            wanted = self._length - body.received
            body.append(data[:wanted])
            if len(data) > wanted:
                self._partial = bytearray(data[wanted:])
            return body.received == self._length
        for piece in self._decoder.feed(data):
            body.append(piece)
        if body.received >= self._service.max_body:
            raise ProtocolError(413, f"exceeds max_body of {self._service.max_body}")
        if not self._decoder.is_done:
            return False
        if self._decoder.rest:
            self._partial = bytearray(self._decoder.rest)
        return True

    def _receive_body(self) -> Environ | None:
        body = self._body
        assert body is not None
        try:
            for _ in range(MAX_BODY_READS):
                if self._decoder is None:
                    count = body.receive(self.sock, self._length, self._loop.scratch)
                    is_complete = body.received == self._length
                else:
                    data = self._recv(BODY_READ)
                    count = len(data)
                    is_complete = bool(data) and self._take_content(data)
                if is_complete:
                    return self._end_body()
                if not count:
                    self.close()  # RFC 9112 §8: an incomplete request is not acted on
                    return None
                self.since = self._loop.now
        except (BlockingIOError, InterruptedError):
            pass
        except ProtocolError as error:
            self._refuse(error)
            return None
        except OSError as error:
            self._lost(error)
        return None

    def _end_body(self) -> Environ | None:
        environ, self._environ = self._environ, None
        body = self._body
        assert environ is not None
        assert body is not None
        describe_body(environ, body.received, body.finish())
        self._decoder = None
        self.phase = IDLE
        self.since = self._loop.now
        return environ

    # ---------------------------------------------------------------- sending (owner)

    def write(self, data: bytes) -> bool:
        """Send or keep `data`; False asks the gateway to suspend the iteration (one-threaded servers only)."""
        if self.pending is None:
            try:
                sent = self._send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                raise ClientDisconnected from error
            if sent == len(data):
                return True
            return self._keep([memoryview(data)[sent:]])
        return self._keep([data])

    def write_pieces(self, pieces: list[bytes]) -> bool:
        """Send or keep several pieces; large ones are not copied."""
        waiting: list[bytes | memoryview] = list(pieces)
        if self.pending is None:
            try:
                sent = self.sock.sendmsg(pieces) if hasattr(self.sock, "sendmsg") else self._send(pieces[0])
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                raise ClientDisconnected from error
            while waiting and sent >= len(waiting[0]):
                sent -= len(waiting[0])
                del waiting[0]
            if not waiting:
                return True
            waiting[0] = memoryview(waiting[0])[sent:]
        return self._keep(waiting)

    def write_file(self, file: FileWrapper, offset: int, count: int) -> None:
        """Send a part of a regular file; the file is closed whatever happens."""
        extent = file.extent()
        assert extent is not None
        segment = FileSegment(extent[0], offset, count, file.close)
        try:
            if self.pending is None:
                while segment.count and segment.send(self.sock, plain=True):
                    pass
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            file.close()
            raise ClientDisconnected from error
        if not segment.count:
            file.close()
            return
        self._keep_segments([segment])

    def _keep(self, pieces: "list[bytes | memoryview]") -> bool:
        """Keep bytes for later, and hold the producer up if too many wait."""
        self._keep_segments(pieces)
        pending = self.pending
        service = self._service
        if not service.is_threaded:
            return pending is None or pending.size <= service.outbuf_overflow
        while pending is not None and pending.size > service.high_water:
            # The lead has been given away by then, or is about to be: somebody else sends meanwhile.
            pending.wait_below(service.high_water // 2)
            if pending.is_broken:
                raise ClientDisconnected
            pending = self.pending
        return True

    def _keep_segments(self, pieces: "list[Any]") -> None:
        while True:
            pending = self.pending or self._open_pending()
            with pending.lock:
                if pending.is_broken:
                    raise ClientDisconnected
                if pending.is_retired:
                    continue
                for piece in pieces:
                    if isinstance(piece, FileSegment):
                        pending.add_file(piece)
                    else:
                        pending.add(piece)
                return

    def _open_pending(self) -> Pending:
        pending = Pending(self._service.outbuf_overflow, self._loop.now)
        self.unsettled = True
        with self._loop.arming:
            self.pending = pending
            self._rearm()
        return pending

    def _flush(self) -> None:
        """Send what waits; go on with the connection when all has left (leader)."""
        pending = self.pending
        assert pending is not None
        with pending.lock:
            try:
                pending.flush(self.sock, plain=True)
            except (BlockingIOError, InterruptedError):
                self.since = self._loop.now
            except OSError as error:
                if self._service.log_socket_errors and not isinstance(error, ConnectionError):
                    logger.warning("Socket error: %s", error)
                pending.close()
            pending.lock.notify_all()
            is_broken = pending.is_broken
            if is_broken or not pending.size:
                pending.is_retired = not is_broken
            elif self.phase != SUSPENDED_PHASE or pending.size > self._service.outbuf_overflow // 2:
                return
        self._flushed(pending, is_broken=is_broken)

    def _flushed(self, pending: Pending, *, is_broken: bool) -> None:
        self.since = self._loop.now
        with self._loop.arming:
            if pending.is_retired:
                self.pending = None
            phase = self.phase
            if phase == RUNNING:
                self._rearm(quiet=is_broken)
                return
        if is_broken:
            self.close()
        elif phase == SENDING:
            self._proceed(keep=not self._closing)
        elif phase == SUSPENDED_PHASE:
            self.settle(self.gateway.resume())

    # ---------------------------------------------------------------- after a request (owner)

    def detach(self) -> None:
        """The request goes on in a thread that does not lead: its socket is no business of the leader's now."""
        with self._loop.arming:
            self.detach_armed()

    def detach_armed(self) -> None:
        """Do the same with the loop's `arming` lock held by the caller."""
        self.phase = RUNNING
        self._rearm()

    def settle(self, outcome: int) -> None:
        """Go on after a response: `outcome` is the gateway's."""
        body, self._body = self._body, None
        if outcome != SUSPENDED and body is not None:
            body.close()
        elif outcome == SUSPENDED:
            self._body = body
        with self._loop.arming:
            pending = self.pending
            if pending is not None and pending.is_broken:
                outcome = CLOSE
            elif outcome == SUSPENDED or pending is not None:
                self.phase = SUSPENDED_PHASE if outcome == SUSPENDED else SENDING
                self._closing = outcome == CLOSE
                self._rearm()
                return
            was_running = self.phase == RUNNING
            self.phase = IDLE
        self._proceed(keep=outcome == KEEP, posted=was_running)

    def _proceed(self, *, keep: bool, posted: bool = False) -> None:
        """Close, or wait for the next request; `posted`: the calling thread does not lead."""
        if not keep:
            if self._partial or self._swallowed < 0:
                self._linger()
            else:
                self.close()
            return
        self.unsettled = False
        if self._partial:
            self._swallowed = self._scanned = 0
            self.phase = HEAD
            self._started = self.since
            self.unsettled = True
            if posted:
                self._loop.post(self.fd)
            else:
                self._loop.ready.append((self.fd, 0))
            return
        self.phase = IDLE
        self.rearm()

    def rearm(self) -> None:
        """Tell the poller what this connection waits for."""
        with self._loop.arming:
            self._rearm()

    def _rearm(self, *, quiet: bool = False) -> None:
        if self.phase == CLOSED:
            return
        if self.pending is not None and not quiet:
            interest = WRITE
        elif self.phase == RUNNING:
            interest = NOTHING
        else:
            interest = READ
        if interest == self._armed:
            return
        if self._armed == UNREGISTERED:
            self._loop.poller.register(self.fd, interest or READ)
            if not interest:
                self._loop.poller.arm(self.fd, NOTHING)
        else:
            self._loop.poller.arm(self.fd, interest)
        self._armed = interest

    # ---------------------------------------------------------------- ends

    def _refuse(self, error: ProtocolError) -> None:
        """Answer a request that can't be served, and take no more from this connection."""
        self.answer(error.status, error.message)

    def answer(self, status: int, detail: str, retry_after: int = 0) -> None:
        """Send one of the server's own responses and close; `retry_after` in seconds."""
        service = self._service
        response = error_response(status, detail, service.signature, service.ident, retry_after=retry_after)
        self._drop_request()
        try:
            self.write(response)
        except ClientDisconnected:
            self.close()
            return
        self._swallowed = -1  # linger: the client may still be sending
        self.settle(CLOSE)

    def _drop_request(self) -> None:
        self._environ = None
        self._decoder = None
        self._partial = None
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def _linger(self) -> None:
        """Say that nothing more comes and wait for the client to see it (RFC 9112 §9.6).

        Closing at once while the client still sends would make the kernel reset the connection, and the client would
        lose the response that tells it why.
        """
        self._drop_request()
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self.phase = LINGER
        self._started = self._loop.now
        self._swallowed = 0
        self.rearm()
        self._loop.watch(self, self.deadline())

    def _linger_on(self) -> None:
        data = self._receive(BODY_READ)
        if data is None:
            return
        self._swallowed += len(data)
        if not data or self._swallowed > LINGER_BYTES:
            self.close()

    def _lost(self, error: OSError) -> None:
        if self._service.log_socket_errors and not isinstance(error, ConnectionError):
            logger.warning("Socket error: %s", error)
        self.close()

    def close(self) -> None:
        """Close the socket and give back what the connection holds; harmless when done before (owner)."""
        if self.phase == CLOSED:
            return
        with self._loop.arming:
            was_suspended = self.phase == SUSPENDED_PHASE
            self.phase = CLOSED
        if was_suspended:
            self.gateway.abandon()
        self._drop_request()
        self._loop.forget(self)
        pending = self.pending
        if pending is not None:
            with pending.lock:
                pending.close()
        if self._armed != UNREGISTERED:
            self._loop.poller.unregister(self.fd)
        self.sock.close()
        self.base.clear()  # breaks the cycle through the callables in it

    # ---------------------------------------------------------------- deadlines (leader), and a question (application)

    def deadline(self) -> float:
        """Return when this connection expires, in monotonic seconds."""
        service = self._service
        phase = self.phase
        idle = self.since + (service.channel_timeout or FOREVER)
        if phase in (HEAD, PREAMBLE):
            return min(idle, self._started + (service.header_timeout or FOREVER))
        if phase == BODY:
            received = self._body.received if self._body is not None else 0
            return min(idle, self._slowest(self._started, service.body_timeout, received))
        if phase == LINGER:
            return self._started + LINGER_TIME
        pending = self.pending
        if pending is not None:
            return min(idle, self._slowest(pending.since, service.channel_timeout, pending.sent))
        if phase == RUNNING:
            return self._loop.now + (service.channel_timeout or FOREVER)
        return idle

    def _slowest(self, start: float, grace: float, count: int) -> float:
        """Return when a peer that moved `count` bytes since `start` falls below the minimum rate."""
        if not grace:
            return FOREVER
        return start + grace + (count / self._service.min_rate if self._service.min_rate else FOREVER)

    def expire(self) -> None:
        """Act on the deadline."""
        phase = self.phase
        if phase == HEAD:
            self.answer(408, "the request's head did not come in time")
        elif phase == BODY:
            self.answer(408, "the request's body did not come in time")
        elif phase == RUNNING:
            pending = self.pending
            if pending is not None:
                with pending.lock:
                    pending.close()
                self.rearm_quiet()
        else:
            self.close()

    def rearm_quiet(self) -> None:
        """Stop watching a client that takes nothing while its request still runs."""
        with self._loop.arming:
            self._rearm(quiet=True)

    def is_disconnected(self) -> bool:
        """Tell the application whether the client is gone: environ["wiverno.client_disconnected"]."""
        if self.phase == CLOSED or (self.pending is not None and self.pending.is_broken):
            return True
        if hasattr(select, "POLLRDHUP"):
            poll = select.poll()
            with contextlib.suppress(OSError, ValueError):
                poll.register(self.fd, select.POLLRDHUP)
                return bool(poll.poll(0))
            return True
        try:
            return self.sock.recv(1, socket.MSG_PEEK) == b""
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
