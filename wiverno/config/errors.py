"""Mistakes in a configuration: one report of all of them.

A reader of values raises `BadValue`, which knows nothing of files. The caller, which knows the value's place, turns it
into a `Problem`. `ConfigError` has every problem found; its text is the report for a person: sorted, each problem with
its place, the line, a caret, and a hint. `Problem.to_dict` is the same for machines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from wiverno.standard_streams import is_terminal, label, say

OriginKind = Literal["option", "environment", "file", "default", "keyword"]

# Files come first in a report, in the order of their lines; options come last, nearest to the prompt.
_REPORT_ORDER: dict[str, int] = {"file": 0, "environment": 1, "option": 2, "keyword": 3, "default": 4}

# Control characters of a file must not reach the terminal; each is shown as one character, so that carets fit.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_INDEX = re.compile(r"(?:\.[0-9]+)+$")


class BadValue(ValueError):
    """A value that a setting does not accept.

    Args:
        message: what is accepted, as the rest of the sentence "port: …".
        hint: what was probably meant.
        part: the wrong item, if the value is a list.
        item: the name of its place among the items of `Origin`, where its text alone does not tell it.
    """

    def __init__(self, message: str, hint: str | None = None, part: object = None, item: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.part = part
        self.item = item


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written.

    `text` is the text there: the line of a file, the name of a variable, an option or a keyword. `column` (from 1)
    and `width` frame the value in that line, `key_column` and `key_width` its key; 0 means not known. `items` has the
    places of a list's items by their text, if the list has several lines, and those of tables by number and key.
    """

    kind: OriginKind
    file: str | None = None
    line: int | None = None
    column: int | None = None
    text: str = ""
    width: int = 0
    key_column: int = 0
    key_width: int = 0
    items: tuple[tuple[str, Origin], ...] = field(default=(), compare=False, repr=False)

    def of_item(self, item: object) -> Origin:
        """Return the place of an item of the list, or of the list if the item's place is not known."""
        return next((origin for text, origin in self.items if text == str(item)), self)

    def of_place(self, item: str) -> Origin:
        """Return the place of a table's key, such as "1.path"; else of the table, else of the list."""
        known = dict(self.items)
        return known.get(item) or known.get(item.partition(".")[0]) or self

    def __str__(self) -> str:
        """Return the place as reports name it; a file's is `path:line`, which editors and CI turn into a link."""
        if self.kind == "file":
            return f"{self.file}:{self.line}" if self.line else str(self.file)
        if self.kind == "environment":
            return f"environment variable {self.text}"
        if self.kind == "option":
            return f"option {self.text}"
        return self.kind


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake and its place.

    `value` is the value as written, or None if showing it would not help; `part` is the wrong item of a list, `item`
    the name of its place. `about` says which part of the line is wrong. A `secret` problem shows neither value nor
    line.
    """

    message: str
    origin: Origin = DEFAULT
    key: str = ""
    value: object = None
    hint: str | None = None
    about: Literal["key", "value"] = "value"
    secret: bool = field(default=False, compare=False)
    part: object = None
    item: str = field(default="", compare=False)

    def headline(self) -> str:
        """Return the problem in one line, without its place's text."""
        parts = [] if self.origin.kind in ("keyword", "default") else [str(self.origin)]
        if self.key:
            parts.append(self.key)
        given = "" if self._value_text() is None else f" (got {self._value_text()})"
        return _visible(": ".join([*parts, self.message]) + given)

    def lines(self) -> list[str]:
        """Return the complete report of this problem: headline, the line it stands in, caret and hint."""
        result = [self.headline()]
        if self.origin.kind != "file" or not self.origin.line or not self.origin.text.strip():
            if self.hint:
                result.append(f"      {self.hint}")
            return result
        number = f"{self.origin.line:5}"
        margin = " " * len(number)
        result.append(f"{number} | {self._line()}".rstrip())
        column, width = self._frame()
        mark = " " * (column - 1) + "^" * width if column else ""
        if mark or self.hint:
            result.append(f"{margin} | {mark} {self.hint or ''}".rstrip())
        return result

    def _value_text(self) -> str | None:
        value = self.value if self.part is None else self.part
        return None if value is None or self.secret else quote_value(value)

    def _line(self) -> str:
        """Return the line with tabs made one column wide and secrets hidden."""
        from wiverno.redaction import MASK, mask_line  # its patterns take a while to compile; only mistakes need them

        text = _visible(self.origin.text)
        if self.secret and self.origin.column:
            return text[: self.origin.column - 1] + MASK
        return mask_line(text, _INDEX.sub("", self.key))  # an item of a list is as secret as the list

    def _frame(self) -> tuple[int, int]:
        origin = self.origin
        if self.about == "key" and origin.key_column:
            return origin.key_column, max(origin.key_width, 1)
        if not origin.column:
            return 0, 0
        from wiverno.redaction import MASK

        line = self._line()
        if line != _visible(origin.text):
            start = min(origin.column, line.rfind(MASK) + 1)
            return start, len(MASK)
        return origin.column, max(origin.width, 1)

    def to_dict(self) -> dict[str, object]:
        """Return the problem for machines (`--format json`): absent parts are None."""
        origin = self.origin
        name = origin.text if origin.kind in ("environment", "option") else None
        return {
            "message": self.message,
            "key": self.key or None,
            "value": self._value_text(),
            "hint": self.hint,
            "kind": origin.kind,
            "file": origin.file,
            "line": origin.line,
            "column": self._frame()[0] or None,
            "name": name,
        }


