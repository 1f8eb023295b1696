"""A traceback as plain data: exceptions in the order they happened, their frames, the source around each line.

The number and the length of exceptions, frames, lines and local values are bounded here. Texts are not escaped yet. The
result keeps no reference to live objects.
"""

from __future__ import annotations

import itertools
import linecache
import os
import reprlib
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from wiverno.redaction import MASK, Masker, is_secret_name

LINES_AROUND = 5
MOST_FRAMES = 40
MOST_EXCEPTIONS = 8
MOST_LOCALS = 40
LONGEST_VALUE = 400
LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of a file.

    Attributes:
        marked: Where the expression that failed begins and ends in it, None if it does not reach into this line.
    """

    number: int
    text: str
    is_current: bool
    marked: tuple[int, int] | None = None


# Lines and columns in bytes of UTF-8, from … to, as ``code.co_positions`` has them.
Span = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """One call of a traceback; ``values`` are its local values as text, empty unless wanted."""

    file: str
    line: int
    function: str
    is_library: bool
    source: tuple[SourceLine, ...]
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """One exception.

    Attributes:
        link: How it came after the failure before it; empty for the first.
        omitted: How many frames in the middle were left out.
    """

    kind: str
    message: str
    link: str
    frames: tuple[Frame, ...]
    omitted: int = 0
    notes: tuple[str, ...] = field(default=())


def read_failures(error: BaseException, masker: Masker, *, with_values: bool = False) -> list[Failure]:
    """Read an exception and its causes, first cause first.

    Args:
        error: The last exception.
        masker: Learns the secrets among all local values, so that no text shows them.
        with_values: Whether frames get their local values.
    """
    chain = list(_chain(error))
    for exception, _ in chain:
        for frame in _walk(exception.__traceback__):
            for name, value in list(frame.tb_frame.f_locals.items()):
                masker.learn(name, value)
    return [_failure(exception, link, masker, with_values) for exception, link in reversed(chain)]


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """Yield the exception and its causes, last first, each with the sentence that links it to the one before."""
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen and len(seen) < MOST_EXCEPTIONS:
        seen.add(id(current))
        if current.__cause__ is not None:
            yield current, "That was the direct cause of:"
            current = current.__cause__
        elif current.__context__ is not None and not current.__suppress_context__:
            yield current, "While that was handled, this happened:"
            current = current.__context__
        else:
            yield current, ""
            current = None


def _walk(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _failure(error: BaseException, link: str, masker: Masker, with_values: bool) -> Failure:
    calls = list(_walk(error.__traceback__))
    omitted = max(0, len(calls) - MOST_FRAMES)
    if omitted:
        # A deep recursion: its beginning and its end are enough.
        calls = calls[: MOST_FRAMES // 4] + calls[-(MOST_FRAMES - MOST_FRAMES // 4) :]
    frames = [_frame(call, masker, with_values) for call in calls]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        frames.append(_place(error.filename, error.lineno, masker))
    notes = tuple(masker.text(str(note))[:LONGEST_VALUE] for note in getattr(error, "__notes__", ())[:5])
    kind = type(error).__qualname__
    return Failure(kind, masker.text(_message(error))[: 5 * LONGEST_VALUE], link, tuple(frames), omitted, notes)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # an exception's own text is foreign code
        return "(its message cannot be read)"


def _frame(call: TracebackType, masker: Masker, with_values: bool) -> Frame:
    code = call.tb_frame.f_code
    file, line = code.co_filename, call.tb_lineno
    values = _values(call.tb_frame.f_locals, masker) if with_values else ()
    source = _source(file, line, masker, _span(call))
    return Frame(file, line, code.co_qualname, _is_library(file), source, values)


def _span(call: TracebackType) -> Span | None:
    """Return where the expression stands that a frame evaluated last (PEP 657)."""
    found = next(itertools.islice(call.tb_frame.f_code.co_positions(), call.tb_lasti // 2, None), None)
    if found is None or None in found:
        return None
    first, last, begin, end = (number or 0 for number in found)
    return first, last, begin, end


def _place(file: str, line: int, masker: Masker) -> Frame:
    """Return the place of a syntax error, which has no frame."""
    return Frame(file, line, "", False, _source(file, line, masker))


def _source(file: str, line: int, masker: Masker, span: Span | None = None) -> tuple[SourceLine, ...]:
    linecache.checkcache(file)
    numbers = range(max(1, line - LINES_AROUND), line + LINES_AROUND + 1)
    lines = ((number, linecache.getline(file, number).rstrip("\n")) for number in numbers)
    return tuple(_source_line(number, text, number == line, masker, span) for number, text in lines if text)


def _source_line(number: int, text: str, is_current: bool, masker: Masker, span: Span | None) -> SourceLine:
    shown = masker.text(text)[:LONGEST_LINE]
    marked = None
    if span is not None and span[0] <= number <= span[1] and text.startswith(shown):
        encoded = text.encode("utf-8", "surrogateescape")
        begin = span[2] if number == span[0] else len(encoded) - len(encoded.lstrip())
        end = span[3] if number == span[1] else len(encoded)
        columns = [len(encoded[:column].decode("utf-8", "replace")) for column in (begin, end)]
        # All of a statement says no more than the line's own mark.
        if text[: columns[0]].strip() or text[columns[1] :].strip() or span[0] != span[1]:
            marked = columns[0], min(columns[1], len(shown))
    return SourceLine(number, shown, is_current, marked)


_LIBRARIES = tuple(
    {os.path.realpath(path) + os.sep for path in (*sysconfig.get_paths().values(), sys.prefix) if path}
    | {os.path.realpath(os.path.join(os.path.dirname(__file__), "..")) + os.sep}
)


def _is_library(file: str) -> bool:
    """Whether a file belongs to Python, to an installed package or to wiverno, and not to the application."""
    real = os.path.realpath(file)
    return file.startswith("<") or real.startswith(_LIBRARIES)


class _BoundedRepr(reprlib.Repr):
    """Short text of values; dictionaries without their secret members."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxstring = self.maxother = LONGEST_VALUE
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 20

    def repr_dict(self, x: Mapping[object, object], level: int) -> str:
        if level <= 0 or len(x) == 0:
            return "{…}" if x else "{}"
        items = []
        for key, value in list(x.items())[: self.maxdict]:
            text = MASK if is_secret_name(str(key)) else self.repr1(value, level - 1)
            items.append(f"{self.repr1(key, level - 1)}: {text}")
        return "{" + ", ".join(items) + (", …" if len(x) > self.maxdict else "") + "}"


_bounded = _BoundedRepr()


def _values(values: Mapping[str, object], masker: Masker) -> tuple[tuple[str, str], ...]:
    shown = []
    for name, value in list(values.items())[:MOST_LOCALS]:
        if name.startswith(("__", "@")):
            continue
        shown.append((name, MASK if is_secret_name(name) else _text(value, masker)))
    return tuple(shown)


def _text(value: object, masker: Masker) -> str:
    try:
        return masker.text(_bounded.repr(value))[: 2 * LONGEST_VALUE]
    except Exception as error:  # noqa: BLE001  # the page must not fail because of a broken __repr__
        return f"<its repr() raised {type(error).__name__}>"
