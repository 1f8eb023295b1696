"""One configuration from all its sources: option > environment > file (child before base) > default.

Every source is a layer, name → (value as written, origin). The layers are merged, `${…}` is expanded in values from
files, the effective values are validated once by the model, and each of its problems gets the place of the value.
Overridden values are kept for `wiverno config explain`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wiverno.config import lint, merge
from wiverno.config.defaults import make_default_layer, make_local_layer
from wiverno.config.env_files import add_env_files
from wiverno.config.environment import (
    APP_VARIABLE,
    Environment,
    choose_file,
    complete_value,
    read_environment,
    read_options,
)
from wiverno.config.errors import DEFAULT, ConfigError, Origin, Problem
from wiverno.config.formats.document import (
    AppSpec,
    Contents,
    Expander,
    Layer,
    LoggingIni,
    other_server_problem,
    read_run_mode,
    read_server_mode,
)
from wiverno.config.formats.interpolation import Lookup
from wiverno.config.formats.text import decode_system_text, read_standard_input, read_text
from wiverno.config.settings import SETTINGS, Adjustments

# A format's module is imported for a file of that format: most starts need one parser at most.
if TYPE_CHECKING:
    from wiverno.config.formats.ini_file import IniFile
    from wiverno.config.formats.toml_file import TomlFile

__all__ = ["AppSpec", "Chain", "LoadedConfig", "activate", "find_active", "load", "load_section", "make_section_reader"]

Chain = tuple[tuple[object, Origin], ...]


@dataclass(frozen=True, eq=False, repr=False)
class LoadedConfig:
    """Everything that a start needs, merged and validated, with the origin of each value.

    `texts` has the files' texts by name; of a file in `${file:…}` only whether it is empty. `origins` has each
    setting's values as written, the effective one first and the default last. `replaced` has the setting of a higher
    source that excludes an address of a lower one. `server_use` is `use` of the server's section as written; if that is
    another server (`is_own_server` is false), `server_settings` has its settings, not validated.
    """

    adjustments: Adjustments
    origins: Mapping[str, Chain] = field(default_factory=dict)
    app: AppSpec | None = None
    middleware: tuple[AppSpec, ...] = ()
    logging: Mapping[str, Any] | None = None
    logging_ini: LoggingIni | None = None
    pserve: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    has_server: bool = False
    warnings: tuple[str, ...] = ()
    server_use: str | None = None
    server_settings: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None
    replaced: Mapping[str, str] = field(default_factory=dict)
    is_own_server: bool = True

    def with_app(self, use: str, origin: Origin = DEFAULT) -> LoadedConfig:
        """Return the configuration for another application: `use` is replaced, a TOML file's settings for it stay."""
        if self.app is None or self.app.use.startswith("config:"):
            return replace(self, app=AppSpec(use, origin=origin))
        return replace(self, app=replace(self.app, use=use, origin=origin))


_started: list[LoadedConfig] = []


def activate(loaded: LoadedConfig) -> None:
    """Remember the configuration that this process was started with."""
    _started[:] = [loaded]


def find_active() -> LoadedConfig | None:
    """Return the configuration that this process was started with, or None in a process started by code alone."""
    return _started[0] if _started else None


def load(
    file: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    server_name: str = "main",
    app_name: str = "main",
    variables: Mapping[str, str] | None = None,
    mode: str | None = None,
    hand_over: bool = False,
    is_local: bool = False,
) -> LoadedConfig:
    """Return the configuration of one start.

    Args:
        file: TOML or INI file; "-" is standard input; None is WIVERNO_CONFIG, else ./wiverno.toml if it is there.
        environ: None is the process's environment.
        options: settings given on the command line, as text or native values; None is an option that was not used.
        server_name: the server's section.
        app_name: the application's section.
        variables: pserve's `key=value` arguments, which `${…}` finds before the environment.
        mode: "simple" for RunServer's defaults; every source overrides them.
        hand_over: another server may serve, or no server is needed. Otherwise a section for another server is a mistake
            (waitress's is accepted), and so is a file with servers' sections but not the requested one.
        is_local: the default address is localhost:8000, as RunServer's, and not waitress's 0.0.0.0:8080.

    Raises:
        ConfigError: with every mistake of every source.
    """
    env = read_environment(environ)
    problems: list[Problem] = []
    name, named_by = choose_file(file, env)
    contents = Contents()
    expander = Expander(make_lookup({}, variables, env), Path(), problems)
    given = read_options(options)
    if name is not None:
        source = open_file(name, named_by, variables or {})
        expander = make_expander(source, name, variables, env, problems)
        env = add_env_files(env, [given, env.layer, *written_layers(source, server_name)], expander)
        expander = make_expander(source, name, variables, env, problems)
        contents = source.contents(server_name, app_name, expander)
        if not hand_over and (missing := find_missing_server(source, server_name)):
            problems.append(missing)
    else:
        env = add_env_files(env, [given, env.layer], expander)
    if mode is not None:
        below = make_default_layer(mode, [given, env.layer, *contents.layers])
        contents = replace(contents, layers=(*contents.layers, below))
    if is_local:
        contents = replace(contents, layers=(*contents.layers, make_local_layer([given, env.layer, *contents.layers])))
    path = Path(name) if name is not None and name != "-" else None
    return assemble(contents, [given, env.layer], env, expander, path, hand_over=hand_over)


