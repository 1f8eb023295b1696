"""Every mistake of a configuration, without starting anything: in all servers' sections and in overridden values too.

A start reads one server's section and the values with the highest precedence; a mistake elsewhere would show only when
the environment changes. `check` reads everything that a file says.
"""

from __future__ import annotations

import codecs
import locale
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wiverno.config import merge
from wiverno.config.env_files import add_env_files
from wiverno.config.environment import Environment, choose_file, read_environment, read_options
from wiverno.config.errors import BadValue, ConfigError, Problem
from wiverno.config.formats.document import Expander, Layer, read_run_mode
from wiverno.config.formats.ini_file import IniFile
from wiverno.config.formats.toml_file import TomlFile
from wiverno.config.loader import (
    LoadedConfig,
    assemble,
    find_missing_server,
    load,
    make_expander,
    open_file,
    written_layers,
)  # fmt: skip
from wiverno.config.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a check. `loaded` is the main server's configuration, None if it cannot be used."""

    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    loaded: LoadedConfig | None
    file: str | None


def check(
    file: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Findings:
    """Return all problems and warnings; the arguments are those of `loader.load`. It raises no ConfigError."""
    env = read_environment(environ)
    name, named_by = choose_file(file, env)
    given = read_options(options)
    try:
        if name is None:
            loaded = load(None, environ=env.variables, options=options, variables=variables)
            return Findings((), loaded.warnings, loaded, None)
        source = open_file(name, named_by, variables or {})
    except ConfigError as error:
        return Findings(error.problems, env.warnings, None, name)
    problems: dict[str, Problem] = {}
    warnings: dict[str, None] = dict.fromkeys(env.warnings)
    main: LoadedConfig | None = None
    for server, app in _list_sections(source):
        expander = make_expander(source, name, variables, env, [])
        own = add_env_files(env, [given, env.layer, *written_layers(source, server)], expander)
        expander = make_expander(source, name, variables, own, expander.problems)
        found, loaded_one = _check_section(source, server, app, expander, [given, own.layer], own)
        problems |= {problem.headline(): problem for problem in found}
        if loaded_one is not None:
            warnings |= dict.fromkeys((*loaded_one.warnings, *_warn_of_other_server(loaded_one, server)))
            main = loaded_one if server == "main" and main is None else main
    if missing := find_missing_server(source, "main"):
        warnings[f"{missing.headline()}; {missing.hint}"] = None
    if isinstance(source, IniFile):
        warnings |= dict.fromkeys((*_warn_of_inline_comments(source), *_warn_of_encoding(source)))
    everything = ConfigError(problems.values()).problems
    return Findings(everything, tuple(warnings), None if everything else main, name)


def _list_sections(source: TomlFile | IniFile) -> list[tuple[str, str]]:
    """Return pairs of server and application in which each stands at least once."""
    servers = dict.fromkeys(("main", *source.names("server")))
    apps = dict.fromkeys(("main", *source.names("app")))
    return [(server, "main") for server in servers] + [("main", app) for app in apps if app != "main"]


def _check_section(
    source: TomlFile | IniFile,
    server: str,
    app: str,
    expander: Expander,
    above: list[Layer],
    env: Environment,
) -> tuple[list[Problem], LoadedConfig | None]:
    """Return the problems of one server's section, overridden values included, and its configuration if usable."""
    loaded, found = None, list[Problem]()
    try:
        contents = source.contents(server, app, expander)
    except ConfigError as error:
        return [*expander.problems, *error.problems], None
    stack, _ = merge.take_use(contents.layers)
    try:
        path = None if source.files == () else source.files[0]
        # pserve may serve another section with another server.
        loaded = assemble(contents, above, env, expander, path, hand_over=server != "main")
    except ConfigError as error:
        found += error.problems
    if loaded is None or loaded.is_own_server:
        found += _find_shadowed(merge.merge_layers([*above, *stack], []), expander)
    return found, loaded


def _find_shadowed(merged: merge.Merged, expander: Expander) -> list[Problem]:
    """Return the problems of overridden values."""
    found: list[Problem] = []
    for name, chain in merged.chains.items():
        for entry in chain:
            if merged.winners.get(name) is entry:
                continue
            before = len(expander.problems)
            value = merge.expand_entry(entry, expander)
            if len(expander.problems) > before:
                found += expander.problems[before:]
                continue
            try:
                SETTINGS[name].type.read(value)
            except BadValue as error:
                secret = SETTINGS[name].secret
                problem = Problem(error.message, key=name, value=value, hint=error.hint, secret=secret, part=error.part)
                found.append(merge.locate_at(problem, entry))
    return found


def _warn_of_other_server(loaded: LoadedConfig, server: str) -> list[str]:
    use = loaded.server_use or ""
    if loaded.is_own_server or read_run_mode(use) is not None:
        return []
    return [f"[server:{server}] is for another server ({use}): wiverno run refuses it, pserve hands it over"]


def _warn_of_encoding(source: IniFile) -> list[str]:
    """Return warnings of what pserve cannot read: it uses the locale's encoding and accepts no byte order mark."""
    if not source.files:
        return []
    if source.path.read_bytes().startswith(codecs.BOM_UTF8):
        return [f"{source.name} begins with a byte order mark: wiverno run takes it, pserve does not"]
    encoding = locale.getencoding() if sys.version_info >= (3, 12) else locale.getpreferredencoding(False)
    if not source.text.isascii() and codecs.lookup(encoding).name != "utf-8":
        return [f"{source.name} is UTF-8, but pserve reads it as {encoding}, the locale's encoding (set PYTHONUTF8=1)"]
    return []


def _warn_of_inline_comments(source: IniFile) -> list[str]:
    """Return warnings of values in servers' sections that contain what was probably meant as a comment."""
    ignored: list[Problem] = []
    return [
        f"{origin}: {key} = {value}: INI files have no comments after a value, so this is part of it"
        for section in source.names("server").values()
        for key, (value, origin) in source.section(section, ignored).items()
        if merge.has_inline_comment(value)
    ]
