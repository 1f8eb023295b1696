"""What an application gives as a piece of a body → plain bytes.

PEP 3333 has bytes. Database drivers and numeric libraries give instances of subclasses, and older applications
bytearrays, which other servers send. All of them are copied: what they say of themselves (their length, whether they
are empty, what slicing gives) is their own code's, and would decide about the framing.
"""

from collections.abc import Sequence
from typing import Any

from wiverno.http.response import ResponseError


def plain_piece(piece: Any) -> bytes:
    """Return a piece as bytes; None and "" are nothing, as many servers have it.

    Raises:
        ResponseError: it is not made of bytes.
    """
    kind = type(piece)  # isinstance() would ask the object
    if kind is bytes:
        content: bytes = piece
        return content
    if issubclass(kind, bytes):
        return bytes.__bytes__(piece)
    if issubclass(kind, bytearray | memoryview):
        return memoryview(piece).tobytes()
    if piece is None or (kind is str and not piece):
        return b""
    raise ResponseError(f"the body must be made of bytes, not of {kind.__name__}")


def joined(pieces: Sequence[Any]) -> bytes:
    """Return the pieces of a plain list or tuple as one.

    Raises:
        ResponseError: as for `plain_piece`.
    """
    for piece in pieces:
        if type(piece) is not bytes:
            return b"".join([plain_piece(piece) for piece in pieces])
    return b"".join(pieces)
