"""The files of the repository that people wrote, without what stands beside them: environments, caches, builds."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


@cache
def written_files(*places: str, root: Path = ROOT) -> tuple[Path, ...]:
    """Return the files in these folders that git does not ignore, sorted; those of the whole repository, without one.

    A new file counts before it is added to git, a deleted one does not. Without git, or in an unpacked archive, all
    files count that are not in hidden folders or caches.
    """
    if (root / ".git").exists() and shutil.which("git"):
        command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-c", "-o", "--exclude-standard", "--", *places]
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True, encoding="utf-8", timeout=60).stdout
        found = {root / name for name in listed.split("\0") if name}
    else:
        found = {path for place in places or (".",) for path in _files_without_git(root / place)}
    return tuple(sorted(path for path in found if path.is_file()))


def _files_without_git(folder: Path) -> set[Path]:
    inside = {path: path.relative_to(folder).parts[:-1] for path in folder.rglob("*")}
    return {path for path, parents in inside.items() if not any(_is_skipped(name) for name in parents)}


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"
