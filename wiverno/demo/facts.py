"""The content of the demonstration page: the server, its settings and their origins. Text only, secrets masked."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wiverno.config import loader
from wiverno.config.output.explain import Row, describe
from wiverno.config.settings import SETTINGS
from wiverno.redaction import mask_value


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as the page shows it."""

    name: str
    value: str
    origin: str
    meaning: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the page shows; ``settings`` is None for a server started from code."""

    server: list[tuple[str, str]]
    settings: list[SettingRow] | None
    application: list[tuple[str, str]]
    source: str


def server_rows(environ: Mapping[str, Any], uptime: float) -> list[tuple[str, str]]:
    """Return facts about the server of this request.

    Args:
        environ: The request's environ.
        uptime: Seconds since the application was made.
    """
    # A log record has the thread's name; `threading` stays out of applications.
    thread = logging.LogRecord("", 0, "", 0, "", (), None).threadName
    python = f"{platform.python_implementation()} {platform.python_version()}"
    gil = getattr(sys, "_is_gil_enabled", None)
    if gil is not None and not gil():
        python += ", free-threaded"
    return [
        ("Server", str(environ.get("SERVER_SOFTWARE") or "does not say")),
        ("Address", f"{environ.get('SERVER_NAME')}:{environ.get('SERVER_PORT')}"),
        ("Protocol", f"{environ.get('SERVER_PROTOCOL')} over {environ.get('wsgi.url_scheme')}"),
        ("Your address", str(environ.get("REMOTE_ADDR") or "unknown")),
        ("Process", f"{os.getpid()} (several processes: {'yes' if environ.get('wsgi.multiprocess') else 'no'})"),
        ("Thread", f"{thread} (several threads: {'yes' if environ.get('wsgi.multithread') else 'no'})"),
        ("Up for", _duration(uptime)),
        ("Python", f"{python} on {platform.system()}"),
    ]


def setting_rows() -> list[SettingRow] | None:
    """Return every effective setting with its origin, changed settings first; None without a configuration."""
    loaded = loader.find_active()
    if loaded is None:
        return None
    rows = [
        SettingRow(row.name, row.format_value, _origin(row), SETTINGS[row.name].meaning, row.is_default)
        for row in describe(loaded)
        if row.name in SETTINGS
    ]
    return sorted(rows, key=lambda row: row.is_default)


def _origin(row: Row) -> str:
    """Return where a value was written, and which values it overrides."""
    losers = [f"{value} from {origin}" for value, origin in row.overridden if origin != "default"]
    return row.origin_text + (f"; overrides {', '.join(losers)}" if losers else "")


def source_line() -> str:
    """Return one sentence about the origin of the configuration."""
    loaded = loader.find_active()
    if loaded is None:
        return "Started from code: no configuration file, environment variable or option was used."
    if not loaded.files:
        return "Started without a configuration file."
    return f"Read from {', '.join(str(path) for path in loaded.files)}."


def application_rows(settings: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the application's settings as text, nested ones with dotted names."""
    return [(name, mask_value(name, value)) for name, value in _flattened("", settings)]


def _flattened(prefix: str, values: Mapping[str, object]) -> Iterable[tuple[str, object]]:
    for name, value in values.items():
        full = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, Mapping):
            yield from _flattened(full, value)
        else:
            yield full, value


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{minutes:.0f} min" if minutes < 120 else f"{hours:.1f} h"
