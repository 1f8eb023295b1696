"""Field blocks of requests: HPACK (RFC 7541) → entries → requests, with a cache of whole blocks.

The `hpack` library gives the code's tables. Decoding itself is done here, because the library makes every field afresh
for each request, 1 to 3 µs a field: here the dynamic table holds *checked* entries, so that an indexed field is one
look-up, and a block that is sent again while the table has not changed is one look-up in all. Tests compare the two.

What a peer can make us do is bounded: a block is decoded in time linear in its bytes, and an entry that is referred to
many times exists once.
"""

from typing import Any, Final

from hpack.table import HeaderTable

from wiverno.http2.errors import ErrorCode, Violation, connection_violation
from wiverno.http2.fields import BadRequest, Entry, Request, build_request, make_entry
from wiverno.http2.huffman import HuffmanError, decode_huffman
from wiverno.http2.settings import DEFAULT_TABLE_SIZE

MAX_CACHED: Final = 16
"""Blocks kept for one connection. A load generator sends one, a browser a few that repeat."""
MAX_CACHED_BLOCK: Final = 512  # bytes of a block that is kept
MAX_CACHED_LIST: Final = 4096  # bytes of its decoded fields: a connection's cache stays below 100 kB

MAX_FIELDS: Final = 2048
"""Fields of a block, from which on a literal ends the connection: a block of 64 KiB could hold 20,000, which would hold
up all other clients for a tenth of a second. Browsers send some hundred cookie crumbs at most."""
MAX_UPDATES: Final = 32  # bytes of table size updates: two are allowed (RFC 7541 §4.2), of six bytes at most

_MAX_INTEGER_BYTES: Final = 5  # after the prefix: 2^35, more than any length or index here (RFC 7541 §5.1)

_STATIC: Final[list[Any]] = [
    None,
    *(make_entry(name.decode(), value.decode()) for name, value in HeaderTable.STATIC_TABLE),
]
_STATIC_SIZE: Final = len(_STATIC)
_TOO_LARGE: Final = BadRequest(431, "request header fields too large")
_TOO_MANY: Final = BadRequest(431, "too many header fields")


