"""Which names of files may be requested: plain names of this and every other system, nothing hidden, no leftovers.

The rules hold on every system, so that all serve the same files.
"""

import re
from typing import Final

# Names of devices on Windows, with any ending.
_DEVICES: Final = frozenset({"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}) | {
    f"{device}{number}" for device in ("COM", "LPT") for number in "0123456789¹²³"
}
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')

# What editors and patch programs leave beside a file, perhaps compressed by a tool that compresses everything.
_LEFTOVER: Final = re.compile(
    r"(?:.*~|#.*#|.*\.(?:bak|orig|rej|save|swp|swo|swn|swx|tmp))(?:\.(?:br|gz|zst))?", re.IGNORECASE | re.DOTALL
)

PUBLIC_FOLDER: Final = ".well-known"
"""The one hidden folder that is public (RFC 8615)."""


def is_plain_name(name: str) -> bool:
    """Return whether a path segment from a client is a plain name of a file or folder on every system."""
    if not name or name in (".", "..") or name[-1] in ". " or _UNSAFE.search(name):
        return False
    # Hidden files (.git, .env) are not published by accident.
    if name[0] == "." and name != PUBLIC_FOLDER:
        return False
    return name.partition(".")[0].rstrip(" ").upper() not in _DEVICES


def is_leftover(name: str) -> bool:
    """Return whether a file is what an editor or a patch program has left: ``x~``, ``#x#``, ``x.bak``, ``x.swp``."""
    return _LEFTOVER.fullmatch(name) is not None


def split_path(path: str) -> list[str] | None:
    """Return the names in a path below a mount, the last one empty for a folder; None if it must not be served.

    Args:
        path: what follows the mount's slash, decoded once, as latin-1 (PEP 3333, "Unicode Issues").
    """
    if not path.isascii():
        try:
            # Overlong forms and halves of surrogate pairs are no UTF-8.
            path = path.encode("latin-1").decode("utf-8")
        except UnicodeError:
            return None
    names = path.split("/")
    for name in names[:-1]:
        if not is_plain_name(name):
            return None
    last = names[-1]
    if last and (not is_plain_name(last) or last == PUBLIC_FOLDER or is_leftover(last)):
        return None
    return names


# Before its last ending a dot and hexadecimal digits: Django's manifest has 12, webpack 8 to 32. A date has no letter.
_HEX_HASH: Final = re.compile(r".+\.(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8,64}(?:\.[A-Za-z0-9]+)+")
# A hyphen or a dot, and eight characters of Rollup: Vite. Words have fewer than two capitals, names of photographs have
# nothing but digits after them; words in CamelCase count only in Vite's own folder.
_ROLLUP_HASH: Final = re.compile(r".*[-.]((?=.*[A-Z].*[A-Z])[A-Za-z0-9_-]{8})(?:\.[A-Za-z0-9]+)+")
_NO_HASH: Final = re.compile(r"[A-Z]+[_-]?[0-9]+|[A-Z]+")
_CAMEL_CASE: Final = re.compile(r"[A-Za-z]+")


def has_hash(names: list[str]) -> bool:
    """Return whether a file's name has a hash of its content, as Django's manifest, webpack and Vite write it."""
    last = names[-1]
    if _HEX_HASH.fullmatch(last):
        return True
    found = _ROLLUP_HASH.fullmatch(last)
    if found is None or _NO_HASH.fullmatch(found[1]):
        return False
    return "assets" in names[:-1] or not _CAMEL_CASE.fullmatch(found[1])
