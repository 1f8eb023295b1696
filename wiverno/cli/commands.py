"""The commands' names and one line about each: the text of `wiverno --help`, made without click."""

COMMANDS = {
    "run": ("wiverno.cli.run:run", "Serve an application: from a configuration, by name, dev or prod."),
    "serve": ("wiverno.cli.serve:serve", "Serve MODULE:OBJECT with waitress-serve's options."),
    "config": ("wiverno.cli.config:config", "Check, show, explain and convert configuration files."),
    "init": ("wiverno.cli.init:init", "Write a new project that runs and whose tests pass."),
    "ctl": ("wiverno.cli.ctl:ctl", "Show the status of a running server; reload or stop it."),
    "service": (
        "wiverno.cli.manifests:service",
        "Generate a systemd unit, Dockerfile, manifest or proxy configuration.",
    ),
    "routes": ("wiverno.cli.routes:routes", "List the routes of a wiverno application."),
}
"""Name → (where the command is, one line of help), in the order in which help lists them."""

HELP = """\
Usage: {program} [OPTIONS] COMMAND [ARGS]...

  Serve WSGI applications: one typed configuration from INI, TOML, the
  environment and options.

Options:
  --version  Show the version and exit.
  --help     Show this message and exit.

Commands:
{commands}

  wiverno run --config production.toml     serve what a configuration names
  wiverno run shop.wsgi:application        serve an application by its name
  wiverno run dev                          run.py here, restarted on changes
  wiverno config explain threads           where a setting's value comes from
"""


def overview(program: str = "wiverno") -> str:
    """Return the text of `wiverno --help`."""
    commands = "\n".join(f"  {name:7} {words}" for name, (_, words) in COMMANDS.items())
    return HELP.format(program=program, commands=commands)
