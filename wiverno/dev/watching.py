"""Which changes restart the server: code, templates and configuration, in the watched folders, once a burst."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from watchfiles import Change, DefaultFilter, watch

CODE = frozenset({".py", ".pyd", ".so"})
TEMPLATES = frozenset({".html", ".htm", ".jinja", ".jinja2", ".j2", ".mako", ".pt", ".txt", ".xml", ".po", ".mo"})
CONFIGURATION = frozenset({".toml", ".ini", ".cfg", ".conf", ".env", ".json", ".yaml", ".yml"})
# What a browser loads needs no restart, only a new look at the page.
ASSETS = frozenset({".css", ".js", ".mjs", ".svg", ".map"})

# A burst is over when nothing changed for this many milliseconds.
_QUIET = 100
# How often the caller gets its turn when nothing changes, in milliseconds.
_TURN = 250
# How many files of a new folder are looked at.
_MOST_NEW_FILES = 1000


class Relevant(DefaultFilter):
    """Tells relevant changes from the others; folders like ``.git`` and ``__pycache__`` never matter.

    Args:
        folders: The watched folders; patterns are compared with paths below them.
        ignored: Patterns such as ``"*.tmp"`` or ``"build/*"``.
        with_assets: Whether style sheets and scripts matter too.
    """

    def __init__(self, folders: Iterable[Path], ignored: Iterable[str], *, with_assets: bool) -> None:
        super().__init__()
        self._folders = [folder.resolve() for folder in folders]
        self._ignored = tuple(ignored)
        self._suffixes = CODE | TEMPLATES | CONFIGURATION | (ASSETS if with_assets else frozenset())

    def __call__(self, change: Change, path: str) -> bool:
        """Whether a change of this file is to restart the server."""
        file = Path(path)
        if change is Change.added and file.is_dir():
            # What was put into a new folder before it was watched has had no event of its own.
            return super().__call__(change, path) and self._holds_relevant(file)
        # ".env" is all name and no suffix.
        if file.suffix.lower() not in self._suffixes and file.name != ".env":
            return False
        return super().__call__(change, path) and not self._is_ignored(file)

    def _holds_relevant(self, folder: Path) -> bool:
        files = islice((path for path in folder.rglob("*") if path.is_file()), _MOST_NEW_FILES)
        return any(self(Change.added, str(path)) for path in files)

    def _is_ignored(self, file: Path) -> bool:
        below = [file.relative_to(folder) for folder in self._folders if file.is_relative_to(folder)]
        names = [file.name, *(path.as_posix() for path in below), *(part for path in below for part in path.parts[:-1])]
        return any(fnmatch(name, pattern) for pattern in self._ignored for name in names)


def bursts(folders: list[Path], relevant: Relevant, longest: float, stopping: threading.Event) -> Iterator[list[Path]]:
    """Yield the files of each burst of changes, and an empty list a few times a second when nothing happens.

    Args:
        folders: What to watch, with everything below.
        relevant: Which changes count.
        longest: After how many seconds a burst that does not end is yielded nevertheless.
        stopping: Ends the iteration.
    """
    most = max(int(longest * 1000), 1)
    changes = watch(
        *folders, watch_filter=relevant, debounce=most, step=min(_QUIET, most), stop_event=stopping,
        rust_timeout=_TURN, yield_on_timeout=True, raise_interrupt=False,
    )  # fmt: skip
    for burst in changes:
        yield sorted({Path(path) for _, path in burst})
