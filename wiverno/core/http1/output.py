"""A client's socket on its way out: the sink that a gateway writes to, and what the poller is armed for.

Bytes leave with the call that brings them as long as the client takes them. What does not leave waits in `pending`,
which the leader sends while the producing thread goes on; above the high-water mark the producer waits, in a server
with one thread it is asked to suspend. Who may do what when is told in connection.py, which completes this class.
"""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from wiverno.core.context import ServerContext
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import NOTHING, READ, WRITE, is_readable
from wiverno.core.net.buffers import FileSegment, Pending
from wiverno.core.net.closing import close_client, close_copy, reset_client
from wiverno.core.net.lingering_close import Lingering
from wiverno.foreign_code import guarded_logger
from wiverno.wsgi.file_wrapper import FileWrapper
from wiverno.wsgi.sink import ClientDisconnected

logger = guarded_logger("wiverno")

# Phases of a connection. IDLE is 0, so that the hot path asks one question.
IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2
RUNNING: Final = 3
SENDING: Final = 4
WAITING: Final = 5
CLOSED: Final = 6
PHASES: Final = ("idle", "head", "body", "running", "sending", "waiting", "closed")

UNREGISTERED: Final = -1

# What a socket that is not blocking says when it would have to.
WOULD_BLOCK: Final = (BlockingIOError, InterruptedError)


class Output:
    """The sending half of a connection.

    Attributes:
        sock: the client's socket, not blocking.
        fd: its descriptor.
        state: what the connection is doing.
        lock: one thread at a time is in the application's write().
        pending: output that waits; None as long as everything leaves at once.
        since: when something was received or sent last, monotonic seconds.
        unsettled: `finish_response` has something to do after the response even if the connection is kept.
    """

    __slots__ = (
        "_armed",
        "_context",
        "_decrypted",
        "_loop",
        "_must_linger",
        "fd",
        "lock",
        "needs_finish",
        "pending",
        "since",
        "sock",
        "state",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, context: ServerContext, loop: Loop) -> None:
        """Take over a connected socket that the poller does not know yet."""
        self.sock = sock
        self.fd = sock.fileno()
        self.state = IDLE
        self.pending: Pending | None = None
        self.lock: AbstractContextManager[object, Any] = threading.RLock()
        self.needs_finish = True  # to be registered
        self._armed = UNREGISTERED
        self._context = context
        self._loop = loop
        self._decrypted: Callable[[], int] | None = getattr(sock, "pending", None)
        self._must_linger = False
        self.since = loop.now

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
        """Keep bytes for later, and hold the producer up if too many wait; not after the last ones: nothing follows."""
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
        """Hold the producing thread up until the client has taken half of what waits; another one stands in for it."""
        mark = self._context.high_water // 2
        thread_pool = self._loop.thread_pool
        assert thread_pool is not None  # a server of one thread never waits
        thread_pool.begin_blocking()
        try:
            pending: Pending | None = full
            while pending is not None and pending.size > mark:
                # The lead has been given away by then, or is about to be: somebody else sends meanwhile.
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
        if self.state == CLOSED:
            return
        if self.pending is not None and not quiet:
            interest = WRITE
        elif self.state == RUNNING:
            interest = NOTHING
        else:
            interest = READ
        if interest == READ and self._decrypted is not None and self._decrypted():
            self._loop.post(self.fd)  # TLS holds bytes that no poller tells of
        if interest == self._armed:
            return
        if self._armed == UNREGISTERED:
            self._loop.poller.register(self.fd, interest or READ)
            if not interest:
                self._loop.poller.arm(self.fd, NOTHING)
        else:
            self._loop.poller.arm(self.fd, interest)
        self._armed = interest

    def drop_output(self) -> None:
        """Give up on a client that takes nothing while its request still runs."""
        pending = self.pending
        if pending is not None:
            with pending.lock:
                pending.close()
            with self._loop.arming:
                self._rearm(quiet=True)

    def flush(self) -> bool:
        """Send what waits (leader); True if the connection can go on, because all has left, enough has, or it broke."""
        pending = self.pending
        assert pending is not None
        self.since = self._loop.now
        with pending.lock:
            try:
                pending.flush(self.sock, plain=True)
            except WOULD_BLOCK:
                pass
            except OSError as error:
                self._report(error)
                pending.close()
            pending.lock.notify_all()
            pending.is_retired = not pending.size and not pending.is_broken
            if pending.is_retired or pending.is_broken:
                return True
            return self.state == WAITING and pending.size <= self._context.outbuf_overflow // 2

    def hand_off(self) -> None:
        """The request goes on in a thread that does not lead: its socket is no business of the leader's now."""
        with self._loop.arming:
            self.hand_off_locked()

    def hand_off_locked(self) -> None:
        """Do the same with the loop's `arming` lock held by the caller."""
        self.state = RUNNING
        self._rearm()

    def is_handed_off(self) -> bool:
        """Tell whether the request runs in a thread that does not lead."""
        return self.state == RUNNING

    def _close_socket(self, *, is_cut: bool) -> None:
        """Close; `is_cut`: a client that only sees the end would take what it has for the whole response."""
        if self._must_linger and not is_cut:
            try:
                Lingering(self.sock, self._loop, is_registered=self._armed != UNREGISTERED)
            except OSError:
                pass
            else:
                return
        if self._armed != UNREGISTERED:
            self._loop.poller.unregister(self.fd)
        if is_cut:
            reset_client(self.sock)
        else:
            close_client(self.sock)

    def _report(self, error: OSError) -> None:
        """Log a broken connection, unless that is what clients do every day."""
        if self._context.log_socket_errors and not isinstance(error, ConnectionError):
            logger.warning("Socket error: %s", error)

    def _send_at_once(self, response: bytes) -> None:
        """Send a response if the client takes it at once."""
        with contextlib.suppress(OSError):
            self.sock.send(response)

    def has_input(self) -> bool:
        """Tell whether something was sent that has not been read yet."""
        return is_readable(self.fd) or bool(self._decrypted is not None and self._decrypted())

    def abandon(self) -> None:
        """Close this process's copy of the socket after a fork; what the application writes then fails."""
        self.state = CLOSED
        self.pending = None
        close_copy(self.sock)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} fd={self.fd} {PHASES[self.state]} armed={self._armed}>"

    def is_disconnected(self) -> bool:
        """Tell the application whether the client is gone: environ["wiverno.client_disconnected"]."""
        if self.state == CLOSED or (self.pending is not None and self.pending.is_broken):
            return True
        if hasattr(select, "POLLRDHUP"):
            poll = select.poll()
            with contextlib.suppress(OSError, ValueError):
                poll.register(self.fd, select.POLLRDHUP)
                return bool(poll.poll(0))
            return True
        try:
            return self.sock.recv(1, socket.MSG_PEEK) == b""
        except WOULD_BLOCK:
            return False
        except OSError:
            return True
