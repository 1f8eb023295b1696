"""The bodies of responses from files: the whole or one part for ``wsgi.file_wrapper``, several parts as an iterable."""

import io
import os
from collections.abc import Iterator, Sequence
from typing import Final

from wiverno.static.ranges import Part

PIECE: Final = 65536  # bytes


def file_at(fd: int, offset: int) -> io.FileIO:
    """Return a file object that owns a descriptor, at an offset in bytes."""
    file = io.FileIO(fd, "rb")
    if offset:
        file.seek(offset)
    return file


class SeveralParts:
    """Parts of a file between the lines of a multipart body (RFC 9110 §14.6); owns the descriptor.

    A file that has become shorter ends the body early: the server breaks the connection, because the length was told.
    """

    def __init__(self, fd: int, parts: Sequence[Part], heads: Sequence[bytes], end: bytes) -> None:
        """Take the parts and what stands before each of them and at the end."""
        self._file = io.FileIO(fd, "rb")
        self._parts = parts
        self._heads = heads
        self._end = end

    @property
    def length(self) -> int:
        """The body's length in bytes."""
        content = sum(stop - start for start, stop in self._parts)
        return content + sum(map(len, self._heads)) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        file = self._file
        for head, (start, stop) in zip(self._heads, self._parts, strict=True):
            yield head
            file.seek(start)
            left = stop - start
            while left:
                piece = file.read(min(left, PIECE))
                if not piece:
                    return
                left -= len(piece)
                yield piece
        yield self._end

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_small(fd: int, start: int, stop: int) -> bytes | None:
    """Return the bytes of an open file between two offsets; None if the file has become shorter."""
    os.lseek(fd, start, os.SEEK_SET)
    content = os.read(fd, stop - start)
    return content if len(content) == stop - start else None
