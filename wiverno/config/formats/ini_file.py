"""An INI file of PasteDeploy, read with PasteDeploy's parser so that it means the same as under pserve.

No key of the server's section is dropped: PasteDeploy leaves out keys that [DEFAULT] has too, which is a warning. The
application, filters and pipelines stay with `paste.deploy.loadapp`, logging with `logging.config.fileConfig`.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from wiverno.config.errors import ConfigError, Origin, Problem, did_you_mean
from wiverno.config.formats.document import AppSpec, Contents, Expander, LoggingIni
from wiverno.config.formats.foreign_ini import find_uwsgi_problem, foreign_file_problem, is_for_another_program
from wiverno.config.formats.locations import Place, ini_places
from wiverno.config.formats.text import read_text, template_hint
from wiverno.config.settings import ALIASES, SETTINGS

APP_SECTIONS = ("app", "application", "composite", "composit", "pipeline", "filter-app")
_FOREIGN_USE = re.compile(r"[A-Za-z]+:")
_WORD = re.compile(r"[^\s,]+")
PSERVE_LISTS = ("watch_files", "ignore_files")

Chain = list[dict[str, tuple[object, Origin]]]


class IniFile:
    """One INI text with its variables: pserve's `key=value` arguments, which are added to [DEFAULT]."""

    format: ClassVar[Literal["ini"]] = "ini"

    def __init__(self, name: str, text: str, variables: Mapping[str, str], *, on_disk: bool = True) -> None:
        from paste.deploy.loadwsgi import NicerConfigParser

        self.name = name
        self.path = Path(name).absolute()
        self.files: tuple[Path, ...] = (Path(name),) if on_disk else ()
        self.text = text
        self.texts = {name: text}
        self.text_lines = text.split("\n")
        self.variables = variables
        place = self._place()
        self.parser = NicerConfigParser(name, defaults=place)
        self.parser.optionxform = str
        try:
            self.parser.read_string(text, name)
        except configparser.Error as error:
            stranger = find_uwsgi_problem(name, text) if is_for_another_program(self.parser.sections()) else None
            raise ConfigError([stranger] if stranger else self._syntax_problems(error)) from None
        # As under pserve: [DEFAULT] wins over its arguments in %(…)s. For ${…} the arguments win.
        defaults: dict[str, str] = dict(configparser.ConfigParser.defaults(self.parser))
        self.default_names = [key for key in defaults if key not in place]
        sections = self.parser.sections()
        if (sections or self.default_names) and is_for_another_program(sections):
            raise ConfigError([foreign_file_problem(name, text, sections)])
        self.parser.read_dict({"DEFAULT": {key: value for key, value in variables.items() if key not in defaults}})

    def _place(self) -> dict[str, str]:
        """Return the values of `%(here)s` and `%(__file__)s`; a percent sign in a directory's name is escaped."""
        place = {"here": str(self.path.parent), "__file__": str(self.path)}
        return {name: text.replace("%", "%%") for name, text in place.items()}

    @cached_property
    def places(self) -> dict[tuple[str, str], Place]:
        """The place of every key by section and key."""
        return ini_places(self.text)

    def origin(self, section: str, key: str = "") -> Origin:
        """Return the place of a key, or of its section's header."""
        place = self.places.get((section, key)) or self.places.get((section, ""))
        if place is None:
            return Origin("file", self.name)
        line = self.text_lines[place.line - 1]
        items = tuple(self._items(place)) if key else ()
        return Origin(
            "file", self.name, place.line, place.column, line, place.width, place.key_column, place.key_width, items
        )

    def _items(self, place: Place) -> Iterator[tuple[str, Origin]]:
        """Give the words of a value of several lines, each with its place."""
        for number in range(place.line, max(place.last_line, place.line) + 1):
            line = self.text_lines[number - 1]
            if line.lstrip()[:1] in ("#", ";"):
                continue
            for word in _WORD.finditer(line, place.column - 1 if number == place.line else 0):
                yield word.group(), Origin("file", self.name, number, word.start() + 1, line, len(word.group()))

    @cached_property
    def variables_in_reach(self) -> dict[str, str]:
        """The names for `${…}` in this file: its [DEFAULT], the file's place, and above them pserve's arguments."""
        found = {}
        for key in configparser.ConfigParser.defaults(self.parser):
            try:
                found[key] = self.parser.get("DEFAULT", key)
            except configparser.InterpolationError:
                continue  # reported where a section uses it
        return found | dict(self.variables)

    def section(self, name: str, problems: list[Problem], *, raw: bool = False) -> dict[str, tuple[str, Origin]]:
        """Return a section's own keys with their values.

        `%(…)s` is replaced and Paste's `get key = name` followed; raw, both stay as `%(…)s`.
        """
        found: dict[str, tuple[str, Origin]] = {}
        for section, written in self.places:
            if section != name or not written or written.startswith("set "):
                continue
            key, origin = written, self.origin(name, written)
            try:
                value = self.parser.get(name, written, raw=raw) or ""
            except configparser.InterpolationError as error:
                problems.append(_interpolation_problem(error, key, origin))
                continue
            if written.startswith("get "):
                key = written.removeprefix("get ").strip()
                if raw:
                    found[key] = (f"%({value})s", origin)
                    continue
                if value not in self.variables_in_reach:
                    message = f"there is no {value} in [DEFAULT] or among the arguments"
                    problems.append(Problem(message, origin, key, hint=did_you_mean(value, self.variables_in_reach)))
                    continue
                value = self.variables_in_reach[value]
            found[key] = (value, origin)
        return found

    def names_of(self, *kinds: str) -> dict[str, str]:
        """Return the sections with some prefixes by name: "main" for [server:main] or [server]."""
        found = {}
        for section in self.parser.sections():
            kind, colon, name = section.partition(":")
            if kind in kinds:
                found[name.strip() if colon else "main"] = section
        return found

    def names(self, kind: str) -> dict[str, str]:
        """Return the sections of a kind, "server" or "app", by name."""
        return self.names_of(*(APP_SECTIONS if kind == "app" else (kind,)))

    def chain(self, name: str, problems: list[Problem], *, raw: bool = False) -> tuple[Chain, tuple[Path, ...]]:
        """Return a server's section and those it is built on by `use = NAME` or `use = config:FILE`, nearest first."""
        layers: Chain = []
        files: tuple[Path, ...] = ()
        current, seen = self, set[tuple[Path, str]]()
        asked: Origin | None = None
        while True:
            sections = current.names("server")
            if name not in sections:
                if name != "main" or layers:
                    there = ", ".join(sorted(sections)) or "none"
                    hint = "write egg:wiverno" if name == "wiverno" else did_you_mean(name, sections)
                    message = f"there is no [server:{name}] (there: {there})"
                    problems.append(Problem(message, asked or Origin("file", current.name), hint=hint))
                return layers, files
            if (current.path, name) in seen:
                message = f"[server:{name}] is built on itself"
                problems.append(Problem(message, current.origin(sections[name], "use"), "use"))
                return layers, files
            seen.add((current.path, name))
            section = dict(current.section(sections[name], problems, raw=raw))
            use, asked = section.get("use", ("", None))
            base = _base_of(use)
            if base is None:
                layers.append(dict(section))
                return layers, files
            section.pop("use")
            layers.append(dict(section))
            file, name = base
            if file:
                target = str(Path(current.name).parent / file)
                current = IniFile(target, read_text(target, asked, "use"), self.variables)
                self.texts[target] = current.text
                files = (*files, Path(target))

    def contents(self, server_name: str, app_name: str, expander: Expander) -> Contents:
        """Return the file's contents for one server and one application."""
        problems = expander.problems
        layers, more = self.chain(server_name, problems)
        apps = self.names("app")
        app = None
        if app_name in apps:
            # For PasteDeploy the text after # is a name, and it decodes %XX.
            file = str(self.path).replace("%", "%25").replace("#", "%23")
            app = AppSpec(f"config:{file}#{app_name}", origin=self.origin(apps[app_name]))
        elif app_name != "main":
            there = ", ".join(sorted(apps)) or "none"
            message, hint = f"there is no [app:{app_name}] (there: {there})", did_you_mean(app_name, apps)
            problems.append(Problem(message, Origin("file", self.name), hint=hint))
        servers = self.names("server")
        return Contents(
            files=(*self.files, *more),
            texts=dict(self.texts),
            has_server=server_name in servers,
            layers=tuple(layers),
            app=app,
            logging_ini=self._logging(),
            pserve=self.pserve(problems),
            warnings=tuple(self.trap_warnings(servers[server_name])) if server_name in servers else (),
        )

    def _logging(self) -> LoggingIni | None:
        if not self.parser.has_section("loggers"):
            return None
        return LoggingIni(self.name, self.text, self._place())

    def pserve(self, problems: list[Problem]) -> dict[str, Any]:
        """Return the section [pserve], its lists as lists."""
        if not self.parser.has_section("pserve"):
            return {}
        found = {key: value for key, (value, _) in self.section("pserve", problems).items()}
        return {key: value.split() if key in PSERVE_LISTS else value for key, value in found.items()}

    def trap_warnings(self, section: str) -> list[str]:
        """Return what PasteDeploy would drop from a server's section: keys that [DEFAULT] or the arguments have too."""
        return [
            trap_warning(key, section, str(self.origin(section, key)))
            for key in self.parser.options(section)
            if (section, key) in self.places and (key in self.default_names or key in self.variables)
            if key in SETTINGS or key in ALIASES
        ]

    def _syntax_problems(self, error: configparser.Error) -> list[Problem]:
        """Return configparser's errors as problems, one for each line."""
        if isinstance(error, configparser.DuplicateOptionError):
            message = f"stands twice in [{error.section}]"
            return [Problem(message, self._line_origin(error.lineno), error.option, about="key")]
        if isinstance(error, configparser.DuplicateSectionError):
            return [Problem(f"[{error.section}] stands twice", self._line_origin(error.lineno))]
        if isinstance(error, configparser.MissingSectionHeaderError):
            hint = template_hint(self.text)
            return [Problem("stands before the first [section]", self._line_origin(error.lineno), hint=hint)]
        if isinstance(error, configparser.ParsingError):
            message, hint = "is neither key = value nor a [section]", "a line that continues a value must be indented"
            hint = template_hint(self.text) or hint
            return [Problem(message, self._line_origin(number), hint=hint) for number, _ in error.errors]
        return [Problem(f"is no INI file: {error}", Origin("file", self.name))]

    def _line_origin(self, number: int | None) -> Origin:
        if not number:
            return Origin("file", self.name)
        line = self.text_lines[number - 1]
        depth, key = len(line) - len(line.lstrip()), re.split(r"\s*[=:]", line.strip())[0]
        width = len(line.strip())
        return Origin("file", self.name, number, depth + 1, line, width, depth + 1, len(key))


def trap_warning(key: str, section: str, place: str) -> str:
    """Return the warning of PasteDeploy's [DEFAULT] trap."""
    return (
        f"{place}: {key} is also in [DEFAULT] or among pserve's arguments, and PasteDeploy drops such a key from "
        f"[{section}]; use ${{…}} with another name there"
    )


def _base_of(use: str) -> tuple[str, str] | None:
    """Return file ("" for the same) and name of the section that `use` builds on, or None if it names a server."""
    if use.lower().startswith("config:"):
        file, _, name = use[7:].partition("#")
        return file.strip(), name.strip() or "main"
    if not use.strip() or _FOREIGN_USE.match(use):
        return None
    return "", use.strip()


def _interpolation_problem(error: configparser.InterpolationError, key: str, origin: Origin) -> Problem:
    if isinstance(error, configparser.InterpolationMissingOptionError):
        message = f"%({error.reference})s names nothing in [DEFAULT], in this section or among the arguments"
        return Problem(message, origin, key, hint=f"${{{error.reference}:-default}} also looks in the environment")
    if isinstance(error, configparser.InterpolationDepthError):
        return Problem("its %(…)s lead back to it", origin, key)
    return Problem("a % starts a %(name)s in INI files", origin, key, hint="write %% for the character itself")
