"""A mount: a directory whose files are served below a path, and which of several mounts a request's path means.

[[static]] path = "/static", directory = "public"     →     GET /static/css/site.css is public/css/site.css
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory whose files are served below a path.

    Attributes:
        path: begins with a slash and ends with none; "/" is everything.
        directory: the directory.
        cache_control: the field of this name, "" for none.
        precompressed: send ``x.br``, ``x.zst`` or ``x.gz`` for ``x`` to clients that accept it.
        immutable: let caches keep files with a hash in their names for a year.
        fallback: leave what is no file here to the application.
        index: the file that answers for a directory, "" for none.
        follow_symlinks: also serve files that symbolic links outside the directory lead to.
    """

    path: str
    directory: str
    cache_control: str = "public, max-age=3600"
    precompressed: bool = True
    immutable: bool = True
    fallback: bool = False
    index: str = ""
    follow_symlinks: bool = False


class MountTable:
    """Finds the mount of a path: the one with the longest path wins.

    Attributes:
        prefixes: what a path begins with that may belong to a mount; whether it does, `find` says.
    """

    def __init__(self, mounts: Iterable[Mount]) -> None:
        """Take the mounts; their paths differ."""
        known = [(_as_environ(mount.path.rstrip("/")), mount) for mount in mounts]
        self._known = sorted(known, key=lambda item: -len(item[0]))
        self.prefixes = tuple(prefix or "/" for prefix, _ in self._known)

    def find(self, path: str) -> tuple[Mount, str | None] | None:
        """Return a path's mount and what follows the mount's slash, None in its place without that slash.

        Args:
            path: PATH_INFO.
        """
        for prefix, mount in self._known:
            if path.startswith(prefix):
                rest = path[len(prefix) :]
                if rest[:1] == "/":
                    return mount, rest[1:]
                if not rest and prefix:
                    return mount, None
        return None


def _as_environ(path: str) -> str:
    """Return a path as PATH_INFO carries it: UTF-8 as latin-1 (PEP 3333, "Unicode Issues")."""
    return path.encode("utf-8").decode("latin-1")
