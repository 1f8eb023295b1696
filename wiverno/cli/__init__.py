"""The command line. This file knows the commands' names and one line about each, nothing else.

A command's module is imported when that command is asked for, so `wiverno --help` loads neither pydantic nor
PasteDeploy. The configuration loader alone reads the environment: click is told of no variable. The only exits of
the program are in this room.
"""

import click

from wiverno.cli.lazy import LazyGroup

CONTEXT = {"help_option_names": ["--help"], "max_content_width": 100}
"""`-h` is the documented short form of --host, so help has the long form only."""


EXAMPLES = """\b
wiverno run --config production.toml     serve what a configuration file names
wiverno run shop.wsgi:application        serve an application by its name
wiverno run dev                          run.py in this directory, restarted on every change
wiverno config explain threads           where a setting's value comes from
"""


@click.group(
    cls=LazyGroup,
    epilog=EXAMPLES,
    context_settings=CONTEXT,
    commands_at={
        "run": ("wiverno.cli.run:run", "Serve an application: from a configuration file, by name, dev or prod."),
        "serve": ("wiverno.cli.serve:serve", "Serve MODULE:OBJECT with waitress-serve's options."),
        "config": ("wiverno.cli.config:config", "Check, show, explain and convert configuration files."),
        "routes": ("wiverno.cli.routes:routes", "List the routes of a wiverno application."),
    },
)
@click.version_option(package_name="wiverno", message="wiverno %(version)s")
def main() -> None:
    """Serve WSGI applications: one typed configuration from INI, TOML, the environment and options."""
