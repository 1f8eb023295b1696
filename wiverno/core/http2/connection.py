"""One client that speaks HTTP/2: socket ↔ frames, streams as exchanges, one output for all of them.

    socket → ServerProtocol.receive → events → streams ──→ `ready` gives one complete exchange after the other
    exchanges (any thread) → streams → ServerProtocol.output → socket

`lock` guards the protocol object, the socket and the tables of streams. It is taken before the loop's `arming` and
before a stream's `pending.lock`, never while one of them is held. Responses of requests that came together leave
together: while further complete requests wait (`complete`), a finished response stays in the output; the last one, a
thread that was handed a request, and a piece of a longer response flush it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from wiverno.core.context import ServerContext
from wiverno.core.http2.gateway import Http2Gateway, new_gateway
from wiverno.core.http2.receiving import take_event
from wiverno.core.http2.states import CLOSED, QUEUED, RECEIVING, RUNNING
from wiverno.core.http2.stream import Stream
from wiverno.core.http2.timeouts import connection_deadline, overdue_streams, partial_deadline, stalled_deadline
from wiverno.core.http2.transport import Http2Transport
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.handlers import HEAD_AGE, IDLE_AGE, IDLE_RANK, UNFINISHED_RANK, Eviction
from wiverno.core.net.transport import UNREGISTERED, WOULD_BLOCK
from wiverno.foreign_code import guarded_logger
from wiverno.http2.connection import ServerProtocol
from wiverno.http2.errors import ErrorCode
from wiverno.http2.limits import Limits
from wiverno.wsgi_types import Environ

logger = guarded_logger("wiverno")

RECEIVE_SIZE: Final = 65536  # bytes of one recv
MAX_READS: Final = 8  # recv calls before other connections have their turn
FULL_READ: Final = 8192  # bytes: a shorter read means that the socket is empty, most probably
MAX_SPARE: Final = 16  # gateways kept for the next streams
MAX_WAITING: Final = 16  # responses that wait for their client, from which on no further request of it is begun
QUICK: Final = 0.005  # seconds that responses wait for those that came with them, where one thread does everything


class Http2Connection(Http2Transport):
    """One client's connection. `ready`, `expire` and the eviction's methods are the leader's."""

    __slots__ = (
        "_abandoned", "_drain_since", "_is_slow", "_partial_since", "_received", "_spare", "_waiting",
        "base", "complete", "is_trusted", "streams",
    )  # fmt: skip

    def __init__(
        self,
        sock: Any,
        variables: Environ,
        context: ServerContext,
        loop: Loop,
        *,
        trusted: bool,
        received: bytes = b"",
    ) -> None:
        """Take over a connected, non-blocking socket, plain or TLS; arguments as for HTTP/1.1's connection."""
        limits = Limits(max_list_size=context.max_head, max_fields=context.max_fields)
        super().__init__(sock, context, loop, ServerProtocol(loop.now, limits, prefix=context.url_prefix))
        self.is_trusted = trusted
        self._received = received
        self._partial_since: float | None = loop.now  # the preface has not come
        self._drain_since: float | None = None
        self._is_slow = False  # the application took so long that responses leave one by one
        self._abandoned: deque[Callable[[], None]] = deque()
        variables["SERVER_PROTOCOL"] = "HTTP/2.0"  # RFC 3875 §4.1.16; RFC 9110 §2.5: the minor version is then 0
        self.base = variables
        self.streams: dict[int, Stream] = {}
        self.complete: deque[Stream] = deque()
        self._waiting: dict[Stream, None] = {}  # streams with output that waits, the longest waiting first
        self._spare: list[Http2Gateway] = []
        if context.http2_connections is not None:
            context.http2_connections.add(self)

    # ---------------------------------------------------------------- receiving (leader)

    def ready(self, events: int) -> Stream | None:
        """Take an event; return an exchange whose request is complete, or None."""
        resumable: deque[Stream] = deque()
        with self.lock:
            if self.is_closed:
                return None
            if events or self._received or not self.complete:
                self.now = self._loop.now
                if events or self._received:
                    self._receive()
                if self._waiting and not self.is_closed:
                    resumable = self._pump()
            exchange = self._next_exchange()
            if exchange is None or self.transport.armed == UNREGISTERED:
                self.flush(batch=False)
        self._resume(resumable)
        if exchange is None and self._drain_since is not None:
            self.after_exchange()
        return exchange

    def _next_exchange(self) -> Stream | None:
        """Take the first complete request that was not reset meanwhile, if the client reads (lock held)."""
        complete = self.complete
        while complete and len(self._waiting) < MAX_WAITING:
            stream = complete.popleft()
            if stream.state == QUEUED:
                stream.move(RUNNING)
                if complete:
                    self._loop.ready.append((self.fd, 0))  # continue with the next one, after other connections
                return stream
        return None

    def _resume(self, streams: deque[Stream]) -> None:
        """Continue suspended iterations; a signal handler's exception leaves the others for later."""
        try:
            while streams:
                streams.popleft().resume()
        finally:
            for stream in streams:
                self._loop.call_soon_threadsafe(stream.resume)

    def _receive(self) -> None:
        """Read what has come and act on it (lock held)."""
        for _ in range(MAX_READS):
            data, self._received = self._received, b""
            if not data:
                try:
                    data = self.sock.recv(RECEIVE_SIZE)
                except WOULD_BLOCK:
                    break
                except OSError as error:
                    self.report(error)
                    self._close()
                    return
                if not data:
                    self._close()
                    return
            self.since = self.now
            events = self.protocol.receive(data, self.now)
            if events:
                self._partial_since = None  # what is incomplete now has begun with these bytes
            for event in events:
                take_event(self, event)
            if self.is_closed:
                return
            if self.protocol.fault is not None:
                self._end_for_fault()
                return
            if len(data) < FULL_READ:
                break
        if self._partial_since is not None or self.protocol.is_mid_frame:
            self._note_partial()

    def _note_partial(self) -> None:
        """Start or stop the clock of a frame, a field block or a preface that is incomplete (lock held)."""
        protocol = self.protocol
        if protocol.has_preface and not protocol.is_mid_frame:
            self._partial_since = None
        elif self._partial_since is None:
            self._partial_since = self.now
            self._loop.watch(self, self.deadline())

    def open_stream(self, stream_id: int, environ: Environ) -> Stream:
        """Make a stream for a request (lock held)."""
        gateway = self._spare.pop() if self._spare else new_gateway(self.context, trusted=self.is_trusted)
        environ.update(gateway.own_variables)
        stream = self.streams[stream_id] = Stream(self, stream_id, environ, gateway)
        gateway.sink = stream
        return stream

    def watch(self) -> None:
        """Have the loop look at the deadlines again, for there may be an earlier one."""
        self._loop.watch(self, self.deadline())

    # ---------------------------------------------------------------- sending (any thread, lock held)

    def has_waiting_output(self) -> bool:
        """Tell whether an event may continue a response that waits for its client (leader)."""
        return bool(self._waiting)

    def note_waiting(self, stream: Stream) -> None:
        """Remember that a stream has output that waits."""
        self._waiting[stream] = None

    def pump(self, stream: Stream) -> None:
        """Send what one stream has waiting, as far as that is possible now."""
        if self.has_room():
            stream.send_some()
            if stream.pending is None:
                self._waiting.pop(stream, None)

    def _pump(self) -> deque[Stream]:
        """Send what streams have waiting, in turns; return those whose iteration may go on."""
        resumable: deque[Stream] = deque()
        waiting = self._waiting
        for stream in list(waiting):
            if not self.has_room():
                break
            if stream.send_some():
                resumable.append(stream)
            waiting.pop(stream, None)
            if stream.pending is not None:
                waiting[stream] = None  # behind the others
        return resumable

    def flush(self, *, batch: bool) -> None:
        """Send what the output holds; with `batch` only if no further request waits that is complete."""
        if self.is_closed or (batch and ((self.complete and not self._must_hurry()) or self.hold_back())):
            return
        if not self.send_output(wants_room=self._waiting_for_transport):
            self._close()

    def _must_hurry(self) -> bool:
        """Tell whether a response may not wait for the next one, which could take long where one thread does all."""
        if len(self._waiting) >= MAX_WAITING:
            return True
        if self.context.is_threaded:
            return False  # the monitor thread finds out within a millisecond or two, and the next leader sends
        is_late = time.monotonic() - self._loop.now > QUICK
        must_hurry, self._is_slow = is_late or self._is_slow, is_late
        return must_hurry

    def _waiting_for_transport(self) -> bool:
        """Tell whether a stream could send if only the socket had room."""
        output = self.protocol.output
        return any(output.room(stream.stream_id) and not stream.waits_for_disk() for stream in self._waiting)

    # ---------------------------------------------------------------- streams that end (lock held)

    def forget_stream(self, stream: Stream) -> None:
        """Take a stream out of the tables; its gateway serves the next one."""
        stream.state = CLOSED
        self._waiting.pop(stream, None)
        if self.streams.pop(stream.stream_id, None) is not None:
            self.since = self.now
            if len(self._spare) < MAX_SPARE and stream.has_free_gateway and stream.gateway.is_reusable:
                self._spare.append(stream.gateway)

    def drop_stream(self, stream: Stream) -> None:
        """Close a stream; if a thread runs its request, it is forgotten when that has finished."""
        is_running = stream.state == RUNNING
        stream.abandon()
        if not is_running:
            self.release(stream)

    def release(self, stream: Stream) -> None:
        """Note that the request of a stream that is closed runs no longer."""
        self.protocol.release(stream.stream_id)
        self.forget_stream(stream)

    def after_exchange(self) -> None:
        """Close if that was the last exchange of a connection that drains (without the lock)."""
        if self._drain_since is not None and not self.streams:
            with self.lock:
                self.flush(batch=False)
                if self.protocol.is_drained and self._unsent is None:
                    self._close(lingers=True)

    def _end_for_fault(self) -> None:
        """Send GOAWAY, say why in the log, and close."""
        self._log_fault(logging.WARNING)
        for stream in list(self.streams.values()):
            self.drop_stream(stream)
        self.flush(batch=False)
        self._close(lingers=True)

    def _log_fault(self, level: int) -> None:
        """Say why the connection ends; `level` is for those who flood."""
        fault = self.protocol.fault
        assert fault is not None
        client, code = self.base.get("REMOTE_ADDR", "-"), ErrorCode(fault.code)
        level = level if code == ErrorCode.ENHANCE_YOUR_CALM else logging.INFO
        logger.log(level, "HTTP/2 connection of %s ended: %s (%s)", client, fault.reason, code.name)

    # ---------------------------------------------------------------- the end

    def close(self) -> None:
        """Close the socket and give back what the connection holds; harmless when done before."""
        with self.lock:
            self._close()
        self._close_abandoned()

    def call_unlocked(self, call: Callable[[], None]) -> None:
        """Have the application's code called when the lock is not held."""
        self._abandoned.append(call)
        self._loop.call_soon_threadsafe(self._close_abandoned)

    def _close_abandoned(self) -> None:
        calls = self._abandoned
        while calls:
            calls.popleft()()

    def abandon(self) -> None:
        """Close this process's copy after a fork; another thread may have held the locks, and never returns."""
        self.lock = threading.RLock()
        self.is_closed = True
        for stream in self.streams.values():
            stream.state = CLOSED
        super().abandon()

    def _close(self, *, lingers: bool = False) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        for stream in list(self.streams.values()):
            self.drop_stream(stream)
        self.complete.clear()
        self._loop.forget(self)
        if self.context.http2_connections is not None:
            self.context.http2_connections.discard(self)
        self.base.clear()
        self.discard_output()
        self.transport.close(lingers=lingers)

    def is_gone(self) -> bool:
        """Tell whether the client has closed the connection."""
        return self.is_closed

    # ---------------------------------------------------------------- deadlines, drain and eviction (leader)

    def deadline(self) -> float:
        """Return when something of this connection expires, in monotonic seconds."""
        return connection_deadline(self, self._partial_since)

    def expire(self) -> None:
        """Act on the deadlines that have passed."""
        self.now = now = self._loop.now
        if self._partial_since is not None and partial_deadline(self, self._partial_since) <= now:
            self._give_up("a frame did not arrive in time")
            return
        if stalled_deadline(self) <= now:
            self._give_up("the client does not read")
            return
        for stream in overdue_streams(self, now):
            if stream.state == RECEIVING:
                stream.answer(408, "the request's body did not come in time")
            else:
                with self.lock:
                    self.protocol.output.reset(stream.stream_id, ErrorCode.CANCEL)
                    self.drop_stream(stream)
                    self.flush(batch=False)
        if not self.streams and self.deadline() <= now:
            self._give_up("", ErrorCode.NO_ERROR)
        elif not self.is_closed:
            self.watch()
            self._loop.ready.append((self.fd, 0))  # complete requests may have waited for these

    def _give_up(self, reason: str, code: ErrorCode = ErrorCode.ENHANCE_YOUR_CALM) -> None:
        with self.lock:
            self.protocol.terminate(code, reason)
            if reason:
                self._log_fault(logging.INFO)  # what slow clients do is no alarm
            self.flush(batch=False)
            self._close()

    def begin_drain(self) -> None:
        """Ask the client to open no more streams (RFC 9113 §6.8)."""
        with self.lock:
            self._drain_since = self._loop.now
            self.protocol.begin_drain()
            self.flush(batch=False)

    def drain(self, before: float = float("inf")) -> None:
        """Tell the last stream that is served, if the client had a moment to learn of it; close when none is left."""
        with self.lock:
            if self.is_closed:
                return
            if self._drain_since is None:
                self.begin_drain()  # it was accepted when draining had begun
            elif self._drain_since <= before:
                self.protocol.end_drain()
                self.flush(batch=False)
        self.after_exchange()

    def eviction(self) -> Eviction | None:
        """Return when and in which order it may be closed for another client; None while it has streams."""
        if self._partial_since is not None and not self.streams:
            return Eviction(UNFINISHED_RANK, self._partial_since, self._partial_since + HEAD_AGE)
        if self.streams or self.stalled_since is not None:
            return None
        return Eviction(IDLE_RANK, self.since, self.since + IDLE_AGE)

    def evict(self) -> None:
        """Close for another client's sake."""
        self._give_up("", ErrorCode.NO_ERROR)

    def record_error_response(self, stream: Stream, environ: Environ | None, status: int, length: int) -> None:
        """Put one of the server's own responses into the access log."""
        if (recorder := self.context.recorder) is not None:
            recorder.record_error_response(environ or stream.environ or self.base, status, length)

    def __repr__(self) -> str:
        counts = f"streams={len(self.streams)} complete={len(self.complete)}"
        return f"<Http2Connection fd={self.fd} {'closed' if self.is_closed else 'open'} {counts}>"
