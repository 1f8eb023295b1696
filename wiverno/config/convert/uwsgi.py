"""uWSGI's options as wiverno's settings: each is carried, or named with what to do.

The names are in uwsgi_names.py; here is what needs more than another name: applications, addresses, logs, variables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from wiverno.config.convert.gunicorn import Translated, complete_address
from wiverno.config.convert.logs import file_logging, translate_format
from wiverno.config.convert.uwsgi_file import UwsgiOption
from wiverno.config.convert.uwsgi_names import FLAGS, KNOWN, LEFT, LEFT_GROUPS, NOT_NEEDED, SAME, SYNONYMS
from wiverno.config.errors import Origin, Problem, find_nearest
from wiverno.config.formats.interpolation import is_expandable

_SPEAKS_HTTP: Final = "speaks HTTP here: in nginx, uwsgi_pass becomes proxy_pass http://…"
_TRUE: Final = ("true", "1", "yes", "on")
_FALSE: Final = ("false", "off", "no", "0")


class UwsgiTranslator:
    """Translates the options of one configuration; `finish` completes the result.

    Attributes:
        result: settings, application and logging.
        places: the value and the place of each setting's option, by the option's name.
        notes: what is left out.
        remarks: what is carried and differs.
    """

    def __init__(self) -> None:
        self.result = Translated()
        self.places: dict[str, tuple[object, Origin]] = {}
        self.notes: list[Problem] = []
        self.remarks: list[Problem] = []
        self._lists: dict[str, list[str]] = {"listen": [], "pythonpath": []}
        self._env: dict[str, str] = {}
        self._mounted: list[dict[str, object]] = []
        self._module: UwsgiOption | None = None
        self._file: UwsgiOption | None = None
        self._callable = ""
        self._mounts: list[UwsgiOption] = []
        self._handlers: Mapping[str, Callable[[UwsgiOption], None]] = {
            "module": self._take_module, "wsgi-file": self._take_file, "callable": self._take_callable,
            "mount": self._mounts.append, "paste": self._take_paste, "pyramid": self._take_paste,
            "http": self._listen, "http-socket": self._listen, "socket": self._listen, "https": self._listen_tls,
            "https-socket": self._listen_tls, "pythonpath": self._take_directory, "home": self._leave_home,
            "env": self._take_variable, "chmod-socket": self._take_mode, "reload-on-rss": self._take_memory,
            "logto": self._take_log, "daemonize": self._take_log, "req-logger": self._take_access_log,
            "logformat": self._take_format, "stats": self._take_stats, "static-map": self._take_static,
            "protocol": self._take_protocol,
        }  # fmt: skip

    def take(self, options: Iterable[UwsgiOption]) -> None:
        """Translate options."""
        for option in options:
            name = SYNONYMS.get(option.name, option.name)
            if option.condition:
                words = f"stands in {option.condition}: ${{NAME:-default}} takes a value from the environment"
                self._note(option, words)
            elif name in self._handlers:
                self._handlers[name](option)
            elif name in SAME:
                setting, remark = SAME[name]
                self._set(setting, option.value, option)
                if remark:
                    self._remark(option, remark)
            elif name not in FLAGS or option.value.lower() not in _FALSE:  # one that is off is as if it were not there
                self._note(option, _advice(name))

    def finish(self) -> None:
        """Name the application, and take what was collected of repeated options."""
        self._name_application()
        for setting, values in self._lists.items():
            if values:
                self.result.settings[setting] = (values, setting)
        if self._env:
            self.result.settings["env"] = (self._env, "env")
        if "max_requests" not in self.result.settings:
            self.result.settings.pop("max_requests_jitter", None)

    # ---------------------------------------------------------------- results

    def _set(self, setting: str, value: object, option: UwsgiOption) -> None:
        if isinstance(value, str) and value.isdigit():
            value = int(value) if setting not in ("user", "group", "umask") else value
        self.result.settings[setting] = (value, option.name)
        self.places[option.name] = (option.value, option.origin)

    def _collect(self, setting: str, value: str, option: UwsgiOption) -> None:
        self._lists[setting].append(value)
        self.places.setdefault(setting, (option.value, option.origin))

    def _note(self, option: UwsgiOption, message: str) -> None:
        self.notes.append(Problem(message, option.origin, option.name, about="key"))

    def _remark(self, option: UwsgiOption, message: str) -> None:
        self.remarks.append(Problem(message, option.origin, option.name, about="key"))

    # ---------------------------------------------------------------- the application

    def _take_module(self, option: UwsgiOption) -> None:
        self._module = option

    def _take_file(self, option: UwsgiOption) -> None:
        self._file = option

    def _take_callable(self, option: UwsgiOption) -> None:
        self._callable = option.value

    def _take_paste(self, option: UwsgiOption) -> None:
        path = option.value.removeprefix("config:")
        self.result.app = f"config:{path}"

    def _name_application(self) -> None:
        if self._mounts and self._module is None and self._file is None and len(self._mounts) == 1:
            [mount] = self._mounts
            prefix, _, target = mount.value.partition("=")
            self._set("url_prefix", prefix, mount)
            where = UwsgiOption(mount.name, target, mount.origin)
            self._mounts.clear()
            if target.endswith(".py"):
                self._file = where
            else:
                self._module = where
        for mount in self._mounts:
            words = "one application is served: put several under paths with werkzeug's DispatcherMiddleware"
            self._note(mount, words)
        if self._module is not None:
            module, _, name = self._module.value.partition(":")
            call, bracket, arguments = (name or self._callable).partition("(")
            if bracket and arguments.rstrip(") "):
                self._note(self._module, f"its arguments are written in [app.settings], by name: {name}")
            self.result.app = f"{module}:{call or 'application'}"
            self.result.is_factory = bool(bracket)
        elif self._file is not None:
            self._name_file(self._file)

    def _name_file(self, option: UwsgiOption) -> None:
        """Name a file as a module, imported from its directory."""
        path = PurePosixPath(option.value)
        module = path.name.removesuffix(".py")
        if not module.isidentifier():
            self._note(option, f"{path.name} is no name of a module: give the file another one, such as wsgi.py")
            return
        if str(path.parent) != ".":
            self._collect("pythonpath", str(path.parent), option)
        self.result.app = f"{module}:{self._callable or 'application'}"

    # ---------------------------------------------------------------- addresses

    def _listen(self, option: UwsgiOption) -> None:
        for word in option.value.split(","):
            address = complete_address(word.strip())
            if ":" not in address:
                address = f"unix:{address}"
            self._collect("listen", address, option)
        if SYNONYMS.get(option.name, option.name) == "socket":
            self._remark(option, _SPEAKS_HTTP)

    def _listen_tls(self, option: UwsgiOption) -> None:
        address, *files = option.value.split(",")
        self._collect("listen", complete_address(address), option)
        for setting, file in zip(("certfile", "keyfile"), files, strict=False):
            self._set(setting, file, option)
        if len(files) > 2:
            self._note(option, f"ciphers and authorities are set apart: tls_min_version, ca_certs ({files[2]})")

    def _take_protocol(self, option: UwsgiOption) -> None:
        if option.value.lower() not in ("http", "http11", "uwsgi"):
            self._note(option, f"{option.value} is not spoken: HTTP only")

    def _take_stats(self, option: UwsgiOption) -> None:
        address = complete_address(option.value)
        if re.match(r"127\.|localhost:|\[::1\]", address):
            self._set("admin_listen", address, option)
            self._remark(option, "has another form here: /status (JSON), /metrics (Prometheus), and a page")
        elif ":" not in address or address.startswith("unix:"):
            self._set("admin_listen", f"unix:{address.removeprefix('unix:')}", option)
        else:
            self._note(option, 'other machines could read it: admin_listen = "127.0.0.1:9001"')

    def _take_mode(self, option: UwsgiOption) -> None:
        self._set("unix_socket_perms", "666" if option.value in _TRUE else option.value.lstrip("0")[-3:], option)
        self.result.settings["unix_socket_perms"] = (
            str(self.result.settings["unix_socket_perms"][0]), option.name,
        )  # fmt: skip

    # ---------------------------------------------------------------- the process

    def _take_directory(self, option: UwsgiOption) -> None:
        self._collect("pythonpath", option.value, option)

    def _leave_home(self, option: UwsgiOption) -> None:
        self._note(option, f"install wiverno there and start it by its path: {option.value}/bin/wiverno run")

    def _take_variable(self, option: UwsgiOption) -> None:
        name, equals, value = option.value.partition("=")
        if not equals:
            self._note(option, f"{name} has no value: it is the service's, or write it in [server.env]")
            return
        self._env[name.strip()] = value.strip()
        self.places.setdefault("env", (option.value, option.origin))

    def _take_memory(self, option: UwsgiOption) -> None:
        self._set("max_rss", f"{option.value}MiB" if option.value.isdigit() else option.value, option)

    # ---------------------------------------------------------------- logs

    def _take_log(self, option: UwsgiOption) -> None:
        path = option.value.removeprefix("file:")
        if SYNONYMS.get(option.name, option.name) == "daemonize":
            self._note(option, LEFT["daemonize"])
        if path in _TRUE or (option.name == "logger" and path == option.value and "/" not in path.partition(":")[0]):
            if option.name == "logger":
                self._note(option, "set a handler under [logging], such as logging.handlers.SysLogHandler")
            return
        self.result.logging = file_logging(path, "info")

    def _take_access_log(self, option: UwsgiOption) -> None:
        kind, colon, path = option.value.partition(":")
        if colon and kind == "file":
            self._set("access_log", path, option)
        else:
            self._note(option, 'access_log = "logging" sends the lines to the logger wiverno.access; set its handler')

    def _take_format(self, option: UwsgiOption) -> None:
        found = translate_format(option.value) if not is_expandable(option.value) else None
        if found is None:
            self._note(option, "write access_log_format: common, combined, json, or fields such as {status}")
        else:
            self._set("access_log_format", found, option)

    def _take_static(self, option: UwsgiOption) -> None:
        """Take a mount; what is not in the directory goes to the application, as in uWSGI."""
        path, equals, directory = option.value.partition("=")
        if not equals:
            self._note(option, "is no /path=directory")
            return
        self._mounted.append({"path": path.strip(), "directory": directory.strip(), "fallback": True})
        self._set("static", self._mounted, option)


def _advice(name: str) -> str:
    """Return what to do about an option that is not carried."""
    known: Any = NOT_NEEDED.get(name) or LEFT.get(name)
    if known is None:
        known = next((words for start, words in LEFT_GROUPS.items() if name.startswith(start)), None)
    if known is not None:
        return str(known)
    near = find_nearest(name, sorted(KNOWN))
    return "wiverno has no such setting" + (f"; did you mean {near}?" if near else "")
