"""``wsgi.file_wrapper`` (PEP 3333, "Optional Platform-Specific File Handling"): a file handed over to be sent.

The wrapper describes the file before a byte is read: where a regular file's content lies, so
that the kernel can send it, or at least how long a seekable one is, so that the response has a Content-Length. It sends
nothing itself; an application or middleware may also treat it as the iterable that the PEP makes of it.

A length is only told if it is true. Files of /proc say that they have no bytes, those of /sys that they have 4096:
where a size is in doubt the file is read, and it ends where reading ends.
"""

import io
import os
import stat
from collections.abc import Callable
from typing import Any

__all__ = ["FileWrapper"]

MAX_DOUBTED = 65536  # bytes

# Only where these very types end in a descriptor is the descriptor's content what read() returns: a GzipFile has a
# fileno(), too, and a subclass may decrypt.
_BUFFERED = (io.BufferedReader, io.BufferedRandom)
_SIZED = (io.FileIO, *_BUFFERED, io.BytesIO)


class FileWrapper:
    """Iterates over a file-like object in blocks; has `seek`, `tell` and `seekable` if that object is seekable.

    Args:
        filelike: an object with read(size) that returns bytes, and perhaps close().
        block_size: bytes an iteration step asks for.
    """

    __slots__ = ("_file", "block_size", "read", "seek", "seekable", "tell")

    read: Callable[..., bytes]
    seek: Callable[..., int]
    tell: Callable[[], int]
    seekable: Callable[[], bool]

    def __init__(self, filelike: Any, block_size: int = 32768) -> None:
        self._file = filelike
        self.block_size = block_size
        self.read = filelike.read
        if _is_seekable(filelike):
            self.seek = filelike.seek
            self.tell = filelike.tell
            if hasattr(filelike, "seekable"):
                self.seekable = filelike.seekable

    def __iter__(self) -> "FileWrapper":
        return self

    def __next__(self) -> bytes:
        block = self.read(self.block_size)
        if block is None:  # it is not the end: the response would be cut, and seem complete
            raise BlockingIOError("the file given to wsgi.file_wrapper does not block, and has nothing to read now")
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Close the file-like object if it can be closed.

        Looked up only now: Django assigns its response's close() to the file after wrapping it.
        """
        close = getattr(self._file, "close", None)
        if close is not None:
            close()

    def extent(self) -> tuple[int, int, int] | None:
        """Return (descriptor, offset, remaining) in bytes for a regular file that os.sendfile() may take, else None."""
        file = self._file
        raw = file.raw if type(file) in _BUFFERED else file
        if type(raw) is not io.FileIO or not hasattr(self, "tell"):
            return None
        try:
            if file.writable():
                file.flush()  # what is still in its buffer is not in the file
            offset = file.tell()
            status = os.fstat(raw.fileno())
            if not stat.S_ISREG(status.st_mode) or not _is_true(raw.fileno(), offset, status):
                return None
        except (OSError, ValueError):  # closed, not seekable after all, or not readable
            return None
        return raw.fileno(), offset, max(0, status.st_size - offset)

    def remaining(self) -> int | None:
        """Return the bytes from the present position to the end of a seekable file; None if they are not known.

        They are not known either where an object of unknown type says that there are none: it may read from /proc.

        Raises:
            OSError: the position is lost: the file has been moved to its end, and can't be moved back.
        """
        if not hasattr(self, "tell") or not self._is_size_true():
            return None
        try:
            position = self.tell()
            end = self.seek(0, os.SEEK_END)
            # Python 2's seek() returned nothing, and file-likes written then still do.
            end = self.tell() if end is None else end
        except (OSError, ValueError):
            return None
        self.seek(position)
        if end > position or isinstance(self._file, _SIZED):
            return max(0, end - position)
        return None

    def _is_size_true(self) -> bool:
        """Tell whether the size of a binary file of the io module may be believed; others are believed."""
        file = self._file
        if isinstance(file, io.BytesIO) or not isinstance(file, _SIZED):
            return True
        try:
            return _is_true(file.fileno(), file.tell(), os.fstat(file.fileno()))
        except (OSError, ValueError):
            return True


def _is_true(descriptor: int, offset: int, status: os.stat_result) -> bool:
    """Tell whether a file is as long as `status` says, from `offset` on.

    A file that takes no room on a disk is in doubt (/proc, /sys, but also a small file of some file systems). It is
    read, if it says that it is small: that costs less than the response to it.
    """
    left = status.st_size - offset
    if not hasattr(os, "pread") or left > MAX_DOUBTED or (left > 0 and status.st_blocks):
        return True
    return len(os.pread(descriptor, max(left, 0) + 1, offset)) == max(left, 0)


def _is_seekable(filelike: Any) -> bool:
    """Tell whether the object can seek; one without seekable() is believed if it has seek() and tell()."""
    if not (hasattr(filelike, "seek") and hasattr(filelike, "tell")):
        return False
    seekable = getattr(filelike, "seekable", None)
    return seekable is None or bool(seekable())
