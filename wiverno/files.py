"""Files that the settings name: the directory that relative paths start from, and errors that name their file.

A relative path means the directory in which the server was started, even if the application changes the
current directory later. The entry points (`wiverno run`, `serve()`, pserve) run inside a `started_in` block; code that
keeps a path for later (a rotated log, a certificate that is read again) keeps the result of `absolute`.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

# sockaddr_un.sun_path, without the NUL byte at the end (unix(7): 108 on Linux; 104 on macOS and the BSDs).
UNIX_PATH_LIMIT: Final = 107 if sys.platform == "linux" else 103

_start: ContextVar[str | None] = ContextVar("start_directory", default=None)


class SetupError(OSError):
    """An error with something other than a listening address; the text is complete and names it."""


def error_text(error: BaseException) -> str:
    """Return the operating system's words, or the exception's text if there are none."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def current_directory() -> str | None:
    """Return the current directory, None if it was removed."""
    try:
        return str(Path.cwd())
    except OSError:
        return None


@contextmanager
def started_in(directory: str | None = None) -> Iterator[None]:
    """Let relative paths start from `directory` inside the block.

    Args:
        directory: None keeps the directory of an outer block, or takes the current one.
    """
    token = _start.set(directory or _start.get() or current_directory())
    try:
        yield
    finally:
        _start.reset(token)


def start_directory() -> str | None:
    """Return the directory that relative paths start from, None if it was removed."""
    return _start.get() or current_directory()


def make_absolute(path: str) -> str:
    """Return the absolute path, which stays valid when the current directory changes.

    Raises:
        SetupError: the path is relative and the current directory was removed.
    """
    if Path(path).is_absolute():
        return path
    start = start_directory()
    if start is None:
        raise SetupError(errno.ENOENT, f"{path} is a relative path, and the current directory was removed")
    return os.path.join(start, path)


@contextmanager
def in_start_directory() -> Iterator[None]:
    """Make the start directory the current one inside the block, for code that opens relative paths by itself.

    The current directory belongs to the whole process, so the block should be short. Where the application has not
    changed it, nothing happens.

    Raises:
        SetupError: the start directory can't be entered any more.
    """
    before, start = current_directory(), start_directory()
    if start is None or before == start:
        yield
        return
    try:
        os.chdir(start)
    except OSError as error:
        raise SetupError(error.errno, f"{start}, where the server was started: {error_text(error)}") from error
    try:
        yield
    finally:
        if before is not None:
            os.chdir(before)


def unix_path(path: str) -> str:
    """Return the path of a Unix socket in a form that the operating system accepts.

    Raises:
        OSError: it is longer than the system allows, or contains a NUL byte.
    """
    if "\0" in path:
        # An abstract socket (unix(7)) has neither owner nor permissions: every local user could connect.
        raise OSError(errno.EINVAL, f"abstract Unix sockets have no permissions; give a path instead of {path!r}")
    whole = make_absolute(path)
    if len(os.fsencode(whole)) <= UNIX_PATH_LIMIT:
        return whole
    length = len(os.fsencode(path))
    if length <= UNIX_PATH_LIMIT and start_directory() == current_directory():
        return path
    shown = path if length > UNIX_PATH_LIMIT else whole
    raise OSError(
        errno.ENAMETOOLONG,
        f"the path of a Unix socket may have {UNIX_PATH_LIMIT} bytes, this one has {len(os.fsencode(shown))}: {shown}",
    )
