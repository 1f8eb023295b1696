"""Calls into code that belongs to the program, where they must not end a thread of the server.

Filters, handlers and formatters of the logging package are the program's, and may raise anything. A server that logs
through a plain logger would die of them in whichever thread happened to log: the leader, the monitor thread, a thread
in the middle of a response. `guarded_logger` returns a logger that can't raise.

One kind of exception has to get through: SystemExit or KeyboardInterrupt from a signal handler of the program, which
Python runs in the main thread between any two instructions. `is_from_signal` tells it from one that was raised by the
code that was called.
"""

import logging
import signal
import sys
import threading
import time
from typing import Any, Final

WARNING_INTERVAL: Final = 60.0  # seconds between two lines about exceptions of the program's logging


class GuardedLogger:
    """The methods of a logger that the server uses; any thread may call them, and they raise nothing.

    A message of level WARNING or above that can't be logged is printed to standard error instead.
    """

    __slots__ = ("_logger", "_next_warning")

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._next_warning = 0.0

    def debug(self, message: str, *args: object) -> None:
        """Log at DEBUG."""
        self._log(logging.DEBUG, message, args, None)

    def info(self, message: str, *args: object) -> None:
        """Log at INFO."""
        self._log(logging.INFO, message, args, None)

    def warning(self, message: str, *args: object) -> None:
        """Log at WARNING."""
        self._log(logging.WARNING, message, args, None)

    def error(self, message: str, *args: object, exc_info: Any = None) -> None:
        """Log at ERROR, with a traceback if an exception is given."""
        self._log(logging.ERROR, message, args, exc_info)

    def exception(self, message: str, *args: object) -> None:
        """Log at ERROR, with the traceback of the exception that is being handled."""
        self._log(logging.ERROR, message, args, True)

    def critical(self, message: str, *args: object) -> None:
        """Log at CRITICAL."""
        self._log(logging.CRITICAL, message, args, None)

    def log(self, level: int, message: str, *args: object) -> None:
        """Log at a level that is known only at run time."""
        self._log(level, message, args, None)

    def _log(self, level: int, message: str, args: tuple[object, ...], exc_info: Any) -> None:
        try:
            self._logger.log(level, message, *args, exc_info=exc_info, stacklevel=3)
        except BaseException as error:
            if is_from_signal(error):
                raise
            self._warn(level, message, args, error)

    def _warn(self, level: int, message: str, args: tuple[object, ...], error: BaseException) -> None:
        """Print on standard error what could not be logged, and why."""
        now = time.monotonic()
        is_due = now >= self._next_warning
        if not is_due and level < logging.WARNING:
            return
        if is_due:
            self._next_warning = now + WARNING_INTERVAL
        try:
            kind = type(error).__name__
            print(f"wiverno: the program's logging raised {kind}; not logged: {message % args}", file=sys.stderr)
        except BaseException:  # noqa: BLE001 - standard error may be the program's object, too
            pass


def guarded_logger(name: str) -> GuardedLogger:
    """Return the logger of this name, in a form that raises nothing."""
    return GuardedLogger(logging.getLogger(name))


def is_from_signal(error: BaseException) -> bool:
    """Tell whether a signal handler of the program has raised this SystemExit or KeyboardInterrupt.

    Handlers run in the main thread alone. One that is written in Python is in the traceback; Python's own handler
    of SIGINT is not.
    """
    if not isinstance(error, SystemExit | KeyboardInterrupt):
        return False
    if threading.get_ident() != threading.main_thread().ident:
        return False
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {_code_of(handler) for handler in handlers if callable(handler)}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return isinstance(error, KeyboardInterrupt) and signal.default_int_handler in handlers


def _code_of(handler: Any) -> Any:
    """Return the code of a function, a method, a functools.partial or an object that can be called; None of others."""
    function = getattr(handler, "func", handler)
    if not hasattr(function, "__code__"):
        function = type(function).__call__
    return getattr(function, "__code__", None)
