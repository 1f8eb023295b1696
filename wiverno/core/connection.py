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
      ├── no thread to wait in ──→ WAITING ──→ the request goes on
      └── refused ──→ closed; a `Lingering` takes its place until the client has seen the answer

What a request may cost is bounded in every phase by a limit in bytes and a deadline.
"""

import socket
import time

from wiverno.core.buffers import Pending
from wiverno.core.handlers import Eviction
from wiverno.core.incoming import IncomingBody
from wiverno.core.loop import Loop
from wiverno.core.observer import gateway_for
from wiverno.core.outgoing import BODY, CLOSED, HEAD, IDLE, PHASES, RUNNING, SENDING, WAITING, WOULD_BLOCK, Outgoing
from wiverno.core.patience import eviction_of, expires_at
from wiverno.core.poller import READ
from wiverno.core.refusals import as_far_as_known, asked_by
from wiverno.core.service import Service
from wiverno.http.buffer import HeadBuffer
from wiverno.http.errors import ProtocolError
from wiverno.http.framing import decide
from wiverno.http.head import parse_head
from wiverno.http.response import CONTINUE
from wiverno.wsgi.environ import Environ, describe_body, describe_path
from wiverno.wsgi.gateway import BROKEN, CLOSE, KEEP, SUSPENDED
from wiverno.wsgi.sink import ClientDisconnected


class Connection(Outgoing):
    """A client's connection; also the sink that its gateway writes to."""

    __slots__ = (
        "_body", "_environ", "_outcome", "_partial", "_recv", "_started", "_trusted", "base",
        "gateway", "tick",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        variables: Environ,
        service: Service,
        loop: Loop,
        *,
        trusted: bool,
        received: bytes = b"",
    ) -> None:
        """Take over a connected, non-blocking socket.

        Args:
            sock: closed by `close`.
            variables: the listener's and the peer's variables; becomes this connection's own.
            service: application and limits.
            loop: the loop that it registers with when it first has to wait.
            trusted: whether the peer is a trusted proxy.
            received: bytes that have been read from the socket already.
        """
        super().__init__(sock, service, loop)
        self.tick = 0
        self._recv = sock.recv
        self._partial: HeadBuffer | None = None  # received, but not part of a request yet
        self._body: IncomingBody | None = None
        self._environ: Environ | None = None  # of the request whose body is being received
        self._started = loop.now
        self._outcome = KEEP
        if received:
            self._partial = HeadBuffer(received)
            self._begin_head()
        self._trusted = trusted
        self.base = variables
        self.gateway = gateway_for(self, service, trusted=trusted)

    # ---------------------------------------------------------------- receiving (leader)

    def ready(self, events: int) -> Environ | None:
        """Take an event; return the environ of a complete request, or None."""
        if self.phase and (self.phase != HEAD or not events):
            return self._ready_otherwise(events)
        try:
            data = self._recv(self._service.recv_bytes)
        except WOULD_BLOCK:
            if self._armed < 0:
                self.rearm()
            return None
        except OSError as error:
            self._report(error)
            self.close()
            return None
        # The first bytes of a head are nearly always all of it.
        end = data.find(b"\r\n\r\n")
        if end < 0 or self.phase or end >= self._service.max_head - 4 or data[0] == 13:
            return self._received_part(data)
        self.since = self._loop.now
        if end + 4 < len(data):
            self._partial = HeadBuffer(data[end + 4 :])
            self.unsettled = True
        return self._parse(data[:end])

    def _parse(self, block: bytes) -> Environ | None:
        """Parse a whole head; return the environ unless a body has to be received first."""
        service = self._service
        environ = self.base.copy()
        try:
            method, target, resource, minor, is_plain = parse_head(block, environ, service.max_line, service.max_fields)
            gateway = self.gateway
            gateway.minor = minor
            gateway.persist = self._loop.persist
            environ["REQUEST_METHOD"] = method
            environ["REQUEST_URI"] = gateway.target = target
            describe_path(environ, resource, service.url_prefix)
            if is_plain:
                return environ
            return self._take_framing(environ, minor)
        except ProtocolError as error:
            self.answer(error.status, error.message, environ=as_far_as_known(environ, block))
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
        if self._partial is None:
            self._partial = HeadBuffer(data)
        else:
            self._partial.add(data)
        if self.phase == IDLE:
            self._begin_head()
        return self._parse_partial()

    def _begin_head(self) -> None:
        self.phase = HEAD
        self.since = self._started = self._loop.now

    def _parse_partial(self) -> Environ | None:
        """Go on with what has been received, if it is a whole head."""
        partial = self._partial
        assert partial is not None
        try:
            block = partial.take_head(self._service.max_head, self._service.max_line)
        except ProtocolError as error:
            self.answer(error.status, error.message)
            return None
        if block is None:
            self._loop.watch(self, self.deadline())
            if self._armed != READ:  # new, or it was silent or sending during the request before
                self.rearm()
            return None
        if partial:
            self.unsettled = True
        else:
            self._partial = None
        self.phase = IDLE
        self.since = self._loop.now
        return self._parse(block)

    def _ready_otherwise(self, events: int) -> Environ | None:
        """Take an event in any phase but IDLE."""
        phase = self.phase
        if phase == HEAD:
            return self._parse_partial()
        if phase == BODY and self.pending is None:
            return self._receive_body()
        if self.pending is not None and events and self.flush():
            self._flushed(self.pending)
        return None

    # ---------------------------------------------------------------- bodies (leader)

    def _begin_body(self, environ: Environ, length: int, *, waits: bool) -> Environ | None:
        """Prepare for a body of `length` bytes or chunks; what came with the head goes in at once.

        Raises:
            ProtocolError: bad chunks, or too many.
        """
        service = self._service
        self._environ = environ
        body = self._body = IncomingBody(length, limit=service.max_body, overflow=service.inbuf_overflow)
        self.unsettled = True
        self.phase = BODY
        self.since = self._started = self._loop.now
        partial, self._partial = self._partial, None
        if waits:
            # RFC 9110 §10.1.1 would let it be left out if a part of the body is here; waitress's clients wait for it.
            try:
                self.write(CONTINUE, True)
            except ClientDisconnected:
                self.close()
                return None
        if partial:
            body.take(partial.take_all())
            if body.is_complete:
                return self._end_body()
        self._loop.watch(self, self.deadline())
        if self._armed != READ:
            self.rearm()
        return None

    def _receive_body(self) -> Environ | None:
        body = self._body
        assert body is not None
        try:
            if not body.receive_burst(self.sock, self._loop.scratch):
                self.close()  # RFC 9112 §8: an incomplete request is not acted on
            elif body.is_complete:
                return self._end_body()
            else:
                self.since = self._loop.now
                if self._decrypted is not None:
                    self.rearm()
        except ProtocolError as error:
            self.answer(error.status, error.message)
        except OSError as error:
            self._report(error)
            self.close()
        return None

    def _end_body(self) -> Environ | None:
        environ, self._environ = self._environ, None
        body = self._body
        assert environ is not None
        assert body is not None
        if body.rest:
            self._partial = HeadBuffer(body.rest)
        describe_body(environ, body.received, body.finish())
        self.phase = IDLE
        self.since = self._loop.now
        return environ

    # ---------------------------------------------------------------- sending what waits (leader)

    def _flushed(self, pending: Pending) -> None:
        """Go on after the client has taken what waited, or has gone."""
        is_broken = pending.is_broken
        self.since = self._loop.now
        with self._loop.arming:
            if pending.is_retired:
                self.pending = None
            phase = self.phase
            if phase == RUNNING or (phase == BODY and not is_broken):
                self._rearm(quiet=is_broken)
                return
        if is_broken:
            self.close()
        elif phase == SENDING:
            self._proceed(keep=self._outcome == KEEP)
        elif phase == WAITING:
            self.settle(self.gateway.resume())

    # ---------------------------------------------------------------- after a request (owner)

    def settle(self, outcome: int) -> None:
        """Go on after a response: `outcome` is the gateway's."""
        body, self._body = self._body, None
        if outcome != SUSPENDED and body is not None:
            body.close()
        elif outcome == SUSPENDED:
            self._body = body
        with self._loop.arming:
            if self.phase == CLOSED:
                return  # the server was forced to end while the request ran
            pending = self.pending
            if pending is not None and pending.is_broken:
                outcome = BROKEN
            self._outcome = outcome
            if outcome == SUSPENDED or (pending is not None and not pending.is_broken):
                self.phase = WAITING if outcome == SUSPENDED else SENDING
                self._rearm()
                return
            was_running = self.phase == RUNNING
        self._proceed(keep=outcome == KEEP, posted=was_running)

    def _proceed(self, *, keep: bool, posted: bool = False) -> None:
        """Close, or wait for the next request; `posted`: the calling thread does not lead."""
        if not keep:
            # A reset because of what has not been read would take the response along.
            self._must_linger = self._must_linger or bool(self._partial)
            self.close()
            return
        self.since = time.monotonic()  # the loop's own clock stands still while the leader waits or runs a request
        if self._partial:
            self._started = self.since
            self.unsettled = True
            self.phase = HEAD  # from here on it is the leader's
            if posted:
                self._loop.post(self.fd)
            else:
                self._loop.ready.append((self.fd, 0))
            return
        self.unsettled = False
        with self._loop.arming:
            if self.phase != CLOSED:
                self.phase = IDLE
                self._rearm()

    # ---------------------------------------------------------------- ends

    def answer(self, status: int, detail: str, retry_after: int = 0, environ: Environ | None = None) -> None:
        """Send one of the server's own responses and close; `retry_after` in seconds, `environ` if there is one."""
        known = environ or self._environ or asked_by(self.base, self._partial)
        response = self._refusal(status, detail, known, self.gateway.minor, retry_after)
        self._drop_request()
        try:
            self.write(response, True)
        except ClientDisconnected:
            self.close()
            return
        self._must_linger = True  # the client may still be sending
        self.settle(CLOSE)

    def _drop_request(self) -> None:
        self._environ = self._partial = None
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def close(self) -> None:
        """Close the socket and give back what the connection holds; harmless when done before (owner)."""
        with self._loop.arming:
            phase, self.phase = self.phase, CLOSED
        if phase == CLOSED:
            return
        if phase == WAITING:
            self.gateway.abandon()
        self._drop_request()
        self._loop.forget(self)
        self.drop_output()
        is_cut = self.gateway.is_open_ended and (self._outcome != CLOSE or self.pending is not None)
        self._close_socket(is_cut=is_cut)
        self.base.clear()  # an application may have kept callables, which keep this object

    def drain(self, before: float = float("inf")) -> None:
        """Close if nothing has been under way since `before`, in monotonic seconds; what runs or is sent goes on."""
        if self.phase in (IDLE, HEAD) and self.since <= before and not self.has_input():
            self.close()

    def begin_drain(self) -> None:
        """Make the response in progress the last one; its head says so if it has not been sent."""
        self.gateway.persist = False

    # ---------------------------------------------------------------- deadlines, room for others (leader)

    def _received(self) -> int:
        body = self._body
        return body.received if body is not None else 0

    def deadline(self) -> float:
        """Return when this connection expires, in monotonic seconds."""
        received = self._received()
        return expires_at(self._service, self.phase, self._loop.now, self.since, self._started, received, self.pending)

    def eviction(self) -> Eviction | None:
        """Return when it may be closed for another client; None while it holds its place."""
        return eviction_of(self._service, self.phase, self.since, self._started, self._received())

    def evict(self) -> None:
        """Close for another client's sake; one in the middle of a request is told so if it can be told at once."""
        if self.phase in (HEAD, BODY) and self.pending is None:
            text = f"other clients wait, and the request's {PHASES[self.phase]} did not come in time"
            known = self._environ or asked_by(self.base, self._partial)
            self._tell(self._refusal(408, text, known, self.gateway.minor))
        self.close()

    def expire(self) -> None:
        """Act on the deadline."""
        phase = self.phase
        if phase in (HEAD, BODY):
            self.answer(408, f"the request's {PHASES[phase]} did not come in time")
        elif phase == RUNNING:
            self.drop_output()
        else:
            self.close()
