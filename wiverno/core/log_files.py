"""Log files: opened for the user who serves, opened again after rotation, also where only root may create them."""

import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from wiverno.config.settings import Adjustments
from wiverno.core.ownership import Owner, acting_as, future_owner, give_file
from wiverno.files import error_text, make_absolute
from wiverno.foreign_code import guarded_logger
from wiverno.standard_streams import reserve_descriptors, say

if sys.platform == "win32":
    from wiverno.windows_files import open_to_append

MODE: Final = 0o640
# The leader opens logs again when they are rotated, and may not wait for a reader if one is a FIFO.
_NO_WAIT: Final[int] = getattr(os, "O_NONBLOCK", 0)
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_WAIT

logger = guarded_logger("wiverno")

_owner: list[Owner] = []
_helpers: list[Callable[[str], int]] = []


@contextmanager
def log_files_belong_to(owner: Owner | None) -> Iterator[None]:
    """Let log files that root opens inside the block belong to another user; those that are open are given away."""
    if owner is None:
        yield
        return
    _owner[:] = [owner]
    try:
        give_log_files(owner)
        _warn_of_rotation(owner)
        yield
    finally:
        _owner.clear()


@contextmanager
def helped_by(helper: Callable[[str], int]) -> Iterator[None]:
    """Ask `helper` inside the block for log files that this process may not open; it returns a descriptor."""
    _helpers[:] = [helper]
    try:
        yield
    finally:
        _helpers.clear()


def open_log(path: str, mode: int = MODE) -> int:
    """Open a log file to append to, and return its descriptor.

    Args:
        path: its name.
        mode: permissions of the file if this makes it, less the umask.

    Raises:
        OSError: it can't be opened.
    """
    reserve_descriptors()
    opened = _open(path, mode)
    if _NO_WAIT:
        os.set_blocking(opened, True)
    return opened


def _open(path: str, mode: int) -> int:
    if sys.platform == "win32":
        return open_to_append(path)
    if _owner and os.geteuid() == 0:
        return _open_for(path, _owner[0], mode)
    try:
        return os.open(path, _FLAGS, mode)
    except PermissionError:
        if not _helpers:
            raise
        return _helpers[0](path)


def _open_for(path: str, owner: Owner, mode: int) -> int:
    """Open a log file as root, for another user."""
    with suppress(PermissionError), acting_as(owner):
        return os.open(path, _FLAGS, mode)
    fd = os.open(path, _FLAGS | os.O_NOFOLLOW, mode)
    if give_file(fd, path, owner):
        return fd
    os.close(fd)
    words = f"user {owner[0]} may not write to it (sudo chown {owner[0]}:{owner[1]} {path})"
    raise PermissionError(13, words)


def file_handlers() -> Iterator[Any]:
    """Give every handler of the logging package that has a file open."""
    for reference in list(getattr(logging, "_handlerList", ())):
        handler = reference() if callable(reference) else reference
        if isinstance(handler, logging.FileHandler) and handler.stream is not None:
            yield handler


def _warn_of_rotation(owner: Owner) -> None:
    """Log which handlers will fail to rotate their files by themselves: they do it as the user who serves."""
    for handler in file_handlers():
        if handler.__class__ is logging.FileHandler:
            continue
        folder = os.path.dirname(handler.baseFilename)
        with acting_as(owner):
            may_write = os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)
        if not may_write:
            logger.warning("%s can't rotate its file: user %d may not write to %s", handler, owner[0], folder)


def prepare_for(owner: Owner | None, prepare: Callable[[], None]) -> None:
    """Set up logging as the user who will serve; what only root may open is given to that user."""
    if owner is not None:
        import logging.config  # noqa: F401 - the user may not be allowed to read the standard library

        with suppress(Exception), acting_as(owner):
            prepare()
            return
    prepare()
    if owner is not None:
        give_log_files(owner)


def log_paths(settings: Adjustments) -> list[str]:
    """Return the files that are logged to."""
    own = [] if settings.access_log in (None, "", "-", "logging") else [make_absolute(str(settings.access_log))]
    return [*own, *(handler.baseFilename for handler in file_handlers())]


def mode_of(path: str) -> int:
    """Return the permissions for a new file in the place of this one: those that a handler's own file has."""
    modes = (_mode_of(handler) for handler in file_handlers() if handler.baseFilename == path)
    return next(modes, MODE)


def _mode_of(handler: Any) -> int:
    try:
        return stat.S_IMODE(os.fstat(handler.stream.fileno()).st_mode)
    except (OSError, ValueError):  # something has closed it, or it is no file of the system
        return MODE


def give_log_files(owner: Owner) -> None:
    """Give the files of the logging package, which root has opened, to another user."""
    for handler in file_handlers():
        with suppress(OSError, ValueError):
            give_file(handler.stream.fileno(), handler.baseFilename, owner)


def provide_log_files(settings: Adjustments) -> None:
    """Create log files that were moved away, before processes of another user open them.

    Raises:
        SetupError: there is no such user or group.
    """
    owner = future_owner(settings)
    if owner is None:
        return
    for path in log_paths(settings):
        with suppress(OSError):  # the process that needs it logs the error
            if Path(path).is_file() or not Path(path).exists():
                os.close(_open_for(path, owner, mode_of(path)))


def reopen_log_files() -> None:
    """Open every file of the logging package again, after log rotation has moved it away."""
    for handler in file_handlers():
        # Subclasses rotate or watch their files by themselves, and a FIFO is not rotated.
        if handler.__class__ is logging.FileHandler and not Path(handler.baseFilename).is_fifo():
            _reopen(handler)


def _reopen(handler: Any) -> None:
    handler.acquire()
    try:
        old = handler.stream
        fd = open_log(handler.baseFilename, _mode_of(handler))
        handler.stream = open(fd, handler.mode, encoding=handler.encoding, errors=handler.errors)  # noqa: SIM115
        old.close()
    except OSError as error:
        say(f"wiverno: {handler.baseFilename} can't be reopened: {error_text(error)}")
    finally:
        handler.release()
