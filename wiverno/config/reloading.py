"""Checks that a reload does not read half a configuration.

While a deployment replaces files in place, a file can be missing, empty or truncated for a moment. A reload at that
moment must not fall back to the defaults: they listen on every address, without certificates. So a reload reads the
files that the start has read, and refuses a configuration without one of them, the server's section, or the address.
"""

from __future__ import annotations

from collections.abc import Callable

from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.loader import LoadedConfig

_ADDRESS = ("listen", "unix_socket", "host", "port")


class Rereading:
    """Reads a configuration again for each reload, and compares it with the previous one."""

    def __init__(self, first: LoadedConfig, read: Callable[[], LoadedConfig]) -> None:
        """Remember the configuration of the start.

        Args:
            first: the configuration of the start.
            read: reads the same files again.
        """
        self._last = first
        self._read = read

    def __call__(self) -> LoadedConfig:
        """Return the configuration as it is now.

        Raises:
            ConfigError: it has mistakes, or lacks something that the previous one had.
        """
        fresh = self._read()
        if problems := find_losses(self._last, fresh):
            raise ConfigError(problems)
        self._last = fresh
        return fresh


def find_losses(before: LoadedConfig, now: LoadedConfig) -> list[Problem]:
    """Return what a configuration lacks because a file is being replaced."""
    problems = [problem for name, text in before.texts.items() if (problem := _find_lost_text(name, text, now))]
    if before.has_server and not now.has_server:
        problems.append(Problem("has no server's section any more, only a restart takes the defaults", _file(now)))
    elif now.is_own_server and (address := _find_address(before)) and not _find_address(now):
        name, origin = address
        message = f"is gone (it was in {origin}), and a reload does not fall back to the default address"
        problems.append(Problem(message, _file(now), name))
    return problems


def _find_lost_text(name: str, before: str, now: LoadedConfig) -> Problem | None:
    """Return the problem of a file that is empty now, or ends in the middle of a line."""
    text = now.texts.get(name)
    if text is None or not before.strip():
        return None
    if not text.strip():
        if name == "<stdin>":
            return Problem("standard input can't be read again, so only a restart takes it", Origin("file", name))
        return Problem("is empty: is it being written?", Origin("file", name))
    is_cut = before.startswith(text) and text != before.rstrip("\n") and not text.endswith("\n")
    return Problem("ends in the middle of a line: is it being written?", Origin("file", name)) if is_cut else None


def _find_address(loaded: LoadedConfig) -> tuple[str, Origin] | None:
    """Return the setting that says where the server listens and its place, None if it is the default."""
    for name in _ADDRESS:
        origin = loaded.origins[name][0][1] if name in loaded.origins else Origin("default")
        if origin.kind != "default":
            return name, origin
    return None


def _file(loaded: LoadedConfig) -> Origin:
    return Origin("file", str(loaded.path)) if loaded.path else Origin("default")
