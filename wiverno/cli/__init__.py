"""The command line.

`wiverno --help` imports nothing, not even click; a command's module is imported when the command is run. click reads no
environment variables: only the configuration loader does. The only exits of the program are in this room.
"""

import errno
import os
import sys
from typing import Any

from wiverno.cli.commands import overview
from wiverno.standard_streams import prepare_streams, say_error

FAILURE = 1


def main(program: str = "wiverno") -> None:
    """Run the command that the command line names."""
    prepare_streams()
    if sys.argv[1:] == ["--help"]:
        _print_overview(program)
        return
    if os.getpid() == 1 and sys.argv[1:2] in (["run"], ["serve"]):
        from wiverno.cli.process_one import fork_server

        fork_server()
    from wiverno.loading import load

    group: Any = load("wiverno.cli.group", "group")
    watch_unserved: Any = load("wiverno.workers.process_exit", "watch_unserved")
    status: object = FAILURE
    try:
        group(prog_name=program)
    except SystemExit as error:
        status = error.code or 0
        raise
    except OSError as error:
        from wiverno.cli.exit import end_if_unprinted

        end_if_unprinted(error)
        raise
    finally:
        # Threads that the application has started on import would keep the process of a finished command alive.
        watch_unserved(status if isinstance(status, int) else FAILURE)


def _print_overview(program: str) -> None:
    try:
        sys.stdout.write(overview(program))
        sys.stdout.flush()
    except OSError as error:
        sys.stdout = None  # Python would flush it again, and print a traceback
        if error.errno != errno.EPIPE:
            say_error(f"standard output: {error.strerror}")
        sys.exit(FAILURE)
