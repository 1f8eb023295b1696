"""The text of configuration files: one reader for TOML, INI, logging, `${file:…}` and standard input.

A file is UTF-8, with or without a byte order mark, in any locale; its lines end with LF, CRLF or CR. A file in another
encoding is refused with the name of the encoding, or with the line and column of the first byte that is not UTF-8.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from pathlib import Path

from wiverno.config.errors import ConfigError, Origin, Problem, find_nearest

ACCEPTED = "save it as UTF-8, with or without a byte order mark"

# The marks of UTF-32 come first: that of UTF-16 is the beginning of one of them.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32 (little-endian)"),
    (codecs.BOM_UTF32_BE, "UTF-32 (big-endian)"),
    (codecs.BOM_UTF16_LE, "UTF-16 (little-endian)"),
    (codecs.BOM_UTF16_BE, "UTF-16 (big-endian)"),
)
# Without a mark the NUL bytes beside two ASCII characters tell. True is a NUL byte.
_SHAPES = {
    (False, True, True, True): "UTF-32 (little-endian)",
    (True, True, True, False): "UTF-32 (big-endian)",
    (False, True, False, True): "UTF-16 (little-endian)",
    (True, False, True, False): "UTF-16 (big-endian)",
}


# Jinja and its like, Mako and ERB, autoconf.
_TEMPLATE = re.compile(r"\{\{|\{%|<%|(?<![\w.])@[A-Za-z_][A-Za-z0-9_]*@")


class BadTextError(ValueError):
    """Bytes that are not a configuration's text; `problem` has reason and place, `str(error)` the reason."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def decode(data: bytes, name: str) -> str:
    """Return the text of a file, its lines ended by LF.

    Args:
        data: the bytes of the file.
        name: the file, for the problem's place.

    Raises:
        BadTextError: the bytes are not UTF-8, or contain NUL.
    """
    encoding = _detect_encoding(data)
    if encoding is not None:
        raise BadTextError(Problem(f"is {encoding} text, not UTF-8", Origin("file", name), hint=ACCEPTED))
    data = data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {data[error.start]:#04x})"
        hint = f"is it latin-1 or Windows-1252? {ACCEPTED}"
        raise BadTextError(_problem(message, name, data, error.start, hint)) from None
    if "\0" in text:
        place = data.index(b"\0")
        raise BadTextError(_problem("has a NUL byte, so it is no text", name, data, place, "is it damaged or cut off?"))
    return text


def _detect_encoding(data: bytes) -> str | None:
    """Return the name of an encoding of two or four bytes a character, by its mark or by its NUL bytes."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    if len(data) < 4:
        return None
    first, second, third, fourth = (byte == 0 for byte in data[:4])
    return _SHAPES.get((first, second, third, fourth))


def _line(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1


def _problem(message: str, name: str, data: bytes, place: int, hint: str) -> Problem:
    """Return the problem at a byte: the line up to it is UTF-8, the rest is shown as far as it is readable."""
    start = data.rfind(b"\n", 0, place) + 1
    end = data.find(b"\n", place)
    column = len(data[start:place].decode()) + 1
    line = data[start : end if end >= 0 else len(data)].decode(errors="replace").replace("\0", "\ufffd")
    return Problem(message, Origin("file", name, _line(data, place), column, line, 1), hint=hint)


def read_text(name: str, source: Origin | None = None, key: str = "extends") -> str:
    """Return the text of a configuration file.

    Args:
        name: the path; it stays in messages as it is.
        source: the place in another file that names this one.
        key: the key there.

    Raises:
        ConfigError: it cannot be read; the problem stands in `source`, or in the file itself if its bytes are wrong.
    """
    try:
        return decode(Path(name).read_bytes(), name)
    except BadTextError as error:
        raise ConfigError([error.problem]) from None
    except (OSError, ValueError) as error:
        message = (getattr(error, "strerror", None) or str(error) or "cannot be read").lower()
        hint = _hint_at_neighbour(Path(name))
    if source is None or source.kind != "file":
        raise ConfigError([Problem(message, Origin("file", name), hint=hint)])
    raise ConfigError([Problem(f"{name}: {message}", source, key, hint=hint)])


def read_standard_input(name: str) -> str:
    """Return the text from standard input, decoded as UTF-8 in any locale.

    Raises:
        ConfigError: standard input is closed, or its bytes are not text.
    """
    if sys.stdin is None:
        raise ConfigError([Problem("is closed", Origin("file", name))])
    try:
        stream = getattr(sys.stdin, "buffer", sys.stdin)  # a program may have replaced it by a stream of text
        data = stream.read()
        return decode(data if isinstance(data, bytes) else data.encode(), name)
    except BadTextError as error:
        raise ConfigError([error.problem]) from None
    except OSError as error:
        raise ConfigError([Problem((error.strerror or "cannot be read").lower(), Origin("file", name))]) from None


def decode_system_text(text: str) -> str:
    """Return a variable's or an argument's text as UTF-8 even where the locale is ASCII.

    There Python keeps each byte above 127 as a lone surrogate. Text that is not UTF-8 stays unchanged.
    """
    if text.isascii():
        return text
    try:
        return os.fsencode(text).decode()
    except UnicodeError:
        return text


def template_hint(text: str) -> str | None:
    """Return a hint if the text is a template instead of the file generated from it, else None."""
    found = _TEMPLATE.search(text)
    return f"{found.group()} … looks like a template: fill it in first" if found else None


def _hint_at_neighbour(path: Path) -> str | None:
    """Return a hint at a file beside the missing one with a similar name."""
    try:
        if path.exists() or not path.parent.is_dir():
            return None
        stems = {entry.stem: entry for entry in path.parent.iterdir() if entry.suffix in (".toml", ".ini")}
    except (OSError, ValueError):
        return None
    found = find_nearest(path.stem, stems)
    return f'did you mean "{stems[found]}"?' if found else None
