"""Conversion of configurations: INI ↔ TOML, and from waitress's, gunicorn's and uWSGI's, and from command lines.

Only settings that mean the same afterwards are converted. A note names every other one with its place and the reason,
so the files need not be compared. Comments are lost: neither format's reader keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wiverno.config.convert import paste_ini
from wiverno.config.convert.commands import TranslatedCommand
from wiverno.config.convert.gunicorn import (
    Translated,
    describe_left,
    from_gunicorn,
    from_paste_server,
    is_hook,
    merge_bind,
    start_in_chdir,
)  # fmt: skip
from wiverno.config.convert.gunicorn_file import first_words, read_gunicorn_file
from wiverno.config.convert.gunicorn_syntax import read_gunicorn_syntax
from wiverno.config.convert.python_values import Reference
from wiverno.config.convert.uwsgi import UwsgiTranslator
from wiverno.config.convert.uwsgi_file import is_uwsgi, read_uwsgi
from wiverno.config.errors import BadValue, ConfigError, Origin, Problem, quote_value
from wiverno.config.formats.document import read_run_mode, read_server_mode
from wiverno.config.formats.ini_file import IniFile
from wiverno.config.formats.interpolation import escape, is_expandable, unescape
from wiverno.config.formats.mount_keys import gather_mounts
from wiverno.config.formats.text import read_text, template_hint
from wiverno.config.formats.toml_file import TomlFile
from wiverno.config.loader import open_file
from wiverno.config.settings import ALIASES, SETTINGS


@dataclass(frozen=True)
class Converted:
    """The text in the other format (`Problem.headline()` of notes and remarks has place and reason).

    Attributes:
        text: the text.
        notes: what could not be carried over.
        remarks: what was, and means something else here.
    """

    text: str
    notes: tuple[Problem, ...]
    remarks: tuple[Problem, ...] = ()


@dataclass
class _Notes:
    """The notes of one conversion."""

    found: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)

    def remark(self, message: str, origin: Origin, key: str = "") -> None:
        """Keep a remark."""
        self.remarks.append(Problem(message, origin, key, about="key"))

    def add(self, message: str, origin: Origin, key: str = "") -> None:
        """Keep a note."""
        self.found.append(Problem(message, origin, key, about="key"))


def convert(name: str, to: str | None = None, *, run: bool = False) -> Converted:
    """Return a configuration in another format.

    Args:
        name: a .toml, .ini, gunicorn .py file, or uWSGI's INI, YAML, XML or JSON; "-" is standard input.
        to: "toml" or "ini"; None is the other of the two.
        run: run a gunicorn .py file, in a separate process, instead of reading it.

    Raises:
        ConfigError: the file cannot be read or parsed, has a wrong value, or nothing that can be carried.
    """
    notes = _Notes()
    if name.endswith(".py"):
        document = _gunicorn_document(name, notes, run=run)
        return _finish(document, to or "toml", notes, name)
    if (
        name != "-"
        and Path(name).suffix != ".toml"
        and Path(name).is_file()
        and is_uwsgi(name, text := read_text(name))
    ):
        translator = UwsgiTranslator()
        translator.take(read_uwsgi(name, text))
        translator.finish()
        notes.found += translator.notes
        notes.remarks += translator.remarks
        document = _document(translator.result, translator.places, notes, Origin("file", name), "uWSGI")
        return _finish(document, to or "toml", notes, name)
    source = open_file(name, Origin("option", text="FILE"), {})
    if isinstance(source, IniFile):
        document, target = _ini_document(source, notes), to or "toml"
    else:
        document, target = _toml_document(source, notes), to or "ini"
    return _finish(document, target, notes, name)


def convert_command(text: str, to: str | None = None, *, run: bool = False) -> Converted:
    """Return the configuration that a command line of gunicorn, waitress-serve, uwsgi or granian asks for.

    Args:
        text: the command line.
        to: "toml" or "ini"; None is "toml".
        run: run the gunicorn .py file that it names, instead of reading it.

    Raises:
        ConfigError: the command line is none of these, or names a file that cannot be read; or there is no file to run.
    """
    notes = _Notes()
    command = TranslatedCommand(text)
    if run and not command.config:
        problem = Problem("names no gunicorn.conf.py, which --run is for", Origin("option", text="--from-command"))
        raise ConfigError([problem])
    if command.program == "gunicorn":
        values, places = _read_gunicorn(command.config, notes, run=run) if command.config else ({}, {})
        command.merge_gunicorn(values, places)
        default = Path("gunicorn.conf.py")
        if not command.config and default.is_file():
            notes.remark(f"gunicorn also reads ./{default}: add -c {default}", Origin("option", text="--from-command"))
    command.finish()
    notes.found += command.notes
    notes.remarks += command.remarks
    origin = Origin("option", text="--from-command")
    document = _document(command.result, command.places, notes, origin, command.program)
    return _finish(document, to or "toml", notes, "the command line")


def _finish(document: Mapping[str, Any], target: str, notes: _Notes, name: str) -> Converted:
    """Return a document as text; one without anything in it is an error, not an empty file."""
    text = _to_text(document, target, notes)
    if not text.strip():
        hints = "; ".join(problem.headline() for problem in notes.found) or None
        raise ConfigError([Problem("has nothing that wiverno can use", Origin("file", name), hint=hints)])
    return Converted(text, tuple(notes.found), tuple(notes.remarks))


def _document(
    translated: Translated, places: Mapping[str, tuple[object, Origin]], notes: _Notes, origin: Origin, server: str
) -> dict[str, Any]:
    """Return another server's configuration in the shape of a TOML configuration."""
    document: dict[str, Any] = {}
    if translated.app is not None:
        document["app"] = {"use": translated.app} | ({"factory": True} if translated.is_factory else {})
    else:
        notes.add('no application is named: write [app] use = "module:attribute"', origin)
    table = _apply(translated, places, notes)
    if server == "gunicorn" and "chdir" in table:
        table = start_in_chdir(table)
    if server in ("gunicorn", "uWSGI", "uwsgi") and "threads" not in table and _has_one_thread(places):
        words = f"is {server}'s default; more are possible if the application is thread-safe"
        notes.remark(words, origin, "threads = 1")
        table["threads"] = 1
    if server == "waitress-serve" or {"listen", "unix_socket", "host", "port"} & table.keys():
        document["server"] = table
    else:
        document["server"] = _with_address(table, "listen", notes, origin)
    if not document["server"]:
        del document["server"]
    if translated.logging is not None:
        document["logging"] = translated.logging
    return document


