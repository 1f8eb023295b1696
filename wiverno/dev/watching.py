"""Which changes restart the server: code, templates and configuration, in the watched folders, once a burst."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from watchfiles import Change, DefaultFilter, watch

from wiverno.dev.polling import poll
from wiverno.dev.second_look import with_missed
from wiverno.foreign_code import guarded_logger

CODE = frozenset({".py", ".pyd", ".so"})
TEMPLATES = frozenset({".html", ".htm", ".jinja", ".jinja2", ".j2", ".mako", ".pt", ".txt", ".xml", ".po", ".mo"})
CONFIGURATION = frozenset({".toml", ".ini", ".cfg", ".conf", ".env", ".json", ".yaml", ".yml"})
# What a browser loads needs no restart, only a new look at the page.
ASSETS = frozenset({".css", ".js", ".mjs", ".svg", ".map"})

# Folders of what an application writes itself: only code counts there.
DATA_FOLDERS = frozenset(
    ("cache", "data", "instance", "log", "logs", "media", "spool", "storage", "temp", "tmp", "upload", "uploads", "var")
)

# A burst is over when nothing changed for this many milliseconds.
_QUIET = 100
# How often the caller gets its turn when nothing changes, in milliseconds.
_TURN = 250
# How many files of a new folder are looked at.
_MOST_NEW_FILES = 1000

logger = guarded_logger("wiverno.dev")


class Relevant(DefaultFilter):
    """Selects the relevant changes; folders like ``.git`` and ``__pycache__`` are never relevant.

    Args:
        folders: The watched folders; patterns are compared with paths below them.
        ignored: Patterns such as ``"*.tmp"`` or ``"build/*"``.
        with_assets: Whether style sheets and scripts matter too.
    """

    def __init__(self, folders: Iterable[Path], ignored: Iterable[str], *, with_assets: bool) -> None:
        super().__init__()
        self._folders = list(
            dict.fromkeys(path for folder in folders for path in (folder.absolute(), folder.resolve()))
        )
        self._ignored = tuple(ignored)
        self._suffixes = CODE | TEMPLATES | CONFIGURATION | (ASSETS if with_assets else frozenset())

    def __call__(self, change: Change, path: str) -> bool:
        """Return whether a change of this file restarts the server."""
        file = Path(path)
        if change is Change.added and file.is_dir():
            # Files that were created in a new folder before it was watched have caused no event.
            return super().__call__(change, path) and self._holds_relevant(file)
        # ".env" has no suffix.
        if file.suffix.lower() not in self._suffixes and file.name != ".env":
            return False
        if file.suffix.lower() not in CODE and self._is_data(file):
            return False
        return super().__call__(change, path) and not self._is_ignored(file) and not is_output(file)

    def _holds_relevant(self, folder: Path) -> bool:
        files = islice((path for path in folder.rglob("*") if path.is_file()), _MOST_NEW_FILES)
        return any(self(Change.added, str(path)) for path in files)

    def _below(self, file: Path) -> list[Path]:
        return [file.relative_to(folder) for folder in self._folders if file.is_relative_to(folder)]

    def _is_data(self, file: Path) -> bool:
        return any(not DATA_FOLDERS.isdisjoint(path.parts[:-1]) for path in self._below(file))

    def _is_ignored(self, file: Path) -> bool:
        below = self._below(file)
        names = [file.name, *(path.as_posix() for path in below), *(part for path in below for part in path.parts[:-1])]
        return any(fnmatch(name, pattern) for pattern in self._ignored for name in names)


def is_output(file: Path) -> bool:
    """Return whether standard output or error goes to a file: ``wiverno run dev > log.txt`` restarted for ever."""
    for descriptor in (1, 2):
        try:
            if os.path.samestat(file.stat(), os.fstat(descriptor)):
                return True
        except OSError:
            continue
    return False


class WatchedFolder:
    """A watched folder, which may be removed, replaced and made again.

    An open descriptor keeps its inode number from being reused.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self.is_there = self._open()

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def changed(self) -> bool:
        """Return whether the folder was removed, replaced or made again since the last call."""
        try:
            now = self.path.stat()
            is_same = self._descriptor < 0 or os.path.samestat(now, os.fstat(self._descriptor))
        except OSError:
            is_same = not self.is_there
        else:
            is_same = self.is_there and is_same
        if not is_same:
            self.is_there = self._open()
        return not is_same

    def _open(self) -> bool:
        self.close()
        if os.name == "posix":
            try:
                self._descriptor = os.open(
                    self.path, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
                )
            except OSError:
                return False
        return self.path.is_dir()


def bursts(
    folders: Iterable[Path], relevant: Relevant, longest: float, stopping: threading.Event
) -> Iterator[list[Path]]:
    """Yield the files of each burst of changes, and an empty list a few times a second when nothing happens.

    After a folder is removed it waits for the folder; a folder that is back counts as changed.

    Args:
        folders: What to watch, with everything below.
        relevant: Which changes count.
        longest: After how many seconds a burst that does not end is yielded nevertheless.
        stopping: Ends the iteration.
    """
    places = [WatchedFolder(folder.absolute()) for folder in folders]
    new: set[Path] = set()
    try:
        while not stopping.is_set():
            present = [place.path for place in places if place.is_there]
            # A new folder is reported with the first burst, when it is watched: files saved during the restart count.
            for burst in _changes(present, longest, stopping):
                files = {Path(path) for change, path in burst if relevant(change, path)}
                replaced = [place for place in places if place.changed()]
                yield sorted(files | new)
                new = {place.path for place in replaced if place.is_there}
                if replaced:
                    for place in replaced:
                        if not place.is_there:
                            logger.warning("%s was removed; waiting for it", place.path)
                    break
    finally:
        for place in places:
            place.close()


def _changes(folders: list[Path], longest: float, stopping: threading.Event) -> Iterator[set[tuple[Change, str]]]:
    """Yield every change, relevant or not, as the operating system reports it, or by polling."""
    # Permission errors are ignored only if they occur, because watchfiles then ignores the system's limit as well.
    for is_lenient in (False, True) if folders else ():
        try:
            reported = _reported(folders, longest, stopping, is_lenient=is_lenient)
            for number, burst in enumerate(with_missed(folders, reported)):
                if is_lenient and number == 0:
                    _require_a_watch_left(folders[0])
                yield burst
        except PermissionError as error:
            problem: Exception = error
        except (OSError, RuntimeError) as error:
            problem = error
            break
        else:
            return
    if folders and all(folder.is_dir() for folder in folders):
        logger.warning(
            "the system does not report changes (%s); polling for them a few times a second instead. "
            "On Linux sysctl fs.inotify.max_user_watches and max_user_instances set the limits",
            " ".join(str(problem).split()),
        )
    yield from poll(folders, longest, stopping)


def _reported(
    folders: list[Path], longest: float, stopping: threading.Event, *, is_lenient: bool
) -> Iterator[set[tuple[Change, str]]]:
    most = max(int(longest * 1000), 1)
    return watch(
        *folders, watch_filter=None, debounce=most, step=min(_QUIET, most), stop_event=stopping, rust_timeout=_TURN,
        yield_on_timeout=True, raise_interrupt=False, ignore_permission_denied=is_lenient,
    )  # fmt: skip


def _require_a_watch_left(folder: Path) -> None:
    """Raise OSError if the system's limit is reached, so that something may be unwatched."""
    next(watch(folder, recursive=False, rust_timeout=1, yield_on_timeout=True, raise_interrupt=False))
