"""One HTTP/1.1 connection: request heads and bodies in, responses out, keep-alive, deadlines.

A connection belongs to one thread at a time: to the leader, or, from `hand_off` until `finish_response`, to the
thread that runs its request. Both use `pending` (unsent output, which the leader sends) and the poller's registration,
which the loop's `arming` lock guards.

    IDLE ── part of a head ──→ HEAD ──┐
      │ ←─────────────────────────────┤ whole head
      ├── body announced ──→ BODY ────┤ whole body
      ↓                               ↓
    (request runs; RUNNING once another thread leads)
      ├── all sent ──→ IDLE, or HEAD if more was received, or CLOSED
      ├── output waits ──→ SENDING ──→ the same
      ├── no thread to wait in ──→ WAITING ──→ the request continues
      └── error response ──→ CLOSED, with a lingering close

The legal moves are in states.py. In every state the cost of a client is bounded by a limit in bytes and a deadline.
"""

import socket
import time

from wiverno.core.context import ServerContext
from wiverno.core.http1.gateways import new_gateway
from wiverno.core.http1.output import Output
from wiverno.core.http1.request_body import RequestBody
from wiverno.core.http1.states import BODY, CLOSED, HEAD, IDLE, PARTS, RUNNING, SENDING, WAITING
from wiverno.core.http1.timeouts import deadline_for, eviction_of
from wiverno.core.http1.websockets import log_refused_websocket
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.handlers import Eviction
from wiverno.core.loop.poller import READ
from wiverno.core.net.buffers import Pending
from wiverno.core.net.transport import UNREGISTERED, WOULD_BLOCK
from wiverno.core.threads.exchange import NO_ENVIRON
from wiverno.http.buffer import HeadBuffer
from wiverno.http.errors import ProtocolError, WebSocketRefusedError
from wiverno.http.framing import decide
from wiverno.http.head import parse_head
from wiverno.http.response import CONTINUE
from wiverno.wsgi.environ import describe_body, describe_path
from wiverno.wsgi.gateway import BROKEN, CLOSE, KEEP, SUSPENDED
from wiverno.wsgi.partial_request import describe_buffered, describe_partial
from wiverno.wsgi.sink import ClientDisconnected
from wiverno.wsgi_types import Environ


