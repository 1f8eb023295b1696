"""The place of each key and its value in a TOML or INI text.

Neither tomllib nor configparser reports places. These scanners run after the parser has accepted the text, so they may
assume that it is well formed: a scanner never decides what a file means.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_KEY = re.compile(r'[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\[\s\S])*?"{3,5}(?!")'
    r"|'''[\s\S]*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")

_INI_SECTION = re.compile(r"\[(.+)\]")
_INI_OPTION = re.compile(r"(.*?)\s*(?:[=:]\s*(.*))?$")


@dataclass(frozen=True, slots=True)
class Place:
    """A key and its value in a text: lines and columns count from 1, widths stay in the first line.

    An item of an array has no key. `last_line` is set for INI values of several lines, else 0.
    """

    line: int
    column: int
    width: int
    key_column: int
    key_width: int
    last_line: int = field(default=0, compare=False)


def toml_places(text: str) -> dict[Path, Place]:
    """Return the place of each key of a TOML text by its path in the parsed document.

    Tables are found by their headers; items of an array and entries of an array of tables have their index in the path.
    """
    text = text.replace("\r\n", "\n")
    return dict(_TomlScanner(text).statements())


class _TomlScanner:
    """One walk over a TOML text that tomllib has accepted."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.arrays: dict[Path, int] = {}
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def statements(self) -> Iterator[tuple[Path, Place]]:
        """Give path and place of every header and every key."""
        table: Path = ()
        position = self._skip(0)
        while position < len(self.text):
            if self.text[position] == "[":
                start = position
                is_array = self.text.startswith("[[", position)
                parts, position = self._key(self._blank(position + 1 + is_array))
                table = self._table(parts, is_array)
                end = self.text.index("]", position) + 1 + is_array
                yield table, self._place(start, end - start, start, end - start)
                position = end
            else:
                position, found = self._pair(position, table)
                yield from found
            position = self._skip(position)

    def _skip(self, position: int) -> int:
        match = _SPACE.match(self.text, position)
        assert match
        return match.end()

    def _blank(self, position: int) -> int:
        match = _BLANK.match(self.text, position)
        assert match
        return match.end()

    def _key(self, position: int) -> tuple[list[str], int]:
        """Return the parts of a dotted key and the position after it."""
        parts = []
        while True:
            match = _KEY.match(self.text, position)
            assert match
            word = match.group()
            parts.append(tomllib.loads(f"k = {word}")["k"] if word[0] in "\"'" else word)
            position = match.end()
            dot = _DOT.match(self.text, position)
            if dot is None:
                return parts, position
            position = dot.end()

    def _table(self, parts: list[str], is_array: bool) -> Path:
        """Return the path of a header: names of arrays of tables lead to their last entry."""
        path: Path = ()
        for index, part in enumerate(parts):
            path = (*path, part)
            if is_array and index == len(parts) - 1:
                self.arrays[path] = self.arrays.get(path, -1) + 1
                # A new entry has new arrays.
                entry = (*path, self.arrays[path])
                self.arrays = {key: last for key, last in self.arrays.items() if key[: len(entry)] != entry}
            if path in self.arrays:
                path = (*path, self.arrays[path])
        return path

    def _pair(self, position: int, table: Path) -> tuple[int, list[tuple[Path, Place]]]:
        """Return the position after `key = value` and the places in it."""
        key_start = position
        parts, position = self._key(position)
        key_end = position
        value_start = self._blank(self.text.index("=", position) + 1)
        path = (*table, *parts)
        end, inner = self._value(value_start, path)
        first_line = self.text[value_start:end].split("\n", 1)[0].rstrip()
        place = self._place(value_start, len(first_line), key_start, key_end - key_start)
        return end, [(path, place), *inner]

    def _value(self, position: int, path: Path) -> tuple[int, list[tuple[Path, Place]]]:
        """Return the position after a value and the places of the keys in it."""
        found: list[tuple[Path, Place]] = []
        if self.text[position] not in "[{":
            match = _STRING.match(self.text, position) or _SCALAR.match(self.text, position)
            assert match
            return match.end(), found
        is_array = self.text[position] == "["
        close, index = "]" if is_array else "}", 0
        position = self._skip(position + 1)
        while self.text[position] != close:
            if is_array:
                start, item = position, (*path, index)
                position, inner = self._value(start, item)
                if self.text[start] not in "[{":
                    first_line = self.text[start:position].split("\n", 1)[0].rstrip()
                    inner = [(item, replace(self._place(start, len(first_line), start, 0), key_column=0))]
                index += 1
            else:
                position, inner = self._pair(position, path)
            found += inner
            position = self._skip(position)
            if self.text[position] == ",":
                position = self._skip(position + 1)
        return position + 1, found

    def _place(self, start: int, width: int, key_start: int, key_width: int) -> Place:
        line = bisect_right(self.line_starts, start)
        line_start = self.line_starts[line - 1]
        return Place(line, start - line_start + 1, width, key_start - line_start + 1, key_width)


def ini_places(text: str) -> dict[tuple[str, str], Place]:
    """Return the place of each key of an INI text by (section, key), read as configparser reads with its defaults.

    A section's header has the key "".
    """
    found: dict[tuple[str, str], Place] = {}
    section = key = ""
    indent = 0
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        depth = len(line) - len(line.lstrip())
        if section and key and depth > indent:
            # A deeper line continues the value before it.
            _widen(found, (section, key), number, line)
            continue
        indent = depth
        header = _INI_SECTION.match(stripped)
        if header:
            section, key = header[1], ""
            found[section, ""] = Place(number, depth + 1, len(stripped), depth + 1, len(stripped))
            continue
        option = _INI_OPTION.match(stripped)
        assert option
        key, value = option[1].rstrip(), option[2] or ""
        column = depth + 1 + (option.start(2) if option[2] else len(stripped))
        found.setdefault((section, key), Place(number, column, len(value), depth + 1, len(key)))
    return found


def _widen(found: dict[tuple[str, str], Place], name: tuple[str, str], number: int, line: str) -> None:
    """Record a continued value, and move one that starts below its key to the line where it starts."""
    place = found[name] = replace(found[name], last_line=number)
    if place.width == 0 and number > place.line:
        # This loses the key's frame, but a caret can mark only one line: the value's is the better one.
        depth = len(line) - len(line.lstrip())
        found[name] = Place(number, depth + 1, len(line.strip()), 0, 0, number)
