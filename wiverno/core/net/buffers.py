"""Request bodies on their way in and response bytes on their way out: memory first, then a temporary file.

A `BodyBuffer` belongs to the leading thread until the request runs, then to the request. Two threads
may share a `Pending` output: the one that produces a response adds to it while the leader sends from it. Its `lock`
guards everything in it.
"""

import errno
import io
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import IO, Any, Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.net.body_memory import BodyMemory
from wiverno.core.net.file_segments import MAX_FLUSH, FileSegment, read_from_disk
from wiverno.foreign_code import guarded_logger
from wiverno.http.errors import ProtocolError

logger = guarded_logger("wiverno")

FIRST_CAPACITY: Final = 65536  # bytes reserved when a body is announced; more only as it arrives
GROWTH: Final = 4  # times what has arrived: memory for a body that is growing
NO_BUDGET: Final = BodyMemory(0)
MAX_GATHERED: Final = 64  # pieces handed to one sendmsg
MAX_SPOOL: Final = 1 << 24  # bytes after which output goes to a new temporary file, and the old one can go


class BodyBuffer:
    """One request body as it arrives.

    A body of at most `overflow` bytes stays in memory, a larger one as long as the process's budget has room. The
    buffer grows as bytes arrive, and takes from the budget before it grows.

    Attributes:
        received: bytes so far.
    """

    __slots__ = ("_budget", "_capacity", "_file", "_memory", "_overflow", "_taken", "received")

    def __init__(self, overflow: int, budget: BodyMemory = NO_BUDGET) -> None:
        """A body of more than `overflow` bytes goes to a temporary file if `budget` has no room for it."""
        self._memory: io.BytesIO | None = io.BytesIO()
        self._file: IO[bytes] | None = None
        self._overflow = overflow
        self._budget = budget
        self._taken = 0  # bytes of the budget
        self._capacity = 0  # bytes that the memory has room for
        self.received = 0

    def append(self, data: bytes | memoryview) -> None:
        """Add what has been received by other means.

        Raises:
            ProtocolError: 503 or 507: no temporary file can be opened, or it can't grow.
        """
        end = self.received + len(data)
        if self._memory is not None and end > self._capacity:
            self._make_room(end, end if end <= FIRST_CAPACITY else 2 * end)
        if self._memory is not None:
            self._memory.seek(self.received)
            self._memory.write(data)
        else:
            self._store(data)
        self.received = end

    def receive(self, sock: socket.socket, length: int, scratch: memoryview) -> int:
        """Receive from `sock` towards a body of `length` bytes; return the count, 0 at the end of the stream.

        In memory the bytes go straight into the buffer that the application will read. On the way to a file they are
        gathered in `scratch`, so that one write takes many of them.

        Raises:
            BlockingIOError: nothing is there yet.
            OSError: the connection broke.
            ProtocolError: as in `append`.
        """
        received = self.received
        if self._memory is not None and self._capacity < length and received >= self._capacity // 4 * 3:
            if length > self._overflow and not self._taken and not self._budget.has_room(length):
                self._spill()  # it would not fit in the end
            else:
                least = min(length, received + FIRST_CAPACITY)
                self._make_room(least, max(least, min(length, GROWTH * received)))
        if self._memory is None:
            count = _gather(sock, scratch[: length - received])
            self._store(scratch[:count])
        else:
            with self._memory.getbuffer() as view:
                count = sock.recv_into(view[received:])
        self.received += count
        return count

    def _make_room(self, least: int, wanted: int) -> None:
        """Make room in memory for `wanted` bytes, or at least for `least`, or go on in a file."""
        assert self._memory is not None
        room = max(min(wanted, self._budget.largest), min(wanted, self._overflow))
        if room > self._overflow and not self._take(room):
            room = max(least, self._overflow)
            if room > self._overflow and not self._take(room):
                room = 0
        if room < least:
            self._spill()
            return
        self._capacity = room
        self._memory.seek(room - 1)
        self._memory.write(b"\0")

    def _take(self, size: int) -> bool:
        """Have `size` bytes of the budget in all; False if they are not free."""
        if not self._budget.take(size - self._taken):
            return False
        self._taken = size
        return True

    def _give_back(self) -> None:
        taken, self._taken = self._taken, 0
        if taken:
            self._budget.give_back(taken)

    def _spill(self) -> None:
        assert self._memory is not None
        import tempfile  # with all that it imports it would delay each start; most servers never need it

        try:
            self._file = tempfile.TemporaryFile(prefix="wiverno-body-", buffering=0)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise _no_room(error) from error
        with self._memory.getbuffer() as view:
            self._store(view[: self.received])
        self._memory = None
        self._give_back()

    def _store(self, data: bytes | memoryview) -> None:
        assert self._file is not None
        try:
            _write_all(self._file, data)
        except OSError as error:
            raise _no_room(error) from error

    def finish(self) -> Any:
        """Return the body as a file object for wsgi.input, at its start."""
        if self._memory is not None:
            self._memory.truncate(self.received)
            self._memory.seek(0)
            return self._memory
        assert self._file is not None
        self._file.seek(0)
        self._file = io.BufferedReader(self._file)  # type: ignore[type-var]
        return self._file

    def close(self) -> None:
        """Release the memory or close the file."""
        self._memory = None
        self._give_back()
        if self._file is not None:
            self._file.close()
            self._file = None


