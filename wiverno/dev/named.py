"""An application that the command line names, with the directory, import path and variables of the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from wiverno.application_process import prepare_process
from wiverno.applications import load_application
from wiverno.config.errors import Origin
from wiverno.config.loader import AppSpec, activate, load
from wiverno.wsgi_types import Application


def load_named(path: str | None, use: str, *, factory: bool, variables: Mapping[str, str]) -> Application:
    """Return the application `use`; the configuration is read at each restart.

    Args:
        path: the configuration file; None is the environment alone.
        use: `module:attribute`.
        factory: the attribute makes the application.
        variables: for `${…}` in the file.

    Raises:
        ConfigError: the file, or the name, is not usable.
    """
    loaded = load(path, variables=variables, hand_over=True)
    activate(loaded)
    prepare_process(loaded.adjustments)
    return load_application(AppSpec(use, factory, {}, Origin("keyword")))