def _has_one_thread(places: Mapping[str, tuple[object, Origin]]) -> bool:
    """Return whether a worker of the other server runs one request at a time: not with greenlets."""
    kind = str(places["worker_class"][0]) if "worker_class" in places else "sync"
    return kind in ("sync", "gthread") and "threads" not in places


def _to_text(document: Mapping[str, Any], target: str, notes: _Notes) -> str:
    """Return a document, in the shape of a TOML configuration, as text."""
    import tomli_w

    if target == "ini":
        return paste_ini.to_ini(document, notes.add)
    return tomli_w.dumps(document, multiline_strings=False)


def _toml_document(source: TomlFile, notes: _Notes) -> dict[str, Any]:
    """Return a TOML file's tables with its bases merged in."""
    if len(source.documents) > 1:
        origin = source.documents[0].origin("extends")
        bases = ", ".join(document.name for document in source.documents[1:])
        notes.add(f"{bases} is merged in: INI builds on sections, not on files", origin, "extends")
    problems = source.unknown_tables()
    if problems:
        raise ConfigError(problems)
    document = dict(source.data)
    if "static" in document:
        mounts = document.pop("static")
        for table in source.names("server").values() or ["server"]:
            document[table] = {"static": mounts} | document.get(table, {})
    for table in source.names("server").values():
        places = {key: (value, source.origin(table, key)) for key, value in document[table].items()}
        use = document[table].get("use")
        is_foreign = isinstance(use, str) and read_run_mode(use) is None
        document[table] = _from_server(places, notes) if is_foreign else _server_table(places, notes)
    return document


def _server_table(found: Mapping[str, tuple[object, Origin]], notes: _Notes) -> dict[str, Any]:
    """Return a server's settings with their values as TOML writes them best.

    Raises:
        ConfigError: a value is invalid for its setting.
    """
    table: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, (value, origin) in gather_mounts(found, problems).items():
        name = ALIASES.get(key, key)
        if key == "use":
            table[key] = value
        elif name not in SETTINGS:
            notes.add("unknown setting", origin, key)
        elif SETTINGS[name].inert:
            notes.add("does nothing in wiverno", origin, key)
        elif _is_known_later(value, is_list=SETTINGS[name].type.is_list):
            table[name] = value
        else:
            value_type = SETTINGS[name].type
            try:
                read = value_type.read(value)
                is_written = isinstance(value, list) and not value_type.array
                table[name] = value if is_written else value_type.native(read)
            except BadValue as error:
                problems.append(Problem(error.message, origin, key, value, error.hint or template_hint(str(value))))
    if problems:
        raise ConfigError(problems)
    return table


def _is_known_later(value: object, *, is_list: bool) -> bool:
    """Return whether a value has variables, so that it can be read only at the start."""
    if isinstance(value, list):
        return is_list and any(_is_known_later(item, is_list=False) for item in value)
    return isinstance(value, str) and is_expandable(value) and unescape(value) is None


def _ini_document(source: IniFile, notes: _Notes) -> dict[str, Any]:
    """Return an INI file in the shape of a TOML configuration."""
    problems: list[Problem] = []
    document: dict[str, Any] = paste_ini.read_applications(source, notes.add)
    for name in source.names("server"):
        layers, _ = source.chain(name, problems, raw=True)
        merged: dict[str, tuple[object, Origin]] = {}
        for layer in reversed(layers):
            merged |= layer
        # For another server `${…}` was ordinary text.
        is_ours = read_server_mode(str(merged.get("use", ("wiverno",))[0])) is not None
        merged = merged if is_ours else _unquoted(merged, notes)
        expanded = {
            key: (paste_ini.expandable(source, str(value), is_server=is_ours), origin)
            for key, (value, origin) in merged.items()
        }
        table = _from_server(expanded, notes)
        document["server" if name == "main" else f"server:{name}"] = table
    if problems:
        raise ConfigError(problems)
    document |= paste_ini.read_other_sections(source, notes.add)
    return document


