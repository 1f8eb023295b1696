"""The contents of a configuration file, independent of its format: two readers fill them, the loader merges them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from wiverno.config.errors import DEFAULT, BadValue, Origin, Problem, did_you_mean
from wiverno.config.formats.interpolation import Lookup, expand

Layer = Mapping[str, tuple[object, Origin]]
"""One source of settings: name → (value as written, where it was written)."""

# The names of this project's Paste entry points in `use`; any other name is another server.
_OUR_SERVER = re.compile(
    r"(?:egg:)?wiverno(?:#(main|threaded|simple))?|(?:call:)?wiverno(?:\.paste|\.serving)?:(?:server_factory|serve_paste|(simple)_factory)",
    re.IGNORECASE,
)
# waitress's section is accepted as it is: each of its names is a setting of wiverno.
_WAITRESS = re.compile(r"(?:egg:)?waitress(?:#main)?|(?:call:)?waitress:serve_paste", re.IGNORECASE)


@dataclass(frozen=True)
class AppSpec:
    """An application or middleware as a configuration names it.

    `use` is `module:attribute` or a Paste expression (egg:, call:, config:); `factory` says that the attribute makes
    the application from `settings`. `raw_settings` are the settings as written, with their `${…}`; `places` has the
    origin of each by its dotted name.
    """

    use: str
    factory: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = DEFAULT
    raw_settings: Mapping[str, Any] = field(default_factory=dict, compare=False)
    places: Mapping[str, Origin] = field(default_factory=dict, compare=False)


class LoggingIni(NamedTuple):
    """Logging in an INI file, for fileConfig: the file's text, and what `%(…)s` finds there beside [DEFAULT]."""

    name: str
    text: str
    variables: Mapping[str, str]


@dataclass(frozen=True, eq=False, repr=False)
class Contents:
    """One file and the files it is built on.

    `texts` are the files' texts by name. `layers` are the sections of the requested server, nearest first; `has_server`
    says that there is such a section. `logging` is ready for dictConfig; `logging_ini`
    is the text to give to fileConfig instead. `tables` belong to other tools.
    """

    files: tuple[Path, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    has_server: bool = False
    layers: tuple[Layer, ...] = ()
    app: AppSpec | None = None
    middleware: tuple[AppSpec, ...] = ()
    logging: Mapping[str, Any] | None = None
    logging_ini: LoggingIni | None = None
    pserve: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_server_mode(use: str) -> str | None:
    """Return the mode that `use` of a server's section names, "" if it names none, None if it is another server's."""
    match = _OUR_SERVER.fullmatch(use.strip())
    if match is None:
        return None
    return {"simple": "simple", "threaded": "threaded"}.get((match[1] or match[2] or "").lower(), "")


def read_run_mode(use: str) -> str | None:
    """Return the same for `wiverno run`, which accepts waitress's section too."""
    return "" if _WAITRESS.fullmatch(use.strip()) else read_server_mode(use)


def other_server_problem(use: str, origin: Origin) -> Problem:
    """Return the problem of another server's section: its keys must not be ignored in silence."""
    if use.strip().lower().startswith(("egg:wiverno", "wiverno")):
        message = "there is no such server of wiverno"
        hint = did_you_mean(use, ("egg:wiverno#main", "egg:wiverno#threaded", "egg:wiverno#simple"))
        return Problem(message, origin, "use", use, hint=hint)
    hint = f"wiverno config convert {origin.file or 'FILE'} writes a section for wiverno"
    return Problem("is another server, whose settings wiverno does not read", origin, "use", use, hint=hint)


@dataclass(frozen=True, eq=False, repr=False)
class Expander:
    """Expands `${…}` in the values of one file; keeps the problems, and the files that were inserted (see `expand`)."""

    lookup: Lookup
    directory: Path
    problems: list[Problem]
    inserted: dict[str, str] = field(default_factory=dict)

    def text(self, text: str, key: str, origin: Origin) -> str:
        """Return the expanded text, or the text itself after adding a problem."""
        try:
            return expand(text, self.lookup, self.directory, self.inserted)
        except BadValue as error:
            self.problems.append(Problem(error.message, origin, key, hint=error.hint))
            return text

    def tree(self, value: Any, path: tuple[str | int, ...], origin_of: Callable[..., Origin]) -> Any:
        """Return tables and arrays with every text in them expanded; `origin_of` gives a path's place."""
        if isinstance(value, Mapping):
            return {key: self.tree(inner, (*path, key), origin_of) for key, inner in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self.tree(inner, (*path, index), origin_of) for index, inner in enumerate(value)]
        if isinstance(value, str):
            return self.text(value, ".".join(map(str, path)), origin_of(*path))
        return value


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with dotted names, as Paste's factories get them."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
