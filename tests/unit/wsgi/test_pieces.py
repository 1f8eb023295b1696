"""Pieces of a body: whatever is made of bytes becomes plain bytes, with the content that it really has."""

from typing import Any

import pytest

from wiverno.http.response import ResponseError
from wiverno.wsgi.pieces import joined, plain_piece


class Binary(bytes):
    """As database drivers give it."""


class Lying(bytes):
    """Says that it is empty, short, and other bytes."""

    def __len__(self) -> int:
        return 1

    def __bool__(self) -> bool:
        return False

    def __bytes__(self) -> bytes:
        return b"lie"

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __getitem__(self, key: Any) -> Any:
        return b"lie"

    def __iter__(self) -> Any:
        return iter(b"lie")


class Growing(bytearray):
    def __bytes__(self) -> bytes:
        return b"lie"

    def __len__(self) -> int:
        return 1


GOOD = [
    (b"data", b"data"),
    (Binary(b"data"), b"data"),
    (Lying(b"data"), b"data"),
    (bytearray(b"data"), b"data"),
    (Growing(b"data"), b"data"),
    (memoryview(b"data"), b"data"),
    (memoryview(b"d-a-t-a")[::2], b"data"),
    (b"", b""),
    (None, b""),
    ("", b""),
]


@pytest.mark.parametrize(("piece", "content"), GOOD, ids=range(len(GOOD)))
def test_what_is_made_of_bytes(piece: Any, content: bytes) -> None:
    """A piece is its content as plain bytes, also among others; None and "" are nothing."""
    for made in (plain_piece(piece), joined([piece]), joined((piece, b""))):
        assert type(made) is bytes
        assert made == content
    assert joined([b"<", piece, b">"]) == b"<" + content + b">"


class Pretender:
    __class__ = bytes  # type: ignore[assignment]


def test_what_is_not() -> None:
    """Anything else is refused, with the name of its type."""
    for piece in ("text", 0, 1, [], [1], object(), Pretender(), ("a",)):
        for pieces in ([piece], [b"a", piece]):
            with pytest.raises(ResponseError, match=f"not of {type(piece).__name__}"):
                joined(pieces)


def test_a_bytearray_that_is_used_again() -> None:
    """A piece is copied: the application may fill its buffer with the next one."""
    buffer = bytearray(b"one")
    piece = plain_piece(buffer)
    buffer[:] = b"two"
    assert piece == b"one"
