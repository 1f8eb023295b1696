"""A server's section as PasteDeploy passes it: keys and texts, without the section's name or the keys' places.

The places are found by reading the file again.
"""

from __future__ import annotations

from collections.abc import Mapping

from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.formats.document import Layer, read_server_mode
from wiverno.config.formats.ini_file import IniFile, trap_warning
from wiverno.config.formats.text import read_text
from wiverno.config.settings import ALIASES, SETTINGS

_PLACE = ("__file__", "here")


def find_section(file: str | None, settings: Mapping[str, object], known: Mapping[str, str]) -> tuple[Layer, list[str]]:
    """Return the keys that PasteDeploy has passed as a layer with places, and warnings of keys that it dropped.

    The keys' places are known when exactly one server's section of the file has all of them with these values;
    otherwise the place of a key is known when exactly one section has it with its value.
    """
    bare = Origin("file", file) if file else Origin("keyword")
    source = _reread(file, known)
    if source is None:
        return {name: (value, bare) for name, value in settings.items()}, []
    ignored: list[Problem] = []
    sections = {name: source.section(name, ignored) for name in source.names("server").values()}
    whole = [found for found in sections.values() if _contains(found, settings)]
    if len(whole) == 1:
        sections = {name: found for name, found in sections.items() if found is whole[0]}
    layer = {}
    for key, value in settings.items():
        places = [found[key][1] for found in sections.values() if key in found and found[key][0] == value]
        layer[key] = (value, places[0] if len(places) == 1 else bare)
    traps = []
    for section, found in sections.items():
        # The section of these keys: it has all of them.
        if _is_ours(found) and all(key in found for key in settings):
            traps += [
                trap_warning(key, section, str(origin))
                for key, (_, origin) in found.items()
                if key not in settings and key in known and (key in SETTINGS or key in ALIASES)
            ]
    return layer, traps


def find_section_name(
    file: str | None, settings: Mapping[str, object], known: Mapping[str, str]
) -> tuple[str, dict[str, str]] | None:
    """Return the name of the section with these keys, and the arguments beside [DEFAULT]; None if there is none."""
    source = _reread(file, known)
    if source is None or file is None:
        return None
    bare = IniFile(file, source.text, {})
    arguments = {
        key: value for key, value in known.items()
        if key not in _PLACE and not (key in bare.default_names and bare.variables_in_reach.get(key) == value)
    }  # fmt: skip
    found = []
    for name in source.names("server").values():
        section = source.section(name, [])
        use = section.get("use", ("", None))[0]
        if _contains(section, settings) and not (use and read_server_mode(use) is None):
            found.append((sum(not _is_for_paste(key) for key in section), name))
    # PasteDeploy has dropped some keys, so the section with the fewest further keys is meant.
    return (min(found)[1], arguments) if found else None


def read_section(file: str, section: str, arguments: Mapping[str, str]) -> tuple[dict[str, str], dict[str, object]]:
    """Read a section as PasteDeploy passes it: the global configuration, and the section's keys.

    Raises:
        ConfigError: the file can't be read, or the section is not there any more, or is another server's.
    """
    source = IniFile(file, read_text(file), arguments)
    problems: list[Problem] = []
    if not source.parser.has_section(section):
        raise ConfigError([Problem(f"there is no [{section}] any more", Origin("file", file))])
    found = source.section(section, problems)
    use, origin = found.get("use", ("", Origin("file", file)))
    if use and read_server_mode(use) is None:
        problems.append(Problem("is another server, which only a restart can begin", origin, "use", use))
    if problems:
        raise ConfigError(problems)
    path = source.path
    known = {**source.variables_in_reach, "__file__": str(path), "here": str(path.parent)}
    dropped = {*source.default_names, *arguments}
    return known, {
        key: value for key, (value, _) in found.items() if not _is_for_paste(key) and key not in dropped
    }  # fmt: skip


def _is_for_paste(key: str) -> bool:
    """Return whether PasteDeploy itself uses a key of a server's section."""
    return key == "use" or key.startswith("paste.")


def _contains(section: Mapping[str, tuple[str, Origin]], settings: Mapping[str, object]) -> bool:
    return all(key in section and section[key][0] == value for key, value in settings.items())


def _is_ours(section: Mapping[str, tuple[str, Origin]]) -> bool:
    use = section.get("use", ("", None))[0]
    return "wiverno" in use.lower()


def _reread(file: str | None, known: Mapping[str, str]) -> IniFile | None:
    """Return the INI file that PasteDeploy has read, for its places; None if it cannot be read again."""
    if not file:
        return None
    arguments = {key: value for key, value in known.items() if key not in _PLACE}
    try:
        return IniFile(file, read_text(file), arguments)
    except ConfigError:
        return None