class ConfigError(ValueError):
    """A configuration that cannot be used; `problems` has every mistake, `str(error)` the whole report.

    It is a ValueError because that is what users of waitress's `serve(**kw)` catch.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=_sort_key))
        super().__init__(render(self.problems))

    @property
    def reasons(self) -> str:
        """The report without the words that fit only the start of a server."""
        return "\n".join(line for problem in self.problems for line in problem.lines())


def render(problems: Sequence[Problem], warnings: Sequence[str] = (), *, colour: bool = False) -> str:
    """Return the report of problems and warnings as text without a final line break.

    Args:
        problems: in the order in which they are printed.
        warnings: one line each; they do not count as errors.
        colour: use ANSI colours; the caller knows whether it writes to a terminal.
    """
    error, warning = label("error", colour=colour), label("warning", colour=colour)
    lines: list[str] = []
    for problem in problems:
        first, *rest = problem.lines()
        lines += [f"{error} {first}", *rest]
    lines += [f"{warning} {text}" for text in warnings]
    if problems and any(problem.origin.kind != "keyword" for problem in problems):
        lines.append(f"{len(problems)} error{'s' if len(problems) > 1 else ''}; nothing was started")
    return "\n".join(lines)


def say_report(problems: Sequence[Problem], warnings: Sequence[str] = ()) -> None:
    """Print the report on standard error, in colour on a terminal."""
    if text := render(problems, warnings, colour=is_terminal()):
        say(text)


def _visible(text: str) -> str:
    """Return text of a file for a person: tabs are one column wide, control characters are replaced."""
    return _CONTROL.sub("\ufffd", text.replace("\t", " "))


def quote_value(value: object) -> str:
    """Return a value for a message, shortened so that one mistake cannot fill the screen."""
    text = repr(value)
    return text if len(text) <= 80 else text[:76] + "…" + text[-1]


def find_nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to a misspelt one, or None."""
    import difflib  # only mistakes need it

    found = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return `did you mean "port"?` for a name similar to a known one, or None."""
    found = find_nearest(name, known)
    return f'did you mean "{found}"?' if found else None


def _sort_key(problem: Problem) -> tuple[int, str, int, int, str]:
    origin = problem.origin
    return (_REPORT_ORDER[origin.kind], origin.file or "", origin.line or 0, origin.column or 0, problem.key)
