"""Files with environment variables, one `NAME=VALUE` a line, as docker, systemd and python-dotenv read them.

    # a comment          export NAME=value          NAME="with spaces"          NAME='as it is, $ too'

Quotes around a value are removed; in double quotes a backslash begins an escape. A comment after a value begins with a
space and #.
Nothing is expanded: `${…}` outside single quotes is a mistake, because other readers of such files differ there.
"""

from __future__ import annotations

import re

from wiverno.config.errors import Origin, Problem

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*)")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}

Variables = dict[str, tuple[str, Origin]]


def read_env_file(name: str, text: str, problems: list[Problem]) -> Variables:
    """Return the variables of a file with their places; a later line replaces an earlier one of the same name.

    Args:
        name: the file, for places.
        text: its text.
        problems: gets a problem for each line that is not understood. It never shows the line: it may hold a secret.
    """
    found: Variables = {}
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        origin = Origin("file", name, number)
        match = _LINE.fullmatch(stripped)
        if match is None:
            problems.append(Problem("is not NAME=VALUE", origin, hint="a comment begins with #"))
            continue
        value, mistake = _read_value(match[2])
        if mistake:
            problems.append(Problem(mistake, origin, match[1]))
        else:
            found[match[1]] = (value, origin)
    return found


def _read_value(written: str) -> tuple[str, str]:
    """Return a value without its quotes, and what is wrong with it ("" if nothing is)."""
    if single := _SINGLE.fullmatch(written):
        return single[1], ""
    if double := _DOUBLE.fullmatch(written):
        value = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), double[1])
    elif written[:1] in ("'", '"'):
        return "", "its quotation mark is not closed on the same line"
    else:
        value = re.split(r"\s#", f" {written}", maxsplit=1)[0].strip()
    if "${" in value:
        return "", "${…} is not expanded in such files: write the value, or put it in single quotes"
    return value, ""
