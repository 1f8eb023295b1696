"""The application of `wiverno run dev`, with the directory, import path and variables of the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from wiverno.application_process import prepare_process
from wiverno.applications import load_application, load_configured_application
from wiverno.config.errors import Origin
from wiverno.config.loader import AppSpec, activate, load
from wiverno.wsgi_types import Application


def load_named(
    path: str | None, use: str | None, *, factory: bool, variables: Mapping[str, str], server_name: str = "main"
) -> Application:
    """Return the application `use`; the configuration is read at each restart.

    Args:
        path: the configuration file; None is the environment alone.
        use: `module:attribute`; None for the application that the file names.
        factory: the attribute makes the application.
        variables: for `${…}` in the file.
        server_name: the table of the file that is used.

    Raises:
        ConfigError: the file, or the name, is not usable.
    """
    loaded = load(path, server_name=server_name, variables=variables, hand_over=True)
    activate(loaded)
    prepare_process(loaded.adjustments)
    if use is None:
        return load_configured_application(loaded, variables)
    return load_application(AppSpec(use, factory, {}, Origin("keyword")))
