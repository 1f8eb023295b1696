"""The access log: one line a response, formatted without the logging machinery, a batch at a time.

A batch is what the leader did between two waits for events (request_recorder.py): a line is in the file before the
server waits again, and a busy server formats, checks and writes hundreds of lines at once. A line is one line whatever
the client sent (security case 42): a batch in which the count of quotes is wrong, or that holds anything but printable
ASCII, is formatted once more with every value escaped.
"""

import errno
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any, Final, Protocol

from wiverno.core.log_files import open_log
from wiverno.core.loop.descriptors import Descriptor
from wiverno.files import SetupError, error_text, make_absolute
from wiverno.foreign_code import guarded_logger
from wiverno.standard_streams import reserve_descriptors
from wiverno.wsgi_types import Environ


class Head(Protocol):
    """What a line needs of a response's head."""

    @property
    def code(self) -> int:
        """The status code."""


# environ, method, head (None: the server's own 500), bytes of content, and monotonic seconds: when the request was
# complete, when the application was called, when it had finished.
Record = tuple[Environ, str, Head | None, int, float, float, float]

# A batch and the second as text → lines.
Format = Callable[[Sequence[Record], str], list[str]]

LOGGER: Final = "wiverno.access"
ERRORS: Final = 500  # status from which on a response is logged even if it is not in the sample

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PRINTABLE: Final = bytes(range(32, 127))
_HARMLESS: Final = bytes(byte for byte in _PRINTABLE if byte not in b'"\\')  # also between quotes
_UNSAFE: Final = re.compile(r"[^\x20-\x7e]")
_FIELD: Final = re.compile(r"\{([^{}]*)\}")

logger = guarded_logger("wiverno")


class AccessLog:
    """A file, standard output or a logger, and the format of a line. One thread at a time may call a method."""

    def __init__(self, target: str, form: str = "combined", *, sample: int = 1, skip: Iterable[str] = ()) -> None:
        """Open the log.

        Args:
            target: a path, "-" for standard output, "logging" for the logger wiverno.access.
            form: common, combined, json, or text with {fields}.
            sample: one response out of this many is logged.
            skip: paths not to log; /x/* means all that begin with /x/.

        Raises:
            SetupError: the file can't be opened; the message names it.
        """
        self._format, self._quotes = find_format(form)
        # What remains of a line without the characters that need no escaping.
        self._rest = b'"' * max(self._quotes, 0) + b"\n"
        self._ordinary = _PRINTABLE if self._quotes < 0 else _HARMLESS
        self._target = target
        self._sample = sample
        self._turn = 0
        self._skipped = frozenset(path for path in skip if not path.endswith("*"))
        self._skipped_prefixes = tuple(path[:-1] for path in skip if path.endswith("*"))
        self._is_selective = sample > 1 or bool(self._skipped or self._skipped_prefixes)
        self._has_failed = False
        self._logger = guarded_logger(LOGGER) if target == "logging" else None
        self._second = 0
        self._stamp = ""
        # The application may change the current directory before the file is opened the next time.
        self._path = "" if target in ("-", "logging") else make_absolute(target)
        try:
            self._fd = self._open()
        except OSError as error:
            raise SetupError(error.errno, f"the access log {target} can't be opened: {error_text(error)}") from error
        self._descriptor = Descriptor(self._fd, "the access log")

    def _open(self) -> int:
        if self._logger is not None:
            return -1
        if self._target == "-":
            reserve_descriptors()
            return os.dup(1)  # the application may close standard output, and open a file in its place
        return open_log(self._path)

    def write(self, batch: Sequence[Record]) -> None:
        """Write lines about these responses."""
        if self._is_selective:
            batch = [record for record in batch if self._is_wanted(record)]
        if not batch:
            return
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._stamp = format_stamp(second)
        try:
            lines = self._format(batch, self._stamp)
        except KeyError:
            lines = self._escaped(batch)
        text = "\n".join((*lines, ""))
        # One check of all lines costs a fraction of one for each field, and nearly always finds nothing.
        if not text.isascii() or text.encode("ascii").translate(None, self._ordinary) != self._rest * len(batch):
            lines = self._escaped(batch)
            text = "\n".join((*lines, ""))
        if self._logger is None:
            self._write(text.encode("ascii"))
            return
        for line in lines:
            self._logger.info("%s", line)

    def _escaped(self, batch: Sequence[Record]) -> list[str]:
        if self._quotes < 0:
            return self._format(batch, self._stamp)
        safe: list[Record] = [(_Escaped(record[0]), escape(record[1]), *record[2:]) for record in batch]
        return [_one_line(line) for line in self._format(safe, self._stamp)]

    def _is_wanted(self, record: Record) -> bool:
        head = record[2]
        if head is None or head.code >= ERRORS:
            return True
        path = str(record[0].get("REQUEST_URI", "")).partition("?")[0]
        if path in self._skipped or path.startswith(self._skipped_prefixes):
            return False
        self._turn += 1
        return self._turn % self._sample == 0

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            return  # closed: a thread that was told to end has finished after all
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            if error.errno == errno.EBADF and not self._descriptor.is_ours():
                self.check()
                self._write(data)
                return
            if not self._has_failed:
                self._has_failed = True
                logger.error("the access log %s can't be written, lines are lost: %s", self._target, error_text(error))
        else:
            self._has_failed = False

    def check(self) -> None:
        """Open the file again if something else in this process has closed its descriptor."""
        if self._fd < 0 or self._descriptor.is_ours():
            return
        logger.error("%s; %s is opened again", self._descriptor.loss(), self._target)
        try:
            self._fd = self._open()
        except OSError as error:
            self._fd = -1
            logger.error("the access log %s can't be opened again, lines are lost: %s", self._path, error_text(error))
        self._descriptor = Descriptor(self._fd, "the access log")

    def reopen(self) -> None:
        """Continue in a new file of the same name, after the old one was moved."""
        if self._fd < 0 or self._target == "-":
            return
        try:
            new = self._open()
        except OSError as error:
            logger.error("the access log %s can't be reopened: %s", self._path, error_text(error))
        else:
            if self._descriptor.is_ours():
                os.close(self._fd)
            self._fd = new
            self._descriptor = Descriptor(new, "the access log")

    def close(self) -> None:
        """Close the file; harmless when done before."""
        fd, self._fd = self._fd, -1
        if fd >= 0 and self._descriptor.is_ours():
            os.close(fd)


