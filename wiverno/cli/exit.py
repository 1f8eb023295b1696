"""How a command ends after an error: one report on standard error, an exit status, no traceback.

Status 2 is a mistake in the command or the configuration, as in click; 1 is an error that shows only when the command
runs, such as a port that another program has. Exceptions of the application's own code keep their
traceback.
"""

import functools
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn, ParamSpec, TypeVar

import click

from wiverno.config.environment import directory_name
from wiverno.config.errors import ConfigError, say_report
from wiverno.config.loader import LoadedConfig
from wiverno.files import SetupError, current_directory, error_text, started_in
from wiverno.importer import ImportTargetError
from wiverno.standard_streams import say_error, say_warning

P = ParamSpec("P")
R = TypeVar("R")

MISTAKE = 2
FAILURE = 1


def report_config_errors(status: int = MISTAKE) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """End a command with the report and this status after a configuration error; relative paths start here.

    What the system lacks, such as a user, is one line and the status of a failure.
    """

    def around(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def wrapper(*args: P.args, **kw: P.kwargs) -> R:
            try:
                with started_in(directory_name()):
                    return command(*args, **kw)
            except ConfigError as error:
                say_report(error.problems)
            except ImportTargetError as error:
                end(str(error), status)
            except SetupError as error:
                end(error_text(error), FAILURE)
            except FileNotFoundError:
                if current_directory() is not None:
                    raise
                end("the current directory was removed; change to another one", FAILURE)
            sys.exit(status)

        return wrapper

    return around


def end(message: str, status: int) -> NoReturn:
    """Print one line and end the program."""
    say_error(message)
    sys.exit(status)


def end_if_unprinted(error: OSError) -> None:
    """End the program with one line if it is standard output that could not be written; a closed pipe is click's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None and trace.tb_frame.f_code is click.echo.__code__:
        end(f"standard output: {error.strerror}", FAILURE)


def require_file(is_read: bool, *, section: str | None = None, variables: Mapping[str, str] | None = None) -> None:
    """End the program if a table or a variable of a file is given, but no file is read."""
    if is_read:
        return
    if section not in (None, "main"):
        end(f"--server-name {section} is a table of a file, and none is read; add --config", MISTAKE)
    for name, value in (variables or {}).items():
        end(f"{name}={value} is a variable for a file, and none is read; add --config", MISTAKE)


def warn_of_replaced(loaded: LoadedConfig, name: str) -> None:
    """Warn of the file's tables that are not used because the command line names the application."""
    tables = ["[app.settings]"] if loaded.app is not None and loaded.app.settings else []
    tables += ["[[middleware]]"] if loaded.middleware else []
    if tables:
        warn([f"{loaded.path}: {' and '.join(tables)} are not used, because the command line names {name}"])


def warn(messages: Iterable[str]) -> None:
    """Print warnings, a line each."""
    for message in messages:
        say_warning(message)
