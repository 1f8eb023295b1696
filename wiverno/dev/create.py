"""A new project from the files under ``project/``: ``wiverno init shop``.

The files are kept as text with the ending ``.txt``, so that no tool reads them as wiverno's files; ``@NAME@`` becomes
the project's name.
"""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
# Tools that build packages leave hidden files out.
_HIDDEN = frozenset({"gitignore"})


def create_project(path: str | Path) -> list[Path]:
    """Write a runnable project with an application, configurations and tests.

    Args:
        path: The new folder; its name is the project's.

    Returns:
        The files, in the order in which one would read them.

    Raises:
        ValueError: the name is not valid for a project.
        FileExistsError: the folder exists and is not empty, or is not a folder.
        OSError: it cannot be written.
    """
    folder = Path(path)
    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name for a project; use letters, digits, '-' and '_', a letter first")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not an empty folder; nothing was written")
    written = []
    for source, relative in _sources(files("wiverno.dev") / "project", Path()):
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text(encoding="utf-8").replace("@NAME@", name), encoding="utf-8")
        written.append(target)
    # For the Makefile where there is no virtual environment yet; git does not see it.
    (folder / ".wiverno-python").write_text(f"{sys.executable}\n", encoding="utf-8")
    return sorted(written, key=lambda file: (len(file.relative_to(folder).parts), file.name))


def _sources(folder: Traversable, below: Path) -> list[tuple[Traversable, Path]]:
    found: list[tuple[Traversable, Path]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _sources(entry, below / entry.name)
        elif entry.name.endswith(".txt"):
            name = entry.name.removesuffix(".txt")
            found.append((entry, below / (f".{name}" if name in _HIDDEN else name)))
    return found
