"""The setting `env_file`: variables from files, below those of the process.

They are read before anything else of a configuration: `${NAME}` finds them, `WIVERNO_…` among them are settings, and
the application gets them as the lowest source of `env`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wiverno.config.environment import FILE_VARIABLE, PREFIX, Environment, read_environment
from wiverno.config.errors import BadValue, ConfigError, Origin
from wiverno.config.formats.document import Expander, Layer
from wiverno.config.formats.env_file import Variables, read_env_file
from wiverno.config.formats.interpolation import escape
from wiverno.config.formats.text import read_text
from wiverno.config.merge import Entry, expand_entry
from wiverno.config.settings import SETTINGS


def add_env_files(env: Environment, layers: Sequence[Layer], expander: Expander) -> Environment:
    """Return the environment with the variables of the files that `env_file` names.

    Args:
        env: the process's environment.
        layers: the sources that may name the files, highest first, as written.
        expander: expands `${…}` in their names; gets the problems.
    """
    named = next((layer["env_file"] for layer in layers if "env_file" in layer), None)
    if named is None:
        return env
    found: Variables = {}
    texts: dict[str, str] = {}
    for name, origin in _names(Entry("env_file", *named), expander):
        try:
            texts[name] = read_text(name, origin, "env_file")
        except ConfigError as error:
            expander.problems.extend(error.problems)
        else:
            found |= read_env_file(name, texts[name], expander.problems)
    return _combine(env, found)


def _names(entry: Entry, expander: Expander) -> list[tuple[str, Origin]]:
    """Return the files' names; a value that its setting does not accept is reported when it is validated."""
    before = len(expander.problems)
    value = expand_entry(entry, expander)
    del expander.problems[before:]  # reported when the setting is validated
    try:
        return [(name, entry.origin.of_item(name)) for name in SETTINGS["env_file"].type.read(value)]
    except BadValue:
        return []


def _combine(env: Environment, found: Variables) -> Environment:
    """Return an environment in which the process's variables win over those of the files."""
    new = {name: entry for name, entry in found.items() if name not in env.variables}
    values = {name: value for name, (value, _) in new.items()}
    combined = read_environment({**values, **env.variables})
    origins = {name.removeprefix(PREFIX).lower(): origin for name, (_, origin) in new.items()}
    layer = {name: (value, origins.get(name, origin)) for name, (value, origin) in combined.layer.items()}
    warnings = list(combined.warnings)
    if FILE_VARIABLE in new:
        warnings.append(f"{new[FILE_VARIABLE][1]}: {FILE_VARIABLE} has no effect there: the file is chosen before")
    own = {name: entry for name, entry in new.items() if not name.startswith(PREFIX)}
    return replace(combined, file=env.file, layer=layer, warnings=tuple(warnings), below=_layer(own))


def _layer(found: Variables) -> Layer:
    """Return the variables for the application as the lowest source of `env`."""
    if not found:
        return {}
    first = next(origin for _, origin in found.values())
    items = tuple((name, origin) for name, (_, origin) in found.items())
    # Escaped, because values from files are expanded later.
    values = {name: escape(value) for name, (value, _) in found.items()}
    return {"env": (values, Origin("file", first.file, items=items))}