class Connection(Output):
    """A client's connection; also the sink that its gateway writes to."""

    __slots__ = (
        "_body", "_outcome", "_partial", "_recv", "_started", "_trusted", "base", "environ", "gateway", "tick",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, variables: Environ, context: ServerContext, loop: Loop, *, trusted: bool,
        received: bytes = b"",
    ) -> None:  # fmt: skip
        """Take over a connected, non-blocking socket.

        Args:
            sock: closed by `close`.
            variables: the listener's and the peer's variables; belongs to this connection from here on.
            context: application and limits.
            loop: the loop that it registers with when it first has to wait.
            trusted: whether the peer is a trusted proxy.
            received: bytes that have been read from the socket already.
        """
        super().__init__(sock, context, loop)
        self.tick = 0
        self._recv = sock.recv
        self._partial: HeadBuffer | None = None  # received, but not yet part of a request
        self._body: RequestBody | None = None
        self.environ = NO_ENVIRON  # of the request that is being received or is complete
        self._started = loop.now
        self._outcome = KEEP
        if received:
            self._partial = HeadBuffer(received)
            self._begin_head()
        self._trusted = trusted
        self.base = variables
        self.gateway = new_gateway(self, context, trusted=trusted)

    # ---------------------------------------------------------------- receiving (leader)

    def ready(self, events: int) -> "Connection | None":
        """Take an event; return this connection, which is its own exchange, when a request is complete."""
        if self.state and (self.state != HEAD or not events):
            return self._ready_otherwise(events)
        try:
            data = self._recv(self._context.recv_bytes)
        except WOULD_BLOCK:
            if self.transport.armed == UNREGISTERED:
                self.rearm()
            return None
        except OSError as error:
            self._report(error)
            self.close("socket error")
            return None
        # The first bytes of a head are nearly always all of it.
        block, end, rest = data.partition(b"\r\n\r\n")
        if not end or self.state or len(block) >= self._context.max_head - 4 or data[0] == 13:
            return self._received_part(data)
        self.since = self._loop.now
        if rest:
            self._partial = HeadBuffer(rest)
            self.needs_finish = True
        return self._parse(block)

    def _parse(self, block: bytes) -> "Connection | None":
        """Parse a whole head; return the exchange unless a body has to be received first."""
        context = self._context
        environ = self.base.copy()
        try:
            method, target, resource, minor, is_plain = parse_head(block, environ, context.max_line, context.max_fields)
            gateway = self.gateway
            gateway.minor = minor
            gateway.keep_alive = self._loop.keep_alive
            environ["REQUEST_METHOD"] = method
            environ["REQUEST_URI"] = gateway.target = target
            describe_path(environ, resource, context.url_prefix)
            self.environ = environ
            if is_plain:
                return self
            return self._take_framing(environ, minor)
        except ProtocolError as error:
            if isinstance(error, WebSocketRefusedError):
                log_refused_websocket(self.gateway.target, self._loop.now)
            self.answer(error.status, error.message, environ=describe_partial(environ, block))
            return None

    def _take_framing(self, environ: Environ, minor: int) -> "Connection | None":
        context = self._context
        if not minor:
            environ["SERVER_PROTOCOL"] = "HTTP/1.0"
        framing = decide(environ, minor)
        if framing.length >= context.max_body:
            raise ProtocolError(413, f"exceeds max_body of {context.max_body}")
        if context.policy is not None:
            context.policy.apply(environ, self._trusted)
        self.gateway.keep_alive = framing.keep_alive and self._loop.keep_alive
        if not framing.length:
            return self
        return self._begin_body(framing.length, waits=framing.expects_continue)

    def _received_part(self, data: bytes) -> "Connection | None":
        """Take bytes that are not a whole head, or the end of the stream."""
        if not data:
            self.close("by the client")
            return None
        if self._partial is None:
            self._partial = HeadBuffer(data)
        else:
            self._partial.add(data)
        if self.state == IDLE:
            self._begin_head()
        return self._parse_partial()

    def _begin_head(self) -> None:
        self._move(HEAD)
        self.since = self._started = self._loop.now

    def _parse_partial(self) -> "Connection | None":
        """Parse what has been received if it is a whole head."""
        partial = self._partial
        assert partial is not None
        try:
            block = partial.take_head(self._context.max_head, self._context.max_line)
        except ProtocolError as error:
            self.answer(error.status, error.message)
            return None
        if block is None:
            self._loop.watch(self, self.deadline())
            if self.transport.armed != READ:  # new, or it was silent or sending during the request before
                self.rearm()
            return None
        if partial:
            self.needs_finish = True
        else:
            self._partial = None
        self._move(IDLE)
        self.since = self._loop.now
        return self._parse(block)

    def _ready_otherwise(self, events: int) -> "Connection | None":
        """Take an event in any state but IDLE."""
        state = self.state
        if state == HEAD:
            return self._parse_partial()
        if state == BODY and self.pending is None:
            return self._receive_body()
        if self.pending is not None and events and self.flush():
            self._flushed(self.pending)
        return None

    # ---------------------------------------------------------------- bodies (leader)

    def _begin_body(self, length: int, *, waits: bool) -> "Connection | None":
        """Prepare for a body of `length` bytes or chunks; what came with the head goes in at once.

        Raises:
            ProtocolError: bad chunks, or too many.
        """
        context = self._context
        body = self._body = RequestBody(
            length, limit=context.max_body, overflow=context.inbuf_overflow, budget=context.body_memory
        )
        self.needs_finish = True
        self._move(BODY)
        self.since = self._started = self._loop.now
        partial, self._partial = self._partial, None
        if waits:
            # RFC 9110 §10.1.1 allows to omit it if a part of the body is here; waitress's clients wait for it.
            try:
                self.write(CONTINUE, True)
            except ClientDisconnected:
                self.close("the client is gone")
                return None
        if partial:
            body.take(partial.take_all())
            if body.is_complete:
                return self._end_body()
        self._loop.watch(self, self.deadline())
        if self.transport.armed != READ:
            self.rearm()
        return None

    def _receive_body(self) -> "Connection | None":
        body = self._body
        assert body is not None
        try:
            if not body.receive_burst(self.sock, self._loop.scratch):
                self.close("by the client")  # RFC 9112 §8: an incomplete request is not acted on
            elif body.is_complete:
                return self._end_body()
            else:
                self.since = self._loop.now
                if self.transport.decrypted is not None:
                    self.rearm()
        except ProtocolError as error:
            self.answer(error.status, error.message)
        except OSError as error:
            self._report(error)
            self.close("socket error")
        return None

    def _end_body(self) -> "Connection | None":
        body = self._body
        assert body is not None
        if body.rest:
            self._partial = HeadBuffer(body.rest)
        describe_body(self.environ, body.received, body.finish())
        self._move(IDLE)
        self.since = self._loop.now
        return self

    # ---------------------------------------------------------------- sending what waits (leader)

    def _flushed(self, pending: Pending) -> None:
        """Continue after the client has taken what waited, or has gone."""
        is_broken = pending.is_broken
        self.since = self._loop.now
        with self._loop.arming:
            if pending.is_retired:
                self.pending = None
            state = self.state
            if state == RUNNING or (state == BODY and not is_broken):
                self._rearm(quiet=is_broken)
                return
        if is_broken:
            self.close("the client is gone")
        elif state == SENDING:
            self._proceed(keep=self._outcome == KEEP)
        elif state == WAITING:
            self.finish_response(self.gateway.resume())

    # ---------------------------------------------------------------- after a request (owner)

    def finish_response(self, outcome: int) -> None:
        """Continue after a response; `outcome` is the gateway's."""
        outcome = self.write_held(outcome)
        if outcome != SUSPENDED:
            body, self._body = self._body, None
            if body is not None:
                body.close()
        with self._loop.arming:
            if self.state == CLOSED:
                return  # the server was forced to end while the request ran
            pending = self.pending
            if pending is not None and pending.is_broken:
                outcome = BROKEN
            self._outcome = outcome
            if outcome == SUSPENDED or (pending is not None and not pending.is_broken):
                self._move(WAITING if outcome == SUSPENDED else SENDING)
                self._rearm()
                return
            was_running = self.state == RUNNING
        self._proceed(keep=outcome == KEEP, is_leading=not was_running)

    def _proceed(self, *, keep: bool, is_leading: bool = True) -> None:
        """Close, or wait for the next request; `is_leading`: whether the calling thread leads."""
        if not keep:
            # A reset because of unread input would destroy the response on its way.
            self._must_linger = self._must_linger or bool(self._partial)
            self.close("after the response")
            return
        # The loop's clock is not updated while the leader waits or runs a request.
        self.since = self._started = time.monotonic()
        self.needs_finish = has_more = bool(self._partial)
        with self._loop.arming:
            if self.state == CLOSED:
                return
            self._move(HEAD if has_more else IDLE)  # from here on it is the leader's
            if not has_more:
                self._rearm()
                return
        if is_leading:
            self._loop.ready.append((self.fd, 0))
        else:
            self._loop.resume(self.fd)

    # ---------------------------------------------------------------- ends

    def answer(self, status: int, detail: str, retry_after: int = 0, environ: Environ | None = None) -> None:
        """Send one of the server's own responses and close; `retry_after` in seconds, `environ` if there is one."""
        known = environ or self.environ or describe_buffered(self.base, self._partial)
        response = self._context.error_response(status, detail, known, self.gateway.minor, retry_after)
        self._drop_request()
        try:
            self.write(response, True)
        except ClientDisconnected:
            self.close("the client is gone")
            return
        self._must_linger = True  # the client may still be sending
        self.finish_response(CLOSE)

    def _drop_request(self) -> None:
        self.environ = NO_ENVIRON
        self._partial = None
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def close(self, reason: str = "by the server") -> None:
        """Close the socket and release everything; harmless when done before (owner). `reason` is for the debug log."""
        with self._loop.arming:
            state = self.state
            self._move(CLOSED)
        if state == CLOSED:
            return
        if state == WAITING:
            self.gateway.abandon()
        self._drop_request()
        self._loop.forget(self)
        self.drop_output()
        is_cut = self.gateway.is_open_ended and (self._outcome != CLOSE or self.pending is not None)
        self.transport.close(is_cut=is_cut, lingers=self._must_linger)
        self.base.clear()  # the application may have kept callables, which refer to this object

    def drain(self, before: float = float("inf")) -> None:
        """Close if no request has been in progress since `before`, in monotonic seconds."""
        if self.state in (IDLE, HEAD) and self.since <= before and not self.has_input():
            self.close("the server drains")

    def begin_drain(self) -> None:
        """Make the response in progress the last one; its head says so if it has not been sent."""
        self.gateway.keep_alive = False

    # ---------------------------------------------------------------- deadlines, eviction (leader)

    def _received(self) -> int:
        return self._body.received if self._body is not None else 0

    def deadline(self) -> float:
        """Return when this connection expires, in monotonic seconds."""
        context, now, received = self._context, self._loop.now, self._received()
        return deadline_for(context, self.state, now, self.since, self._started, received, self.pending)

    def eviction(self) -> Eviction | None:
        """Return when it may be evicted; None if it may not."""
        return eviction_of(self._context, self.state, self.since, self._started, self._received())

    def evict(self) -> None:
        """Close to admit another client; a client that has begun a request gets a 408 if it can be sent at once."""
        if self.state in (HEAD, BODY) and self.pending is None:
            text = f"timed out waiting for the request {PARTS[self.state]}: other clients are waiting"
            known = self.environ or describe_buffered(self.base, self._partial)
            self.transport.send_at_once(self._context.error_response(408, text, known, self.gateway.minor))
        self.close("evicted")

    def expire(self) -> None:
        """Act on the deadline."""
        state = self.state
        if state in (HEAD, BODY):
            self.answer(408, f"timed out waiting for the request {PARTS[state]}")
        elif state == RUNNING:
            self.drop_output()
        else:
            self.close("timed out")
