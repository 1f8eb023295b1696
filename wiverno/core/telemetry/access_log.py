"""The access log: one line a response, formatted without the logging machinery, a batch at a time.

A batch is what the leader did between two waits for events (request_recorder.py): a line is in the file before the
server waits again, and a busy server formats, checks and writes dozens of lines at once. A line is one line whatever
the client sent (security case 42): a batch in which the count of quotes is wrong, or that holds anything but printable
ASCII, is formatted once more with every value escaped.
"""

import errno
import os
import time
from collections.abc import Iterable, Sequence
from typing import Final

from wiverno.core.log_files import open_log
from wiverno.core.loop.descriptors import Descriptor
from wiverno.core.telemetry.escaping import one_line
from wiverno.core.telemetry.log_formats import Record, escaped, find_format, format_stamp
from wiverno.files import SetupError, error_text, make_absolute
from wiverno.foreign_code import guarded_logger
from wiverno.standard_streams import reserve_descriptors

LOGGER: Final = "wiverno.access"
ERRORS: Final = 500  # status from which on a response is logged even if it is not in the sample

_PRINTABLE: Final = bytes(range(32, 127))
_HARMLESS: Final = bytes(byte for byte in _PRINTABLE if byte not in b'"\\')  # also between quotes

logger = guarded_logger("wiverno")


class AccessLog:
    """A file, standard output or a logger, and the format of a line. One thread at a time may call a method.

    Attributes:
        values: takes what a record has to have of the environ.
    """

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
        found = find_format(form)
        self._format = found.lines
        self.values = found.values
        self._escapes = found.escapes
        # What remains of a line without the characters that need no escaping.
        self._rest = b'"' * found.quotes + b"\n"
        self._ordinary = _PRINTABLE if found.escapes else _HARMLESS
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
        lines = self._format(batch, self._stamp)
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
        if self._escapes:
            return self._format(batch, self._stamp)
        return [one_line(line) for line in self._format([escaped(record) for record in batch], self._stamp)]

    def _is_wanted(self, record: Record) -> bool:
        head = record[3]
        if head is None or head.code >= ERRORS:
            return True
        path = str(record[0][0]).partition("?")[0]
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