def _gather(sock: socket.socket, room: memoryview) -> int:
    """Receive until `room` is full or nothing more is there; return the count, 0 at the end of the stream.

    Raises:
        BlockingIOError: nothing is there at all.
        OSError: the connection broke.
    """
    filled = 0
    try:
        while filled < len(room):
            count = sock.recv_into(room[filled:])
            if not count:
                break  # the next call finds the end again
            filled += count
    except (BlockingIOError, InterruptedError):
        if not filled:
            raise
    return filled


def _no_room(error: OSError) -> ProtocolError:
    """Log what is wrong with the temporary files; return the error response, which tells the client less."""
    logger.error("A request's body can't be kept in a temporary file (TMPDIR says where): %s", error)
    # RFC 4918 §11.5; the client can't correct it, and may try again.
    status = 507 if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else 503
    return ProtocolError(status, "the request's body can't be stored")


def _write_all(file: IO[bytes], data: bytes | memoryview) -> None:
    """Write all of `data` to an unbuffered file, whose write() may take less."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


class Pending:
    """Response bytes that were not sent at once. All methods but `wait_below` need `lock` held by the caller.

    Attributes:
        lock: guards the object; also the condition that a producer waits on.
        size: bytes that wait.
        sent: bytes that have left, for the minimum rate of readers.
        since: when the object was made, monotonic seconds.
        is_broken: the client is gone; threads that add or wait get an error.
        is_retired: everything was sent and the connection has dropped the object; use a new one.
        is_reading: a file thread reads from disk what is sent next; nothing is sent meanwhile.
    """

    __slots__ = (
        "_failure", "_in_memory", "_overflow", "_segments", "_spool", "_spooled", "is_broken", "is_reading",
        "is_retired", "lock", "sent", "since", "size",
    )  # fmt: skip

    def __init__(self, overflow: int, now: float) -> None:
        """More than `overflow` bytes in memory go to a temporary file."""
        self.lock = threading.Condition(threading.Lock())
        self.size = 0
        self.sent = 0
        self.since = now
        self.is_broken = False
        self.is_retired = False
        self.is_reading = False
        self._failure: OSError | None = None  # of reading
        self._segments: deque[memoryview | FileSegment] = deque()
        self._in_memory = 0
        self._overflow = overflow
        self._spool: IO[bytes] | None = None
        self._spooled: FileSegment | None = None  # the last one of the spool

    def add(self, data: bytes | memoryview) -> None:
        """Keep bytes; past the overflow in a temporary file."""
        size = len(data)
        if not size:
            return
        # The first piece is in memory anyway, whether or not the application keeps it: a copy saves nothing.
        if self._in_memory and self._in_memory + size > self._overflow:
            self._add_to_spool(data)
        else:
            self._segments.append(memoryview(data))
            self._in_memory += size
        self.size += size

    def _add_to_spool(self, data: bytes | memoryview) -> None:
        spool, last = self._spool, self._spooled
        if spool is not None and last is not None:
            if not last.count:
                spool.truncate(0)  # everything in it has been sent
            elif spool.seek(0, os.SEEK_END) >= MAX_SPOOL:
                last.on_close = spool.close
                spool = None
        if spool is None:
            import tempfile

            spool = self._spool = tempfile.TemporaryFile(prefix="wiverno-out-", buffering=0)  # noqa: SIM115 - see close()
        offset = spool.seek(0, os.SEEK_END)
        _write_all(spool, data)
        if last is self._segments[-1] and last.fd == spool.fileno() and last.offset + last.count == offset:
            last.count += len(data)
        else:
            self._spooled = FileSegment(spool.fileno(), offset, len(data), None)
            self._segments.append(self._spooled)

    def add_file(self, segment: FileSegment) -> None:
        """Keep a part of a file; it does not count as memory."""
        self.size += segment.count
        self._segments.append(segment)

    def flush(self, sock: socket.socket, *, plain: bool, waits: bool = True) -> FileSegment | None:
        """Send until nothing is left, or MAX_FLUSH is reached.

        Args:
            sock: where to.
            plain: as in `FileSegment.send`.
            waits: whether the calling thread may wait for a disk.

        Returns:
            The file of which the next part has to be read from disk first; None if the calling thread may wait.

        Raises:
            BlockingIOError: the client takes no more for now.
            OSError: the connection broke, a disk failed, or a file became shorter than its response's head says.
        """
        if self._failure is not None:
            raise self._failure
        segments = self._segments
        end = self.sent + MAX_FLUSH
        cached = -1  # where the part of the first file ends that is in the page cache
        while segments and self.sent < end:
            first = segments[0]
            if isinstance(first, FileSegment):
                most = MAX_FLUSH
                if not waits:
                    if first.offset >= cached:
                        cached = first.find_cached(cached)
                    most = cached - first.offset
                    if not most:
                        return first
                sent = first.send(sock, plain=plain, most=most)
                if not sent:
                    raise OSError("the file ended before the response did")
                if not first.count:
                    segments.popleft()
                    first.close()
                    cached = -1
            else:
                sent = self._flush_memory(sock)
            self.size -= sent
            self.sent += sent
        if not segments:
            self._close_spool()
        return None

    def read_first(self, segment: FileSegment, loop: Loop, resume: Callable[[], object]) -> None:
        """Have what `flush` returned read from disk; the leader then calls `resume` unless the client is gone.

        If no thread can read, `is_reading` stays False, and the next `flush` waits for the disk.
        """

        def go_on(error: OSError | None) -> None:
            with self.lock:
                self.is_reading = False
                self._failure = error
                if self.is_broken:
                    return
            resume()

        self.is_reading = read_from_disk(segment, loop, go_on)

    def _flush_memory(self, sock: socket.socket) -> int:
        segments = self._segments
        views: list[memoryview] = []
        for segment in segments:
            if isinstance(segment, FileSegment) or len(views) == MAX_GATHERED:
                break
            views.append(segment)
        gathered = len(views) > 1 and hasattr(sock, "sendmsg")
        sent = sock.sendmsg(views) if gathered else sock.send(views[0])
        left = sent
        while left:
            view = segments[0]
            assert isinstance(view, memoryview)
            if left < len(view):
                segments[0] = view[left:]
                break
            left -= len(view)
            segments.popleft()
        self._in_memory -= sent
        return sent

    def wait_below(self, mark: int) -> None:
        """Wait until at most `mark` bytes wait or the client is gone; the leader's deadlines bound the time."""
        with self.lock:
            self.lock.wait_for(lambda: self.size <= mark or self.is_broken or self.is_retired)

    def close(self) -> None:
        """Drop the bytes, close the files, and wake waiting threads."""
        self.is_broken = True
        for segment in self._segments:
            if isinstance(segment, FileSegment):
                segment.close()
        self._segments.clear()
        self._close_spool()
        self.lock.notify_all()

    def _close_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = self._spooled = None
