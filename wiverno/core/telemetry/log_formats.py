"""What a line of the access log looks like: common, combined, JSON, or text with {fields}.

A format takes what it needs of the environ before the application is called: afterwards the environ belongs to the
application. To keep copies of whole environs for a batch costs more than the lines.
"""

import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Any, Final, Protocol

from wiverno.core.telemetry.escaping import escape
from wiverno.wsgi_types import Environ


class Head(Protocol):
    """What a line needs of a response's head."""

    @property
    def code(self) -> int:
        """The status code."""


# What the format needs of the environ, REMOTE_USER if the application has set it, method, head (None: the server's own
# 500), bytes of content, and monotonic seconds: when the request was complete, when the application was called, when it
# had finished.
Values = tuple[Any, ...]
Record = tuple[Values, str | None, str, Head | None, int, float, float, float]

# A batch and the second as text → lines.
Lines = Callable[[Sequence[Record], str], list[str]]

# An environ → values, of which the first is that of PATH: what is not logged is chosen by it.
GetValues = Callable[[Environ], Values]
PATH: Final = "REQUEST_URI"

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FIELD: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class LogFormat:
    """One format.

    Attributes:
        values: what a line needs of an environ; "-", or None, for what is missing.
        lines: makes the lines of a batch.
        quotes: how many quotes a line has if no client has put in more.
        escapes: lines need no escaping, whatever the values are.
    """

    values: GetValues
    lines: Lines
    quotes: int = 0
    escapes: bool = False


def escaped(record: Record) -> Record:
    """Return a record whose texts are escaped."""
    values, user, method = record[:3]
    return tuple(map(escape, values)), None if user is None else escape(user), escape(method), *record[3:]


def find_format(form: str) -> LogFormat:
    """Return the format of that name, or the one that text with {fields} describes."""
    return _NAMED.get(form) or _own(form)


def _common_values(environ: Environ) -> Values:
    get = environ.get
    return get(PATH, "-"), get("REMOTE_ADDR", "-"), get("SERVER_PROTOCOL", "-")


def _common(batch: Sequence[Record], stamp: str) -> list[str]:
    return [
        f'{remote} - {"-" if user is None else user} [{stamp}] "{method} {uri} {protocol}" '
        f"{500 if head is None else head.code} {sent}"
        for (uri, remote, protocol), user, method, head, sent, _, _, _ in batch
    ]


def _combined_values(environ: Environ) -> Values:
    get = environ.get
    return (
        get(PATH, "-"), get("REMOTE_ADDR", "-"), get("SERVER_PROTOCOL", "-"), get("HTTP_REFERER", "-"),
        get("HTTP_USER_AGENT", "-"),
    )  # fmt: skip


def _combined(batch: Sequence[Record], stamp: str) -> list[str]:
    return [
        f'{remote} - {"-" if user is None else user} [{stamp}] "{method} {uri} {protocol}" '
        f'{500 if head is None else head.code} {sent} "{referer}" "{agent}"'
        for (uri, remote, protocol, referer, agent), user, method, head, sent, _, _, _ in batch
    ]


def _json(batch: Sequence[Record], stamp: str) -> list[str]:
    text, now, pid = _json_text, iso_time(), os.getpid()
    return [
        f'{{"time": "{now}", "remote": {text(remote)}, "user": {text(user)}, "method": {text(method)}, '
        f'"uri": {text(uri)}, "protocol": {text(protocol)}, "host": {text(host)}, '
        f'"status": {500 if head is None else head.code}, "bytes": {sent}, '
        f'"referer": {text(referer)}, "agent": {text(agent)}, '
        f'"seconds": {ended - started:.6f}, "wait_seconds": {started - since:.6f}, '
        f'"id": {text(request_id)}, "pid": {pid}}}'
        for (
            (uri, remote, protocol, host, referer, agent, request_id), user, method, head, sent, since, started, ended,
        ) in batch
    ]  # fmt: skip


def _json_text(value: Any) -> str:
    return "null" if value is None else encode_basestring_ascii(value if type(value) is str else str(value))


def format_stamp(second: int) -> str:
    """Return a second in the common format, in English whatever the locale."""
    local = time.localtime(second)
    return (
        f"{local.tm_mday:02d}/{_MONTHS[local.tm_mon - 1]}/{local.tm_year}:"
        f"{local.tm_hour:02d}:{local.tm_min:02d}:{local.tm_sec:02d} {_offset(local)}"
    )