def written_layers(source: TomlFile | IniFile, server_name: str) -> Sequence[Layer]:
    """Return the settings of one server as they are written, nearest first; its mistakes are reported elsewhere."""
    if source.format == "ini":
        try:
            return source.chain(server_name, [])[0]
        except ConfigError:
            return ()
    return source.server_layers(source.names("server").get(server_name))


def find_missing_server(source: TomlFile | IniFile, name: str) -> Problem | None:
    """Return the problem of a file that has servers' sections, but not the requested main one."""
    names = source.names("server")
    if name != "main" or name in names or not names:
        return None
    file = source.name if source.format == "ini" else source.documents[0].name
    section = "[server:main]" if source.format == "ini" else "[server]"
    hint = f"name another one: --server-name {min(names)}"
    return Problem(f"there is no {section} (there: {', '.join(sorted(names))})", Origin("file", file), hint=hint)


def require_server(source: TomlFile | IniFile, name: str) -> None:
    """Check that a file has the requested server's section.

    Raises:
        ConfigError: it has other servers' sections only.
    """
    if missing := find_missing_server(source, name):
        raise ConfigError([missing])


def open_file(name: str, named_by: Origin, variables: Mapping[str, str]) -> TomlFile | IniFile:
    """Return a configuration file, read and parsed; its suffix decides the format, or else its text.

    Raises:
        ConfigError: it cannot be read or parsed.
    """
    if name == "-":
        shown = "<stdin>"
        text = read_standard_input(shown)
    else:
        shown = name
        if not Path(name).exists() and named_by.kind == "environment":
            raise ConfigError([Problem(f"{name}: no such file or directory", named_by)])
        text = read_text(name)
    if name.endswith(".ini") or (not name.endswith(".toml") and _looks_like_ini(text)):
        from wiverno.config.formats.ini_file import IniFile

        return IniFile(shown, text, variables, on_disk=name != "-")
    from wiverno.config.formats.toml_file import read_toml

    return read_toml(shown, text, on_disk=name != "-")


def _looks_like_ini(text: str) -> bool:
    """Return whether a text without a telling suffix is INI: a section's bare name with a colon is no TOML."""
    headers = [line.strip() for line in text.splitlines() if line.startswith("[")]
    return any(":" in header and '"' not in header and "'" not in header for header in headers)


def make_lookup(names: Mapping[str, str], variables: Mapping[str, str] | None, env: Environment) -> Lookup:
    """Return a function that looks a name up for `${…}`: pserve's arguments, the file's names, the environment."""
    arguments = variables or {}

    def lookup(name: str) -> str | None:
        for place in (arguments, names, env.variables):
            if name in place:
                return decode_system_text(place[name])
        return None

    return lookup


def make_expander(
    source: TomlFile | IniFile,
    name: str,
    variables: Mapping[str, str] | None,
    env: Environment,
    problems: list[Problem],
) -> Expander:
    """Return the expander of `${…}` for the values of a file; it adds mistakes to `problems`."""
    directory = Path() if name == "-" else Path(name).parent
    here = {"here": str(directory.absolute()), "__file__": str(Path(name).absolute())}
    names = source.variables_in_reach if source.format == "ini" else here
    return Expander(make_lookup(names, variables, env), directory, problems)


def assemble(
    contents: Contents, above: Sequence[Layer], env: Environment, expander: Expander, path: Path | None, *,
    hand_over: bool = False,
) -> LoadedConfig:  # fmt: skip
    """Return the configuration made of a file's contents and the layers above it.

    Raises:
        ConfigError: with every mistake, those in the file's syntax included.
    """
    problems = expander.problems
    stack, use = merge.take_use(contents.layers)
    use_text = None if use is None else expander.text(str(use[0]), "use", use[1])
    own = "" if use_text is None else read_server_mode(use_text) if hand_over else read_run_mode(use_text)
    settings: dict[str, Any] = {}
    if own is None and use is not None and not hand_over:
        problems.append(other_server_problem(str(use_text), use[1]))
        stack = []
    elif own is None:
        # Another server's section: only that server knows its keys.
        settings = {
            name: expander.tree(value, (name,), lambda *_, place=origin: place)
            for layer in reversed(stack)
            for name, (value, origin) in layer.items()
        }
        stack = []
    elif own and use is not None:
        stack = [*stack, {"mode": (own, use[1])}]
    merged = merge.merge_layers([*above, *stack, env.below], problems)
    adjustments, chains = _validate(merged, expander, env)
    if problems or adjustments is None:
        raise ConfigError(problems)
    app = contents.app
    loaded = LoadedConfig(
        adjustments=adjustments,
        origins=chains,
        app=app,
        middleware=contents.middleware,
        logging=contents.logging,
        logging_ini=contents.logging_ini,
        pserve=contents.pserve,
        tables=contents.tables,
        files=contents.files,
        texts={**contents.texts, **expander.inserted},
        has_server=contents.has_server,
        warnings=(*env.warnings, *contents.warnings, *adjustments.deprecations(), *lint.find_risks(adjustments)),
        server_use=use_text,
        server_settings=settings,
        path=path,
        replaced=merged.replaced,
        is_own_server=own is not None,
    )
    return loaded if env.app is None else loaded.with_app(env.app, Origin("environment", text=APP_VARIABLE))


