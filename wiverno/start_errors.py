"""What keeps a server from starting, in words, and how it ends a process that is not wiverno's own, such as pserve.

`wiverno run` ends by its exit status (cli/exit.py); pserve swallows that, so a line and an exception take its place.
"""

import errno
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Final, NoReturn, TypeVar

from wiverno.application_process import prepare_process
from wiverno.config.errors import ConfigError, say_report
from wiverno.config.settings import Adjustments, TcpAddress, UnixAddress
from wiverno.files import SetupError, error_text
from wiverno.importer import own_traceback
from wiverno.standard_streams import say_error
from wiverno.workers.reexec import inherited_worker
from wiverno.wsgi_types import Application

Result = TypeVar("Result")

FAILURE: Final = 1  # exit status: it only showed when it was tried
MISTAKE: Final = 2  # exit status: the configuration is wrong

_SHOW_PORT: Final = "netstat -ano | findstr :{}" if sys.platform == "win32" else "lsof -i :{}"
_SHOW_RESERVED: Final = "netsh int ipv4 show excludedportrange protocol=tcp"


class NotStartedError(Exception):
    """The server could not start; `str(error)` is the one line that a person needs."""


def explain_bind_error(error: OSError, adjustments: Adjustments) -> str:
    """Return one line that says what could not be opened or listened on, and what to do about it."""
    if isinstance(error, SetupError):
        return error_text(error)
    if error.filename is not None:  # no socket's address is told there
        return f"cannot start: {error_text(error)}: {error.filename}"
    why = f"cannot listen: {error_text(error)}"
    has_path = any(isinstance(address, UnixAddress) for address in adjustments.addresses)
    addresses = (*adjustments.addresses, *adjustments.redirect_addresses)
    ports = [address.port for address in addresses if isinstance(address, TcpAddress)]
    match error.errno:
        case errno.EADDRINUSE if ports:
            port = next((port for port in ports if why.endswith(f":{port}")), ports[0])
            return f"{why}; stop the program that has it ({_SHOW_PORT.format(port)} shows it), or choose another port"
        case errno.EADDRINUSE:
            return f"{why}; stop that server, or choose another path"
        case errno.EACCES if ports and sys.platform == "win32":
            return f"{why}; another program has the port for itself, or Windows reserves it ({_SHOW_RESERVED})"
        case errno.EACCES | errno.EPERM if any(0 < port < 1024 for port in ports):
            return f"{why}; ports below 1024 need privileges: choose one from 1024, or give CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            return f"{why}; no interface of this machine has that address: 127.0.0.1 is itself, * is all of them"
        case errno.EEXIST:
            return f"{why}; choose another path, or remove it if it is not needed"
        case errno.ENOENT | errno.EACCES | errno.EPERM | errno.ENOTDIR if has_path:
            return f"{why}; the socket's directory must exist and be writable by this user"
    return why


def load_named(name: str, load: Callable[[], Application]) -> Application:
    """Return the application; an exception that ends the process is shown with the application's own lines only.

    Args:
        name: the application, as the configuration names it.
        load: imports or makes it.
    """
    try:
        return load()
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        text = f"the application {name} failed to load:\n{own_traceback(error)}"
        worker = inherited_worker()
        if isinstance(error, SystemExit):
            if worker:
                worker.report_failure(text)
            else:
                say_error(text)
            raise SystemExit(FAILURE) from None
        if not worker:
            _replace_traceback(error, text)
        raise


def exit_on_config_error(action: Callable[[], Result]) -> Result:
    """Do `action`; a configuration error is printed and ends the process with status 2.

    pserve calls factories outside of its `except SystemExit`, so the status arrives.
    """
    try:
        return action()
    except ConfigError as error:
        if worker := inherited_worker():
            worker.report_failure(str(error))
        else:
            say_report(error.problems)
        raise SystemExit(MISTAKE) from None


def prepare_or_exit(settings: Adjustments) -> None:
    """Prepare the process for the application; a directory that cannot be entered ends it with one line."""
    try:
        prepare_process(settings)
    except SetupError as error:
        if worker := inherited_worker():
            worker.report_failure(error_text(error))
            raise SystemExit(FAILURE) from None
        exit_with_error(error_text(error))


def exit_with_error(message: str) -> NoReturn:
    """End the process with status 1 and one line, under pserve too.

    pserve swallows SystemExit from a running server and would end with status 0. Another exception ends it; the hook
    prints the message in place of a traceback that says nothing about the mistake.
    """
    error = NotStartedError(message)
    _replace_traceback(error, message)
    raise error from None


def _replace_traceback(error: BaseException, message: str) -> None:
    """Print `message` in place of the traceback if `error` ends the process."""
    earlier = sys.excepthook

    def hook(kind: type[BaseException], shown: BaseException, trace: TracebackType | None) -> None:
        if shown is error:
            say_error(message)
        else:
            earlier(kind, shown, trace)

    sys.excepthook = hook
