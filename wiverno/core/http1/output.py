"""The output of an HTTP/1.1 connection: the sink that a gateway writes to, and what the connection waits for.

Bytes leave with the call that brings them as long as the client takes them. What does not leave waits in `pending`,
which the leader sends while the producing thread continues. Above the high-water mark the producer waits; in a server
with one thread it is asked to suspend. connection.py adds the input to this class, and says which thread may do what.
"""

import socket
import threading
import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any, Final

from wiverno.core.context import ServerContext
from wiverno.core.http1 import states
from wiverno.core.http1.states import CLOSED, IDLE, NAMES, RUNNING, WAITING
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import NOTHING, READ, WRITE
from wiverno.core.net.buffers import Pending
from wiverno.core.net.file_segments import FileSegment
from wiverno.core.net.transport import WOULD_BLOCK, Transport
from wiverno.foreign_code import guarded_logger
from wiverno.wsgi.file_wrapper import FileWrapper
from wiverno.wsgi.outcomes import BROKEN, KEEP
from wiverno.wsgi.sink import ClientDisconnected

logger = guarded_logger("wiverno")

MOST_HELD: Final = 16384  # bytes of a response that may be held back


class Output(ABC):
    """The sending half of a connection.

    Attributes:
        sock: the client's socket, not blocking.
        fd: its descriptor.
        transport: the same socket in the loop.
        state: what the connection is doing; changed by `_move`.
        lock: one thread at a time is in the application's write().
        pending: output that waits; None as long as everything leaves at once.
        since: when something was received or sent last, monotonic seconds.
        needs_finish: `finish_response` has something to do after the response even if the connection is kept.
    """

    __slots__ = (
        "_context", "_held", "_loop", "_must_linger", "fd", "lock", "needs_finish", "pending", "since", "sock", "state",
        "transport",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, context: ServerContext, loop: Loop) -> None:
        """Take over a connected socket that the poller does not know yet."""
        self.sock = sock
        self.transport = Transport(sock, loop)
        self.fd = self.transport.fd
        self.state = IDLE
        self.pending: Pending | None = None
        self.lock: AbstractContextManager[object, Any] = threading.RLock()
        self.needs_finish = True  # the poller does not know the socket yet
        self._context = context
        self._loop = loop
        self._must_linger = False
        self._held = b""  # a whole response that leaves with those of others
        self.since = loop.now

    def _move(self, state: int) -> None:
        """Change the state: the only place that does."""
        if states.is_checked:
            states.check_move(self.state, state)
        self.state = state

    def write(self, data: bytes, last: bool = False) -> bool:
        """Send or keep `data`; False asks the gateway to suspend the iteration (one-threaded servers only)."""
        if self.pending is None:
            try:
                sent = self.sock.send(data)
            except WOULD_BLOCK:
                sent = 0
            except OSError as error:
                raise ClientDisconnected from error
            if sent == len(data):
                return True
            return self._keep([memoryview(data)[sent:]], last=last)
        return self._keep([data], last=last)

    def write_response(self, data: bytes, last: bool = True) -> bool:
        """Send or keep a whole response; hold it back if the leader has read further requests.

        The leader sends those of several connections in a row (threads/read_ahead.py).
        """
        loop = self._loop
        held = loop.held
        if held is None or not loop.begun or self.state or self.needs_finish or len(data) > MOST_HELD:
            return self.write(data, last)
        held.append(self)
        self._held = data
        return True

    def send_held(self) -> None:
        """Send the response that is held back, if it has not left yet (leader)."""
        with self._loop.arming:
            data, self._held = self._held, b""
            if data and self.state == RUNNING:  # the call has not ended after its only piece, and blocks its thread
                self._send_beside(data)
                return
        if not data:
            return
        try:
            self.write(data, True)
        except ClientDisconnected:
            self.finish_response(BROKEN)
        else:
            if self.needs_finish:
                self.finish_response(KEEP)

    def _send_beside(self, data: bytes) -> None:
        """Send or keep it for the thread that runs the request, with the loop's `arming` lock held."""
        try:
            sent = self.sock.send(data)
        except WOULD_BLOCK:
            sent = 0
        except OSError:
            return  # the poller reports it
        if sent < len(data):
            self.needs_finish = True
            pending = Pending(self._context.outbuf_overflow, time.monotonic())
            pending.add(memoryview(data)[sent:])
            self.pending = pending
            self._rearm()

    def write_held(self, outcome: int) -> int:
        """Send or keep the response that is held back (owner); return the outcome, or BROKEN if the client is gone."""
        try:
            if self._held and (data := self._take_held()):
                self.write(data, True)
        except ClientDisconnected:
            return BROKEN
        return outcome

    def _take_held(self) -> bytes:
        with self._loop.arming:
            data, self._held = self._held, b""
        return data

    @abstractmethod
    def finish_response(self, outcome: int) -> None:
        """Continue after a response (owner); `outcome` is the gateway's."""

    def write_pieces(self, pieces: list[bytes], last: bool = False) -> bool:
        """Send or keep several pieces; large ones are not copied."""
        waiting: list[bytes | memoryview] = list(pieces)
        if self.pending is None:
            try:
                sent = self.sock.sendmsg(pieces) if hasattr(self.sock, "sendmsg") else self.sock.send(pieces[0])
            except WOULD_BLOCK:
                sent = 0
            except OSError as error:
                raise ClientDisconnected from error
            while waiting and sent >= len(waiting[0]):
                sent -= len(waiting[0])
                del waiting[0]
            if not waiting:
                return True
            waiting[0] = memoryview(waiting[0])[sent:]
        return self._keep(waiting, last=last)

    def write_file(self, file: FileWrapper, descriptor: int, offset: int, count: int) -> None:
        """Send a part of a regular file; the file is closed whatever happens."""
        segment = FileSegment(descriptor, offset, count, file.close)
        try:
            if self.pending is None:
                segment.send_some(self.sock)
        except WOULD_BLOCK:
            pass
        except OSError as error:
            segment.close()
            raise ClientDisconnected from error
        if not segment.count:
            segment.close()
            return
        try:
            self._keep_segments([segment])
        except ClientDisconnected:
            segment.close()
            raise

    def _keep(self, pieces: "list[bytes | memoryview]", *, last: bool) -> bool:
        """Keep bytes for later, and let the producer wait if there are too many; not after the last ones."""
        self._keep_segments(pieces)
        pending = self.pending
        context = self._context
        if last:
            return True
        if not context.is_threaded:
            return pending is None or pending.size <= context.outbuf_overflow
        if pending is not None and pending.size > context.high_water:
            self._wait_for_reader(pending)
        return True

    def _wait_for_reader(self, full: Pending) -> None:
        """Block the producing thread until the client has taken half of what waits; another thread compensates."""
        mark = self._context.high_water // 2
        thread_pool = self._loop.thread_pool
        assert thread_pool is not None  # a server of one thread never waits
        thread_pool.begin_blocking()
        try:
            pending: Pending | None = full
            while pending is not None and pending.size > mark:
                # By then another thread leads, or is about to: that one sends.
                pending.wait_below(mark)
                if pending.is_broken:
                    raise ClientDisconnected
                pending = self.pending
        finally:
            thread_pool.end_blocking()

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
        pending = Pending(self._context.outbuf_overflow, time.monotonic())
        self.needs_finish = True
        with self._loop.arming:
            self.pending = pending
            self._rearm()
        return pending

    def rearm(self) -> None:
        """Tell the poller what this connection waits for."""
        with self._loop.arming:
            self._rearm()

    def _rearm(self, *, quiet: bool = False) -> None:
        """Do the same with the loop's `arming` lock held; `quiet`: output that waits can't be sent any more."""
        if self.state == CLOSED:
            return
        if self.pending is not None and not quiet:
            interest = NOTHING if self.pending.is_reading else WRITE
        elif self.state == RUNNING:
            interest = NOTHING
        else:
            interest = READ
        self.transport.arm(interest)

    def drop_output(self) -> None:
        """Abort the output to a client that takes nothing while its request still runs, or because all ends."""
        if self._held and (data := self._take_held()):
            self.transport.send_at_once(data)
        pending = self.pending
        if pending is not None:
            with pending.lock:
                pending.close()
            with self._loop.arming:
                self._rearm(quiet=True)

    def flush(self) -> bool:
        """Send what waits (leader); True if the connection can continue: all or enough was sent, or it broke."""
        pending = self.pending
        assert pending is not None
        if pending.is_reading:
            return False  # the client has hung up, which the poller reports in any case
        self.since = self._loop.now
        with pending.lock:
            try:
                uncached = pending.flush(self.sock, plain=True, waits=self._loop.file_threads is None)
                if uncached is not None:
                    pending.read_first(uncached, self._loop, self.rearm)
            except WOULD_BLOCK:
                pass
            except OSError as error:
                self._report(error)
                pending.close()
            pending.lock.notify_all()
            pending.is_retired = not pending.size and not pending.is_broken
            if pending.is_retired or pending.is_broken:
                return True
            can_resume = self.state == WAITING and pending.size <= self._context.outbuf_overflow // 2
        if pending.is_reading:
            self.rearm()
        return can_resume

    def hand_off(self) -> None:
        """Give the request to another thread: the leader must not touch the socket until `finish_response`."""
        with self._loop.arming:
            self.hand_off_locked()

    def hand_off_locked(self) -> None:
        """Do the same with the loop's `arming` lock held by the caller."""
        self._move(RUNNING)
        self._rearm()

    @property
    def client(self) -> "Output":
        """The connection, which is its own exchange."""
        return self

    def has_waiting_output(self) -> bool:
        """Tell whether an event may continue a response that waits for its client (leader)."""
        return self.pending is not None

    def is_handed_off(self) -> bool:
        """Tell whether the request runs in a thread that does not lead."""
        return self.state == RUNNING

    def _report(self, error: OSError) -> None:
        """Log a broken connection, unless the client has merely closed or reset it."""
        if self._context.log_socket_errors and not isinstance(error, ConnectionError):
            logger.warning("Socket error: %s", error)

    def has_input(self) -> bool:
        """Tell whether the client has sent something that has not been read yet."""
        return self.transport.has_input()

    def abandon(self) -> None:
        """Close this process's copy of the socket after a fork; what the application writes then fails."""
        self._move(CLOSED)
        self.pending = None
        self._held = b""
        self.transport.abandon()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} fd={self.fd} {NAMES[self.state]} armed={self.transport.armed}>"

    def is_disconnected(self) -> bool:
        """Tell the application whether the client is gone: environ["wiverno.client_disconnected"]."""
        if self.state == CLOSED or (self.pending is not None and self.pending.is_broken):
            return True
        return self.transport.is_disconnected()
