"""Bodies from files."""

from __future__ import annotations

import os
from pathlib import Path

from wiverno.static import bodies
from wiverno.static.bodies import SeveralParts, file_at, read_small


def opened(folder: Path, content: bytes = b"0123456789") -> int:
    (folder / "x").write_bytes(content)
    return os.open(folder / "x", os.O_RDONLY)


def test_a_file_at_an_offset(tmp_path: Path) -> None:
    """It owns the descriptor."""
    with file_at(opened(tmp_path), 7) as file:
        assert file.read() == b"789"


def test_small_content(tmp_path: Path) -> None:
    """A file that has become shorter is noticed."""
    fd = opened(tmp_path)
    assert (read_small(fd, 0, 10), read_small(fd, 8, 10), read_small(fd, 0, 11)) == (b"0123456789", b"89", None)
    os.close(fd)


def test_several_parts(tmp_path: Path) -> None:
    """The length is told before; a file that has become shorter ends the body early."""
    parts = [(8, 10), (0, 3)]
    body = SeveralParts(opened(tmp_path), parts, [b"<", b"|"], b">")
    assert b"".join(body) == b"<89|012>"
    assert body.length == 8
    body.close()
    (tmp_path / "x").write_bytes(b"01234")
    body = SeveralParts(os.open(tmp_path / "x", os.O_RDONLY), parts, [b"<", b"|"], b">")
    assert b"".join(body) == b"<"
    body.close()
    assert bodies.PIECE >= 4096
