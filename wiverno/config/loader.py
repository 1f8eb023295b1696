"""One configuration from all its sources. (First version: the final signatures; the sources follow.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wiverno.config.errors import DEFAULT, Origin
from wiverno.config.settings import Adjustments

Chain = tuple[tuple[object, Origin], ...]


@dataclass(frozen=True)
class AppSpec:
    """An application or middleware as a configuration names it.

    `use` is `module:attribute` or a Paste expression (egg:, call:, config:); `factory` says that the attribute makes
    the application from `settings`.
    """

    use: str
    factory: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = DEFAULT


@dataclass(frozen=True)
class LoadedConfig:
    """Everything that a start needs, merged and checked, with the origin of each value."""

    adjustments: Adjustments
    origins: Mapping[str, Chain] = field(default_factory=dict)
    app: AppSpec | None = None
    middleware: tuple[AppSpec, ...] = ()
    logging: Mapping[str, Any] | None = None
    pserve: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    server_use: str | None = None
    path: Path | None = None


_started: list[LoadedConfig] = []


def load(
    file: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    server_name: str = "main",
    app_name: str = "main",
    variables: Mapping[str, str] | None = None,
) -> LoadedConfig:
    """Return the configuration of this start."""
    return LoadedConfig(Adjustments(**(options or {})))


def activate(loaded: LoadedConfig) -> None:
    """Remember the configuration that this process was started with."""
    _started[:] = [loaded]


def active() -> LoadedConfig | None:
    """Return the configuration that this process was started with, or None in a process started by code alone."""
    return _started[0] if _started else None
