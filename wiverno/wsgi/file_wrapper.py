"""``wsgi.file_wrapper`` (PEP 3333, "Optional Platform-Specific File Handling"): a file handed over to be sent.

What matters is what the wrapper can say about the file before a byte is read: where a regular file's content lies, so
that the kernel can send it, or at least how long a seekable one is, so that the response has a Content-Length. It sends
nothing itself; an application or middleware may also treat it as the iterable that the PEP makes of it.
"""

import io
import os
import stat
from collections.abc import Callable
from typing import Any

__all__ = ["FileWrapper"]

# Only where these very types end in a descriptor is the descriptor's content what read() returns: a GzipFile has a
# fileno(), too, and a subclass may decrypt.
_BUFFERED = (io.BufferedReader, io.BufferedRandom)


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
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Close the file-like object if it can be closed.

        Looked up only now: Django hangs its response's close() onto the file after wrapping it.
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
        except (OSError, ValueError):  # closed, or not seekable after all
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return raw.fileno(), offset, max(0, status.st_size - offset)

    def remaining(self) -> int | None:
        """Return the bytes from the present position to the end of a seekable file, else None."""
        if not hasattr(self, "tell"):
            return None
        try:
            position = self.tell()
            end = self.seek(0, os.SEEK_END)
            # Python 2's seek() returned nothing, and file-likes written then still do.
            end = self.tell() if end is None else end
            self.seek(position)
        except (OSError, ValueError):
            return None
        return max(0, end - position)


def _is_seekable(filelike: Any) -> bool:
    """Tell whether the object can seek; one without seekable() is believed if it has seek() and tell()."""
    if not (hasattr(filelike, "seek") and hasattr(filelike, "tell")):
        return False
    seekable = getattr(filelike, "seekable", None)
    return seekable is None or bool(seekable())
