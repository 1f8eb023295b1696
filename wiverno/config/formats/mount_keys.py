"""Mounts in formats without tables: `static.NAME = /static=DIRECTORY` and `static.NAME.fallback = true`.

The keys of one layer become one value of the setting `static`, a list of tables, whose places are those of the keys.
NAME only groups the keys of a mount.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wiverno.config.errors import BadValue, Origin, Problem
from wiverno.config.fields.mount_types import mounts, parse_text
from wiverno.config.formats.document import Layer

SETTING = "static"
_KEY = re.compile(r"static\.([^.\s]+)(?:\.([^.\s]+))?")

Given = dict[str, tuple[object, Origin]]


def gather_mounts(layer: Layer, problems: list[Problem]) -> Layer:
    """Return a layer with its keys of mounts as one value; a mount's key beside the whole setting is a problem."""
    named: dict[str, Given] = {}
    for key, given in layer.items():
        if match := _KEY.fullmatch(key):
            named.setdefault(match[1], {})[match[2] or ""] = given
    if not named:
        return layer
    rest: Given = {key: given for key, given in layer.items() if not _KEY.fullmatch(key)}
    first = next(iter(next(iter(named.values())).values()))[1]
    if SETTING in rest:
        name = next(iter(named))
        problems.append(Problem(f"stands beside {SETTING}: use one of the two forms", first, f"{SETTING}.{name}"))
        return rest
    tables: list[object] = []
    items: list[tuple[str, Origin]] = []
    for number, keys in enumerate(named.values()):
        table, places = _make_table(keys)
        tables.append(table)
        items += [(f"{number}.{key}" if key else str(number), origin) for key, origin in places.items()]
    return rest | {SETTING: (tables, replace(first, items=tuple(items)))}


def _make_table(keys: Given) -> tuple[Mapping[str, object], dict[str, Origin]]:
    """Return one mount as a table, and the places of its keys; "" is the mount itself."""
    table: dict[str, object] = {}
    places = {"": next(iter(keys.values()))[1]}
    for key, (value, origin) in keys.items():
        if key:
            table[key] = value
            places[key] = origin
        else:
            found = parse_text(value) if isinstance(value, str) else {"path": value}
            table = found | table
            places |= dict.fromkeys(["", *found], origin) | {name: places[name] for name in places if name}
    return table, places


def mount_keys(value: Sequence[object]) -> dict[str, str]:
    """Return a list of mounts, as TOML has it, as keys of an INI section."""
    keys: dict[str, str] = {}
    for number, entry in enumerate(value, 1):
        table = dict(entry) if isinstance(entry, Mapping) else parse_text(str(entry))
        path, directory = table.pop("path", ""), table.pop("directory", "")
        keys[f"{SETTING}.{number}"] = f"{path}={directory}"
        for key, item in table.items():
            keys[f"{SETTING}.{number}.{key}"] = str(item).lower() if isinstance(item, bool) else str(item)
    return keys


def place_mounts(value: object, file: str) -> object:
    """Return mounts with directories that start from the file's place; what is no list of mounts stays as it is."""
    try:
        found = mounts().read(value)
    except BadValue:
        return value  # the model reports it
    return tuple(replace(mount, directory=os.path.join(os.path.dirname(file), mount.directory)) for mount in found)