# -------------------------------------------------------------------- escaping


def escape(value: object) -> str:
    r"""Return text for between quotes: `\"`, `\\`, and `\xNN` for what is not printable ASCII."""
    return _one_line(str(value).replace("\\", "\\\\").replace('"', '\\"'))


def _one_line(text: str) -> str:
    return _UNSAFE.sub(lambda match: _code(ord(match[0])), text)


def _code(point: int) -> str:
    return f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}" if point < 65536 else f"\\U{point:08x}"


class _Escaped(dict[str, Any]):
    """An environ that returns every value escaped."""

    def get(self, key: str, default: Any = None) -> Any:
        value = super().get(key)
        return default if value is None else escape(value)

    def __getitem__(self, key: str) -> Any:
        return self.get(key, "-")  # the application may have removed it


# -------------------------------------------------------------------- formats


def find_format(form: str) -> tuple[Format, int]:
    """Return the function that formats lines, and how many quotes a line has if no client has put in more.

    -1 means that the function escapes by itself.
    """
    if form == "common":
        return _common, 2
    if form == "combined":
        return _combined, 6
    if form == "json":
        return _json, -1
    return _own(form)


def _common(batch: Sequence[Record], stamp: str) -> list[str]:
    return [
        f"{environ['REMOTE_ADDR']} - {environ.get('REMOTE_USER', '-')} [{stamp}] "
        f'"{method} {environ["REQUEST_URI"]} {environ["SERVER_PROTOCOL"]}" '
        f"{500 if head is None else head.code} {sent}"
        for environ, method, head, sent, _, _, _ in batch
    ]


def _combined(batch: Sequence[Record], stamp: str) -> list[str]:
    return [
        f"{environ['REMOTE_ADDR']} - {environ.get('REMOTE_USER', '-')} [{stamp}] "
        f'"{method} {environ["REQUEST_URI"]} {environ["SERVER_PROTOCOL"]}" '
        f"{500 if head is None else head.code} {sent} "
        f'"{environ.get("HTTP_REFERER", "-")}" "{environ.get("HTTP_USER_AGENT", "-")}"'
        for environ, method, head, sent, _, _, _ in batch
    ]


def _json(batch: Sequence[Record], stamp: str) -> list[str]:
    text, now, pid = _json_text, iso_time(), os.getpid()
    return [
        f'{{"time": "{now}", "remote": {text(environ.get("REMOTE_ADDR"))}, '
        f'"user": {text(environ.get("REMOTE_USER"))}, "method": {text(method)}, '
        f'"uri": {text(environ.get("REQUEST_URI"))}, "protocol": {text(environ.get("SERVER_PROTOCOL"))}, '
        f'"host": {text(environ.get("HTTP_HOST"))}, "status": {500 if head is None else head.code}, "bytes": {sent}, '
        f'"referer": {text(environ.get("HTTP_REFERER"))}, "agent": {text(environ.get("HTTP_USER_AGENT"))}, '
        f'"seconds": {ended - started:.6f}, "wait_seconds": {started - since:.6f}, '
        f'"id": {text(environ.get("wiverno.request_id"))}, "pid": {pid}}}'
        for environ, method, head, sent, since, started, ended in batch
    ]


