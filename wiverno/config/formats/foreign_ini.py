"""INI files of another program: recognised, and reported with their keys."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wiverno.config.errors import Origin, Problem

KNOWN_SECTIONS = frozenset(
    ("server", "app", "application", "composite", "composit", "pipeline", "filter", "filter-app", "pserve",
     "loggers", "handlers", "formatters")
)  # fmt: skip
_UWSGI_HEADER = re.compile(r"\s*(?:\[uwsgi\]|uwsgi:|<uwsgi)", re.IGNORECASE)
_HEADER = re.compile(r"\s*\[")
_KEY = re.compile(r"\s*(?:<)?([A-Za-z][A-Za-z0-9_-]*)\s*(?:[=:>]|/>|$)")


def is_for_another_program(sections: Iterable[str]) -> bool:
    """Return whether none of an INI file's sections is known to wiverno or PasteDeploy."""
    return not any(section.partition(":")[0].strip() in KNOWN_SECTIONS for section in sections)


def foreign_file_problem(name: str, text: str, sections: Iterable[str]) -> Problem:
    """Return the problem of a file that is for another program."""
    if (uwsgi := find_uwsgi_problem(name, text)) is not None:
        return uwsgi
    found = ", ".join(f"[{section}]" for section in sections) or "[DEFAULT] alone"
    return Problem(f"has no section for wiverno (there: {found})", Origin("file", name), hint=_WANTED)


_WANTED = "a server's settings stand in [server:main], the application in [app:main]"


def find_uwsgi_problem(name: str, text: str) -> Problem | None:
    """Return the problem of a configuration for uWSGI, in INI, YAML or XML, with its keys; None if it is not one."""
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if _UWSGI_HEADER.match(line)), None)
    if start is None:
        return None
    found: dict[str, list[int]] = {}
    for number, line in enumerate(lines[start + 1 :], start + 2):
        if _HEADER.match(line) and not _UWSGI_HEADER.match(line):
            break
        if (key := _KEY.match(line)) and not line.lstrip().startswith(("#", ";")):
            found.setdefault(key[1], []).append(number)
    words = ", ".join(f"{key} ({_lines(numbers)})" for key, numbers in found.items()) or "nothing"
    header = lines[start].strip()
    origin = Origin("file", name, start + 1, lines[start].index(header) + 1, lines[start], len(header))
    message = "is a configuration for uWSGI, which wiverno does not read"
    hint = f"it sets {words}; wiverno config convert {name} writes them for wiverno"
    return Problem(message, origin, hint=hint)


def _lines(numbers: list[int]) -> str:
    return f"line{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
