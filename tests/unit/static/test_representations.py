"""What is known of a file, and when it no longer holds."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from wiverno.static import representations
from wiverno.static.mounts import Mount
from wiverno.static.representations import MAX_CONTENT, ONE_YEAR, Entry, EntryTable, describe

OLD = time.time() - 1000


def write(path: Path, content: bytes = b"content", modified: float = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified, modified))
    return path


@pytest.fixture(autouse=True)
def no_recent_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of these tests are new, and count as old."""
    monkeypatch.setattr(representations, "RACY", 0.0)


def test_what_is_known_of_a_file(tmp_path: Path) -> None:
    """Fields, size and content."""
    write(tmp_path / "css" / "a.css", modified=1714564800)
    found = describe(Mount("/s", str(tmp_path)), ["css", "a.css"]).plain
    fields = dict(found.whole_fields)
    assert fields["Content-Type"] == "text/css; charset=utf-8"
    assert fields["Last-Modified"] == "Wed, 01 May 2024 12:00:00 GMT"
    assert fields["Cache-Control"] == "public, max-age=3600"
    assert fields["Content-Length"] == "7"
    assert fields["ETag"] == f'"{found.version.etag}"'
    assert "Vary" not in fields
    assert (found.size, found.content, found.version.modified) == (7, b"content", 1714564800)


@pytest.mark.parametrize(
    ("name", "mount", "cache_control"),
    [
        ("a.css", {"cache_control": "no-cache"}, "no-cache"),
        ("a.css", {"cache_control": ""}, None),
        ("a.9e1ea19b16d1.css", {"cache_control": "no-cache"}, ONE_YEAR),
        ("a.9e1ea19b16d1.css", {"cache_control": "no-cache", "immutable": False}, "no-cache"),
    ],
)
def test_cache_control(tmp_path: Path, name: str, mount: dict[str, object], cache_control: str | None) -> None:
    """A name with a hash is kept for a year, if the mount allows it."""
    write(tmp_path / name)
    settings: dict[str, object] = {"path": "/s", "directory": str(tmp_path), **mount}
    found = describe(Mount(**settings), [name]).plain  # type: ignore[arg-type]
    assert dict(found.fields).get("Cache-Control") == cache_control


def test_compressed_forms(tmp_path: Path) -> None:
    """Each has its own tag; all vary; one that is older than the file is not used."""
    write(tmp_path / "a.9e1ea19b16d1.js", b"x" * 100)
    write(tmp_path / "a.9e1ea19b16d1.js.br", b"br", OLD + 1)
    write(tmp_path / "a.9e1ea19b16d1.js.gz", b"gz")
    write(tmp_path / "a.9e1ea19b16d1.js.zst", b"zst", OLD - 10)
    entry = describe(Mount("/s", str(tmp_path)), ["a.9e1ea19b16d1.js"])
    assert set(entry.codings) == {"br", "gzip"}
    br = dict(entry.codings["br"].whole_fields)
    assert (br["Content-Encoding"], br["Vary"], br["Content-Length"]) == ("br", "Accept-Encoding", "2")
    assert (br["Content-Type"], br["Cache-Control"]) == ("text/javascript; charset=utf-8", ONE_YEAR)
    assert dict(entry.plain.whole_fields)["Vary"] == "Accept-Encoding"
    assert len({entry.plain.version.etag, *(form.version.etag for form in entry.codings.values())}) == 3
    assert entry.choose(["zstd", "gzip"]) is entry.codings["gzip"]
    assert entry.choose([]) is entry.plain


def test_no_compressed_forms(tmp_path: Path) -> None:
    """The mount may say so."""
    write(tmp_path / "a.js")
    write(tmp_path / "a.js.br")
    assert not describe(Mount("/s", str(tmp_path), precompressed=False), ["a.js"]).codings


def test_what_ends_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was changed, replaced by one of the same size and time, or removed; and time."""
    file, mount = write(tmp_path / "a.js"), Mount("/s", str(tmp_path))

    def entry() -> Entry:
        return describe(mount, ["a.js"])

    first = entry()
    assert first.is_current(first.plain)
    write(file, b"changed", OLD + 1)
    assert not first.is_current(first.plain)
    second = entry()
    write(tmp_path / "new", b"CHANGED", OLD + 1).replace(file)
    assert not second.is_current(second.plain)
    third = entry()
    monkeypatch.setattr(representations, "RESCAN", -1.0)
    assert not third.is_current(third.plain)
    monkeypatch.undo()
    file.unlink()
    assert not third.is_current(third.plain)


def test_a_compressed_form_ends_with_its_file(tmp_path: Path) -> None:
    """The compressed form of an earlier version is not sent."""
    file = write(tmp_path / "a.js")
    write(tmp_path / "a.js.gz", b"gz")
    entry = describe(Mount("/s", str(tmp_path)), ["a.js"])
    chosen = entry.codings["gzip"]
    assert entry.is_current(chosen)
    write(file, b"changed", OLD + 5)
    assert not entry.is_current(chosen)


def test_large_and_changing_files_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may change twice within one tick of the kernel's clock."""
    mount = Mount("/s", str(tmp_path))
    write(tmp_path / "large", bytes(MAX_CONTENT + 1))
    assert describe(mount, ["large"]).plain.content is None
    monkeypatch.setattr(representations, "RACY", 60.0)
    (tmp_path / "new").write_bytes(b"x")
    assert describe(mount, ["new"]).plain.content is None


def test_the_table_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full table drops the entry that was added first."""
    monkeypatch.setattr(representations, "MAX_ENTRIES", 2)
    write(tmp_path / "a")
    entry, table = describe(Mount("/s", str(tmp_path)), ["a"]), EntryTable()
    for path in ("/1", "/2", "/2", "/3"):
        table.add(path, entry)
    assert (len(table), table.get("/1"), table.get("/3")) == (2, None, entry)
    table.discard("/3")
    table.discard("/3")
    assert table.get("/3") is None
