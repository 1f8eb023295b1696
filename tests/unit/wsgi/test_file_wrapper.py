"""The file wrapper: an iterable over blocks that knows what the engine needs to send a file without reading it."""

import gzip
import io
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from wiverno.wsgi.file_wrapper import FileWrapper


class Pipe:
    """Readable only."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def read(self, size: int) -> bytes:
        return self._content.read(size)


class OldFile(Pipe):
    """Seekable as file-likes were before seekable() and a seek() that returns the position."""

    closed = 0

    def seek(self, offset: int, whence: int = 0) -> None:
        self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "content"
    file.write_bytes(b"0123456789")
    return file


def test_iterates_in_blocks() -> None:
    """Iteration gives blocks of block_size, 32768 bytes by default, up to the end."""
    assert list(FileWrapper(Pipe(b"abcdefg"), 3)) == [b"abc", b"def", b"g"]
    assert list(FileWrapper(Pipe(b""))) == []
    assert [len(block) for block in FileWrapper(io.BytesIO(bytes(40000)))] == [32768, 7232]


def test_offers_what_the_file_offers() -> None:
    """seek, tell and seekable are there exactly if the file is seekable; read always is."""
    plain = FileWrapper(Pipe(b"abc"))
    assert not any(hasattr(plain, name) for name in ("seek", "tell", "seekable"))
    assert plain.read(2) == b"ab"

    old = FileWrapper(OldFile(b"abc"))
    assert hasattr(old, "seek")
    assert hasattr(old, "tell")
    assert not hasattr(old, "seekable")

    memory = FileWrapper(io.BytesIO(b"abc"))
    memory.seek(1)
    assert (memory.seekable(), memory.tell(), memory.read()) == (True, 1, b"bc")

    reading, writing = os.pipe()
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert not hasattr(FileWrapper(pipe), "tell")
        assert FileWrapper(pipe).extent() is None
        assert FileWrapper(pipe).remaining() is None


def test_close_is_passed_on() -> None:
    """close() closes the file, as it is when close() is called; a file without close() is no error."""
    file = OldFile(b"")
    wrapper = FileWrapper(file)
    wrapper.close()
    assert file.closed == 1
    calls: list[str] = []
    file.close = lambda: calls.append("replaced")  # type: ignore[method-assign]
    wrapper.close()
    assert calls == ["replaced"]
    FileWrapper(Pipe(b"")).close()


@pytest.mark.parametrize("buffering", [-1, 0])
def test_extent_of_a_regular_file(path: Path, buffering: int) -> None:
    """A regular file tells descriptor, position and what remains, whatever its buffer has read ahead."""
    with path.open("rb", buffering=buffering) as file:
        assert FileWrapper(file).extent() == (file.fileno(), 0, 10)
        file.read(4)
        assert FileWrapper(file).extent() == (file.fileno(), 4, 6)
        file.seek(20)
        assert FileWrapper(file).extent() == (file.fileno(), 20, 0)
        assert FileWrapper(file).remaining() == 0


def test_extent_of_a_file_that_was_just_written() -> None:
    """What the application has written is in the file before its extent is told."""
    with tempfile.TemporaryFile() as file:
        file.write(b"abc")
        assert FileWrapper(file).extent() == (file.fileno(), 3, 0)
        file.seek(1)
        assert FileWrapper(file).extent() == (file.fileno(), 1, 2)


def test_no_extent_where_the_descriptor_holds_something_else(tmp_path: Path) -> None:
    """A file that changes what it reads is never sent as it lies on the disk."""
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(b"hello"))
    with gzip.open(packed) as file:
        assert file.fileno() >= 0
        wrapper = FileWrapper(file)
        assert wrapper.extent() is None
        assert (wrapper.remaining(), b"".join(wrapper)) == (5, b"hello")

    class Upper(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size).upper()

    with Upper(io.FileIO(packed)) as upper:
        assert FileWrapper(upper).extent() is None


@pytest.mark.parametrize("file", [io.BytesIO(b"abc"), OldFile(b"abc"), Pipe(b"abc")])
def test_no_extent_without_a_descriptor(file: Any) -> None:
    """What is no file has no extent."""
    assert FileWrapper(file).extent() is None


def test_no_extent_of_a_device() -> None:
    """A character device is not a regular file."""
    with Path("/dev/zero").open("rb") as file:
        assert FileWrapper(file).extent() is None


def test_closed_file(path: Path) -> None:
    """A file that was closed meanwhile has neither extent nor length."""
    file = path.open("rb")
    wrapper = FileWrapper(file)
    file.close()
    assert wrapper.extent() is None
    assert wrapper.remaining() is None


@pytest.mark.parametrize("kind", [io.BytesIO, OldFile])
def test_remaining(kind: type) -> None:
    """A seekable object tells what is left from its position, and stays there."""
    wrapper = FileWrapper(kind(b"0123456789"))
    wrapper.seek(4)
    assert wrapper.remaining() == 6
    assert wrapper.tell() == 4


class Through:
    """Passes everything on to a file, as wrappers of applications do."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class Reader(io.BufferedReader):
    pass


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs Linux's /proc and /sys")
@pytest.mark.parametrize("name", ["/proc/version", "/proc/self/status", "/sys/devices/system/cpu/online"])
@pytest.mark.parametrize("kind", ["file", "raw", "subclass", "object"])
def test_a_size_in_doubt_is_not_told(name: str, kind: str) -> None:
    """Files of /proc say 0 bytes, those of /sys 4096: neither extent nor length is told, and reading gives it all."""
    with ExitStack() as stack:
        file: Any = stack.enter_context(open(name, "rb", buffering=0 if kind in ("raw", "subclass") else -1))
        if kind == "subclass":
            file = stack.enter_context(Reader(file))
        wrapper = FileWrapper(Through(file) if kind == "object" else file)
        assert wrapper.extent() is None
        if not (name.startswith("/sys") and kind == "object"):  # only such an object knows what is behind it
            assert wrapper.remaining() is None
        assert b"".join(wrapper).startswith((b"Linux", b"Name:", b"0"))


def test_a_small_size_in_doubt_may_be_true(tmp_path: Path) -> None:
    """A file without a block on the disk that is as long as it says is told as any other; a large one is believed."""
    for size in (0, 100, 1 << 20):
        path = tmp_path / str(size)
        with path.open("wb") as file:
            file.truncate(size)
        with path.open("rb") as file:
            assert FileWrapper(file).extent() == (file.fileno(), 0, size)
            assert FileWrapper(file).remaining() == size


def test_nothing_to_read_now_is_not_the_end() -> None:
    """A pipe that does not block and is empty is an error, not the end of the response."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as pipe, open(writing, "wb", buffering=0) as other:
        wrapper = FileWrapper(pipe)
        other.write(b"abc")
        assert next(wrapper) == b"abc"
        with pytest.raises(BlockingIOError, match="has nothing to read now"):
            next(wrapper)


def test_a_lost_position_is_an_error() -> None:
    """A file that can be moved to its end but not back does not give an empty response."""

    class Forward(io.BytesIO):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            if whence == 0:
                raise OSError("no way back")
            return super().seek(offset, whence)

    with pytest.raises(OSError, match="no way back"):
        FileWrapper(Forward(b"abc")).remaining()
