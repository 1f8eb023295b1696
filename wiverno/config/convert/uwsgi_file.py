"""Configurations of uWSGI as a list of options: INI, YAML, XML and JSON say the same things.

An option may be repeated, `-` and `_` are one character in its name, and no value is `true`. `$(NAME)` is a variable of
the environment, `%(name)` the value of an earlier option, `%d`, `%n` and others are parts of the file's name.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wiverno.config.convert.uwsgi_names import KNOWN
from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.formats.interpolation import escape
from wiverno.config.formats.text import template_hint

_INI: Final = re.compile(r"\s*\[uwsgi(?::[^\]]*)?\]", re.IGNORECASE)
_HEADER: Final = re.compile(r"\s*\[([^\]]*)\]")
_YAML: Final = re.compile(r"uwsgi\s*:\s*$", re.IGNORECASE)
_KEY: Final = re.compile(r"\s*([A-Za-z][\w.-]*)\s*(?:=\s*(.*?))?\s*")
_YAML_KEY: Final = re.compile(r"\s+(?:-\s+)?([A-Za-z][\w.-]*)\s*:\s*(.*?)\s*")
_VARIABLE: Final = re.compile(r"\$\(([A-Za-z_]\w*)\)")
_PLACEHOLDER: Final = re.compile(r"%\(([\w.-]+)\)|%([a-zA-Z%])")
_CONDITIONS: Final = re.compile(r"if(?:-?[a-z-]+)?|for(?:-(?:glob|times|readline))?")
_ENDS: Final = ("endif", "end-if", "endfor", "end-for")


@dataclass(frozen=True, slots=True)
class UwsgiOption:
    """One option: its name with `-`, its value as TOML text, its place, and the condition that it stands in."""

    name: str
    value: str
    origin: Origin
    condition: str = ""


def is_uwsgi(name: str, text: str) -> bool:
    """Return whether a file is a configuration of uWSGI."""
    suffix = Path(name).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return any(_YAML.match(line) for line in text.split("\n"))
    if suffix == ".xml" or text.lstrip().startswith("<"):
        return "<uwsgi" in text
    if suffix == ".json":
        return '"uwsgi"' in text
    lines = text.split("\n")
    return any(_INI.match(line) for line in lines) or (suffix != ".toml" and any(map(_YAML.match, lines)))


def read_uwsgi(name: str, text: str) -> list[UwsgiOption]:
    """Return the options of a configuration of uWSGI, in their order.

    Raises:
        ConfigError: it is not what its name or its first character says.
    """
    suffix = Path(name).suffix.lower()
    if suffix == ".json":
        raw = _read_json(name, text)
    elif suffix == ".xml" or text.lstrip().startswith("<"):
        raw = _read_xml(name, text)
    elif any(_INI.match(line) for line in text.split("\n")):
        raw = list(_read_ini(name, text))
    else:
        raw = list(_read_yaml(name, text))
    return list(_resolve(raw, Path(name)))


def command_option(name: str, value: str, position: str) -> UwsgiOption:
    """Return an option of a command line."""
    return UwsgiOption(name.replace("_", "-"), escape(value), Origin("option", text=position))


Raw = tuple[str, str, Origin]


def _read_ini(name: str, text: str) -> Iterator[Raw]:
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ";")):
            continue
        if header := _HEADER.match(line):
            # uWSGI reads [uwsgi] alone unless another section is named.
            inside = header[1].strip().lower() == "uwsgi"
            continue
        if not inside:
            continue
        match = _KEY.fullmatch(line)
        if match is None:
            origin = Origin("file", name, number, 1, line, len(stripped))
            raise ConfigError([Problem("is not key = value", origin, hint=template_hint(text))])
        yield match[1], "true" if match[2] is None else match[2], _origin(name, number, line, match[1])


def _read_yaml(name: str, text: str) -> Iterator[Raw]:
    """Read the flat YAML of uWSGI, which its own reader takes line by line: keys may be repeated."""
    inside, last = False, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith(("#", "---", "...")):
            continue
        if not line[0].isspace():
            inside = bool(_YAML.match(line))
            continue
        if not inside:
            continue
        match = _YAML_KEY.fullmatch(line)
        item = re.fullmatch(r"\s+-\s+(.*?)\s*", line)
        if match is None and item is not None and last:
            yield last, _unquote(item[1]), _origin(name, number, line, item[1])
        elif match is None:
            origin = Origin("file", name, number, 1, line, len(line))
            raise ConfigError([Problem("is not key: value", origin, hint=template_hint(text))])
        elif match[2]:
            yield match[1], _unquote(match[2]), _origin(name, number, line, match[1])
        last = match[1] if match is not None else last


def _unquote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return re.split(r"\s#", value, maxsplit=1)[0].strip()


def _read_xml(name: str, text: str) -> list[Raw]:
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise ConfigError([Problem(f"is no XML: {error}", Origin("file", name))]) from None
    found = root if root.tag == "uwsgi" else root.find("uwsgi")
    lines = text.split("\n")
    result = []
    for element in found if found is not None else ():
        if isinstance(element.tag, str):
            number = next((place for place, line in enumerate(lines, 1) if f"<{element.tag}" in line), None)
            origin = _origin(name, number, lines[number - 1], element.tag) if number else Origin("file", name)
            result.append((element.tag, (element.text or "").strip() or "true", origin))
    return result


def _read_json(name: str, text: str) -> list[Raw]:
    try:
        table = json.loads(text)["uwsgi"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigError([Problem(f"is no JSON of uWSGI: {reason}", Origin("file", name))]) from None
    result = []
    for key, value in table.items() if isinstance(table, dict) else ():
        for item in value if isinstance(value, list) else [value]:
            text_of = str(item).lower() if isinstance(item, bool) else str(item)
            result.append((str(key), text_of, Origin("file", name)))
    return result


def _origin(name: str, number: int, line: str, key: str) -> Origin:
    column = line.find(key) + 1
    return Origin("file", name, number, column, line, len(key), column, len(key))


def _resolve(raw: list[Raw], path: Path) -> Iterator[UwsgiOption]:
    """Give the options with their variables and placeholders replaced, and the condition that each stands in."""
    known: dict[str, str] = {}
    used = {match[1] for _, value, _ in raw for match in _PLACEHOLDER.finditer(value) if match[1] is not None}
    conditions: list[str] = []
    for written, value, origin in raw:
        name = written.replace("_", "-").lower()
        if name in _ENDS:
            del conditions[-1:]
            continue
        if _CONDITIONS.fullmatch(name):
            conditions.append(f"{name} = {value}")
            continue
        text = _expand(value, known, path)
        if name in ("set-placeholder", "set-ph", "set"):
            key, _, own = text.partition("=")
            known[key.strip()] = own.strip()
            continue
        known.setdefault(name, text)
        known.setdefault(written, text)
        if written not in used or name in KNOWN:  # else it is a name for %(…) only
            yield UwsgiOption(name, text, origin, " and ".join(conditions))


def _expand(value: str, known: dict[str, str], path: Path) -> str:
    """Return a value as TOML text: variables as `${NAME}`, placeholders replaced."""
    whole = path.absolute()
    parts = {
        "d": "${here}/", "n": path.stem, "s": path.name, "p": str(whole), "e": path.suffix.removeprefix("."),
        "c": whole.parent.name, "%": "%",
    }  # fmt: skip

    def replace(match: re.Match[str]) -> str:
        if match[1] is not None:
            return known.get(match[1], known.get(match[1].replace("_", "-"), match[0]))
        return parts.get(match[2], match[0])

    pieces: list[str] = []
    position = 0
    for match in _VARIABLE.finditer(value):
        pieces += [_PLACEHOLDER.sub(replace, escape(value[position : match.start()])), f"${{{match[1]}}}"]
        position = match.end()
    return "".join([*pieces, _PLACEHOLDER.sub(replace, escape(value[position:]))])
