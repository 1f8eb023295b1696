"""Pieces of files on their way out, and what of them can be sent without waiting for a disk.

sendfile(2) and pread(2) wait for the disk if a page is not in the page cache, and a disk that hangs holds the thread
as long as it hangs. The leader asks first: preadv2(2) with RWF_NOWAIT reads one byte, or fails with EAGAIN. What is not
cached is read by a file thread, part by part, and sent after that.

A file system that can't be asked (EOPNOTSUPP: tmpfs, which is memory, and some network file systems) is sent from as if
everything were cached, as on systems without the flag: reading each part twice would slow down all to guard against
some.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Callable
from typing import Final

from wiverno.core.loop.event_loop import Loop
from wiverno.foreign_code import guarded_logger, is_from_signal

logger = guarded_logger("wiverno")

SEND_SIZE: Final = 262144  # bytes read from a file for one send where there is no sendfile
MAX_FLUSH: Final = 1 << 22  # bytes sent to one client before other events are handled
PART: Final = 1 << 20  # bytes of which the first and the last one are looked for in the page cache

_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0) if hasattr(os, "preadv") else 0

# Errors of sendfile(2) for a file system that only supports reading.
_NO_SENDFILE: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


class FileSegment:
    """A piece of a file that waits to be sent; `on_close` is called when it is no longer needed.

    Attributes:
        fd: the file's descriptor.
        offset: where in the file what has not been sent begins.
        count: bytes that have not been sent.
        on_close: what `close` calls.
        read_to: up to where a file thread has read; the next `find_cached` does not ask the kernel then.
    """

    __slots__ = ("count", "fd", "offset", "on_close", "read_to")

    def __init__(self, fd: int, offset: int, count: int, on_close: Callable[[], object] | None) -> None:
        self.fd = fd
        self.offset = offset
        self.count = count
        self.on_close = on_close
        self.read_to = 0

    def find_cached(self, before: int = -1) -> int:
        """Return where the part ends that can be sent without waiting for the disk: at `offset` if there is none.

        What was read for this segment counts as cached once, even if the kernel has dropped it since: under pressure on
        memory a response gets on, too.

        Args:
            before: where the last part ended, if that was found to be cached just now.
        """
        offset = self.offset
        end, self.read_to = self.read_to, 0
        if end > offset:
            return end
        end = offset + min(self.count, PART)
        # Reading ahead leaves a file's beginning in the cache, dropping what was used first leaves its end.
        if (before == offset or _is_cached(self.fd, offset)) and _is_cached(self.fd, end - 1):
            return end
        return offset

    def close(self) -> None:
        """Call `on_close`, which may be the application's, and log what it raises."""
        if self.on_close is not None:
            try:
                self.on_close()
            except BaseException as error:
                if is_from_signal(error):
                    raise
                logger.exception("Exception in close() of the application's file")

    def send_some(self, sock: socket.socket) -> None:
        """Send until all has left, the file has ended, or MAX_FLUSH is reached.

        Raises:
            BlockingIOError: the client takes no more for now.
            OSError: the connection broke.
        """
        end = max(self.count - MAX_FLUSH, 0)
        while self.count > end and self.send(sock, plain=True):
            pass

    def send(self, sock: socket.socket, *, plain: bool, most: int = MAX_FLUSH) -> int:
        """Send once from the file; return the count, 0 if the file is shorter than declared.

        Args:
            sock: where to.
            plain: whether the kernel may copy (sendfile(2)); through TLS it can if it encrypts, too (`takes_files`).
            most: bytes to send.
        """
        most = min(self.count, most)
        if plain and hasattr(os, "sendfile") and getattr(sock, "takes_files", True):
            try:
                sent = os.sendfile(sock.fileno(), self.fd, self.offset, most)
            except OSError as error:
                if error.errno not in _NO_SENDFILE:
                    raise
                sent = self._copy(sock, most)
        else:
            sent = self._copy(sock, most)
        self.offset += sent
        self.count -= sent
        return sent

    def _copy(self, sock: socket.socket, most: int) -> int:
        data = _read_at(self.fd, min(most, SEND_SIZE), self.offset)
        return sock.send(data) if data else 0


def _read_at(fd: int, count: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, count, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, count)


def _is_cached(fd: int, offset: int) -> bool:
    """Tell whether a byte of a file can be read without waiting, as far as the file system can tell."""
    if not _NOWAIT:
        return True
    try:
        os.preadv(fd, (bytearray(1),), offset, _NOWAIT)
    except BlockingIOError:
        return False
    except OSError:  # EOPNOTSUPP, or an error that sending will have, too
        return True
    return True


def read_from_disk(segment: FileSegment, loop: Loop, then: Callable[[OSError | None], None]) -> bool:
    """Have a file thread read the next part of a file into the page cache.

    The thread has its own descriptor: the segment may be closed meanwhile.

    Args:
        segment: where the part begins.
        loop: its leader calls `then`.
        then: takes the error, if the part could not be read.

    Returns:
        Whether `then` will be called; False if there is no thread or no descriptor for it.
    """
    threads = loop.file_threads
    if threads is None:
        return False
    offset = segment.offset
    end = segment.read_to = offset + min(segment.count, PART)
    try:
        fd = os.dup(segment.fd)
    except OSError:  # EMFILE
        return False

    def read() -> None:
        failure = None
        try:
            read_part(fd, offset, end)
        except OSError as error:
            failure = error
        except MemoryError:
            failure = OSError(errno.ENOMEM, "no memory to read a part of a file")
        with contextlib.suppress(OSError):  # the kernel frees the descriptor even if it reports an error
            os.close(fd)
        loop.call_soon_threadsafe(lambda: then(failure))

    if threads.run(read):
        return True
    os.close(fd)
    return False


def read_part(fd: int, offset: int, end: int) -> None:
    """Read a part of a file, and drop it: it is in the page cache then (file thread).

    Raises:
        OSError: the disk has failed.
    """
    while offset < end and (data := _read_at(fd, min(end - offset, SEND_SIZE), offset)):
        offset += len(data)
