"""`wiverno routes`: what a framework application answers, in the order of registration."""

import sys
from pathlib import Path
from typing import Any

import click

from wiverno.cli.failures import MISTAKE, end, reported, warn
from wiverno.config.errors import Origin
from wiverno.config.loader import AppSpec, load
from wiverno.paste import application, application_of


@click.command()
@click.argument("app", required=False, metavar="[MODULE:ATTRIBUTE]")
@click.option("--config", "config_file", metavar="FILE", type=click.Path(), help=(
    "The file that names the application [WIVERNO_CONFIG; default ./wiverno.toml if it is there]"
))  # fmt: skip
@click.option("--factory", is_flag=True, help="The attribute is a function that makes the application")
@reported()
def routes(app: str | None, config_file: str | None, factory: bool) -> None:
    """List the routes of an application written with wiverno's framework."""
    sys.path.insert(0, str(Path.cwd()))
    if app is not None:
        found = application(AppSpec(app, factory, {}, Origin("keyword")))
    else:
        loaded = load(config_file)
        warn(loaded.warnings)
        if loaded.path is None:
            end("nothing to list: name an application (wiverno routes shop:app) or a file (--config)", MISTAKE)
        found = application_of(loaded)
    registered: list[Any] | None = getattr(found, "routes", None)
    if not isinstance(registered, list):
        end(f"a {type(found).__name__} is no wiverno application, so its routes are not known", MISTAKE)
    rows = [(", ".join(route.methods), route.pattern.text, route.name) for route in registered]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for methods, path, name in rows:
        click.echo(f"{methods:<{widths[0]}}  {path:<{widths[1]}}  {name}")
    if not rows:
        click.echo("no routes", err=True)
