"""The types of value that only the settings of operation have; see types.py for what a type is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wiverno.config.errors import BadValue
from wiverno.config.fields import units
from wiverno.config.fields.types import ValueType, duration, file_mode, list_of, optional_text


def paths() -> ValueType:
    """Return the type of a list of URL paths, which may end in * for every path that begins so."""

    def item(word: str) -> str:
        if not word.startswith("/") or "*" in word[:-1]:
            raise BadValue(f'"{word}" is no path such as /healthz or /static/*')
        return word

    return list_of("a list of paths such as /healthz or /static/*", item, metavar="PATH", examples=("/static/*",))


def directories() -> ValueType:
    """Return the type of a list of directories."""
    return list_of("a list of directories", str, metavar="DIRECTORY", examples=("/srv/shop/lib",))


def files() -> ValueType:
    """Return the type of a list of files."""
    return list_of("a list of paths", str, metavar="FILE", examples=(".env",))


def _restrict(value_type: ValueType, check: Callable[[Any], None], **changed: Any) -> ValueType:
    """Return a type that refuses further values."""

    def from_text(raw: str) -> Any:
        value = value_type.from_text(raw)
        check(value)
        return value

    def from_native(raw: object) -> Any:
        value = value_type.from_native(raw)
        check(value)
        return value

    return replace(value_type, from_text=from_text, from_native=from_native, **changed)


def long_duration(least: float) -> ValueType:
    """Return the type of a duration of at least some seconds; 0 is no limit."""
    value_type = duration()

    def check(seconds: float) -> None:
        if 0 < seconds < least:
            raise BadValue(f"must be at least {least:g} seconds, or 0 for no limit")

    return _restrict(value_type, check, accepts=f"{value_type.accepts}; at least {least:g}s")


def address() -> ValueType:
    """Return the type of one address to listen on, or none."""

    def check(word: str | None) -> None:
        if word is not None and isinstance(units.read_address(word), units.FdAddress):
            raise BadValue("expected host:port or unix:/path")

    accepts = "host:port, [v6]:port or unix:/path"
    examples = ("127.0.0.1:9090", "unix:/run/wiverno-admin.sock")
    return _restrict(optional_text(accepts, examples=examples), check, metavar="ADDRESS")


def optional_mode() -> ValueType:
    """Return the type of a file mode that may be absent."""
    value_type = file_mode()
    return replace(
        value_type,
        from_text=lambda raw: value_type.from_text(raw) if raw.strip() else None,
        from_native=lambda raw: None if raw is None else value_type.from_native(raw),
        text=lambda value: "" if value is None else value_type.text(value),
        native=lambda value: "" if value is None else value_type.native(value),
        examples=("027", "077"),
    )
