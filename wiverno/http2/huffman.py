"""Huffman-coded strings of HPACK → text (RFC 7541 §5.2).

The code is walked a byte at a time: a row belongs to one inner node of the code's tree and says, for each byte, which
characters it completes and at which node it ends. A row's entries are made when they are first needed; there are 256
rows of 256 entries at most, 8 MB if a peer works at it, and some 50 kB for what browsers send.
"""

from typing import Any, Final

from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

_EOS: Final = 256
_IS_END: Final = 256  # the entry of a row that tells whether a string may end there
_NODE: Final = 257  # the entry of a row that holds its node

Row = list[Any]


class HuffmanError(ValueError):
    """The string is not what RFC 7541 §5.2 allows."""


def _make_tree() -> list[Any]:
    root: list[Any] = [None, None]
    for symbol, (code, length) in enumerate(zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True)):
        node = root
        for shift in range(length - 1, 0, -1):
            bit = code >> shift & 1
            if node[bit] is None:
                node[bit] = [None, None]
            node = node[bit]
        node[code & 1] = symbol
    return root


_rows: dict[int, Row] = {}


def _row_of(node: list[Any]) -> Row:
    row = _rows.get(id(node))
    if row is None:
        row = _rows[id(node)] = [None] * 256 + [False, node]
    return row


_tree: Final = _make_tree()
_start: Final = _row_of(_tree)


def _allow_ends() -> None:
    """Mark where a string may end: after up to seven bits of padding, all of them ones."""
    node = _tree
    for _ in range(8):
        _row_of(node)[_IS_END] = True
        node = node[1]


_allow_ends()


def _step(row: Row, byte: int) -> tuple[str, Row]:
    """Make the entry of a row for `byte`."""
    node = row[_NODE]
    text = ""
    for shift in range(7, -1, -1):
        following = node[byte >> shift & 1]
        if isinstance(following, list):
            node = following
            continue
        if following == _EOS:
            raise HuffmanError("a Huffman-coded string holds EOS")
        text += chr(following)
        node = _tree
    entry = row[byte] = (text, _row_of(node))
    return entry


def decode_huffman(data: bytes) -> str:
    """Return the text, a character a byte.

    Raises:
        HuffmanError: EOS inside, or padding that is longer than seven bits or not all ones.
    """
    row = _start
    pieces = []
    for byte in data:
        text, row = row[byte] or _step(row, byte)
        pieces.append(text)
    if not row[_IS_END]:
        raise HuffmanError("bad padding of a Huffman-coded string")
    return "".join(pieces)
