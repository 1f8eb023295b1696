"""The command line. This file knows the commands' names and one line about each, nothing else.

Whoever only looks (`wiverno --help`) waits for nothing to be imported, not even click; a command's module is
imported when that command is asked for. The configuration loader alone reads the environment: click is told of no
variable. The only exits of the program are in this room.
"""

import sys

COMMANDS = {
    "run": ("wiverno.cli.run:run", "Serve an application: from a configuration, by name, dev or prod."),
    "serve": ("wiverno.cli.serve:serve", "Serve MODULE:OBJECT with waitress-serve's options."),
    "config": ("wiverno.cli.config:config", "Check, show, explain and convert configuration files."),
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


def main(program: str = "wiverno") -> None:
    """Run the program with the words of its command line."""
    if sys.argv[1:] == ["--help"]:
        sys.stdout.write(overview(program))
        return
    from wiverno.cli.group import group

    group(prog_name=program)
