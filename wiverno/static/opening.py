"""Opens a file below a directory, and nothing else: no path, link or race leads out of it.

Each name is opened in the directory that has been opened before, without following symbolic links (openat(2)), so a
name that becomes a link meanwhile is an error. Where there are links, the path that they lead to is found first; if it
is inside, that one is opened in the same way. Only regular files are opened: opening a pipe waits for its other end,
opening a device may do anything.
"""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

HAS_OPENAT: Final = os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")

_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
# With O_PATH the permission to list a directory is not needed, only that to enter it.
_DIRECTORY: Final = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _CLOEXEC
_FILE: Final = os.O_RDONLY | _CLOEXEC | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0)

# What opening a symbolic link as a directory, or as a file, gives with O_NOFOLLOW: ELOOP; EMLINK and EFTYPE on BSDs.
_IS_LINK: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EMLINK, getattr(errno, "EFTYPE", errno.ELOOP)})


def open_below(root: str, names: Sequence[str], *, follow_symlinks: bool = False) -> tuple[int, os.stat_result]:
    """Open the regular file that the names lead to from a directory.

    Args:
        root: the directory; it may be a symbolic link itself.
        names: plain names (see ``names``), at least one.
        follow_symlinks: whether links may lead out of the directory.

    Returns:
        The descriptor and what fstat(2) says of it.

    Raises:
        OSError: ENOENT for everything that is no regular file inside; IsADirectoryError for a directory; otherwise the
            system's error.
    """
    if follow_symlinks:
        return _open_regular(os.path.join(root, *names), None, _FILE)
    if not HAS_OPENAT:
        return open_checked(root, names)
    try:
        return _walk(root, names)
    except OSError as error:
        if error.errno not in _IS_LINK:
            raise
    base, real = _resolve(root, names)
    return _walk(base, real[len(base) :].lstrip(os.sep).split(os.sep))  # noqa: PTH206 - names, not a Path


def open_checked(root: str, names: Sequence[str]) -> tuple[int, os.stat_result]:
    """Do the same on systems without openat(2): the path is compared before the file is opened and after.

    Raises:
        OSError: as ``open_below``.
    """
    _, real = _resolve(root, names)
    fd, status = _open_regular(real, None, _FILE | _NO_FOLLOW)
    try:
        if _resolve(root, names)[1] != real or not os.path.samestat(Path(real).stat(), status):
            raise _no_such_file()
    except OSError:
        os.close(fd)
        raise
    return fd, status


def reopen(path: str) -> tuple[int, os.stat_result]:
    """Open a file by its path, for a caller that compares what fstat(2) says with a file that was found inside.

    Raises:
        OSError: it is no regular file, or a link, or the system's error.
    """
    return _open_file(path, None, _FILE | _NO_FOLLOW)


def _walk(root: str, names: Sequence[str]) -> tuple[int, os.stat_result]:
    """Open name after name, each without following links."""
    here = os.open(root, _DIRECTORY)
    try:
        for name in names[:-1]:
            inner = os.open(name, _DIRECTORY | _NO_FOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        return _open_regular(names[-1], here, _FILE | _NO_FOLLOW)
    finally:
        os.close(here)


def _open_regular(path: str, here: int | None, flags: int) -> tuple[int, os.stat_result]:
    """Open a regular file; `here` is the descriptor of the directory that a relative path starts from."""
    follows = not flags & _NO_FOLLOW
    _check_regular(os.stat(path, dir_fd=here, follow_symlinks=follows))
    return _open_file(path, here, flags)


def _open_file(path: str, here: int | None, flags: int) -> tuple[int, os.stat_result]:
    try:
        fd = os.open(path, flags | _NO_WAIT, dir_fd=here)  # a pipe may have taken the name meanwhile
    except BlockingIOError:
        # Another process has a lease on it (fcntl(2), F_SETLEASE; Samba takes some), so it is a regular file.
        fd = os.open(path, flags, dir_fd=here)
    status = os.fstat(fd)
    try:
        _check_regular(status)
    except OSError:
        os.close(fd)
        raise
    return fd, status


def _check_regular(status: os.stat_result) -> None:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    raise _no_such_file()


def _resolve(root: str, names: Sequence[str]) -> tuple[str, str]:
    """Return the real paths of the directory and of the file in it."""
    base = os.path.realpath(root)
    real = os.path.realpath(os.path.join(base, *names))
    if not real.startswith(base.rstrip(os.sep) + os.sep):
        raise _no_such_file()
    return base, real


def _no_such_file() -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


_MISSING: Final = frozenset(
    {
        errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO,
        errno.ENODEV,
    }
)  # fmt: skip


def status_of(error: OSError) -> int:
    """Return the HTTP status for an error of ``open_below``: 404, 403, or 503 for what only the server can correct."""
    if error.errno in _MISSING or error.errno in _IS_LINK:
        return 404
    return 403 if isinstance(error, PermissionError) else 503
