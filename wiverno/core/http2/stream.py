"""One stream: an exchange that the threads run, and the sink that its gateway writes to.

A response that is complete and fits into the windows leaves with one call. What does not leave waits in `pending`,
which the leader sends on as windows open and the transport drains; above the high-water mark the producer waits, with
one thread the iteration is suspended, all as in HTTP/1.1. The connection's lock guards everything here that two threads
may meet in; `pending` has its own lock, taken after it.
"""

import time
from contextlib import AbstractContextManager
from typing import Any

from wiverno.core.http2.gateway import Http2Gateway
from wiverno.core.http2.owner import StreamOwner, StreamWindow
from wiverno.core.http2.states import CLOSED, MOVES, NAMES, RECEIVING, RUNNING, SENDING, SUSPENDED
from wiverno.core.net.buffers import BodyBuffer, Pending
from wiverno.core.net.file_segments import FileSegment
from wiverno.core.threads.exchange import NO_ENVIRON
from wiverno.foreign_code import guarded_logger
from wiverno.http2.errors import ErrorCode
from wiverno.http2.sending import GONE
from wiverno.wsgi.file_wrapper import FileWrapper
from wiverno.wsgi.gateway import BROKEN, KEEP
from wiverno.wsgi.gateway import SUSPENDED as IS_SUSPENDED
from wiverno.wsgi.sink import ClientDisconnected
from wiverno.wsgi_types import Environ

logger = guarded_logger("wiverno")


