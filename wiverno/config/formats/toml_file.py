"""A TOML file and the files it extends: read, merged table by table, checked for their structure.

    [app] [[middleware]] [server] [[static]] [pserve] [logging]   ["app:NAME"] ["server:NAME"]   extends = "base.toml"

Tables of other tools are kept. A server's settings are not interpreted here: they become layers.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from wiverno.config.errors import ConfigError, Origin, Problem, did_you_mean
from wiverno.config.formats.document import AppSpec, Contents, Expander
from wiverno.config.formats.foreign_ini import find_uwsgi_problem
from wiverno.config.formats.locations import Place, toml_places
from wiverno.config.formats.text import read_text, template_hint
from wiverno.config.settings import ALIASES, SETTINGS
from wiverno.redaction import mask_line

OWN_TABLES = ("app", "middleware", "server", "static", "pserve", "logging")
FOREIGN_TABLES = ("pshell", "prequest", "proutes", "ptweens", "pviews", "tool")
_APP_KEYS = ("use", "factory", "settings")
_LOGGING_KEYS = (
    "version", "disable_existing_loggers", "incremental", "formatters", "filters", "handlers", "loggers", "root",
)  # fmt: skip

_SYNTAX_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_WINDOWS_PATH = re.compile(r'"([A-Za-z]:\\[^"\']*)"')
_BARE_UNIT = re.compile(r"=\s*([0-9.]+\s*[A-Za-z]+)\s*(?:#.*)?$")
_BARE_WORD = re.compile(r"=\s*([A-Za-z/*][^\s#\"']*)\s*(?:#.*)?$")


class TomlDocument:
    """One TOML text, parsed, with the places of its keys."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text_lines = text.split("\n")
        self.text = text
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # TOMLDecodeError, a number of thousands of digits, brackets
            raise ConfigError([find_uwsgi_problem(name, text) or self._syntax_problem(str(error))]) from None

    @cached_property
    def places(self) -> dict[tuple[str | int, ...], Place]:
        """The place of every key."""
        return toml_places(self.text)

    def origin(self, *path: str | int) -> Origin:
        """Return the place of a path, or of the nearest table around it."""
        while path:
            place = self.places.get(path)
            if place is not None:
                return self._at(place)
            path = path[:-1]
        return Origin("file", self.name)

    def list_origin(self, value: object, *path: str | int) -> Origin:
        """Return the place of a value, with the places of its items if it is an array or a table."""
        origin = self.origin(*path)
        if isinstance(value, dict):
            return replace(origin, items=tuple((key, self.origin(*path, key)) for key in value))
        if not isinstance(value, list):
            return origin
        places: list[tuple[str, Place | None]] = []
        for number, item in enumerate(value):
            if isinstance(item, dict):
                places.append((str(number), self.places.get((*path, number))))
                places += [(f"{number}.{key}", self.places.get((*path, number, key))) for key in item]
            else:
                places.append((str(item), self.places.get((*path, number))))
        return replace(origin, items=tuple((name, self._at(place)) for name, place in places if place is not None))

    def table_origin(self, value: object, name: str) -> Origin:
        """Return the place of an array of tables: its first table, with the places of all."""
        found = self.list_origin(value, name)
        return found if found.line else replace(self.origin(name, 0), items=found.items)

    def _at(self, place: Place) -> Origin:
        line = self.text_lines[place.line - 1].rstrip("\r")
        return Origin("file", self.name, place.line, place.column, line, place.width, place.key_column, place.key_width)

    def _syntax_problem(self, message: str) -> Problem:
        """Return tomllib's error with its line, and a hint at what was probably meant."""
        match = _SYNTAX_PLACE.fullmatch(message)
        if match is None:
            return Problem(f"is no TOML: {message}", Origin("file", self.name))
        number = int(match[2]) if match[2] else len(self.text.rstrip().split("\n"))
        line = self.text_lines[number - 1].rstrip("\r")
        column = int(match[3]) if match[3] else len(line) + 1
        origin = Origin("file", self.name, number, column, line, 1)
        if mask_line(line) != line:
            # The hint would repeat the secret value.
            return Problem("is no TOML: the value is written wrongly", origin, hint="write text in quotes")
        what = match[1][:1].lower() + match[1][1:]
        return Problem(f"is no TOML: {what}", origin, hint=_syntax_hint(line) or template_hint(self.text))


