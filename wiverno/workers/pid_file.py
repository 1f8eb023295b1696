"""The pid file: the main process's id in a file that is locked as long as the server runs.

The lock decides whether another server runs, not the id: ids are used again, after kill -9, after a reboot, in every
container. The lock belongs to the open file, so the kernel releases it when the process ends, even after kill -9;
children close their copy at once. If the file system has no locks, another server is assumed to run if a process with
that id exists and is older than the file.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from wiverno.files import SetupError, error_text, make_absolute

IS_WINDOWS: Final = sys.platform == "win32"

if sys.platform == "win32":
    from wiverno.windows_files import lock_file
else:
    import fcntl

MODE: Final = 0o644
MAX_SIZE: Final = 32  # bytes: a larger file is no pid file
ATTEMPTS: Final = 50  # times that the file may be replaced while it is opened
CLOCK_SLACK: Final = 2.0  # seconds by which a file's time and a process's may differ

# Descriptors that a child process closes after a fork.
_held: set[int] = set()


def _close_in_child() -> None:
    for fd in _held:
        with suppress(OSError):
            os.close(fd)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


@contextmanager
def pid_file(path: str | None, owner: tuple[int, int] | None = None) -> Iterator[None]:
    """Keep this process's id in a file.

    Args:
        path: None for no file.
        owner: ids of the user and group that the file is given to, None for this process's.

    Raises:
        SetupError: another server that runs has its id there, or the file can't be written.
    """
    if path is None:
        yield
        return
    # The directory as it is now: a symbolic link in the path may change before the file is removed.
    place = Path(make_absolute(path))
    file = place.parent.resolve() / place.name
    try:
        fd = _claim(file, path, owner)
    except SetupError:
        raise
    except OSError as error:
        raise SetupError(error.errno, f"the pid file {path} can't be written: {error_text(error)}") from error
    process = os.getpid()
    _held.add(fd)
    try:
        yield
    finally:
        if os.getpid() == process and fd in _held:
            _held.discard(fd)
            _release(file, fd)


def _claim(file: Path, shown: str, owner: tuple[int, int] | None) -> int:
    """Return the descriptor of the file, locked and with this process's id in it."""
    for _ in range(ATTEMPTS):
        fd = _open(file)
        try:
            is_current = _lock(fd, file, shown)
            if is_current:
                _write(fd, owner)
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise SetupError(errno.EBUSY, f"the pid file {shown} is replaced again and again by another program")


def _open(file: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # the last one is Windows': a line ends as everywhere
        flags |= getattr(os, name, 0)
    try:
        return os.open(file, flags, MODE)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EMLINK):
            raise
        # In a directory that others may write to, a link could lead to another user's file.
        file.unlink(missing_ok=True)
        return os.open(file, flags | os.O_EXCL, MODE)


def _lock(fd: int, file: Path, shown: str) -> bool:
    """Lock the file; return False if its name belongs to another file now.

    Raises:
        SetupError: another process has the lock, or it is no pid file.
    """
    state = os.fstat(fd)
    text = os.read(fd, MAX_SIZE + 1) if stat.S_ISREG(state.st_mode) else b"?"
    if state.st_nlink > 1 or len(text) > MAX_SIZE or not (text.strip() == b"" or text.strip().isdigit()):
        raise SetupError(errno.EEXIST, f"{shown} exists and is no pid file; it was left alone")
    other = int(text) if text.strip() else 0
    try:
        if sys.platform == "win32":
            lock_file(fd)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise _running(other, shown) from None
    except OSError as error:
        # Some network file systems have no locks.
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise
        if other and other != os.getpid() and _can_have_written(other, state.st_mtime):
            raise _running(other, shown) from None
    try:
        now = os.lstat(file)
    except FileNotFoundError:
        return False
    return (now.st_dev, now.st_ino) == (state.st_dev, state.st_ino)


def _running(other: int, shown: str) -> SetupError:
    who = f"process {other}" if other else "another process"
    return SetupError(errno.EEXIST, f"{who} runs and has its id in {shown}")


def _can_have_written(pid: int, written: float) -> bool:
    """Tell whether a process with that id exists that is old enough to have written a file at that time (POSIX)."""
    try:
        os.kill(pid, 0)  # on Windows this would be Ctrl-C, but there every file system has locks
    except ProcessLookupError:
        return False
    except OSError:
        pass  # the process of another user
    start = _start_of(pid)
    return start is None or start <= written + CLOCK_SLACK


def _start_of(pid: int) -> float | None:
    """Return when a process started, in seconds since 1970; None if the system does not say (proc(5))."""
    try:
        # The name before the last parenthesis may hold anything; starttime is the 20th field after it.
        ticks = int(Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()[19])
        lines = Path("/proc/stat").read_text(encoding="latin-1").splitlines()
        boot = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def _write(fd: int, owner: tuple[int, int] | None) -> None:
    text = b"%d\n" % os.getpid()
    os.lseek(fd, 0, os.SEEK_SET)
    os.write(fd, text)
    os.ftruncate(fd, len(text))
    if hasattr(os, "fchmod"):
        os.fchmod(fd, MODE)
        if owner is not None and os.geteuid() == 0:
            os.fchown(fd, *owner)


def _release(file: Path, fd: int) -> None:
    """Remove the file, if it is still the one that was created; it stays locked until then."""
    is_left = False
    try:
        state, now = os.fstat(fd), os.lstat(file)
        if (now.st_dev, now.st_ino) == (state.st_dev, state.st_ino):
            try:
                file.unlink()
            except OSError:
                is_left = True
                os.ftruncate(fd, 0)  # this user may not remove it; an empty file names no process
    except OSError:
        pass  # it was removed or replaced; a file with that name belongs to another server
    finally:
        os.close(fd)
    if is_left and IS_WINDOWS:  # Windows removes no file that is open
        with suppress(OSError):
            file.unlink()
