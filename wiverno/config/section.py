"""A server's section as PasteDeploy hands it over: keys and text, without the section's name or the keys' places.

The places are found by looking into the file again.
"""

from __future__ import annotations

from collections.abc import Mapping

from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.ini_file import IniFile, trap_warning
from wiverno.config.settings import ALIASES, SETTINGS
from wiverno.config.sources import Layer
from wiverno.config.toml_file import read_text


def located(file: str | None, settings: Mapping[str, object], known: Mapping[str, str]) -> tuple[Layer, list[str]]:
    """Return the keys that PasteDeploy handed over as a layer with places, and warnings of what it dropped.

    The keys' places are known when exactly one server's section of the file holds all of them with these very values;
    else each key's is, when exactly one section holds it with its value.
    """
    bare = Origin("file", file) if file else Origin("keyword")
    source = _reread(file, known)
    if source is None:
        return {name: (value, bare) for name, value in settings.items()}, []
    ignored: list[Problem] = []
    sections = {name: source.section(name, ignored) for name in source.names("server").values()}
    whole = [found for found in sections.values() if _holds(found, settings)]
    if len(whole) == 1:
        sections = {name: found for name, found in sections.items() if found is whole[0]}
    layer = {}
    for key, value in settings.items():
        places = [found[key][1] for found in sections.values() if key in found and found[key][0] == value]
        layer[key] = (value, places[0] if len(places) == 1 else bare)
    traps = []
    for section, found in sections.items():
        # The section that these keys came from: all of them stand in it.
        if _is_ours(found) and all(key in found for key in settings):
            traps += [
                trap_warning(key, section, str(origin))
                for key, (_, origin) in found.items()
                if key not in settings and key in known and (key in SETTINGS or key in ALIASES)
            ]
    return layer, traps


def _holds(section: Mapping[str, tuple[str, Origin]], settings: Mapping[str, object]) -> bool:
    return all(key in section and section[key][0] == value for key, value in settings.items())


def _is_ours(section: Mapping[str, tuple[str, Origin]]) -> bool:
    use = section.get("use", ("", None))[0]
    return "wiverno" in use.lower()


def _reread(file: str | None, known: Mapping[str, str]) -> IniFile | None:
    """Return the INI file that PasteDeploy has read, for its places; None if it cannot be read again."""
    if not file:
        return None
    arguments = {key: value for key, value in known.items() if key not in ("__file__", "here")}
    try:
        return IniFile(file, read_text(file), arguments)
    except ConfigError:
        return None
