"""A loaded configuration as what PasteDeploy calls a server: a function that serves an application until it ends.

The process around it is pserve's, or another program's: mistakes are printed and end it with status 2 before the
application is imported, and what fails later ends it with one line.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from wiverno.applications import create_with_paste, paste_globals
from wiverno.config.environment import directory_name
from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.loader import AppSpec, LoadedConfig, activate, load_section, make_section_reader
from wiverno.config.reloading import Rereading
from wiverno.config.settings import Adjustments
from wiverno.files import started_in
from wiverno.serving import prepared_metrics, run_server
from wiverno.standard_streams import prepare_streams, say_warning
from wiverno.start_errors import exit_on_config_error, exit_with_error, explain_bind_error, prepare_or_exit
from wiverno.workers.plan import StartFailedError
from wiverno.workers.process_exit import ends_with_pserve
from wiverno.workers.reexec import inherited_worker, this_program
from wiverno.wsgi_types import Application

Runner = Callable[[Application], int]


def section_runner(global_conf: Mapping[str, str], keys: Mapping[str, str], mode: str | None = None) -> Runner:
    """Return the server of a [server:...] section; a mistake in it ends the process with status 2.

    Args:
        global_conf: the file's [DEFAULT] and pserve's variables.
        keys: the section's keys.
        mode: "simple" for RunServer; None for the section's own.
    """
    prepare_streams()
    loaded = exit_on_config_error(lambda: load_section(global_conf, keys, mode=mode))
    return _runner(loaded, make_section_reader(global_conf, keys, mode=mode) if loaded.adjustments.workers else None)


def create_server_runner(
    loaded: LoadedConfig, variables: Mapping[str, str] | None = None, reread: Callable[[], LoadedConfig] | None = None
) -> Runner:
    """Return the server that a configuration asks for: this one, or another whose table is handed over as it stands.

    Args:
        loaded: the configuration.
        variables: pserve's arguments.
        reread: loads the configuration as it is in the file then, for a reload.

    Raises:
        ConfigError: the other server is not installed.
    """
    if loaded.is_own_server:
        return _runner(loaded, reread)
    origin = Origin("file", str(loaded.path))
    spec = AppSpec(str(loaded.server_use), True, loaded.server_settings, origin)
    server: Runner = create_with_paste("SERVER", spec, paste_globals(loaded, variables))
    return server


def _runner(loaded: LoadedConfig, reread: Callable[[], LoadedConfig] | None = None) -> Runner:
    """Return what PasteDeploy calls a server: a function that serves an application until it ends."""
    if not inherited_worker():
        for warning in loaded.warnings:
            say_warning(warning)
        # Both before the application is imported: it may change the environment, and decides how metrics are kept.
        with suppress(OSError):  # said again when the server starts
            exit_on_config_error(lambda: prepared_metrics(loaded.adjustments))
    this_program()
    directory = directory_name()
    with started_in(directory):  # pserve imports the application after this
        prepare_or_exit(loaded.adjustments)
    read_again = Rereading(loaded, reread) if reread else None

    def reread_settings() -> Adjustments:
        assert read_again is not None
        fresh = read_again()
        if not fresh.is_own_server:
            where = Origin("file", str(fresh.path))
            raise ConfigError([Problem("is another server, which only a restart can begin", where, "use")])
        return fresh.adjustments

    def run(app: Application) -> int:
        activate(loaded)
        try:
            with ends_with_pserve() as end, started_in(directory):  # the application may have changed the directory
                end.by = run_server(
                    app, loaded.adjustments, reread_settings if read_again else None, source=str(loaded.path or "")
                )
        except OSError as error:
            exit_with_error(explain_bind_error(error, loaded.adjustments))
        except StartFailedError as error:
            exit_with_error(str(error))
        return 0

    return run