def _validate(
    merged: merge.Merged, expander: Expander, env: Environment
) -> tuple[Adjustments | None, dict[str, Chain]]:
    """Return the settings, or None after adding problems, and the chain of each setting's values."""
    problems, values = expander.problems, dict[str, Any]()
    for name, entry in merged.winners.items():
        before = len(problems)
        if SETTINGS[name].type.is_table:
            value = merge.merge_table(name, merged.chains[name], expander)
        else:
            value = merge.expand_entry(entry, expander)
        if len(problems) == before:
            values[name] = complete_value(name, value, entry.origin, env.variables)
    adjustments = None
    try:
        adjustments = Adjustments(**values)
    except ConfigError as error:
        problems += [merge.locate(problem, merged) for problem in error.problems]
        simple = False
    else:
        simple = adjustments.mode == "simple"
    chains: dict[str, Chain] = {}
    for name, setting in SETTINGS.items():
        default = setting.simple_default if simple else setting.default
        written = tuple((entry.raw, entry.origin) for entry in merged.chains.get(name, ()))
        winner = () if name in merged.winners else ((default, DEFAULT),)
        last = ((default, DEFAULT),) if name in merged.winners else ()
        chains[name] = (*winner, *written, *last)
    return adjustments, chains


def load_section(
    global_conf: Mapping[str, str] | None,
    settings: Mapping[str, object],
    *,
    environ: Mapping[str, str] | None = None,
    mode: str | None = None,
) -> LoadedConfig:
    """Return the configuration of a server's section as PasteDeploy passes it: without its name, all values as text.

    The section is looked up in `global_conf["__file__"]`, so that problems have lines. The environment overrides it, as
    everywhere.

    Args:
        global_conf: PasteDeploy's: `__file__`, `here`, [DEFAULT] and pserve's arguments; `${…}` looks there first.
        settings: the section's keys.
        environ: None is the process's environment.
        mode: "simple" for `egg:wiverno#simple`; an explicit `mode` in the section wins.

    Raises:
        ConfigError: with every mistake.
    """
    from wiverno.config.formats.paste_section import find_section

    env = read_environment(environ)
    known = dict(global_conf or {})
    problems: list[Problem] = []
    name = _shorten_path(known.get("__file__"))
    layer, traps = find_section(name, settings, known)
    below: list[Layer] = [{"mode": (mode, DEFAULT)}] if mode else []
    directory = Path(name).parent if name else Path()
    expander = Expander(make_lookup({}, known, env), directory, problems)
    env = add_env_files(env, [env.layer, layer], expander)
    expander = replace(expander, lookup=make_lookup({}, known, env))
    path = Path(name) if name else None
    texts: dict[str, str] = {}
    if name:
        with suppress(ConfigError):  # PasteDeploy could read it; here it has no text
            texts = {name: read_text(name)}
    contents = Contents(files=(path,) if path else (), texts=texts, layers=(layer, *below), warnings=tuple(traps))
    return assemble(contents, [env.layer], env, expander, path)


def make_section_reader(
    global_conf: Mapping[str, str] | None, settings: Mapping[str, object], *, mode: str | None = None
) -> Callable[[], LoadedConfig] | None:
    """Return a function that loads the same section again; None if the section cannot be identified.

    Args:
        global_conf: as for `load_section`.
        settings: as for `load_section`.
        mode: as for `load_section`.
    """
    from wiverno.config.formats.paste_section import find_section_name, read_section

    known = dict(global_conf or {})
    name = _shorten_path(known.get("__file__"))
    place = find_section_name(name, settings, known)
    if name is None or place is None:
        return None

    def read() -> LoadedConfig:
        return load_section(*read_section(name, *place), mode=mode)

    return read


def _shorten_path(file: str | None) -> str | None:
    """Return a file's path relative to the working directory if it is below."""
    if file is None or not Path(file).is_relative_to(Path.cwd()):
        return file
    return str(Path(file).relative_to(Path.cwd()))