class Stream:
    """One exchange of a connection.

    Attributes:
        stream_id: its identifier on the wire.
        environ: the request's, until the application is called.
        gateway: calls the application.
        state: see `states`.
        body: the request's body as it comes.
        since: when something was received or sent last, monotonic seconds.
        started: when the body began.
        pending: response bytes that wait.
    """

    __slots__ = (
        "_connection", "_has_ended", "_is_complete", "_is_handed_off", "block", "body", "environ", "gateway",
        "has_free_gateway", "lock", "needs_finish", "pending", "since", "started", "state", "stream_id",
    )  # fmt: skip

    def __init__(
        self, connection: "StreamOwner[Stream]", stream_id: int, environ: Environ, gateway: Http2Gateway
    ) -> None:
        self._connection = connection
        self._is_complete = False  # the gateway has given its last byte
        self._has_ended = False  # and that has gone into the output with END_STREAM
        self.stream_id = stream_id
        self.environ = environ
        self.gateway = gateway
        self.block = b""
        """The response's field block, until it is sent."""
        self.body: BodyBuffer | None = None
        self._is_handed_off = False
        self.needs_finish = True
        self.lock: AbstractContextManager[object, Any] = gateway.lock
        self.has_free_gateway = True  # another stream may have it after this one
        self.pending: Pending | None = None
        self.since = self.started = connection.now
        self.state = RECEIVING

    def move(self, state: int) -> None:
        """Change the state (lock held)."""
        assert state in MOVES[self.state], f"{NAMES[self.state]} → {NAMES[state]}"
        self.state = state

    @property
    def client(self) -> "StreamOwner[Stream]":
        """The connection, whose descriptor the loop knows."""
        return self._connection

    # ---------------------------------------------------------------- the exchange (leader, or the thread that runs it)

    def hand_off(self) -> None:
        """The request is run by a thread that does not lead: what has been put together must leave now."""
        self._is_handed_off = True
        self._connection.flush_soon()

    hand_off_locked = hand_off

    def finish_response(self, outcome: int) -> None:
        """Continue after the gateway; `outcome` is what it returned. CLOSE and KEEP mean the same: the stream ends."""
        connection = self._connection
        if self._has_ended and self.body is None and outcome == KEEP:
            # The usual response: all of it is in the output, and the stream has ended on the wire.
            with connection.lock:
                if self.state == CLOSED:
                    connection.release(self)
                else:
                    connection.forget_stream(self)
                    connection.flush(batch=not self._is_handed_off)
            connection.after_exchange()
            return
        if outcome != IS_SUSPENDED:
            self.close_body()
        with connection.lock:
            if self.state == CLOSED:
                if outcome == IS_SUSPENDED:
                    self._drop_iteration()
                connection.release(self)
                return
            if outcome == BROKEN:
                self.reset(ErrorCode.INTERNAL_ERROR)
                connection.release(self)
            elif outcome == IS_SUSPENDED:
                self.move(SUSPENDED)
            else:
                self._is_complete = True
                if self.pending is None:
                    self._end()
                else:
                    self.move(SENDING)
            connection.flush(batch=not self._is_handed_off)
        connection.after_exchange()

    def answer(self, status: int, detail: str, retry_after: int = 0, environ: Environ | None = None) -> None:
        """Send one of the server's own responses; `retry_after` in seconds."""
        connection = self._connection
        block, content = self.gateway.encode_error(status, detail, retry_after)
        if (environ or self.environ).get("REQUEST_METHOD") == "HEAD":
            content = b""
        connection.record_error_response(self, environ, status, len(content))
        self.close_body()
        with connection.lock:
            if self.state == CLOSED:
                connection.release(self)
                return
            self.block = block
            try:
                self._send([content])
            except ClientDisconnected:
                pass
            self._is_complete = True
            if self.pending is None:
                self._end()
            else:
                self.move(SENDING)
            connection.flush(batch=False)
        connection.after_exchange()

    def close(self) -> None:
        """End the stream because of an error of ours; harmless when done before."""
        connection = self._connection
        self.close_body()
        with connection.lock:
            self.has_free_gateway = False  # its state is not known
            self.reset(ErrorCode.INTERNAL_ERROR)
            connection.release(self)
            connection.flush(batch=False)
        connection.after_exchange()

    def reset(self, code: ErrorCode) -> None:
        """Send RST_STREAM and drop what waits (lock held); a thread that runs the request learns of it by itself."""
        if self.state != CLOSED:
            self._connection.protocol.output.reset(self.stream_id, code)
            self.abandon()

    def close_body(self) -> None:
        """Give back what the request's body holds."""
        body, self.body = self.body, None
        if body is not None:
            body.close()

    def _end(self) -> None:
        """End the stream on the wire and leave the connection's table (lock held)."""
        output = self._connection.protocol.output
        if self.block:
            output.headers(self.stream_id, self.block, ends=True)
            self.block = b""
        else:
            output.data(self.stream_id, b"", ends=True)  # GONE if the last byte has ended it
        wire = self._connection.protocol.streams.live.get(self.stream_id)
        if wire is not None:
            # The client still sends: it may stop (RFC 9113 §8.1). Or an exception has kept the response from beginning.
            output.reset(self.stream_id, ErrorCode.NO_ERROR if wire.has_response else ErrorCode.INTERNAL_ERROR)
        self._connection.forget_stream(self)

    # ---------------------------------------------------------------- the sink (the thread that runs the request)

    def write(self, data: bytes, last: bool = False) -> bool:
        """Send or keep `data`; False asks the gateway to suspend the iteration (one-threaded servers only)."""
        if not last or not self.block or self.pending is not None:
            return self._write([data], last=last)
        connection = self._connection
        with connection.lock:
            if self.state == CLOSED or not connection.has_room():
                return self._write([data], last=last)
            block, self.block = self.block, b""
            taken = connection.protocol.output.respond(self.stream_id, block, data)
            connection.queued += len(block) + taken
            if taken == len(data):
                self._has_ended = True
            elif taken == GONE:
                raise ClientDisconnected("the stream is gone")
            else:
                self._keep([memoryview(data)[taken:]])
        return True

    def write_pieces(self, pieces: list[bytes], last: bool = False) -> bool:
        """Send or keep several pieces."""
        return self._write([piece for piece in pieces if piece], last=last)

    def send_informational(self, block: bytes) -> None:
        """Send an interim response's field block."""
        connection = self._connection
        with connection.lock:
            self._require_open()
            connection.protocol.output.informational(self.stream_id, block)
            connection.flush(batch=False)

    def write_file(self, file: FileWrapper, descriptor: int, offset: int, count: int) -> None:
        """Send a part of a regular file; the file is closed whatever happens."""
        segment = FileSegment(descriptor, offset, count, file.close)
        connection = self._connection
        try:
            with connection.lock:
                self._require_open()
                self._keep([segment])
                connection.pump(self)
                connection.flush(batch=False)
        except BaseException:
            segment.close()
            raise
        if not count:
            segment.close()  # it was not kept

    def is_handed_off(self) -> bool:
        """Tell whether the request runs in a thread that does not lead."""
        return self._is_handed_off

    def is_disconnected(self) -> bool:
        """Tell whether the stream or its connection is gone."""
        return self.state == CLOSED or self._connection.is_gone()

    def _write(self, pieces: list[Any], *, last: bool) -> bool:
        connection = self._connection
        with connection.lock:
            self._require_open()
            self._send(pieces)
            if not last:
                connection.flush(batch=False)  # a piece leaves at once (PEP 3333, "Buffering and Streaming")
            pending = self.pending
        if last or pending is None:
            return True
        if not connection.context.is_threaded:
            return pending.size <= connection.context.outbuf_overflow
        if pending.size > connection.context.high_water:
            self._wait_for_reader(pending)
        return True

    def _require_open(self) -> None:
        if self.state == CLOSED:
            raise ClientDisconnected("the client has reset the stream or closed the connection")

    def _send(self, pieces: list[Any]) -> None:
        """Put as much as the windows and the transport take into the output, keep the rest (lock held)."""
        output = self._connection.protocol.output
        if self.pending is None and self._connection.has_room():
            self._send_block()
            while pieces:
                taken = output.data(self.stream_id, pieces[0], ends=False)
                if taken == GONE:
                    raise ClientDisconnected("the stream is gone")
                self._connection.queued += taken
                if taken < len(pieces[0]):
                    pieces[0] = memoryview(pieces[0])[taken:]
                    break
                del pieces[0]
        else:
            self._send_block()
        self._keep(pieces)

    def _send_block(self) -> None:
        """Send the field block if it has not been sent (lock held)."""
        if self.block:
            block, self.block = self.block, b""
            if self._connection.protocol.output.headers(self.stream_id, block, ends=False) == GONE:
                raise ClientDisconnected("the stream is gone")

    def _keep(self, pieces: list[Any]) -> None:
        """Keep what does not leave now (lock held)."""
        if not any(len(piece) if not isinstance(piece, FileSegment) else piece.count for piece in pieces):
            return
        pending = self.pending
        if pending is None:
            pending = self.pending = Pending(self._connection.context.outbuf_overflow, time.monotonic())
            self._connection.note_waiting(self)
        with pending.lock:
            for piece in pieces:
                if isinstance(piece, FileSegment):
                    pending.add_file(piece)
                else:
                    pending.add(piece)

    def _wait_for_reader(self, pending: Pending) -> None:
        """Hold the producing thread up until the client has taken half of what waits; another one takes its place."""
        threads = self._connection.threads
        assert threads is not None  # a server of one thread never waits
        threads.begin_blocking()
        try:
            pending.wait_below(self._connection.context.high_water // 2)
        finally:
            threads.end_blocking()
        if pending.is_broken:
            raise ClientDisconnected("the client has reset the stream or closed the connection")

    # ---------------------------------------------------------------- what waits (leader, lock held)

    def send_some(self) -> bool:
        """Send a turn's worth of what waits; return whether the gateway may go on or the stream is complete."""
        pending = self.pending
        if pending is None or pending.is_reading:
            return False
        before = pending.sent
        is_cut = False
        with pending.lock:
            try:
                self._send_block()
                self._connection.flush_waiting(pending, StreamWindow(self, self._connection))
            except BlockingIOError:
                pass
            except OSError as error:
                logger.info("Stream %d was cut: %s", self.stream_id, error)
                is_cut = True
            pending.lock.notify_all()
            if pending.sent > before:
                self.since = self._connection.now
            if not pending.size and not is_cut:
                pending.is_retired = True
                self.pending = None
        if is_cut:
            is_running = self.state == RUNNING
            self.reset(ErrorCode.INTERNAL_ERROR)
            if not is_running:
                self._connection.release(self)
            return False
        if self.pending is None and self._is_complete:
            self._end()
            return False
        return self.state == SUSPENDED and pending.size <= self._connection.context.outbuf_overflow // 2

    def resume(self) -> None:
        """Go on with a suspended iteration (leader, without the lock)."""
        if self.state != SUSPENDED:
            return
        self.move(RUNNING)
        try:
            outcome = self.gateway.resume()
        except BaseException:
            self.close()
            raise
        self.finish_response(outcome)

    def abandon(self) -> None:
        """Close and drop what waits, and the body unless a thread still reads it (lock held)."""
        state, self.state = self.state, CLOSED
        pending, self.pending = self.pending, None
        if pending is not None:
            with pending.lock:
                pending.close()
        if state == SUSPENDED:
            self._drop_iteration()
        elif state != RUNNING or self.environ is not NO_ENVIRON:  # complete, and the application has not been called
            self.environ = NO_ENVIRON
            self.close_body()

    def _drop_iteration(self) -> None:
        """Have a suspended iteration closed; the iterator's close() is the application's and called unlocked."""
        self.has_free_gateway = False
        self._connection.call_unlocked(self._close_iteration)

    def _close_iteration(self) -> None:
        try:
            self.gateway.abandon()
        finally:
            self.close_body()

    def waits_for_disk(self) -> bool:
        """Tell whether nothing can be sent until a file thread has read."""
        return self.pending is not None and self.pending.is_reading

    def is_gone(self) -> bool:
        """Tell whether the stream is closed."""
        return self.state == CLOSED

    def __repr__(self) -> str:
        waits = self.pending.size if self.pending is not None else 0
        return f"<Stream {self.stream_id} {NAMES[self.state]} waiting={waits}>"
