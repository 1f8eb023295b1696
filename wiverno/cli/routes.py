"""`wiverno routes`: the routes of a framework application, in the order of registration."""

import sys
from pathlib import Path

import click

from wiverno.applications import load_application, load_configured_application
from wiverno.cli.completion import TargetType
from wiverno.cli.exit import MISTAKE, end, report_config_errors, warn
from wiverno.config.errors import Origin
from wiverno.config.loader import AppSpec, load
from wiverno.web.route_list import format_routes, routes_table


@click.command()
@click.argument("app", required=False, metavar="[MODULE:ATTRIBUTE]", type=TargetType())
@click.option("--config", "config_file", metavar="FILE", type=click.Path(), help=(
    "The file that names the application [WIVERNO_CONFIG; default ./wiverno.toml if it is there]"
))  # fmt: skip
@click.option("--factory", is_flag=True, help="The attribute is a function that makes the application")
@report_config_errors()
def routes(app: str | None, config_file: str | None, factory: bool) -> None:
    """List the routes of an application written with wiverno's framework."""
    if app is not None and config_file is not None:
        end(f"both {app} and --config {config_file} name an application; leave one of them out", MISTAKE)
    if factory and app is None:
        end("--factory is for an application named here; in a configuration it is factory = true in [app]", MISTAKE)
    sys.path.insert(0, str(Path.cwd()))
    if app is not None:
        found = load_application(AppSpec(app, factory, {}, Origin("keyword")))
    else:
        loaded = load(config_file, hand_over=True)
        warn(loaded.warnings)
        if loaded.path is None:
            end("nothing to list: name an application (wiverno routes shop:app) or a file (--config)", MISTAKE)
        found = load_configured_application(loaded)
    try:
        rows = routes_table(found)
    except TypeError as error:
        end(str(error), MISTAKE)
    click.echo(format_routes(rows))
