"""The types of value a setting can have: what is accepted, how text and values are read, how they are written.

A type stands in a setting's annotation: values are read with it, and the schema, the options' help and the
settings page describe it. Text is read leniently, because INI files, the environment and the command line have only
text; a native value (TOML, Python) must already be of the right type, so `port = true` is a mistake and not port 1.
Reading what a type has written gives the same value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wiverno.config.errors import BadValue, did_you_mean
from wiverno.config.fields import units

# One century in seconds: longer than any use, and no clock or poll call overflows.
LONGEST = 3_155_760_000

# Decimal numbers that are valid octal modes by accident (400 is 0o620) and much more often lack quotes.
_DOUBTFUL_MODES = frozenset((400, 440, 444, 500))


@dataclass(frozen=True, eq=False, repr=False)
class ValueType:
    """How values of one type are read and written.

    Args:
        accepts: what is accepted, in words that can follow "expected".
        from_text: reads text leniently.
        from_native: reads a value of TOML or Python strictly.
        text: writes a value for INI, the environment and options.
        native: writes a value for TOML.
        schema: JSON Schema of what a TOML file may say.
        metavar: the value's name in an option's help.
        unit: "seconds", "bytes" or nothing.
        examples: texts to show in explanations.
        is_flag: true or false; the option needs no value.
        is_list: several values; the option may be repeated.
        is_table: names with values; those of a lower source that no higher one names stay.
        array: the name of an array of tables in TOML files that gives the value, too; "" without one.
    """

    accepts: str
    from_text: Callable[[str], Any]
    from_native: Callable[[object], Any]
    text: Callable[[Any], str] = str
    native: Callable[[Any], Any] = str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    metavar: str = "TEXT"
    unit: str = ""
    examples: tuple[str, ...] = ()
    is_flag: bool = False
    is_list: bool = False
    is_table: bool = False
    array: str = ""

    def read(self, raw: object) -> Any:
        """Return the normalised value.

        Raises:
            BadValue: the value is not accepted.
        """
        return self.from_text(raw) if isinstance(raw, str) else self.from_native(raw)


def reject_native(accepts: str) -> Callable[[object], Any]:
    """Return the reader of native values for a type that has only text: it refuses everything."""

    def refuse(raw: object) -> Any:
        raise BadValue(f"expected {accepts}", "write it in quotes" if isinstance(raw, int | float) else None)

    return refuse


def text(accepts: str = "text", pattern: str = r".*", *, examples: tuple[str, ...] = ()) -> ValueType:
    """Return the type of text that matches a pattern as a whole."""

    def read(raw: str) -> str:
        if not re.fullmatch(pattern, raw.strip()):
            raise BadValue(f"expected {accepts}")
        return raw.strip()

    return ValueType(accepts, read, reject_native(accepts), examples=examples)


def optional_text(accepts: str, *, examples: tuple[str, ...] = ()) -> ValueType:
    """Return the type of text that may be absent: empty text and None are None."""
    required = text(accepts)
    return ValueType(
        accepts,
        lambda raw: required.from_text(raw) or None,
        lambda raw: None if raw is None else required.from_native(raw),
        text=lambda value: value or "",
        native=lambda value: value or "",
        examples=examples,
    )


def header_value() -> ValueType:
    """Return the type of the Server header: no control characters (RFC 9110 §5.5); None and "" mean no header."""
    accepts = "text that can stand in a header: no line breaks, no control characters"
    required = text(accepts, r"[\t\x20-\x7e\x80-\xff]*")
    return ValueType(accepts, required.from_text, lambda raw: "" if raw is None else required.from_native(raw))


def path_prefix() -> ValueType:
    """Return the type of a path prefix: stored with one slash before it and none after it; "" is no prefix."""
    accepts = "a path such as /app"
    required = text(accepts, r"[^\s?#]*")

    def read(raw: str) -> str:
        path = required.from_text(raw).strip("/")
        return f"/{path}" if path else ""

    return ValueType(accepts, read, reject_native(accepts), examples=("/app",))


def _check_bounds(number: int, least: int, most: int | None) -> int:
    if number < least:
        raise BadValue(f"must be at least {least}")
    if most is not None and number > most:
        raise BadValue(f"must be at most {most}")
    return number


def _integer(raw: object, message: str) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise BadValue(message)
    return raw


def integer(least: int = 0, most: int | None = None, *, examples: tuple[str, ...] = ()) -> ValueType:
    """Return the type of a whole number between two bounds, both included."""
    bounds = {"minimum": least} | ({} if most is None else {"maximum": most})
    return ValueType(
        f"a whole number from {least} {'upwards' if most is None else f'to {most}'}",
        lambda raw: _check_bounds(units.read_integer(raw), least, most),
        lambda raw: _check_bounds(_integer(raw, "expected a whole number"), least, most),
        native=int,
        schema={"anyOf": [{"type": "integer", **bounds}, {"type": "string", "pattern": r"^\s*[0-9]+\s*$"}]},
        metavar="NUMBER",
        examples=examples,
    )


def duration(zero: str = "no limit") -> ValueType:
    """Return the type of a length of time in seconds; `zero` says what 0 means, "" where it is an ordinary length."""

    def check_bounds(seconds: float) -> float:
        if not 0 <= seconds <= LONGEST:
            raise BadValue("must be at least 0" if seconds < 0 else "must be at most a hundred years")
        return float(seconds)

    def strict(raw: object) -> float:
        if not isinstance(raw, int | float) or isinstance(raw, bool) or not math.isfinite(raw):
            raise BadValue('expected a duration: seconds, or text such as "30s" or "1m30s"')
        return check_bounds(raw)

    return ValueType(
        "a duration: seconds, or 500ms, 30s, 1m30s, 2h, 1d" + (f"; 0 is {zero}" if zero else ""),
        lambda raw: check_bounds(units.read_duration(raw)),
        strict,
        text=units.format_duration,
        native=units.format_duration,
        schema={"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": units.DURATION_PATTERN}]},
        metavar="DURATION",
        unit="seconds",
        examples=("30s", "1m30s", "2h"),
    )


def size(least: int = 0) -> ValueType:
    """Return the type of an amount of bytes."""
    most = 2**62
    return ValueType(
        "a size: bytes, or kB MB GB (powers of 1000), KiB MiB GiB (powers of 1024)",
        lambda raw: _check_bounds(units.read_size(raw), least, most),
        lambda raw: _check_bounds(_integer(raw, 'expected a size: bytes, or text such as "10MiB"'), least, most),
        text=units.format_size,
        native=lambda value: value if units.format_size(value).isdigit() else units.format_size(value),
        schema={"anyOf": [{"type": "integer", "minimum": least}, {"type": "string", "pattern": units.SIZE_PATTERN}]},
        metavar="SIZE",
        unit="bytes",
        examples=("64KiB", "10MiB", "1GB"),
    )


def boolean() -> ValueType:
    """Return the type of a boolean."""

    def strict(raw: object) -> bool:
        if not isinstance(raw, bool):
            raise BadValue("expected true or false")
        return raw

    # In any case, without the inline flags that regular expressions of JSON Schema lack.
    words = sorted(units.TRUE_WORDS | units.FALSE_WORDS)
    spellings = "|".join("".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in word) for word in words)
    return ValueType(
        "true or false (also yes/no, on/off, 1/0)",
        units.read_boolean,
        strict,
        text=lambda value: "true" if value else "false",
        native=bool,
        schema={"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": rf"^\s*({spellings})\s*$"}]},
        metavar="BOOLEAN",
        examples=("true", "false"),
        is_flag=True,
    )


def choice(*words: str) -> ValueType:
    """Return the type of one word out of a few, in any case."""
    quoted = [f"'{word}'" for word in words]
    accepts = ", ".join(quoted[:-1]) + f" or {quoted[-1]}"

    def read(raw: str) -> str:
        word = raw.strip().lower()
        if word not in words:
            raise BadValue(f"expected {accepts}", did_you_mean(word, words))
        return word

    schema = {"type": "string", "enum": list(words)}
    return ValueType(accepts, read, reject_native(accepts), schema=schema, metavar="|".join(words), examples=words)


def file_mode() -> ValueType:
    """Return the type of a file mode, in octal."""

    def strict(raw: object) -> int:
        number = _integer(raw, 'expected a file mode in octal, such as "660"')
        if not 0 <= number <= 0o777 or number in _DOUBTFUL_MODES:
            octal = re.fullmatch(r"[0-7]{3}", str(number))
            hint = f'write "{number}" in quotes, or 0o{number}' if octal else None
            raise BadValue("is a decimal number, and a file mode is octal" if octal else "is no file mode", hint)
        return number

    integer = {"type": "integer", "minimum": 0, "maximum": 0o777}
    return ValueType(
        'a file mode in octal: text "660", or 0o660 in TOML',
        units.read_mode,
        strict,
        text=units.format_mode,
        native=units.format_mode,
        schema={"anyOf": [{"type": "string", "pattern": units.MODE_PATTERN}, integer]},
        metavar="OCTAL",
        examples=("660", "600"),
    )


def _in_order(entries: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(entries))


def list_of(
    accepts: str,
    item: Callable[[Any], Any],
    collect: Callable[[Iterable[Any]], Any] = _in_order,
    *,
    metavar: str,
    examples: tuple[str, ...],
    native_items: tuple[type, ...] = (str,),
    item_schema: Mapping[str, Any] | None = None,
) -> ValueType:
    """Return the type of a list: a TOML array, or text split at commas, spaces and line breaks.

    Args:
        accepts: what is accepted, in words.
        item: reads one item; it raises BadValue.
        collect: makes the stored value of the items; normally a tuple without repetitions.
        metavar: an item's name in an option's help.
        examples: items to show in explanations.
        native_items: the types that an item of a TOML array or Python list may have.
        item_schema: JSON Schema of an item.
    """

    def read_item(entry: Any) -> Any:
        try:
            return item(entry)
        except BadValue as error:
            raise BadValue(error.message, error.hint, entry) from None

    def strict(raw: object) -> Any:
        if not isinstance(raw, list | tuple | set | frozenset):
            raise BadValue("expected a list")
        for entry in raw:
            if not isinstance(entry, native_items):
                raise BadValue("expected text in the list", part=entry)
        return collect(read_item(entry.strip() if isinstance(entry, str) else entry) for entry in raw)

    def words(value: Iterable[Any]) -> list[str]:
        spelled = [str(entry) for entry in value]
        return sorted(spelled) if isinstance(value, frozenset) else spelled

    array = {"type": "array", "items": dict(item_schema or {"type": "string"})}
    return ValueType(
        accepts,
        lambda raw: collect(read_item(word) for word in units.read_words(raw)),
        strict,
        text=lambda value: " ".join(words(value)),
        native=words,
        schema={"anyOf": [array, {"type": "string"}]},
        metavar=metavar,
        examples=examples,
        is_list=True,
    )


def enum_set(*known: str) -> ValueType:
    """Return the type of a set of known words, in any case and order."""

    def item(word: str) -> str:
        if word.lower() not in known:
            raise BadValue(f"expected any of {', '.join(known)}", did_you_mean(word, known))
        return word.lower()

    accepts = "a list out of " + ", ".join(known)
    return list_of(accepts, item, frozenset, metavar="LIST", examples=known[1:3], item_schema={"enum": list(known)})
