"""The sources beside files: the environment and the options; and the choice of the file.

A source becomes a `Layer` of values as they were written. Their types are checked and layers are merged elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from wiverno.config.errors import Origin, find_nearest
from wiverno.config.fields.units import read_words
from wiverno.config.formats.document import Layer
from wiverno.config.formats.mount_keys import place_mounts
from wiverno.config.formats.text import decode_system_text
from wiverno.config.settings import ADDRESS_LISTS, ALIASES, SETTINGS

PREFIX = "WIVERNO_"

# Variables that are not settings: the file, and the application of `wiverno run`.
FILE_VARIABLE = "WIVERNO_CONFIG"
APP_VARIABLE = "WIVERNO_APP"

DEFAULT_FILE = "wiverno.toml"

# The first descriptor that systemd hands over (sd_listen_fds(3), SD_LISTEN_FDS_START).
FIRST_DESCRIPTOR = 3

# Kubernetes sets these in every pod for a service called "wiverno…" (enableServiceLinks), not as settings.
_SERVICE_LINK = re.compile(r"WIVERNO_(?:.+_)?(?:SERVICE_(?:HOST|PORT)(?:_.+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_.+)?)")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Environment:
    """The part of the environment that concerns wiverno.

    `variables` is the whole environment, for `${NAME}`; `warnings` name variables that were ignored. `below` is the
    lowest source of all: variables that files of `env_file` give to the application.
    """

    layer: Layer
    variables: Mapping[str, str]
    file: str | None = None
    app: str | None = None
    warnings: tuple[str, ...] = field(default=())
    below: Layer = field(default_factory=dict)


_replaced: dict[str, str | None] = {}
"""The values that variables had before `set_for_application`, None for variables that did not exist."""


def read_environment(environ: Mapping[str, str] | None = None) -> Environment:
    """Read the settings in an environment; None is the process's environment.

    An empty variable counts as unset. An unknown `WIVERNO_` name is a warning, not an error, because other services in
    a pod can add one. Names with two underscores after WIVERNO pass values between wiverno's processes.
    """
    variables = _own_variables() if environ is None else environ
    layer: dict[str, tuple[object, Origin]] = {}
    warnings: list[str] = []
    for variable, value in sorted(variables.items()):
        if not variable.startswith(PREFIX) or variable.startswith(PREFIX + "_") or not value:
            continue
        if variable in (FILE_VARIABLE, APP_VARIABLE) or _SERVICE_LINK.fullmatch(variable):
            continue
        name = variable.removeprefix(PREFIX).lower()
        entry = SETTINGS.get(ALIASES.get(name, name))
        if entry is None or entry.code_only or not variable.isupper():
            warnings.append(_warn_of_unknown(variable))
        elif "://" in value:
            reason = "it looks like a Kubernetes service link (set enableServiceLinks: false)"
            warnings.append(f"{variable}={value} was ignored: {reason}")
        else:
            layer[name] = (decode_system_text(value), Origin("environment", text=variable))
    file, app = variables.get(FILE_VARIABLE) or None, variables.get(APP_VARIABLE) or None
    return Environment(layer, variables, file, app, tuple(warnings))


def _own_variables() -> Mapping[str, str]:
    """Return the environment that this process was started with, without what it has set for the application."""
    if not _replaced:
        return os.environ
    before = {name: value for name, value in _replaced.items() if value is not None}
    return {name: value for name, value in os.environ.items() if name not in _replaced} | before


def set_for_application(variables: Mapping[str, str]) -> None:
    """Set variables of this process for the application; a configuration that is read later does not see them."""
    for name, value in variables.items():
        _replaced.setdefault(name, os.environ.get(name))
        os.environ[name] = value


def _warn_of_unknown(variable: str) -> str:
    from wiverno.config.fields.foreign_names import foreign_name  # only mistakes need it

    foreign = foreign_name(variable.removeprefix(PREFIX))
    if foreign:
        return f"{variable} is no setting of wiverno and was ignored; {foreign}"
    names = [entry.variable for entry in SETTINGS.values() if not entry.code_only]
    names += [PREFIX + alias.upper() for alias in ALIASES] + [FILE_VARIABLE, APP_VARIABLE]
    found = find_nearest(variable.removeprefix(PREFIX), [name.removeprefix(PREFIX).lower() for name in names])
    hint = f"; did you mean {PREFIX}{found.upper()}?" if found else ""
    return f"{variable} is no setting of wiverno and was ignored{hint}"


def take_variable(name: str) -> str | None:
    """Return a variable of this process and remove it, so that its children do not find it; None if it is not set."""
    return os.environ.pop(name, None)


def set_variable(name: str, value: str) -> None:
    """Set a variable of this process, for itself and its children."""
    os.environ[name] = value


def directory_name() -> str | None:
    """Return the current directory by the name that the shell has for it, None if it was removed.

    The name may lead through a symbolic link (`current`), which a deployment points to the next release: a file that
    is opened by this name later is the next release's.
    """
    try:
        here = Path.cwd()
    except OSError:
        return None
    name = Path(os.environ.get("PWD", ""))
    with suppress(OSError):
        if name.is_absolute() and name.samefile(here):
            return str(name)
    return str(here)


def follow_directory(paths: list[str]) -> str:
    """Rewrite entries of an import path below the current directory to the name that the shell has for it.

    A worker that starts after a deployment has pointed a symbolic link elsewhere then imports the next release.

    Args:
        paths: sys.path; changed in place.

    Returns:
        The current directory by that name; "." if it was removed.
    """
    name = directory_name()
    if name is None:
        return "."
    here = str(Path.cwd())
    if name != here:
        for number, entry in enumerate(paths):
            if entry == here or entry.startswith(here + os.sep):
                paths[number] = name + entry[len(here) :]
    return name


def find_inherited_sockets(variables: Mapping[str, str], process: int) -> dict[str, list[int]]:
    """Return the descriptors of the sockets that systemd passed, by name; several sockets may share a name.

    sd_listen_fds(3): LISTEN_FDS is their number, from descriptor 3; LISTEN_FDNAMES has their names, with colons;
    LISTEN_PID is the process that they are for, because children inherit the variables.
    """
    count = variables.get("LISTEN_FDS", "")
    if variables.get("LISTEN_PID") != str(process) or not count.isdigit():
        return {}
    names = variables.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[int]] = {}
    for place in range(int(count)):
        name = names[place] if place < len(names) else ""
        found.setdefault(name or "unknown", []).append(FIRST_DESCRIPTOR + place)
    return found


def replace_socket_names(listen: object, variables: Mapping[str, str] | None = None) -> object:
    """Return a value of addresses with systemd's names of sockets replaced by their descriptors' numbers.

    An unknown name stays, so that a configuration can be checked in a process that systemd has not started; listening
    on it is an error.

    Args:
        listen: text or a list, as any source gives it.
        variables: None is the process's environment.
    """
    if isinstance(listen, str):
        words: Iterable[object] = read_words(listen)
    elif isinstance(listen, list | tuple):
        words = listen
    else:
        return listen
    sockets = find_inherited_sockets(os.environ if variables is None else variables, os.getpid())
    result: list[object] = []
    for word in words:
        name = word[3:] if isinstance(word, str) and word.startswith("fd:") else ""
        result += [f"fd:{number}" for number in sockets[name]] if name in sockets else [word]
    return result


def complete_value(name: str, value: object, origin: Origin, variables: Mapping[str, str]) -> object:
    """Return a setting's value with what only its source knows: systemd's sockets, where relative directories start."""
    if name in ADDRESS_LISTS:
        return replace_socket_names(value, variables)
    if name == "static" and origin.kind == "file" and origin.file:
        return place_mounts(value, origin.file)
    return value


def read_options(given: Mapping[str, object] | None) -> Layer:
    """Return the settings given on the command line; None as a value is an option that was not used."""
    return {
        name: (
            decode_system_text(value) if isinstance(value, str) else value,
            Origin("option", text=_option_name(name)),
        )
        for name, value in (given or {}).items()
        if value is not None
    }


def _option_name(name: str) -> str:
    return "--" + name.replace("_", "-")


def choose_file(file: str | Path | None, env: Environment) -> tuple[str | None, Origin]:
    """Return the file to read and who named it: the caller, WIVERNO_CONFIG, or ./wiverno.toml if it is there."""
    if file is not None:
        return str(file), Origin("option", text="--config")
    if env.file is not None:
        return env.file, Origin("environment", text=FILE_VARIABLE)
    return (DEFAULT_FILE if Path(DEFAULT_FILE).is_file() else None), Origin("default")
