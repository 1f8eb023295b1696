"""`${NAME}`, `${NAME:-default}`, `${file:/path}` and `$$` in the values of a file.

One pass from left to right: inserted text is not expanded again, so a password may contain a dollar sign. Every other
dollar sign is an ordinary character. The caller looks names up: first pserve's arguments, then the environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from wiverno.config.errors import BadValue
from wiverno.config.formats.text import ACCEPTED, BadTextError, decode

Lookup = Callable[[str], str | None]

_MARK = re.compile(r"\$\$|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def is_expandable(value: object) -> bool:
    """Return whether a value is text that `expand` would change."""
    return isinstance(value, str) and _MARK.search(value) is not None


def expand(text: str, lookup: Lookup, directory: Path, inserted: dict[str, str] | None = None) -> str:
    """Return the text with every reference expanded.

    Args:
        text: as written in the file.
        lookup: a name's text, or None if it is not set; empty counts as set only without a default.
        directory: where relative paths of `${file:…}` start.
        inserted: gets the names of these files; the value says only whether one is empty, for they hold secrets.

    Raises:
        BadValue: a name is not set, a file cannot be read, or the braces are wrong.
    """
    parts, position = [], 0
    while (mark := _MARK.search(text, position)) is not None:
        parts.append(text[position : mark.start()])
        position = mark.end()
        if mark.group() == "$$":
            parts.append("$")
            continue
        end = text.find("}", position)
        if end < 0:
            raise BadValue("${ has no closing }", "write $${ where the characters themselves are meant")
        parts.append(_value(text[position:end], lookup, directory, inserted))
        position = end + 1
    return "".join([*parts, text[position:]])


def escape(text: str) -> str:
    """Return text that `expand` turns into the given text."""
    return text.replace("$", "$$") if _MARK.search(text) else text


def unescape(text: str) -> str | None:
    """Return the text that a value without variables stands for; None if it has `${…}`."""
    parts = text.split("$$")
    return None if any("${" in part for part in parts) else "$".join(parts)


def _value(inside: str, lookup: Lookup, directory: Path, inserted: dict[str, str] | None) -> str:
    if "${" in inside:
        raise BadValue("${…} cannot stand inside ${…}")
    scheme, colon, rest = inside.partition(":")
    if scheme == "file" and colon and not rest.startswith("-"):
        text = _file(rest, directory)
        if inserted is not None:
            inserted[rest] = "…" if text else ""
        return text
    name, has_default, default = inside.partition(":-")
    if not _NAME.fullmatch(name):
        raise BadValue(f"${{{inside}}} names no variable", "write ${NAME}, ${NAME:-default} or ${file:/path}")
    found = lookup(name)
    if has_default:
        return found or default
    if found is None:
        raise BadValue(f"{name} is not set", f"set it, or give a default: ${{{name}:-…}}")
    return found


def _file(name: str, directory: Path) -> str:
    """Return a file's text without the line break at its end, which editors and `echo` add."""
    try:
        text = decode((directory / name).read_bytes(), name)
    except BadTextError as error:
        # The wrong byte is not shown: it is a part of the secret.
        raise BadValue(f"{name} {str(error).partition(' (')[0]}", ACCEPTED) from None
    except (OSError, ValueError) as error:
        raise BadValue(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return text.removesuffix("\n")
