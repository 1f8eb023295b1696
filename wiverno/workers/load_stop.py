"""A signal that ends a worker while it loads the application, which is not in the event loop then.

The signal's handler raises LoadStopped in the main thread, wherever that is. Python can't raise an exception out of a
weak reference's callback, which the import system has for each module, or out of `__del__`: it prints the exception
with a traceback, and goes on (sys.unraisablehook).
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

REPEAT_AFTER: Final = 0.02  # seconds after which a signal whose exception was lost is sent again


class LoadStopped(SystemExit):
    """A signal ended the process while it loaded the application; raised by the signal's handler."""


@contextmanager
def repeated_if_lost() -> Iterator[None]:
    """Inside the block, send SIGTERM again each time that Python loses a LoadStopped, and let it print nothing.

    An application that sets sys.unraisablehook is not disturbed: it sees what it would see anyway.
    """
    before = sys.unraisablehook

    def hook(found: "sys.UnraisableHookArgs") -> None:
        if not issubclass(found.exc_type, LoadStopped):
            before(found)
            return
        # Not here and now: the handler would run before this callback ends, and its exception would be lost, too.
        timer = threading.Timer(REPEAT_AFTER, signal.pthread_kill, (threading.get_ident(), signal.SIGTERM))
        timer.daemon = True
        timer.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        if sys.unraisablehook is hook:
            sys.unraisablehook = before