def _json_text(value: Any) -> str:
    return "null" if value is None else encode_basestring_ascii(value if type(value) is str else str(value))


def format_stamp(second: int) -> str:
    """Return a second in the common format, in English whatever the locale."""
    local = time.localtime(second)
    minutes = (local.tm_gmtoff or 0) // 60
    return (
        f"{local.tm_mday:02d}/{_MONTHS[local.tm_mon - 1]}/{local.tm_year}:"
        f"{local.tm_hour:02d}:{local.tm_min:02d}:{local.tm_sec:02d} "
        f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
    )


def iso_time() -> str:
    """Return the time now in ISO 8601, with milliseconds."""
    now = time.time()
    local = time.localtime(now)
    minutes = (local.tm_gmtoff or 0) // 60
    return (
        f"{local.tm_year}-{local.tm_mon:02d}-{local.tm_mday:02d}T{local.tm_hour:02d}:{local.tm_min:02d}:"
        f"{local.tm_sec:02d}.{int(now * 1000) % 1000:03d}"
        f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    )


_OWN: Final[dict[str, Callable[[Record, str], object]]] = {
    "remote": lambda record, stamp: record[0].get("REMOTE_ADDR", "-"),
    "user": lambda record, stamp: record[0].get("REMOTE_USER", "-"),
    "time": lambda record, stamp: stamp,
    "iso_time": lambda record, stamp: iso_time(),
    "request": lambda record, stamp: (
        f"{record[1]} {record[0].get('REQUEST_URI', '-')} {record[0].get('SERVER_PROTOCOL', '-')}"
    ),
    "method": lambda record, stamp: record[1],
    "uri": lambda record, stamp: record[0].get("REQUEST_URI", "-"),
    "path": lambda record, stamp: str(record[0].get("REQUEST_URI", "-")).partition("?")[0],
    "query": lambda record, stamp: record[0].get("QUERY_STRING", "-"),
    "protocol": lambda record, stamp: record[0].get("SERVER_PROTOCOL", "-"),
    "host": lambda record, stamp: record[0].get("HTTP_HOST", "-"),
    "scheme": lambda record, stamp: record[0].get("wsgi.url_scheme", "-"),
    "status": lambda record, stamp: 500 if record[2] is None else record[2].code,
    "bytes": lambda record, stamp: record[3],
    "referer": lambda record, stamp: record[0].get("HTTP_REFERER", "-"),
    "agent": lambda record, stamp: record[0].get("HTTP_USER_AGENT", "-"),
    "seconds": lambda record, stamp: f"{record[6] - record[5]:.6f}",
    "milliseconds": lambda record, stamp: f"{(record[6] - record[5]) * 1000:.3f}",
    "wait_seconds": lambda record, stamp: f"{record[5] - record[4]:.6f}",
    "wait_milliseconds": lambda record, stamp: f"{(record[5] - record[4]) * 1000:.3f}",
    "id": lambda record, stamp: record[0].get("wiverno.request_id", "-"),
    "pid": lambda record, stamp: os.getpid(),
}


def _header(name: str) -> Callable[[Record, str], object]:
    variable = f"HTTP_{name.upper().replace('-', '_')}"
    variable = {"HTTP_CONTENT_TYPE": "CONTENT_TYPE", "HTTP_CONTENT_LENGTH": "CONTENT_LENGTH"}.get(variable, variable)
    return lambda record, stamp: record[0].get(variable, "-")


def _own(form: str) -> tuple[Format, int]:
    """Return the function for text with {fields}."""
    pieces = _FIELD.split(form)
    words = pieces[::2]
    getters = [_header(name[7:]) if name.startswith("header:") else _OWN[name] for name in pieces[1::2]]
    template = "%s".join(word.replace("%", "%%") for word in words)

    def lines(batch: Sequence[Record], stamp: str) -> list[str]:
        return [template % tuple([getter(record, stamp) for getter in getters]) for record in batch]

    return lines, "".join(words).count('"')


def needs_times(form: str) -> bool:
    """Tell whether lines of this format contain a duration."""
    return form == "json" or "seconds}" in form


def needs_request_id(form: str) -> bool:
    """Tell whether lines of this format name the request's id."""
    return form == "json" or "{id}" in form