def iso_time() -> str:
    """Return the time now in ISO 8601, with milliseconds."""
    now = time.time()
    local = time.localtime(now)
    return (
        f"{local.tm_year}-{local.tm_mon:02d}-{local.tm_mday:02d}T{local.tm_hour:02d}:{local.tm_min:02d}:"
        f"{local.tm_sec:02d}.{int(now * 1000) % 1000:03d}{_offset(local, ':')}"
    )


def _offset(local: time.struct_time, between: str = "") -> str:
    """Return the distance of a local time from UTC, with what stands between hours and minutes."""
    minutes = (local.tm_gmtoff or 0) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{between}{abs(minutes) % 60:02d}"


def _variables(names: tuple[str, ...], missing: str | None) -> GetValues:
    """Return a function that takes these variables of the environ."""
    in_their_place = (missing,) * len(names)
    return lambda environ: tuple(map(environ.get, names, in_their_place))


_JSON: Final = (
    PATH, "REMOTE_ADDR", "SERVER_PROTOCOL", "HTTP_HOST", "HTTP_REFERER", "HTTP_USER_AGENT", "wiverno.request_id",
)  # fmt: skip
_NAMED: Final = {
    "common": LogFormat(_common_values, _common, quotes=2),
    "combined": LogFormat(_combined_values, _combined, quotes=6),
    "json": LogFormat(_variables(_JSON, None), _json, escapes=True),
}

# Fields that are a variable of the environ.
_VARIABLES: Final = {
    "remote": "REMOTE_ADDR", "uri": PATH, "query": "QUERY_STRING", "protocol": "SERVER_PROTOCOL", "host": "HTTP_HOST",
    "scheme": "wsgi.url_scheme", "referer": "HTTP_REFERER", "agent": "HTTP_USER_AGENT", "id": "wiverno.request_id",
}  # fmt: skip

# All others. The first two values of a record are those of _ALWAYS.
_ALWAYS: Final = (PATH, "SERVER_PROTOCOL")
_OTHERS: Final[dict[str, Callable[[Record, str], object]]] = {
    "user": lambda record, stamp: "-" if record[1] is None else record[1],
    "time": lambda record, stamp: stamp,
    "iso_time": lambda record, stamp: iso_time(),
    "request": lambda record, stamp: f"{record[2]} {record[0][0]} {record[0][1]}",
    "method": lambda record, stamp: record[2],
    "path": lambda record, stamp: str(record[0][0]).partition("?")[0],
    "status": lambda record, stamp: 500 if record[3] is None else record[3].code,
    "bytes": lambda record, stamp: record[4],
    "seconds": lambda record, stamp: f"{record[7] - record[6]:.6f}",
    "milliseconds": lambda record, stamp: f"{(record[7] - record[6]) * 1000:.3f}",
    "wait_seconds": lambda record, stamp: f"{record[6] - record[5]:.6f}",
    "wait_milliseconds": lambda record, stamp: f"{(record[6] - record[5]) * 1000:.3f}",
    "pid": lambda record, stamp: os.getpid(),
}


def _variable(name: str) -> str:
    if not name.startswith("header:"):
        return _VARIABLES[name]
    variable = name[7:].upper().replace("-", "_")
    return variable if variable in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{variable}"


def _value(position: int) -> Callable[[Record, str], object]:
    return lambda record, stamp: record[0][position]


def _own(form: str) -> LogFormat:
    """Return the format for text with {fields}."""
    pieces = _FIELD.split(form)
    words, names = pieces[::2], pieces[1::2]
    variables = [*_ALWAYS]
    getters = []
    for name in names:
        if name in _OTHERS:
            getters.append(_OTHERS[name])
            continue
        variable = _variable(name)
        if variable not in variables:
            variables.append(variable)
        getters.append(_value(variables.index(variable)))
    template = "%s".join(word.replace("%", "%%") for word in words)

    def lines(batch: Sequence[Record], stamp: str) -> list[str]:
        return [template % tuple([getter(record, stamp) for getter in getters]) for record in batch]

    return LogFormat(_variables(tuple(variables), "-"), lines, quotes="".join(words).count('"'))


def needs_times(form: str) -> bool:
    """Tell whether lines of this format contain a duration."""
    return form == "json" or "seconds}" in form


def needs_request_id(form: str) -> bool:
    """Tell whether lines of this format name the request's id."""
    return form == "json" or "{id}" in form
