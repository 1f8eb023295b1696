"""The lowest source: defaults that depend on the command, below everything that is written somewhere."""

from __future__ import annotations

from collections.abc import Iterable

from wiverno.config.errors import DEFAULT
from wiverno.config.formats.document import Layer
from wiverno.config.settings import SETTINGS


def make_default_layer(mode: str, above: Iterable[Layer]) -> Layer:
    """Return the lowest layer for a start in `mode`; with a number of threads, RunServer's other defaults stay."""
    given = {name for layer in above for name in layer}
    if mode != "simple" or given.isdisjoint(("threads", "max_threads")) or "mode" in given:
        return {"mode": (mode, DEFAULT)}
    differing = [setting for setting in SETTINGS.values() if setting.simple_default != setting.default]
    return {setting.name: (setting.simple_default, DEFAULT) for setting in differing}


def make_local_layer(above: Iterable[Layer]) -> Layer:
    """Return the lowest layer of a command that listens on this machine only, unless an address is given."""
    given = {name for layer in above for name in layer}
    if given & {"listen", "unix_socket"}:
        return {}
    return {name: (SETTINGS[name].simple_default, DEFAULT) for name in ("host", "port") if name not in given}
