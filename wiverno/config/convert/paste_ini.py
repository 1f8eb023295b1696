"""INI files of PasteDeploy in the shape of a TOML configuration, and back.

Their meanings differ: an INI application gets text, `%(name)s` and no `${…}`; a TOML one gets native values and `${…}`.
`note` gets every setting whose meaning changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from wiverno.config.convert import logging_ini
from wiverno.config.errors import Origin, Problem
from wiverno.config.formats.ini_file import APP_SECTIONS, PSERVE_LISTS, IniFile
from wiverno.config.formats.interpolation import escape, is_expandable, unescape
from wiverno.config.formats.mount_keys import mount_keys
from wiverno.config.settings import SETTINGS

Note = Callable[[str, Origin, str], None]

_REFERENCE = re.compile(r"%%|%\(([^)]+)\)s")
_SCHEMES = ("egg:", "call:", "config:")
_NOWHERE = Origin("default")


def read_applications(source: IniFile, note: Note) -> dict[str, Any]:
    """Return the applications and middleware of an INI file: [app:…], and [pipeline:…] with its filters."""
    document: dict[str, Any] = {}
    for name, section in source.names("app").items():
        key = "app" if name == "main" else f"app:{name}"
        kind = section.partition(":")[0]
        if kind in ("app", "application"):
            document[key] = _component(source, section, note)
        elif kind == "pipeline" and name == "main":
            document |= _pipeline(source, section, note)
        else:
            document[key] = {"use": f"config:{source.name}#{name}"}
            note(f"[{section}] stays in the INI file, which the application is loaded from", source.origin(section), "")
    used = set(document)
    return {key: table for key, table in document.items() if key in used}


def _pipeline(source: IniFile, section: str, note: Note) -> dict[str, Any]:
    """Return a pipeline as middleware around an application."""
    problems: list[Problem] = []
    words = source.section(section, problems).get("pipeline", ("", _NOWHERE))[0].split()
    filters, apps = source.names_of("filter"), source.names("app")
    names, app = words[:-1], words[-1] if words else ""
    if app not in apps or any(name not in filters for name in names):
        note("has parts that are not in this file, so it stays there", source.origin(section), section)
        return {"app": {"use": f"config:{source.name}#main"}}
    middleware = [_component(source, filters[name], note) for name in names]
    return {"app": _component(source, apps[app], note)} | ({"middleware": middleware} if middleware else {})


def _component(source: IniFile, section: str, note: Note) -> dict[str, Any]:
    """Return the table of an application or a filter."""
    table: dict[str, Any] = {"use": ""}
    settings: dict[str, Any] = {}
    for owner, key in source.places:
        if owner != section or not key:
            continue
        origin = source.origin(section, key)
        value = source.parser.get(section, key, raw=True) or ""
        if key == "use":
            use = value if value.lower().startswith(_SCHEMES) else f"config:{source.name}#{value}"
            table["use"] = expandable(source, use)
        elif key in ("filter-with", "require") or key.startswith(("set ", "get ", "paste.")):
            note("has no counterpart in TOML", origin, key)
        else:
            settings[key] = expandable(source, value)
    if table["use"].partition("#")[0].lower() == "egg:wiverno" and "app" in settings:
        table["use"] = settings.pop("app")
        if str(settings.pop("factory", "false")).lower() in ("true", "t", "yes", "y", "on", "1"):
            table["factory"] = True
    if not table["use"]:
        table["use"] = f"config:{source.name}#{section.partition(':')[2].strip() or 'main'}"
    return table | ({"settings": settings} if settings else {})


def expandable(source: IniFile, value: str, *, is_server: bool = False) -> str:
    """Return a raw INI value for TOML: `%(name)s` becomes `${name:-default}`.

    In a server's section `${…}` means the same in both; in an application's it would be new: there a `$` stays a `$`.
    """
    keep = str if is_server else escape
    parts: list[str] = []
    # The text between references is escaped as a whole; "%%" is one percent sign in it.
    between, position = "", 0
    for match in _REFERENCE.finditer(value):
        between += value[position : match.start()]
        position = match.end()
        if match[1] is None:
            between += "%"
            continue
        kept = keep(between)
        if (len(kept) - len(kept.rstrip("$"))) % 2:
            kept += "$"  # else the last one and the reference would make "$$"
        parts += [kept, _reference(source, match[1], keep)]
        between = ""
    return "".join([*parts, keep(between + value[position:])])


def _reference(source: IniFile, name: str, keep: Callable[[str], str]) -> str:
    if name in ("here", "__file__") or name not in source.default_names:
        return f"${{{name}}}"
    default = source.variables_in_reach.get(name, "")
    return keep(default) if "}" in default or "${" in default else f"${{{name}:-{default}}}"


def read_other_sections(source: IniFile, note: Note) -> dict[str, Any]:
    """Return [pserve] and logging; sections of other tools get a note, and so does [DEFAULT]."""
    problems: list[Problem] = []
    document: dict[str, Any] = {}
    for section in source.parser.sections():
        kind = section.partition(":")[0]
        if section == "pserve":
            document["pserve"] = _pserve(source, problems)
        elif kind in (*APP_SECTIONS, "server", "filter"):
            continue
        elif section not in ("loggers", "handlers", "formatters") and not section.startswith(logging_ini.PREFIXES):
            note("belongs to another tool and was left out", source.origin(section), section)
    for key in source.default_names:
        note("is global configuration for Paste's factories, which TOML has not", source.origin("DEFAULT", key), key)
    if source.parser.has_section("loggers"):
        document["logging"] = logging_ini.to_dict_config(source, note, lambda value: expandable(source, value))
    return document


def _pserve(source: IniFile, problems: list[Problem]) -> dict[str, Any]:
    """Return [pserve] with references to the file's directory, not with this machine's directories."""
    found = {key: expandable(source, value) for key, (value, _) in source.section("pserve", problems, raw=True).items()}
    return {key: value.split() if key in PSERVE_LISTS else value for key, value in found.items()}


def to_ini(document: Mapping[str, Any], note: Note) -> str:
    """Return a document in the shape of a TOML configuration as INI text."""
    sections: list[tuple[str, dict[str, str]]] = []
    middleware = document.get("middleware", [])
    for key, table in document.items():
        kind, _, name = key.partition(":")
        if kind == "app":
            sections += _app_sections(name or "main", table, middleware if key == "app" else [], note)
        elif kind == "server":
            sections.append((f"server:{name or 'main'}", _server_section(table)))
        elif key == "pserve":
            sections.append((key, {name: _words(value) for name, value in table.items()}))
        elif key == "logging":
            sections += logging_ini.to_sections(table, note)
        elif key != "middleware":
            note("belongs to another tool and was left out", _NOWHERE, key)
    return "\n".join(_section_text(name, keys) for name, keys in sections)


def _section_text(name: str, keys: Mapping[str, str]) -> str:
    lines = [f"[{name}]"]
    for key, value in keys.items():
        lines.append(f"{key} = {value}".rstrip() if "\n" not in value else f"{key} =" + value.replace("\n", "\n    "))
    return "\n".join([*lines, ""])


def _server_section(table: Mapping[str, Any]) -> dict[str, str]:
    keys = {"use": str(table.get("use", "egg:wiverno"))}
    for name, value in table.items():
        if name == "use":
            continue
        if name == "static" and isinstance(value, list):
            keys |= {key: text.replace("%", "%%") for key, text in mount_keys(value).items()}
            continue
        entry = SETTINGS.get(name)
        plain = isinstance(value, str) or entry is None
        if isinstance(value, list):
            text = "\n" + "\n".join(str(item) for item in value) if len(value) > 1 else "".join(map(str, value))
        else:
            text = str(value) if plain or entry is None else entry.type.text(entry.type.read(value))
        keys[name] = text.replace("%", "%%")
    return keys


def _app_sections(
    name: str, table: Mapping[str, Any], middleware: list[Mapping[str, Any]], note: Note
) -> list[tuple[str, dict[str, str]]]:
    """Return [app:…], or with middleware [pipeline:…], its filters and the application under another name."""
    filters: list[tuple[str, dict[str, str]]] = []
    for number, entry in enumerate(middleware, 1):
        if not str(entry["use"]).lower().startswith(_SCHEMES):
            note(f'"{entry["use"]}" is no Paste filter (egg: or call:) and was left out', _NOWHERE, "middleware")
            continue
        keys = {"use": str(entry["use"])} | _to_texts(entry.get("settings", {}), note, f"middleware.{number}")
        filters.append((f"filter:filter{number}", keys))
    keys = _app_keys(table, note)
    if not filters:
        return [(f"app:{name}", keys)]
    pipeline = " ".join([*(section.partition(":")[2] for section, _ in filters), "application"])
    return [(f"pipeline:{name}", {"pipeline": pipeline}), *filters, ("app:application", keys)]


def _app_keys(table: Mapping[str, Any], note: Note) -> dict[str, str]:
    use = str(table["use"])
    if use.lower().startswith(_SCHEMES):
        keys = {"use": use}
    else:
        keys = {"use": "egg:wiverno", "app": use} | ({"factory": "true"} if table.get("factory") else {})
    return keys | _to_texts(table.get("settings", {}), note, "app.settings")


def _to_texts(settings: Mapping[str, Any], note: Note, label: str, before: str = "") -> dict[str, str]:
    """Return settings as INI texts: nested tables with dotted names, every value that was not text with a note."""
    keys: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            keys |= _to_texts(value, note, label, f"{before}{name}.")
            continue
        literal = unescape(value) if isinstance(value, str) else None
        if isinstance(value, str) and literal is not None:
            keys[before + name] = literal.replace("%", "%%")
            continue
        if is_expandable(value):
            note("the application gets ${…} as it is: Paste does not expand it", _NOWHERE, f"{label}.{before}{name}")
        elif not isinstance(value, str):
            note("becomes text, as everything in INI", _NOWHERE, f"{label}.{before}{name}")
        keys[before + name] = _words(value).replace("%", "%%")
    return keys


def _words(value: object) -> str:
    if isinstance(value, list):
        return " ".join(_words(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
