"""The JSON Schema of a TOML configuration, for editors: the model's own schema inside the tables of the file.

Every text may hold `${…}`, so each setting also accepts text with one.
"""

from __future__ import annotations

import json
from typing import Any

from wiverno.config.formats.toml_file import FOREIGN_TABLES
from wiverno.config.settings import ALIASES, SETTINGS, Adjustments

_APP = {"$ref": "#/definitions/app"}
_SERVER = {"$ref": "#/definitions/server"}
_EXPANDED = {"type": "string", "pattern": r"\$\{"}


def schema() -> dict[str, Any]:
    """Return the schema as data."""
    anything = {"type": "object", "additionalProperties": True}
    properties: dict[str, Any] = {
        "extends": {"type": "string", "description": "A TOML file that this one is built on; its path starts here."},
        "app": _APP,
        "middleware": {"type": "array", "items": _APP, "description": "The first is the outermost."},
        "server": _SERVER,
        "static": {"$ref": "#/definitions/server/properties/static"},
        "logging": anything | {"description": "For logging.config.dictConfig; version = 1 is implied."},
        "pserve": anything | {"description": "What pserve itself reads: watch_files, ignore_files, open_url."},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "wiverno configuration",
        "type": "object",
        "properties": properties | dict.fromkeys(FOREIGN_TABLES, anything),
        "patternProperties": {"^app:": _APP, "^server:": _SERVER},
        "additionalProperties": False,
        "definitions": {"app": _application(), "server": _server()},
    }


def schema_text() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _application() -> dict[str, Any]:
    use = "module:attribute, or a Paste expression: egg:Dist#name, call:module:function, config:other.ini#name"
    return {
        "type": "object",
        "description": "An application or middleware.",
        "properties": {
            "use": {"type": "string", "description": use},
            "factory": {"type": "boolean", "description": "The attribute makes the application from the settings."},
            "settings": {
                "type": "object",
                "additionalProperties": True,
                "description": "What the application is given.",
            },
        },
        "required": ["use"],
        "additionalProperties": False,
    }


def _server() -> dict[str, Any]:
    """Return the schema of a server's table: the model's schema, adapted to files."""
    model = Adjustments.model_json_schema()["properties"]
    properties: dict[str, Any] = {
        "use": {"type": "string", "description": "The server, if it is not wiverno; egg:wiverno#simple is RunServer."}
    }
    for name, entry in SETTINGS.items():
        if entry.code_only:
            continue
        describe = _setting(model[name])
        describe["description"] = f"{entry.meaning} Default: {entry.default_text}."
        if entry.inert:
            describe["deprecated"] = True
        properties[name] = describe
    properties |= {alias: properties[name] for alias, name in ALIASES.items()}
    about = "A server; every setting is also a WIVERNO_ variable and an option."
    return {"type": "object", "description": about, "properties": properties, "additionalProperties": False}


def _setting(found: dict[str, Any]) -> dict[str, Any]:
    shapes = _in_order(found.get("anyOf", ())) or [{k: found[k] for k in ("type", "enum", "pattern") if k in found}]
    if {"type": "string"} in shapes:
        return {"anyOf": shapes} if len(shapes) > 1 else dict(shapes[0])
    return {"anyOf": [*shapes, _EXPANDED]}


def _in_order(shape: Any) -> Any:
    """Return a schema with its keys sorted, so that another order of declaration leaves the file as it is."""
    if isinstance(shape, list | tuple):
        return [_in_order(each) for each in shape]
    return {key: _in_order(shape[key]) for key in sorted(shape)} if isinstance(shape, dict) else shape
