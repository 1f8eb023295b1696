"""`wiverno serve`: waitress-serve's options and exit statuses, for service units and Procfiles written for it.

Like waitress-serve it reads neither a configuration file nor the environment, adds the working directory to the
end of the import path, and ends with status 1 when anything is wrong.
"""

import dataclasses
import sys
import warnings
from typing import Any

import click

from wiverno.applications import load_application
from wiverno.cli.completion import TargetType
from wiverno.cli.exit import FAILURE, end, report_config_errors, warn
from wiverno.cli.options import SettingsCommand, collect_options, with_settings
from wiverno.config.environment import follow_directory, replace_socket_names
from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.loader import AppSpec, LoadedConfig, activate
from wiverno.config.settings import ADDRESS_LISTS, SETTINGS, Adjustments
from wiverno.serving import enable_default_logging
from wiverno.workers.plan import Plan


class WaitressCommand(SettingsCommand):
    """A command whose wrong options end with status 1, as waitress-serve's do."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does; wrong options end with status 1."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.show()
            sys.exit(FAILURE)


@click.command(cls=WaitressCommand)
@click.argument("target", required=False, metavar="MODULE:OBJECT", type=TargetType())
@click.option("--app", metavar="MODULE:OBJECT", help="The application, in place of the argument")
@click.option("--call", is_flag=True, help="Call the object to get the application")
@report_config_errors(FAILURE)
def serve(target: str | None, app: str | None, call: bool, **kw: Any) -> None:
    """Serve MODULE:OBJECT with the options of waitress-serve."""
    from wiverno.cli.run import start

    name = target or app
    if name is None or (target and app):
        end("specify one application: wiverno serve [OPTIONS] MODULE:OBJECT", FAILURE)
    adjustments = _make_adjustments(_resolve_addresses(collect_options(kw)))
    sys.path.append(follow_directory(sys.path))
    enable_default_logging()
    loaded = LoadedConfig(adjustments)
    activate(loaded)
    start(
        Plan(
            adjustments,
            lambda: load_application(AppSpec(name, call, {}, Origin("keyword"))),
            name=name,
            source="options",
        )
    )


def _resolve_addresses(settings: dict[str, object]) -> dict[str, object]:
    """Return the settings with systemd's names resolved, and a Unix socket beside --listen as one more address.

    A file may not have both: it writes `listen = unix:/path 127.0.0.1:80`.
    """
    found = settings | {name: replace_socket_names(settings[name]) for name in ADDRESS_LISTS if name in settings}
    path = found.get("unix_socket")
    listen = found.get("listen")
    if path and isinstance(listen, list):
        found["listen"] = [f"unix:{found.pop('unix_socket')}", *listen]
    return found


def _make_adjustments(settings: dict[str, object]) -> Adjustments:
    """Return the settings that the options give; problems name the option."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            adjustments = Adjustments.from_keywords(**settings)
        except ConfigError as error:
            raise ConfigError(map(_name_option, error.problems)) from None
    warn(str(warning.message) for warning in caught)
    return adjustments


def _name_option(problem: Problem) -> Problem:
    setting = SETTINGS.get(problem.key)
    return dataclasses.replace(problem, origin=Origin("option", text=setting.option)) if setting else problem


with_settings(serve, short={}, shows_inert=True, is_local=False)
