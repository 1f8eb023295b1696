"""Chunked transfer coding (RFC 9112 §7.1): a decoder fed with whatever pieces arrive, and the encoder's few bytes.

A body with a Content-Length needs no decoder: the engine receives it straight into its buffer.
"""

import enum
from collections.abc import MutableMapping
from typing import Final

from wiverno.http.errors import ProtocolError
from wiverno.http.fields import parse_line
from wiverno.http.grammar import split_chunk_line
from wiverno.tables import new_table

MAX_CHUNK_LINE: Final = 4096  # bytes: a size of 16 digits and generous extensions
MAX_EXTENSIONS: Final = 65536  # bytes of chunk extensions in one body; only attackers send them
LARGE_PIECE: Final = 4096  # bytes from which on copying costs more than a view
MAX_TRAILERS: Final = 8192  # bytes of the trailer section

# Size lines without extensions that passed the grammar, so that a hit needs no check; shared by all threads.
MAX_SIZES: Final = 1024
_sizes: MutableMapping[bytes, int] = new_table()

LAST_CHUNK: Final = b"0\r\n\r\n"

# RFC 9110 §6.5.1: fields for framing, routing and authentication must not be taken from trailers. They are sent there
# to deceive another server on the way.
_FORBIDDEN_TRAILERS: Final = frozenset(
    {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_HOST", "HTTP_CONNECTION", "HTTP_EXPECT", "HTTP_AUTHORIZATION"}
)


class _State(enum.Enum):
    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILERS = enum.auto()
    DONE = enum.auto()


class ChunkedDecoder:
    """Decodes the bytes of a chunked body in any split.

    Time is linear in the bytes fed; memory between calls is at most one chunk line or trailer section.
    """

    __slots__ = ("_extensions", "_partial", "_remaining", "_state", "rest")

    def __init__(self) -> None:
        self._state = _State.SIZE
        self._partial = b""
        self._remaining = 0
        self._extensions = 0
        self.rest = b""
        """Bytes after the body's end: the next request's; valid once `is_done`."""

    @property
    def is_done(self) -> bool:
        """Tell whether the whole body, trailers included, has been fed."""
        return self._state is _State.DONE

    @property
    def expected(self) -> int:
        """Bytes of content that the chunk which has begun still has to bring, as its size line says."""
        return self._remaining

    def feed(self, data: bytes) -> list[bytes | memoryview]:
        """Return the pieces of content in `data`.

        Raises:
            ProtocolError: 400 for bad chunk sizes, extensions, ends and trailers; 431 for too long trailers.
        """
        if self._partial:
            data = self._partial + data
            self._partial = b""
        pieces: list[bytes | memoryview] = []
        position = 0
        end = len(data)
        while position < end:
            if self._state is _State.SIZE:
                # A whole chunk whose size line has been seen before: the way of nearly all chunks.
                line_end = data.find(b"\r\n", position, position + 18)
                size = _sizes.get(data[position:line_end]) if line_end > 0 else None
                if size is not None and data[line_end + 2 + size : line_end + 4 + size] == b"\r\n":
                    pieces.append(_part(data, line_end + 2, line_end + 2 + size))
                    position = line_end + 4 + size
                    continue
            if self._state is _State.DATA:
                taken = _part(data, position, min(end, position + self._remaining))
                pieces.append(taken)
                position += len(taken)
                self._remaining -= len(taken)
                if not self._remaining:
                    self._state = _State.DATA_END
                continue
            following = self._line(data, position) if self._state is not _State.TRAILERS else self._end(data, position)
            if following < 0:
                self._partial = data[position:]
                return pieces
            position = following
            if self._state is _State.DONE:
                self.rest = data[position:]
                break
        return pieces

    def _line(self, data: bytes, start: int) -> int:
        """Take a chunk-size line or the CRLF after a chunk; return where it ends, -1 if it is not complete."""
        if self._state is _State.DATA_END:
            if len(data) - start < 2:
                if data[start : start + 1] != b"\r":
                    raise ProtocolError(400, "Chunk not properly terminated")
                return -1
            if data[start : start + 2] != b"\r\n":
                raise ProtocolError(400, "Chunk not properly terminated")
            self._state = _State.SIZE
            return start + 2
        end = data.find(b"\r\n", start, start + MAX_CHUNK_LINE + 2)
        if end < 0:
            if len(data) - start > MAX_CHUNK_LINE or b"\n" in data[start:]:
                raise ProtocolError(400, "invalid chunk line")
            return -1
        line = data[start:end].decode("latin-1")
        match = split_chunk_line(line)
        if match is None:
            size, semicolon, _ = line.partition(";")
            has_size = semicolon and split_chunk_line(size.rstrip(" \t"))
            raise ProtocolError(400, "Invalid chunk extension" if has_size else "Invalid chunk size")
        self._extensions += len(match[2])
        if self._extensions > MAX_EXTENSIONS:
            raise ProtocolError(400, "too many chunk extensions")
        self._remaining = int(match[1], 16)
        if self._remaining and not match[2]:
            if len(_sizes) >= MAX_SIZES:
                _sizes.clear()
            _sizes[data[start:end]] = self._remaining
        self._state = _State.DATA if self._remaining else _State.TRAILERS
        return end + 2

    def _end(self, data: bytes, start: int) -> int:
        """Take the trailer section and the empty line; its fields are checked and dropped (RFC 9110 §6.5.1)."""
        if data.startswith(b"\r\n", start):
            self._state = _State.DONE
            return start + 2
        end = data.find(b"\r\n\r\n", start, start + MAX_TRAILERS + 4)
        if end < 0:
            if len(data) - start > MAX_TRAILERS:
                raise ProtocolError(431, "trailer section too large")
            return -1
        for line in data[start:end].decode("latin-1").split("\r\n"):
            variable, _ = parse_line(line)
            if variable in _FORBIDDEN_TRAILERS:
                raise ProtocolError(400, "forbidden trailer field")
        self._state = _State.DONE
        return end + 4


def _part(data: bytes, start: int, end: int) -> bytes | memoryview:
    """Return a part of `data`; a large one is not copied."""
    return data[start:end] if end - start < LARGE_PIECE else memoryview(data)[start:end]


def chunk_prefix(length: int) -> bytes:
    """Return the line that goes before a chunk of `length` bytes; CRLF follows the chunk."""
    return b"%X\r\n" % length