class BlockDecoder:
    """Decodes the field blocks of one connection, in the order in which they came."""

    __slots__ = (
        "_allowed", "_cache", "_has_secret", "_is_changed", "_max_fields", "_max_list", "_max_size", "_must_update",
        "_prefix", "_size", "_table",
    )  # fmt: skip

    def __init__(self, *, max_list_size: int, max_fields: int, prefix: str = "") -> None:
        """Begin with an empty dynamic table of the default size.

        Args:
            max_list_size: bytes of names and values, 32 for each field added (RFC 9113 §6.5.2): more is a 431.
            max_fields: fields in a request, pseudo-fields included: more is a 431.
            prefix: as in `build_request`.
        """
        self._max_list = max_list_size
        self._max_fields = max_fields
        self._prefix = prefix
        self._table: list[Entry] = []  # the newest entry is the last
        self._size = 0
        self._max_size = self._allowed = DEFAULT_TABLE_SIZE
        self._must_update = False
        self._is_changed = self._has_secret = False
        self._cache: dict[bytes, Request] = {}

    def allow_table_size(self, size: int) -> None:
        """Take what the peer has acknowledged as SETTINGS_HEADER_TABLE_SIZE (RFC 7541 §4.2)."""
        self._allowed = size
        if size < self._max_size:
            self._must_update = True
            self._cache.clear()

    def request(self, block: bytes) -> Request | BadRequest:
        """Decode the field block of a request.

        Raises:
            Violation: COMPRESSION_ERROR; the connection can't go on (RFC 9113 §4.3).
        """
        found: Request | BadRequest | None = self._cache.get(block)
        if found is not None:
            return found
        entries = self.decode(block)
        if len(entries) > self._max_fields and _count_fields(entries) > self._max_fields:
            return _TOO_MANY
        size = 0
        for entry in entries:
            size += entry[2]
        if size > self._max_list:
            return _TOO_LARGE
        found = build_request(entries, self._prefix)
        is_small = len(block) <= MAX_CACHED_BLOCK and size <= MAX_CACHED_LIST
        if is_small and not self._is_changed and not self._has_secret and type(found) is Request:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[block] = found
        return found

    def decode(self, block: bytes) -> list[Entry]:
        """Decode any field block.

        Raises:
            Violation: COMPRESSION_ERROR.
        """
        self._is_changed = self._has_secret = False
        entries: list[Entry] = []
        try:
            if self._must_update and block[:1] and block[0] >> 5 != 1:
                raise _compression_error("no dynamic table size update after SETTINGS_HEADER_TABLE_SIZE was lowered")
            self._decode(block, entries)
        except IndexError:
            # The block ends inside a representation, or an index is beyond both tables.
            raise _compression_error("invalid index, or truncated field block") from None
        except HuffmanError as error:
            raise _compression_error(str(error)) from None
        return entries

    def _decode(self, block: bytes, entries: list[Entry]) -> None:
        """Decode the representations of RFC 7541 §6, one a turn, into `entries`."""
        table = self._table
        position = 0
        end = len(block)
        while position < end:
            byte = block[position]
            position += 1
            if byte > 128:  # §6.1, indexed
                index = byte & 127
                if index == 127:
                    index, position = _read_rest(block, position, 127)
                entries.append(_STATIC[index] if index < _STATIC_SIZE else table[_STATIC_SIZE - 1 - index])
                continue
            if byte == 128:
                raise _compression_error("index 0")
            if byte >> 5 == 1:  # §6.3, dynamic table size update
                position = self._update_size(block, position, byte & 31, entries)
                continue
            # §6.2, literals: with incremental indexing (01), without indexing (0000), never indexed (0001)
            if len(entries) >= MAX_FIELDS:
                raise connection_violation(ErrorCode.ENHANCE_YOUR_CALM, "too many fields in a field block")
            limit = 63 if byte >= 64 else 15
            index = byte & limit
            if index == limit:
                index, position = _read_rest(block, position, limit)
            if index:
                name = _STATIC[index][3] if index < _STATIC_SIZE else table[_STATIC_SIZE - 1 - index][3]
            else:
                name, position = _read_string(block, position)
            value, position = _read_string(block, position)
            entry = make_entry(name, value)
            entries.append(entry)
            if byte >= 64:
                self._insert(entry)
            elif byte >= 16:
                self._has_secret = True

    def _note_change(self) -> None:
        """Forget cached blocks: their indexes mean something else now."""
        self._is_changed = True
        self._cache.clear()

    def _insert(self, entry: Entry) -> None:
        """Add an entry to the dynamic table (RFC 7541 §4.4)."""
        self._note_change()
        size = entry[2]
        if self._size + size > self._max_size:
            self._evict(max(self._max_size - size, 0))
            if size > self._max_size:
                return
        self._table.append(entry)
        self._size += size

    def _evict(self, room: int) -> None:
        """Drop the oldest entries until the table takes no more than `room` bytes."""
        table = self._table
        count = 0
        while self._size > room:
            self._size -= table[count][2]
            count += 1
        del table[:count]

    def _update_size(self, block: bytes, position: int, size: int, entries: list[Entry]) -> int:
        """Obey a dynamic table size update (RFC 7541 §4.2, §6.3); return the position behind it."""
        if entries:
            raise _compression_error("dynamic table size update after a field")
        if position > MAX_UPDATES:
            raise _compression_error("too many dynamic table size updates")
        if size == 31:
            size, position = _read_rest(block, position, 31)
        if size > self._allowed:
            raise _compression_error("dynamic table size update beyond SETTINGS_HEADER_TABLE_SIZE")
        self._must_update = False
        self._note_change()
        self._max_size = size
        self._evict(size)
        return position


def _count_fields(entries: list[Entry]) -> int:
    """Count fields as HTTP/1.1 has them: all cookie crumbs are one (RFC 9113 §8.2.3)."""
    crumbs = sum(1 for entry in entries if entry[0] == "HTTP_COOKIE")
    return len(entries) - max(crumbs - 1, 0)


def _compression_error(reason: str) -> Violation:
    return connection_violation(ErrorCode.COMPRESSION_ERROR, reason)


def _read_rest(block: bytes, position: int, value: int) -> tuple[int, int]:
    """Read the bytes of an integer after its full prefix (RFC 7541 §5.1); return it and the position behind it."""
    for shift in range(0, 7 * _MAX_INTEGER_BYTES, 7):
        byte = block[position]
        position += 1
        value += (byte & 127) << shift
        if byte < 128:
            return value, position
    raise _compression_error("integer is too long")


def _read_string(block: bytes, position: int) -> tuple[str, int]:
    """Read a string literal (RFC 7541 §5.2); return it as latin-1 and the position behind it."""
    byte = block[position]
    position += 1
    length = byte & 127
    if length == 127:
        length, position = _read_rest(block, position, 127)
    end = position + length
    data = block[position:end]
    if len(data) != length:
        raise _compression_error("string goes beyond the field block")
    return (decode_huffman(data) if byte >= 128 else data.decode("latin-1")), end
