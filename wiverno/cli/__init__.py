"""The command line.

Whoever only looks (`wiverno --help`) waits for nothing to be imported, not even click; a command's module is
imported when that command is asked for. The configuration loader alone reads the environment: click is told of no
variable. The only exits of the program are in this room.
"""

import sys

from wiverno.cli.overview import overview
from wiverno.streams import prepare_streams


def main(program: str = "wiverno") -> None:
    """Run the program with the words of its command line."""
    prepare_streams()
    if sys.argv[1:] == ["--help"]:
        sys.stdout.write(overview(program))
        return
    from wiverno.cli.group import group

    group(prog_name=program)