def _unquoted(
    found: Mapping[str, tuple[object, Origin]], notes: _Notes
) -> dict[str, tuple[object, Origin]]:  # fmt: skip
    """Return a section without quotes around its values: in INI files they belong to the value."""
    result = dict(found)
    for key, (value, origin) in found.items():
        text = str(value)
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            result[key] = (text[1:-1], origin)
            notes.remark("the quotes are left out: in INI files they belong to the value", origin, key)
    return result


def _from_server(found: Mapping[str, tuple[object, Origin]], notes: _Notes) -> dict[str, Any]:
    """Return the settings of wiverno for a server's section, which can be waitress's or gunicorn's."""
    use, origin = found.get("use", ("", Origin("default")))
    text = str(use)
    rest = {key: entry for key, entry in found.items() if key != "use"}
    mode = read_run_mode(text) if text else ""
    if mode is not None:
        return ({"mode": mode} if mode else {}) | _server_table(rest, notes)
    values = {key: value for key, (value, _) in rest.items()}
    if "gunicorn" in text.lower():
        places = {"bind": next((rest[key] for key in ("host", "port") if key in rest), ("", origin)), **rest}
        return _with_address(_apply(from_gunicorn(merge_bind(values)), places, notes), "listen", notes, origin)
    notes.add(f"{text}: wiverno serves in its place", origin, "use")
    return _with_address(_apply(from_paste_server(values), rest, notes), "host", notes, origin)


def _with_address(table: dict[str, Any], name: str, notes: _Notes, origin: Origin) -> dict[str, Any]:
    """Return a table that says where to listen: the other servers' default is one address, wiverno's is every one."""
    if name in table:
        return table
    value: object = ["127.0.0.1:8000"] if name == "listen" else "127.0.0.1"
    notes.add(
        f"no address is carried over, so the other server's default is written: {quote_value(value)}", origin, name
    )
    return {name: value} | table


def _apply(translated: Translated, places: Mapping[str, tuple[object, Origin]], notes: _Notes) -> dict[str, Any]:
    """Return another server's settings as wiverno's; each value that wiverno does not accept gets a note."""
    for key, message in translated.notes:
        notes.add(message, places[key][1], key)
    for key, message in translated.remarks:
        notes.remark(message, places[key][1], key)
    table: dict[str, Any] = {}
    for name, (value, key) in translated.settings.items():
        try:
            table |= _server_table({name: (value, places[key][1])}, notes)
        except ConfigError as error:
            for problem in error.problems:
                hint = f"; {problem.hint}" if problem.hint else ""
                notes.add(
                    f"{quote_value(value)} is not a value of {name}: {problem.message}{hint}", places[key][1], key
                )
    if "trusted_proxy" not in table and "trusted_proxies" not in table:
        table.pop("trusted_proxy_headers", None)  # it has no meaning alone
    return table


def _gunicorn_document(name: str, notes: _Notes, *, run: bool) -> dict[str, Any]:
    """Return the settings of a gunicorn.conf.py in the shape of a TOML configuration.

    Raises:
        ConfigError: the file cannot be read, or its program does not reach its end.
    """
    values, places = _read_gunicorn(name, notes, run=run)
    return _document(from_gunicorn(values), places, notes, Origin("file", name), "gunicorn")


def _read_gunicorn(
    name: str, notes: _Notes, *, run: bool
) -> tuple[dict[str, object], dict[str, tuple[object, Origin]]]:
    """Return the settings of a gunicorn.conf.py as TOML has them, and their places."""
    found = read_gunicorn_file(name) if run else read_gunicorn_syntax(name)
    for stream, text in found.printed:
        message = f"printed on standard {stream}, which is no part of the configuration: {first_words(text)}"
        notes.add(message, Origin("file", name))
    for problem in found.unread:
        notes.add(describe_left(problem.key) or problem.message, problem.origin, problem.key)
    notes.remarks += found.remarks
    if any(not describe_left(problem.key) for problem in found.unread):
        notes.remark("--run runs the file, and finds the values that are computed", Origin("file", name))
    values: dict[str, object] = {key: _escape_text(value) for key, (value, _) in found.values.items()}
    places: dict[str, tuple[object, Origin]] = {**found.values, **found.others}
    for key, (kind, origin) in found.others.items():
        if is_hook(key):
            values[key] = kind
        elif key == "logger_class":
            notes.add("set handlers and formatters under [logging]", origin, key)
        else:
            notes.add(f"its value is a {kind}, which no file can hold", origin, key)
    return values, places


def _escape_text(value: object) -> object:
    """Return a program's value for TOML, with `${…}` escaped, and its variables as `${NAME}`."""
    if isinstance(value, Reference):
        return value.text
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {key: _escape_text(item) for key, item in value.items()}
    return [_escape_text(item) for item in value] if isinstance(value, list) else value
