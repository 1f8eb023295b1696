"""Logs of other servers: formats of access lines, log files and dictConfig tables, as wiverno has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

# gunicorn's atoms (its setting access_log_format) → wiverno's fields.
_GUNICORN: Final[Mapping[str, str]] = {
    "h": "remote", "l": "-", "u": "user", "t": "[time]", "r": "request", "m": "method", "U": "path", "q": "query",
    "H": "protocol", "s": "status", "B": "bytes", "b": "bytes", "f": "referer", "a": "agent", "M": "milliseconds",
    "L": "seconds", "T": "seconds", "p": "pid",
}  # fmt: skip
# uWSGI's variables (its option log-format) → wiverno's fields.
_UWSGI: Final[Mapping[str, str]] = {
    "addr": "remote", "user": "user", "ltime": "time", "ctime": "time", "time": "iso_time", "method": "method",
    "uri": "uri", "proto": "protocol", "status": "status", "size": "bytes", "rsize": "bytes", "referer": "referer",
    "uagent": "agent", "msecs": "milliseconds", "secs": "seconds", "pid": "pid", "host": "host",
    "var.HTTP_X_FORWARDED_FOR": "header:X-Forwarded-For", "var.REQUEST_URI": "uri",
}  # fmt: skip
_ATOM: Final = re.compile(r"%\((?P<gunicorn>\{?[^()]*)\)s|%\((?P<uwsgi>[\w.-]+)\)")
_HEADER: Final = re.compile(r"\{([^{}]+)\}i")

_COMMON: Final = '{remote} - {user} [{time}] "{request}" {status} {bytes}'
_NAMED: Final = {_COMMON: "common", f'{_COMMON} "{{referer}}" "{{agent}}"': "combined"}


def translate_format(text: str) -> str | None:
    """Return a format of gunicorn's or uWSGI's with wiverno's fields, None if one of its fields is not there."""
    parts: list[str] = []
    position = 0
    for match in _ATOM.finditer(text):
        parts.append(text[position : match.start()])
        position = match.end()
        atom = match["gunicorn"]
        if atom is None:
            field = _UWSGI.get(match["uwsgi"])
        elif header := _HEADER.fullmatch(atom):
            field = f"header:{header[1].title()}"
        else:
            field = _GUNICORN.get(atom)
        if field is None:
            return None
        parts.append({"-": "-", "[time]": "[{time}]"}.get(field, f"{{{field}}}"))
    parts.append(text[position:])
    if any("{" in part or "}" in part for part in parts[::2]):
        return None
    found = "".join(parts)
    return _NAMED.get(found, found) if "{" in found else None


def file_logging(path: str, level: str) -> dict[str, Any]:
    """Return the table [logging] that writes the server's and the application's log into a file.

    Args:
        path: the file, as TOML has it. Another program may rotate it.
        level: the lowest level.
    """
    return {
        "formatters": {"plain": {"format": "%(asctime)s [%(process)d] %(levelname)s %(name)s: %(message)s"}},
        "handlers": {
            "file": {"class": "logging.handlers.WatchedFileHandler", "filename": path, "formatter": "plain"},
        },
        "root": {"level": level.upper(), "handlers": ["file"]},
    }


_DICT_CONFIG: Final = ("formatters", "filters", "handlers", "loggers", "root", "incremental")
_LOGGERS: Final = {"gunicorn.error": "wiverno", "gunicorn.access": "wiverno.access", "gunicorn": "wiverno"}


def translate_dict_config(table: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a dictConfig with wiverno's loggers in place of gunicorn's; None if it is none, or TOML cannot hold it."""
    found = {key: value for key, value in table.items() if key in _DICT_CONFIG}
    if not found or not _fits_toml(found):
        return None
    if isinstance(found.get("loggers"), Mapping):
        found["loggers"] = {_LOGGERS.get(name, name): value for name, value in found["loggers"].items() if name}
    return found


def _fits_toml(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _fits_toml(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_fits_toml, value))
    return isinstance(value, str | int | float)
