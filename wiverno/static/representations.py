"""What is known of a file that was served before: its fields, and the content of a small one.

A file is opened and described once. After that one stat(2) tells whether it is still the same: a changed or replaced
file has other times, another size or another inode. What was found is kept in a bounded table; a name that is no file
is not.

The kernel's clock for files moves every few milliseconds, so a file that changes twice within one tick looks the same
twice. The content of a file that has changed in the last ``RACY`` seconds is therefore read each time.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from wiverno.http.response import Headers, http_date
from wiverno.static.conditions import Version
from wiverno.static.encodings import ENDINGS
from wiverno.static.media_types import type_of
from wiverno.static.mounts import Mount
from wiverno.static.names import has_hash
from wiverno.static.opening import open_below

MAX_ENTRIES: Final = 512
MAX_CONTENT: Final = 32768  # bytes; larger files are sent by the kernel (sendfile(2)), which costs less than a copy
RACY: Final = 2.0  # seconds
RESCAN: Final = 1.0  # seconds after which a file and its compressed forms are described again
ONE_YEAR: Final = "public, max-age=31536000, immutable"

# RFC 9110 §15.4.5: of the metadata only what a cache needs.
_CACHE_FIELDS: Final = frozenset({"ETag", "Cache-Control", "Vary", "Last-Modified"})

Signature = tuple[int, int, int, int, int]


def signature_of(status: os.stat_result) -> Signature:
    """Return what changes with a file: device, inode, size, and both times."""
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_dev


@dataclass(slots=True)
class Representation:
    """One form of a file: as it is, or compressed.

    Attributes:
        path: where it is; to be compared only, see ``opening`` for how it is opened.
        names: the same below the mount.
        signature: of the file when it was described.
        size: in bytes.
        version: for preconditions.
        fields: of a response, without its length.
        whole_fields: of a response with the whole file.
        cache_fields: of a 304 response.
        content: of a small file, None for others.
    """

    path: str
    names: tuple[str, ...]
    signature: Signature
    size: int
    version: Version
    fields: Headers
    whole_fields: Headers
    cache_fields: Headers
    content: bytes | None

    def is_current(self) -> bool:
        """Tell whether the file is still the one that was described."""
        try:
            return signature_of(os.stat(self.path)) == self.signature  # noqa: PTH116 - a Path costs more than the call
        except OSError:
            return False


@dataclass(slots=True)
class Entry:
    """A file with its compressed forms by coding."""

    mount: Mount
    plain: Representation
    codings: Mapping[str, Representation] = field(default_factory=dict)
    scanned_at: float = 0.0  # monotonic seconds

    def choose(self, codings: Sequence[str]) -> Representation:
        """Return the form for a client that prefers these codings to the file itself."""
        for coding in codings:
            if coding in self.codings:
                return self.codings[coding]
        return self.plain

    def is_current(self, chosen: Representation, *, will_open: bool = False) -> bool:
        """Tell whether the entry and the form that was chosen from it still hold.

        Args:
            chosen: one of its forms.
            will_open: the chosen form is opened and compared in any case.
        """
        if time.monotonic() - self.scanned_at > RESCAN:
            return False
        if will_open and chosen is self.plain:
            return True
        return self.plain.is_current() and (chosen is self.plain or chosen.is_current())


class EntryTable:
    """The entries by path; threads may use it side by side: a lost update costs one more look at the file."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self.get = self._entries.get

    def add(self, path: str, entry: Entry) -> None:
        """Keep an entry; a full table drops the one that was added first."""
        entries = self._entries
        while len(entries) >= MAX_ENTRIES and path not in entries:
            try:
                entries.pop(next(iter(entries)), None)
            except (RuntimeError, StopIteration):  # another thread has changed it
                continue
        entries[path] = entry

    def discard(self, path: str) -> None:
        """Forget an entry."""
        self._entries.pop(path, None)

    def __len__(self) -> int:
        return len(self._entries)


def describe(mount: Mount, names: Sequence[str]) -> Entry:
    """Return the entry of the file that the names lead to below a mount.

    Raises:
        OSError: as ``open_below``.
    """
    plain = _describe(mount, names, "")
    if not mount.precompressed:
        return Entry(mount, plain, {}, time.monotonic())
    codings = {}
    for coding, ending in ENDINGS.items():
        try:
            found = _describe(mount, [*names[:-1], names[-1] + ending], coding)
        except OSError:
            continue
        # A compressed file that is older than the file beside it was made from the previous one.
        if found.version.modified >= plain.version.modified:
            codings[coding] = found
    if codings:
        for fields in (plain.fields, plain.whole_fields, plain.cache_fields):
            fields.append(("Vary", "Accept-Encoding"))
    return Entry(mount, plain, codings, time.monotonic())


def _describe(mount: Mount, names: Sequence[str], coding: str) -> Representation:
    fd, status = open_below(mount.directory, names, follow_symlinks=mount.follow_symlinks)
    try:
        content = _read(fd, status) if status.st_size <= MAX_CONTENT else None
    finally:
        os.close(fd)
    seconds = int(status.st_mtime)
    etag = f"{status.st_mtime_ns:x}-{status.st_size:x}" + (f"-{coding}" if coding else "")
    original = names[-1].removesuffix(ENDINGS[coding]) if coding else names[-1]
    fields = [
        ("Content-Type", type_of(original)), ("X-Content-Type-Options", "nosniff"), ("ETag", f'"{etag}"'),
        ("Last-Modified", http_date(seconds)), ("Accept-Ranges", "bytes"),
    ]  # fmt: skip
    cache_control = ONE_YEAR if mount.immutable and has_hash([*names[:-1], original]) else mount.cache_control
    if cache_control:
        fields.append(("Cache-Control", cache_control))
    if coding:
        fields += [("Content-Encoding", coding), ("Vary", "Accept-Encoding")]
    path, size = os.path.join(mount.directory, *names), status.st_size
    whole = [*fields, ("Content-Length", str(size))]
    cached = [field for field in fields if field[0] in _CACHE_FIELDS]
    version = Version(etag, seconds)
    return Representation(path, tuple(names), signature_of(status), size, version, fields, whole, cached, content)


def _read(fd: int, status: os.stat_result) -> bytes | None:
    """Return the content of a small file; None if it is changing."""
    if abs(time.time() - max(status.st_mtime, status.st_ctime)) < RACY:
        return None
    content = os.read(fd, status.st_size + 1)
    return content if len(content) == status.st_size else None
