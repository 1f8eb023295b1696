"""Status and fields of a response → field blocks (RFC 7541), without HPACK's dynamic table.

A block that refers to the static table only is the same bytes for every connection. So it is made once, kept in a
bounded table, and sent as it is; several blocks one after the other are one block. The price is a few bytes on the
wire: a name is one or two bytes, a value is Huffman-coded.

Values are taken as checked: by `wiverno.http.response`, which refuses control characters and hop-by-hop fields.
"""

from collections.abc import MutableMapping
from typing import Final

from hpack.hpack import encode_integer
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable

from wiverno.http.response import MAX_HEAD_CHARACTERS, MAX_HEADS, PERSONAL
from wiverno.tables import new_table

MAX_FIELDS: Final = 1024
"""Single fields that are kept, for heads that as a whole are not."""

MAX_CODED: Final = 1024
"""Bytes of a string that is Huffman-coded. The library's coder takes quadratic time, and clients choose how long the
address is to which an application redirects them."""

_WITHOUT_INDEXING: Final = 0x00  # RFC 7541 §6.2.2
_NEVER_INDEXED: Final = 0x10  # RFC 7541 §6.2.3: a proxy must not put it into a table either (§7.1.3)

_encode_huffman: Final = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode

_static: Final = list(enumerate(HeaderTable.STATIC_TABLE, 1))
_names: Final = new_table({name: index for index, (name, _) in reversed(_static)})  # the first of each name
_pairs: Final = new_table({pair: index for index, pair in _static if pair[1]})

_blocks: MutableMapping[tuple[object, ...], bytes] = new_table()
_fields: MutableMapping[tuple[str, str], bytes] = new_table()
_statuses: dict[int, bytes] = {}


def encode_field(name: str, value: str, *, huffman: bool = True) -> bytes:
    """Return one field as a representation that changes no table. It is not kept anywhere.

    In HTTP/1.1 whitespace around a value is no part of it, and applications send some: Django's cookies begin with a
    space. In HTTP/2 it makes the response malformed (RFC 9113 §8.2.1).
    """
    raw_name = name.lower().encode("latin-1")
    raw_value = value.strip(" \t").encode("latin-1")
    index = _pairs.get((raw_name, raw_value))
    if index is not None:
        return bytes((0x80 | index,))
    kind = _NEVER_INDEXED if name.lower() in PERSONAL else _WITHOUT_INDEXING
    index = _names.get(raw_name, 0)
    head = encode_integer(index, 4)
    head[0] |= kind
    if not index:
        head += _string(raw_name, huffman=huffman)
    return bytes(head) + _string(raw_value, huffman=huffman)


def _string(raw: bytes, *, huffman: bool) -> bytes:
    """Return a string literal, Huffman-coded where that is shorter and takes little time (RFC 7541 §5.2)."""
    coded = _encode_huffman(raw) if huffman and len(raw) <= MAX_CODED else raw
    is_coded = len(coded) < len(raw)
    data = coded if is_coded else raw
    head = encode_integer(len(data), 7)
    if is_coded:
        head[0] |= 0x80
    return bytes(head) + data


def status_block(code: int) -> bytes:
    """Return the block that a response begins with."""
    block = _statuses.get(code)
    if block is None:
        block = _statuses[code] = encode_field(":status", str(code))  # three digits: at most 900 entries
    return block


def content_length_block(length: int) -> bytes:
    """Return a Content-Length field; `length` in bytes."""
    digits = b"%d" % length
    return b"\x0f\x0d%c%b" % (len(digits), digits)


def response_block(code: int, headers: list[tuple[str, str]]) -> bytes:
    """Return status and fields as a block; remember it unless it is personal or long, as checked heads are."""
    key = (code, *headers)
    block = _blocks.get(key)
    if block is not None:
        return block
    parts = [status_block(code)]
    is_kept = True
    length = 0
    for name, value in headers:
        length += len(name) + len(value)
        if name.lower() in PERSONAL:
            is_kept = False
            parts.append(encode_field(name, value, huffman=False))
        else:
            parts.append(_kept_field(name, value))
    block = b"".join(parts)
    if is_kept and length <= MAX_HEAD_CHARACTERS:
        if len(_blocks) >= MAX_HEADS:
            _blocks.clear()
        _blocks[key] = block
    return block


def _kept_field(name: str, value: str) -> bytes:
    block = _fields.get((name, value))
    if block is None:
        block = encode_field(name, value)
        if len(name) + len(value) <= MAX_HEAD_CHARACTERS:
            if len(_fields) >= MAX_FIELDS:
                _fields.clear()
            _fields[name, value] = block
    return block
