"""The type of the setting `static`: mounts of directories, as TOML tables or as text.

    TOML    [[static]] path = "/static", directory = "public", fallback = true
    text    /static=public fallback=true     several: one after the other, or on lines of their own

A directory in a text may contain spaces: it ends where the next mount or one of its own keys begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from wiverno.config.errors import BadValue, did_you_mean
from wiverno.config.fields import units
from wiverno.config.fields.types import ValueType
from wiverno.static.mounts import Mount

_DEFAULTS = Mount("/", "")
KEYS = tuple(field.name for field in fields(Mount))
_OPTIONS = KEYS[2:]
_FLAGS = tuple(name for name in _OPTIONS if isinstance(getattr(_DEFAULTS, name), bool))

# Where another mount begins in a text, and where a key of this one does.
_NEXT_MOUNT = re.compile(r"(?:^|[\s,]+)(?=/[^\s=]*=)")
_NEXT_KEY = re.compile(rf"[\s,]+(?=(?:{'|'.join(_OPTIONS)})=)")
_PATH = re.compile(r"/(?:[^\s/?#%*\\]+(?:/[^\s/?#%*\\]+)*)?")
_HEADER_TEXT = re.compile(r"[\x20-\x7e]*")

_EXAMPLE = '[[static]] with path = "/static" and directory = "public"'


def mounts() -> ValueType:
    """Return the type of a list of mounts."""
    return ValueType(
        "mounts: a path and a directory each, as tables [[static]] or as text /static=DIRECTORY",
        lambda raw: _collect(_split_text(raw)),
        _read_list,
        text=lambda value: " ".join(map(_to_text, value)),
        native=lambda value: [_to_table(mount) for mount in value],
        schema={"anyOf": [{"type": "array", "items": {"anyOf": [_schema(), {"type": "string"}]}}, {"type": "string"}]},
        metavar="/PATH=DIRECTORY",
        examples=("/static=public", "/static=/srv/shop/static fallback=true"),
        is_list=True,
        array="static",
    )


def _split_text(raw: str) -> list[str]:
    text = raw.strip()
    found = [word for word in _NEXT_MOUNT.split(text) if word]
    if text and not text.startswith("/"):
        raise BadValue('expected a path with a slash, "=" and a directory', "write /static=DIRECTORY", part=found[0])
    return found


def _read_list(raw: object) -> tuple[Mount, ...]:
    if not isinstance(raw, list | tuple):
        raise BadValue("expected a list of tables", f"write {_EXAMPLE}")
    return _collect(raw)


def _collect(entries: Iterable[object]) -> tuple[Mount, ...]:
    found: list[Mount] = []
    for number, entry in enumerate(entries):
        mount = _read_item(entry, number)
        if any(mount.path == other.path for other in found):
            raise BadValue(f"{mount.path} is mounted twice", part=mount.path, item=f"{number}.path")
        found.append(mount)
    return tuple(found)


def _read_item(entry: object, number: int) -> Mount:
    if isinstance(entry, Mount):
        return entry
    if isinstance(entry, str):
        table: Mapping[str, Any] = parse_text(entry)
    elif isinstance(entry, Mapping):
        table = entry
    else:
        raise BadValue("expected a table with path and directory", f"write {_EXAMPLE}", part=entry, item=str(number))
    for key in table:
        if key not in KEYS:
            raise BadValue(
                f'"{key}" is no key of a mount', did_you_mean(str(key), KEYS) or f"there are {', '.join(KEYS)}",
                part=key, item=f"{number}.{key}",
            )  # fmt: skip
    for key in ("path", "directory"):
        if key not in table:
            raise BadValue(f"a mount needs a {key}", f"write {_EXAMPLE}", item=str(number))
    values = {}
    for key, value in table.items():
        try:
            values[key] = _READERS[key](value)
        except BadValue as error:
            raise BadValue(f"{key}: {error.message}", error.hint, part=value, item=f"{number}.{key}") from None
    return Mount(**values)


def parse_text(text: str) -> dict[str, Any]:
    """Return the table that a mount's text means; without "=" it has no directory."""
    first, *options = _NEXT_KEY.split(text.strip())
    path, equals, directory = first.partition("=")
    table: dict[str, Any] = {"path": path.strip()} | ({"directory": directory.strip()} if equals else {})
    for option in options:
        key, _, value = option.partition("=")
        table[key] = value.strip()
    return table


def _read_path(value: object) -> str:
    text = _read_text(value)
    if not text.startswith("/"):
        raise BadValue("expected a path that begins with a slash", f'write "/{text}"')
    path = text.rstrip("/") or "/"
    if not _PATH.fullmatch(path) or any(name in (".", "..") for name in path.split("/")):
        raise BadValue("expected a path such as /static: no empty parts, no dots, no ? # % * and no spaces")
    return path


def _read_directory(value: object) -> str:
    text = _read_text(value)
    if not text or "\0" in text:
        raise BadValue("expected the path of a directory")
    return text


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise BadValue("expected text", "write it in quotes")
    return value.strip()


def _read_cache_control(value: object) -> str:
    text = _read_text(value)
    if not _HEADER_TEXT.fullmatch(text):
        raise BadValue('expected directives such as "public, max-age=3600", or nothing')
    return text


def _read_index(value: object) -> str:
    text = _read_text(value)
    if "/" in text or "\\" in text or text.startswith("."):
        raise BadValue('expected the name of a file such as "index.html", or nothing')
    return text


def _read_flag(value: object) -> bool:
    if isinstance(value, str):
        return units.read_boolean(value)
    if not isinstance(value, bool):
        raise BadValue("expected true or false")
    return value


_READERS: dict[str, Callable[[object], Any]] = {
    "path": _read_path, "directory": _read_directory, "cache_control": _read_cache_control, "index": _read_index,
    **dict.fromkeys(_FLAGS, _read_flag),
}  # fmt: skip


def _to_table(mount: Mount) -> dict[str, Any]:
    """Return a mount as TOML says it: without what is the default."""
    table = {"path": mount.path, "directory": mount.directory}
    options = {name: getattr(mount, name) for name in _OPTIONS}
    return table | {name: value for name, value in options.items() if value != getattr(_DEFAULTS, name)}


def _to_text(mount: Mount) -> str:
    table = _to_table(mount)
    words = [f"{table.pop('path')}={table.pop('directory')}"]
    for name, value in table.items():
        words.append(f"{name}={str(value).lower() if isinstance(value, bool) else value}")
    return " ".join(words)


def _schema() -> dict[str, Any]:
    meanings = {
        "path": "Path below which the files are served.",
        "directory": "The directory; a relative one starts from the file's place.",
        "cache_control": "The Cache-Control field, empty for none.",
        "precompressed": "Send x.br, x.zst or x.gz for x to clients that accept it.",
        "immutable": "Let caches keep files with a hash in their names for a year.",
        "fallback": "Leave what is no file here to the application.",
        "index": "The file that answers for a directory, empty for none.",
        "follow_symlinks": "Also serve files outside that symbolic links lead to.",
    }
    properties: dict[str, Any] = {}
    for key in KEYS:
        shape: dict[str, Any] = {"type": "string"}
        if key in _FLAGS:
            shape = {"anyOf": [{"type": "boolean"}, {"type": "string"}]}
        if key in _OPTIONS:
            default = getattr(_DEFAULTS, key)
            shape["default"] = default
        properties[key] = shape | {"description": meanings[key]}
    return {
        "type": "object",
        "properties": properties,
        "required": ["path", "directory"],
        "additionalProperties": False,
    }