def _syntax_hint(line: str) -> str | None:
    if path := _WINDOWS_PATH.search(line):
        return f"write a path of Windows in single quotes: '{path[1]}'"
    if unit := _BARE_UNIT.search(line):
        return f'write durations and sizes in quotes: "{unit[1]}"'
    if word := _BARE_WORD.search(line):
        if word[1].lower() in ("true", "false", "yes", "no", "on", "off"):
            return "TOML's booleans are true and false, in lower case"
        return f'write text in quotes: "{word[1]}"'
    if re.match(r"\s*\[[^\]\"]*:[^\]\"]*\]", line):
        return "write a name with a colon in quotes: " + re.sub(r"\[\s*([^\]]*?)\s*\]", r'["\1"]', line.strip())
    return None


class TomlFile:
    """A TOML file with its bases: `documents` has the child first."""

    format: ClassVar[Literal["toml"]] = "toml"

    def __init__(self, documents: list[TomlDocument], files: tuple[Path, ...]) -> None:
        self.documents = documents
        self.files = files
        self.data: dict[str, Any] = {}
        for document in reversed(documents):
            self.data = _merge(self.data, document.data)
        self.data.pop("extends", None)

    def origin(self, *path: str | int) -> Origin:
        """Return the place of a path in the nearest document that has it."""
        for document in self.documents:
            if path in document.places:
                return document.origin(*path)
        return self.documents[0].origin(*path)

    def contents(self, server_name: str, app_name: str, expander: Expander) -> Contents:
        """Return the file's contents for one server and one application."""
        problems = expander.problems
        problems += self.unknown_tables()
        servers, apps = self.names("server"), self.names("app")
        tables = {name: self.data[name] for name in self.data if name in FOREIGN_TABLES}
        logging = self._table("logging", problems)
        return Contents(
            files=self.files,
            texts={document.name: document.text for document in self.documents},
            has_server=server_name in servers,
            layers=self.server_layers(self._find_key("server", server_name, servers, problems)),
            app=self._app(self._find_key("app", app_name, apps, problems), expander),
            middleware=self._middleware(expander),
            logging=None if logging is None else self._logging(logging, expander),
            pserve=expander.tree(self._table("pserve", problems) or {}, ("pserve",), self.origin),
            tables=tables,
        )

    def names(self, kind: str) -> dict[str, str]:
        """Return the tables of a kind: "main" for [server], "x" for ["server:x"]; the values are the tables' keys."""
        names = {"main": kind} if kind in self.data else {}
        prefix = kind + ":"
        return names | {key.removeprefix(prefix).strip(): key for key in self.data if key.startswith(prefix)}

    def _find_key(self, kind: str, name: str, names: Mapping[str, str], problems: list[Problem]) -> str | None:
        """Return the key of the requested table; the main one may be missing."""
        if name not in names and name != "main":
            there = ", ".join(sorted(names)) or "none"
            message = f'there is no ["{kind}:{name}"] (there: {there})'
            problems.append(Problem(message, Origin("file", self.documents[0].name), hint=did_you_mean(name, names)))
        key = names.get(name)
        return key if key is not None and self._table(key, problems) is not None else None

    def server_layers(self, table: str | None) -> tuple[dict[str, tuple[object, Origin]], ...]:
        """Return the settings of one server's table and of [[static]], one layer a document, nearest first."""
        layers = []
        for document in self.documents:
            found = document.data.get(table) if table is not None else None
            layer: dict[str, tuple[object, Origin]] = {}
            if (mounts := document.data.get("static")) is not None:
                layer["static"] = mounts, document.table_origin(mounts, "static")
            if isinstance(found, dict):
                layer |= {key: (value, document.list_origin(value, table or "", key)) for key, value in found.items()}
            if layer:
                layers.append(layer)
        return tuple(layers)

    def _table(self, name: str, problems: list[Problem]) -> Mapping[str, Any] | None:
        value = self.data.get(name)
        if value is None or isinstance(value, dict):
            return value
        problems.append(Problem("expected a table", self.origin(name), name, value, hint=f"write [{name}]"))
        return None

    def _app(self, name: str | None, expander: Expander) -> AppSpec | None:
        return None if name is None else self._spec(self.data[name], (name,), expander)

    def _middleware(self, expander: Expander) -> tuple[AppSpec, ...]:
        entries = self.data.get("middleware", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            origin = self.origin("middleware")
            expander.problems.append(Problem("expected tables", origin, "middleware", hint="write [[middleware]]"))
            return ()
        specs = (self._spec(entry, ("middleware", number), expander) for number, entry in enumerate(entries))
        return tuple(spec for spec in specs if spec is not None)

    def _spec(self, table: Mapping[str, Any], path: tuple[str | int, ...], expander: Expander) -> AppSpec | None:
        """Return the application or middleware that a table describes."""
        problems, label = expander.problems, str(path[0])
        for key in table:
            if key not in _APP_KEYS:
                hint = did_you_mean(key, _APP_KEYS) or f"the application's own settings stand in [{label}.settings]"
                problems.append(
                    Problem("unknown key", self.origin(*path, key), f"{label}.{key}", hint=hint, about="key")
                )
        use, factory, settings = table.get("use"), table.get("factory", False), table.get("settings", {})
        if not isinstance(factory, bool):
            origin = self.origin(*path, "factory")
            problems.append(Problem("expected true or false", origin, f"{label}.factory", factory))
        if not isinstance(settings, dict):
            origin = self.origin(*path, "settings")
            problems.append(Problem("expected a table", origin, f"{label}.settings", settings))
        if not isinstance(use, str) or not use.strip():
            message = 'expected "module:attribute" or a Paste expression (egg:, call:, config:)'
            origin = self.origin(*path, "use") if "use" in table else self.origin(*path)
            problems.append(Problem(message, origin, f"{label}.use", use))
            return None
        origin = self.origin(*path, "use")
        expanded = expander.tree(settings, (*path, "settings"), self.origin)
        places = {".".join(inner): self.origin(*path, "settings", *inner) for inner in list_leaves(settings)}
        return AppSpec(expander.text(use, f"{label}.use", origin), factory is True, expanded, origin, settings, places)

    def _logging(self, table: Mapping[str, Any], expander: Expander) -> dict[str, Any]:
        """Return the table in the form that logging.config.dictConfig takes."""
        for key in table:
            if key not in _LOGGING_KEYS:
                hint = did_you_mean(key, _LOGGING_KEYS)
                origin = self.origin("logging", key)
                expander.problems.append(Problem("unknown key", origin, f"logging.{key}", hint=hint, about="key"))
        expanded: dict[str, Any] = expander.tree(table, ("logging",), self.origin)
        return {"version": 1, "disable_existing_loggers": False} | expanded

    def unknown_tables(self) -> list[Problem]:
        """Return the unknown top-level names; a setting among them stands outside of its table."""
        found = []
        for key in self.data:
            if key in OWN_TABLES or key in FOREIGN_TABLES or key.partition(":")[0] in ("app", "server"):
                continue
            if key in SETTINGS or key in ALIASES:
                hint: str | None = "a server's settings stand in [server]"
            else:
                hint = did_you_mean(key, (*OWN_TABLES, "extends"))
            found.append(Problem("unknown table or key", self.origin(key), key, hint=hint, about="key"))
        return found


def read_toml(name: str, text: str | None = None, *, on_disk: bool = True) -> TomlFile:
    """Return a TOML file with everything it extends.

    Args:
        name: the path, relative to the working directory; it stays in messages as it is.
        text: the text if it was read already.
        on_disk: whether `name` is a file, not standard input.

    Raises:
        ConfigError: a file is missing or not TOML, or files extend one another in a circle.
    """
    documents: list[TomlDocument] = []
    paths: list[Path] = []
    source: Origin | None = None
    while True:
        path = Path(name)
        if path.resolve() in [other.resolve() for other in paths]:
            raise ConfigError([Problem(f"{name} extends itself", source or Origin("file", name), "extends")])
        documents.append(TomlDocument(name, read_text(name, source) if text is None else text))
        if text is None or on_disk:
            paths.append(path)
        text, on_disk = None, True
        base = documents[-1].data.get("extends")
        if base is None:
            return TomlFile(documents, tuple(paths))
        source = documents[-1].origin("extends")
        if not isinstance(base, str) or not base:
            raise ConfigError([Problem("expected the path of a TOML file", source, "extends", base)])
        name = str(path.parent / base)


def list_leaves(table: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the paths of all values in a table that are not tables."""
    found: list[tuple[str, ...]] = []
    for key, value in table.items():
        inner = list_leaves(value) if isinstance(value, dict) else [()]
        found += [(key, *path) for path in inner]
    return found


def _merge(base: Mapping[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """Return base and child together: tables merge key by key, arrays and values of the child replace."""
    result = dict(base)
    for key, value in child.items():
        below = result.get(key)
        result[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
