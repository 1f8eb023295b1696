"""Logging in an INI file (logging.config.fileConfig) as a table for dictConfig, and back."""

from __future__ import annotations

import ast
import inspect
import logging.handlers
from collections.abc import Callable, Mapping
from typing import Any

from wiverno.config.errors import Origin
from wiverno.config.formats.ini_file import IniFile
from wiverno.config.formats.interpolation import escape

Note = Callable[[str, Origin, str], None]

PREFIXES = ("logger_", "handler_", "formatter_")
_NOWHERE = Origin("default")
_STREAMS = {"sys.stdout": "ext://sys.stdout", "sys.stderr": "ext://sys.stderr"}


def to_dict_config(source: IniFile, note: Note, expandable: Callable[[str], str]) -> dict[str, Any]:
    """Return the sections [loggers], [handlers], [formatters] and theirs as a table for dictConfig.

    Args:
        source: the file.
        note: gets what cannot be converted.
        expandable: turns a value of the file into one of TOML: `%(here)s` becomes a variable, `${…}` stays text.
    """
    table: dict[str, Any] = {}
    for name in _names(source, "formatters"):
        # fileConfig expands nothing in a formatter's section.
        keys = {key: escape(value) for key, value in _section(source, f"formatter_{name}").items()}
        table.setdefault("formatters", {})[name] = _formatter(keys)
    for name in _names(source, "handlers"):
        table.setdefault("handlers", {})[name] = _handler(source, f"handler_{name}", note, expandable)
    for name in _names(source, "loggers"):
        keys = _section(source, f"logger_{name}")
        logger: dict[str, Any] = {"level": keys["level"]} if keys.get("level") else {}
        logger["handlers"] = [word.strip() for word in keys.get("handlers", "").split(",") if word.strip()]
        if name == "root":
            table["root"] = logger
            continue
        if keys.get("propagate", "1").strip() == "0":
            logger["propagate"] = False
        table.setdefault("loggers", {})[keys.get("qualname", name)] = logger
    return table


def _names(source: IniFile, section: str) -> list[str]:
    words = _section(source, section).get("keys", "")
    return [word.strip() for word in words.split(",") if word.strip()]


def _section(source: IniFile, name: str) -> dict[str, str]:
    """Return a section's own keys as written: the % in formats is not an interpolation."""
    keys = [key for section, key in source.places if section == name and key]
    return {key: source.parser.get(name, key, raw=True) or "" for key in keys}


def _formatter(keys: Mapping[str, str]) -> dict[str, Any]:
    wanted = {"format": "format", "datefmt": "datefmt", "style": "style", "class": "class"}
    return {name: keys[key] for key, name in wanted.items() if keys.get(key)}


def _handler(source: IniFile, section: str, note: Note, expandable: Callable[[str], str]) -> dict[str, Any]:
    keys = {key: expandable(value) for key, value in _section(source, section).items()}
    name = keys.get("class", "StreamHandler")
    handler: dict[str, Any] = {"class": _class_path(name)}
    handler |= {key: keys[key] for key in ("level", "formatter") if keys.get(key)}
    try:
        arguments = _arguments(keys.get("args") or "()")
        named = _arguments(keys.get("kwargs") or "{}")
        parameters = list(inspect.signature(_class(name)).parameters)
        handler |= dict(zip(parameters, arguments, strict=False)) | dict(named)
    except (ValueError, SyntaxError, TypeError, AttributeError):
        origin = source.origin(section, "args")
        note("is an expression that cannot be carried; name the handler's arguments here", origin, f"{section}.args")
    return handler


def _class(name: str) -> Any:
    found: Any = logging
    for part in name.removeprefix("logging.").split("."):
        found = getattr(found, part)
    return found


def _class_path(name: str) -> str:
    """Return a class's path for dictConfig; fileConfig looks into `logging` first."""
    head = name.partition(".")[0]
    return f"logging.{name}" if hasattr(logging, head) else name


def _arguments(text: str) -> Any:
    """Return the values of an `args` or `kwargs` expression: literals and the standard streams."""
    tree = ast.parse(text.strip(), mode="eval")

    class Streams(ast.NodeTransformer):
        """Replaces sys.stderr and sys.stdout by their names for dictConfig."""

        def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
            """Return a stream's name as text."""
            return ast.Constant(_STREAMS[ast.unparse(node)]) if ast.unparse(node) in _STREAMS else node

    return ast.literal_eval(Streams().visit(tree).body)


def to_sections(table: Mapping[str, Any], note: Note) -> list[tuple[str, dict[str, str]]]:
    """Return a table for dictConfig as sections for fileConfig."""
    for key in ("filters", "incremental"):
        if key in table:
            note("fileConfig has no such thing", _NOWHERE, f"logging.{key}")
    formatters, handlers = table.get("formatters", {}), table.get("handlers", {})
    loggers = {"root": table.get("root", {})} | dict(table.get("loggers", {}))
    names = {qualname: _plain(qualname) for qualname in loggers}
    sections = [
        ("loggers", {"keys": ", ".join(names.values())}),
        ("handlers", {"keys": ", ".join(handlers)}),
        ("formatters", {"keys": ", ".join(formatters)}),
    ]
    for qualname, logger in loggers.items():
        keys = {"level": str(logger.get("level", "NOTSET")), "handlers": ", ".join(logger.get("handlers", []))}
        if qualname != "root":
            keys |= {"qualname": qualname, "propagate": "1" if logger.get("propagate", True) else "0"}
        sections.append((f"logger_{names[qualname]}", keys))
    sections += [(f"handler_{name}", _handler_keys(handler)) for name, handler in handlers.items()]
    for name, formatter in formatters.items():
        sections.append((f"formatter_{name}", {key: str(value) for key, value in formatter.items()}))
    return sections


def _plain(qualname: str) -> str:
    return qualname.replace(".", "_")


def _handler_keys(handler: Mapping[str, Any]) -> dict[str, str]:
    keys = {"class": str(handler.get("class", "logging.StreamHandler")).removeprefix("logging.")}
    keys |= {key: str(handler[key]) for key in ("level", "formatter") if key in handler}
    named = {key: value for key, value in handler.items() if key not in ("class", "level", "formatter", "filters")}
    arguments = ", ".join(f"{key!r}: {_expression(value)}" for key, value in named.items())
    return keys | {"args": "()"} | ({"kwargs": f"{{{arguments}}}"} if named else {})


def _expression(value: object) -> str:
    streams = {text: name for name, text in _STREAMS.items()}
    return streams.get(value, repr(value)) if isinstance(value, str) else repr(value)
