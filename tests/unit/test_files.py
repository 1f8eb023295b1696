"""Where relative paths start, and what the system's errors are told as."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from wiverno.files import (
    UNIX_PATH_LIMIT,
    SetupError,
    error_text,
    in_start_directory,
    make_absolute,
    started_in,
    unix_path,
)


def test_a_path_starts_from_the_start_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a block it is the current directory; an inner block keeps the outer one's."""
    monkeypatch.chdir(tmp_path)
    assert make_absolute("a.log") == str(tmp_path / "a.log")
    with started_in():
        os.chdir("/")
        assert make_absolute("a.log") == str(tmp_path / "a.log")
        with started_in():
            assert make_absolute("a.log") == str(tmp_path / "a.log")
        with started_in("/srv"):
            assert make_absolute("a.log") == "/srv/a.log"
    assert make_absolute("a.log") == "/a.log"
    assert make_absolute("/var/a.log") == "/var/a.log"


def test_the_start_directory_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block ends in the directory that it began in."""
    monkeypatch.chdir("/")
    with started_in(str(tmp_path)):
        with in_start_directory():
            assert Path.cwd() == tmp_path
        assert str(Path.cwd()) == "/"
    with (
        started_in(str(tmp_path / "missing")),
        pytest.raises(SetupError, match="missing, where the server was started"),
    ):
        with in_start_directory():
            pass


def test_a_directory_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a relative path needs the current directory."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert make_absolute("/a.log") == "/a.log"
    with pytest.raises(SetupError, match=r"a\.log is a relative path, and the current directory was removed"):
        make_absolute("a.log")
    monkeypatch.chdir("/")


def test_unix_paths() -> None:
    """The longest path is taken, one byte more is not, and bytes are counted."""
    longest = "/" + "d" * (UNIX_PATH_LIMIT - 1)
    assert unix_path(longest) == longest
    for path in (longest + "d", "/" + "ü" * (UNIX_PATH_LIMIT // 2 + 1)):
        with pytest.raises(OSError, match=f"may have {UNIX_PATH_LIMIT} bytes, this one has") as caught:
            unix_path(path)
        assert caught.value.errno == errno.ENAMETOOLONG
    with pytest.raises(OSError, match="abstract Unix sockets have no permissions"):
        unix_path("\0name")


def test_the_text_of_an_error() -> None:
    """There is always one."""
    assert error_text(OSError(errno.ENOENT, os.strerror(errno.ENOENT))) == "No such file or directory"
    assert error_text(OSError("AF_UNIX path too long")) == "AF_UNIX path too long"
    assert error_text(OSError()) == "OSError"
