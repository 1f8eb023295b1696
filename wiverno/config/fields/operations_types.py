"""Kinds of value that only the settings of production have; see kinds.py for what a kind is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from wiverno.config.errors import BadValue, did_you_mean
from wiverno.config.fields import units
from wiverno.config.fields.types import Kind, duration, list_of, mode, optional_text, text

NAMED_FORMATS: Final = ("common", "combined", "json")

# The fields of an own format, with what they are.
LOG_FIELDS: Final = {
    "remote": "the client's address",
    "user": "REMOTE_USER, if the application set it",
    "time": "when the response was finished, as in the common format",
    "iso_time": "the same in ISO 8601, with milliseconds",
    "request": "the request line",
    "method": "its method",
    "uri": "its target",
    "path": "its path, without the query",
    "query": "its query",
    "protocol": "HTTP/1.1 or HTTP/1.0",
    "host": "the Host field",
    "scheme": "http or https",
    "status": "the status code",
    "bytes": "bytes of content sent",
    "referer": "the Referer field",
    "agent": "the User-Agent field",
    "seconds": "time in the application, in seconds",
    "milliseconds": "the same in milliseconds",
    "wait_seconds": "time that the request waited for a thread, in seconds",
    "wait_milliseconds": "the same in milliseconds",
    "id": "the request's id: X-Request-ID of a trusted proxy, else one that the server made",
    "pid": "the process that answered",
}

_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_HEADER: Final = re.compile(r"header:[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def access_format() -> Kind:
    """Return the kind of the access log's format: one of the names, or text with {fields}."""
    accepts = "common, combined, json, or text with fields such as {remote} {request} {status} {header:X-Name}"
    words = text(accepts)

    def read(raw: str) -> str:
        found: str = words.from_text(raw)
        if "{" not in found:
            if found.lower() not in NAMED_FORMATS:
                raise BadValue(f"expected {accepts}", did_you_mean(found, NAMED_FORMATS))
            return found.lower()
        if not found.isprintable():
            raise BadValue("a line of the log can't hold control characters")
        for name in _FIELD.findall(found):
            if name not in LOG_FIELDS and not _HEADER.fullmatch(name):
                raise BadValue(f"there is no field {{{name}}}", did_you_mean(name, LOG_FIELDS) or _all_fields())
        if "{" in _FIELD.sub("", found) or "}" in _FIELD.sub("", found):
            raise BadValue("a brace stands alone: fields are written {name}")
        return found

    return Kind(accepts, read, words.from_native, metavar="FORMAT", examples=NAMED_FORMATS)


def _all_fields() -> str:
    return f"fields: {', '.join(LOG_FIELDS)}, header:NAME"


def paths() -> Kind:
    """Return the kind of a list of URL paths, of which the last may end in * for everything that begins so."""

    def item(word: str) -> str:
        if not word.startswith("/") or "*" in word[:-1]:
            raise BadValue(f'"{word}" is no path such as /healthz or /static/*')
        return word

    return list_of("a list of paths such as /healthz or /static/*", item, metavar="PATH", examples=("/static/*",))


def _checked(kind: Kind, check: Callable[[Any], None], **changed: Any) -> Kind:
    """Return a kind that refuses some values more."""

    def from_text(raw: str) -> Any:
        value = kind.from_text(raw)
        check(value)
        return value

    def from_native(raw: object) -> Any:
        value = kind.from_native(raw)
        check(value)
        return value

    return replace(kind, from_text=from_text, from_native=from_native, **changed)


def long_duration(least: float) -> Kind:
    """Return the kind of a duration of at least some seconds; 0 is no limit."""
    kind = duration()

    def check(seconds: float) -> None:
        if 0 < seconds < least:
            raise BadValue(f"must be at least {least:g} seconds, or 0 for no limit")

    return _checked(kind, check, accepts=f"{kind.accepts}; at least {least:g}s")


def address() -> Kind:
    """Return the kind of one address to listen on, or none."""

    def check(word: str | None) -> None:
        if word is not None and isinstance(units.read_address(word), units.FdAddress):
            raise BadValue("expected host:port or unix:/path")

    accepts = "host:port, [v6]:port or unix:/path"
    examples = ("127.0.0.1:9090", "unix:/run/wiverno-admin.sock")
    return _checked(optional_text(accepts, examples=examples), check, metavar="ADDRESS")


def optional_mode() -> Kind:
    """Return the kind of a file mode that may be absent."""
    kind = mode()
    return replace(
        kind,
        from_text=lambda raw: kind.from_text(raw) if raw.strip() else None,
        from_native=lambda raw: None if raw is None else kind.from_native(raw),
        text=lambda value: "" if value is None else kind.text(value),
        native=lambda value: "" if value is None else kind.native(value),
        examples=("027", "077"),
    )
