"""The entry points of PasteDeploy, for `pserve development.ini`, and `app_from`, for other servers."""

from collections.abc import Mapping
from pathlib import Path

from wiverno.application_process import prepare_process
from wiverno.applications import load_application, load_configured_application
from wiverno.config.errors import Origin
from wiverno.config.loader import AppSpec, activate, load
from wiverno.plaster_loader import TomlLoader
from wiverno.pserve_runner import Runner, section_runner
from wiverno.start_errors import exit_on_config_error, load_named
from wiverno.wsgi_types import Application

__all__ = ["TomlLoader", "app_factory", "app_from", "demo_factory", "server_factory", "simple_factory"]


def server_factory(global_conf: Mapping[str, str] | None, **kw: str) -> Runner:
    """Return the server of `use = egg:wiverno#main`; a mistake in its section ends the process with status 2."""
    return section_runner(global_conf or {}, kw)


def simple_factory(global_conf: Mapping[str, str] | None, **kw: str) -> Runner:
    """Return the server of `use = egg:wiverno#simple`: RunServer, one request at a time."""
    return section_runner(global_conf or {}, kw, "simple")


def app_factory(global_conf: Mapping[str, str], app: str, factory: str = "false", **settings: str) -> Application:
    """Return the application of `use = egg:wiverno` in [app:...].

    Args:
        global_conf: the file's [DEFAULT] and pserve's variables; not used.
        app: `module:attribute`.
        factory: true if the attribute makes the application from the section's other keys.
        **settings: the section's other keys.
    """
    from wiverno.config.fields.units import read_boolean

    spec = AppSpec(app, read_boolean(factory), settings, Origin("file", str(global_conf.get("__file__", "[app]"))))
    return exit_on_config_error(lambda: load_named(app, lambda: load_application(spec)))


def demo_factory(global_conf: Mapping[str, str], **settings: str) -> Application:
    """Return the packaged demo: `use = egg:wiverno#demo` in [app:...]."""
    return app_factory(global_conf, "wiverno.demo:create_app", "true", **settings)


def app_from(path: str | Path, app_name: str = "main", **variables: str) -> Application:
    """Return the application that a configuration file names, with its middleware, for another server to serve.

    For example `gunicorn "wiverno.paste:app_from('production.toml')"`, or `application = app_from(...)` in a
    .wsgi file.

    Raises:
        ConfigError: the file, or what it names, is not usable.
    """
    loaded = load(path, app_name=app_name, variables=variables, hand_over=True)
    activate(loaded)
    prepare_process(loaded.adjustments)
    return load_configured_application(loaded, variables)
