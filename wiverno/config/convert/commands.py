"""Command lines of other servers, translated (see command_line.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from wiverno.config.convert.command_line import GRANIAN, GUNICORN, CommandLine, Grammar, find_program, read_options
from wiverno.config.convert.gunicorn import Translated, from_gunicorn
from wiverno.config.convert.uwsgi import UwsgiTranslator
from wiverno.config.convert.uwsgi_file import command_option, read_uwsgi
from wiverno.config.convert.uwsgi_names import FLAGS
from wiverno.config.errors import Origin, Problem
from wiverno.config.formats.interpolation import escape
from wiverno.config.formats.text import read_text
from wiverno.config.settings import ALIASES, SETTINGS

_UWSGI_FILES: Final = (".ini", ".yaml", ".yml", ".xml", ".json")

# granian's options → wiverno's settings, with a remark where the meaning differs.
_GRANIAN: Final = {
    "host": ("host", ""), "port": ("port", ""), "uds": ("unix_socket", ""), "workers": ("workers", ""),
    "blocking_threads": ("threads", ""), "backlog": ("backlog", ""), "log_level": ("log_level", ""),
    "ssl_certificate": ("certfile", ""), "ssl_keyfile": ("keyfile", ""), "ssl_ca": ("ca_certs", ""),
    "url_path_prefix": ("url_prefix", ""), "pid_file": ("pid_file", ""), "working_dir": ("chdir", ""),
    "env_files": ("env_file", ""), "workers_graceful_timeout": ("graceful_timeout", ""),
    "workers_kill_timeout": ("graceful_timeout", ""), "uds_permissions": ("unix_socket_perms", ""),
    "backpressure": ("queue_size", "requests that wait for a thread are counted, not those that run"),
}  # fmt: skip
_GRANIAN_LEFT: Final = {
    "threads": "one event loop a process is enough here; threads (blocking_threads) run the application",
    "runtime_threads": "one event loop a process is enough here",
    "runtime_mode": "there is one event loop",
    "threading_mode": "there is one event loop",
    "loop": "there is no asyncio",
    "task_impl": "there is no asyncio",
    "log_config": "write [logging]",
    "access_log_fmt": "write access_log_format: common, combined, json, or fields such as {status}",
    "reload": "wiverno run dev reloads",
    "respawn_failed_workers": "not needed: a worker that ends is always replaced",
    "respawn_interval": "pauses between restarts grow by themselves",
    "workers_lifetime": "replace workers with max_requests or max_rss",
    "process_name": "processes keep their name",
    "ws": "there are no WebSockets: route their paths to an ASGI server",
    "ssl_keyfile_password": "keys with a password are not read",
}
_NOT_NEEDED: Final = ("no_ws", "no_reload", "no_factory", "no_access_log", "http1_keep_alive", "log")
_LEVELS: Final = {"warn": "warning", "notset": "debug"}


class TranslatedCommand:
    """A command line by wiverno's names.

    Attributes:
        result: settings, application and logging.
        places: the value and the place of each option by its name.
        notes: what is left out.
        remarks: what is carried and differs.
    """

    def __init__(self, text: str) -> None:
        """Take a command line apart.

        Raises:
            ConfigError: it names no known program, or a file that cannot be read.
        """
        self.result = Translated()
        self.places: dict[str, tuple[object, Origin]] = {}
        self.notes: list[Problem] = []
        self.remarks: list[Problem] = []
        self.config = ""
        line = find_program(text)
        self.program = line.program
        self.values: dict[str, object] = {}
        {
            "gunicorn": self._gunicorn,
            "waitress-serve": self._waitress,
            "uwsgi": self._uwsgi,
            "granian": self._granian,
        }[line.program](line)
        self._variables = line.variables

    def finish(self) -> None:
        """Take the variables before the program, below those that the options set."""
        if self._variables:
            env = {name: escape(value) for name, value in self._variables.items()}
            before, _ = self.result.settings.get("env", ({}, ""))
            self.result.settings["env"] = ({**env, **(before if isinstance(before, dict) else {})}, "env")
            self._place("env", "")

    def _place(self, name: str, value: str, written: str = "") -> Origin:
        origin = Origin("option", text=written or name)
        self.places.setdefault(name, (value, origin))
        return origin

    def _note(self, name: str, written: str, message: str) -> None:
        self.notes.append(Problem(message, self._place(name, "", written), name, about="key"))

    def _name(self, words: list[str], *, calls: bool = False) -> None:
        for word in words[:1]:
            module, _, attribute = word.partition(":")
            self.result.app = escape(f"{module}:{attribute or 'app'}")
            self.result.is_factory = calls
        for word in words[1:]:
            self._note(word, word, "is one word more than the application")

    def _gunicorn(self, line: CommandLine) -> None:
        found = read_options(line, GUNICORN)
        values: dict[str, object] = {}
        for name, value, written in found.options:
            self._place(name, value, written)
            if name == "config":
                self.config = value.removeprefix("file:")
            elif name in ("bind", "raw_env"):
                values[name] = [*values.get(name, []), escape(value)]  # type: ignore[misc]
            elif name in GUNICORN.flags:
                values[name] = value == "true"
            else:
                values[name] = escape(value)
        if found.words:
            values["wsgi_app"] = escape(found.words[0])
            self._place("wsgi_app", found.words[0])
        self.values = values

    def merge_gunicorn(self, below: dict[str, object], places: dict[str, tuple[object, Origin]]) -> None:
        """Translate gunicorn's options over the settings of its file."""
        self.places = {**places, **self.places}
        self.result = from_gunicorn({**below, **self.values})

    def _waitress(self, line: CommandLine) -> None:
        flags = [name for name, entry in SETTINGS.items() if entry.type.is_flag]
        flags += [f"no_{name}" for name in flags] + ["call"]
        found = read_options(line, Grammar({}, frozenset(flags)))
        calls, app = False, list(found.words)
        for name, value, written in found.options:
            if name == "call":
                calls = True
            elif name == "app":
                app.insert(0, value)
            elif ALIASES.get(name, name) in SETTINGS:
                self._set(ALIASES.get(name, name), escape(value), name, written)
            elif name.startswith("no_") and name[3:] in SETTINGS:
                self._set(name[3:], "false", name, written)
            else:
                self._note(name, written, "wiverno has no such setting")
        self._name(app, calls=calls)

    def _set(self, setting: str, value: object, name: str, written: str) -> None:
        before, _ = self.result.settings.get(setting, (None, ""))
        if SETTINGS[setting].type.is_list and isinstance(before, str):
            value = f"{before} {value}"
        self.result.settings[setting] = (value, name)
        self._place(name, str(value), written)

    def _uwsgi(self, line: CommandLine) -> None:
        found = read_options(line, Grammar(_UWSGI_LETTERS, FLAGS), separator="-")
        translator = UwsgiTranslator()
        for word in found.words:
            if Path(word).suffix in _UWSGI_FILES:
                translator.take(read_uwsgi(word, read_text(word)))
            else:
                self._note(word, word, "is no option")
        for name, value, written in found.options:
            if name in ("ini", "yaml", "xml", "json"):
                translator.take(read_uwsgi(value, read_text(value)))
            else:
                translator.take([command_option(name, value, written)])
        translator.finish()
        self.result, self.places = translator.result, {**translator.places, **self.places}
        self.notes += translator.notes
        self.remarks += translator.remarks

    def _granian(self, line: CommandLine) -> None:
        found = read_options(line, GRANIAN)
        options = {name: value for name, value, _ in found.options}
        self._name(found.words, calls="factory" in options)
        if options.get("interface", "rsgi") != "wsgi":
            self._note("interface", "--interface", "wiverno serves WSGI applications only: granian --interface wsgi")
        for name, value, written in found.options:
            if name in _GRANIAN:
                setting, remark = _GRANIAN[name]
                self._set(setting, escape(_LEVELS.get(value, value)), name, written)
                if remark:
                    self.remarks.append(Problem(remark, self._place(name, value, written), name, about="key"))
            elif name == "access_log":
                self._set("access_log", "-", name, written)
            elif name == "workers_max_rss":
                self._set("max_rss", f"{value}MiB", name, written)
            elif name == "http" and value in ("auto", "2"):
                self._set("http2", "true", name, written)
            elif name == "static_path_mount":
                path = options.get("static_path_route", "/static")
                self._set("static", [{"path": escape(path), "directory": escape(value)}], name, written)
            elif name not in (*_NOT_NEEDED, "factory", "interface", "http", "static_path_route"):
                self._note(name, written, _GRANIAN_LEFT.get(name, "wiverno has no such setting"))
        for setting, default in (("host", "127.0.0.1"), ("port", "8000")):
            if not {"host", "port", "uds"} & options.keys() or (setting not in options and "uds" not in options):
                self._set(setting, default, setting, "granian's default")


_UWSGI_LETTERS: Final = {
    "p": "processes", "w": "module", "s": "socket", "H": "home", "M": "master", "l": "listen", "b": "buffer-size",
    "C": "chmod-socket", "R": "max-requests", "t": "harakiri", "z": "socket-timeout", "T": "enable-threads",
    "L": "disable-logging", "i": "single-interpreter", "d": "daemonize", "m": "memory-report", "x": "xml", "y": "yaml",
    "j": "json",
}  # fmt: skip
