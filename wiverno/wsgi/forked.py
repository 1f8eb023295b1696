"""The end of a process that the application has forked inside a call, and that returns from the call.

The request, the connection and the server belong to the parent, which answers. The child has copies that are closed
(core/forks.py), so it can't send anything. What is left to decide is how it ends: as a script would, with the status
of its SystemExit, but without exit handlers, since the parent registered those for itself.
"""

import os
import sys
from contextlib import suppress
from typing import NoReturn

from wiverno.foreign_code import guarded_logger
from wiverno.wsgi.sink import ClientDisconnected

logger = guarded_logger("wiverno")

is_copy = False
"""Whether this process was forked out of a server that runs in its parent."""


def leave(error: BaseException | None = None) -> NoReturn:
    """End this process, which has come back from the application with `error` or a response."""
    status = 1
    try:
        status = _status_of(error)
        _tell(error, status)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
    except BaseException:  # noqa: BLE001 - logging and the streams may be the application's
        pass
    finally:
        os._exit(status)


def leave_if_copy(pid: int, error: BaseException | None = None) -> None:
    """End this process if the code just called was called in process `pid` and has come back in a fork of it, too.

    A daemon continues, unless a server runs in its parent: its parent has ended, or it has begun a session.
    """
    if os.getpid() == pid:
        return
    if is_copy or (os.getppid() == pid and os.getsid(0) == os.getsid(pid)):
        leave(error)


def _status_of(error: BaseException | None) -> int:
    """Return the exit status that Python gives to an exception, 0 for a response."""
    if error is None or isinstance(error, ClientDisconnected):
        return 0
    if not isinstance(error, SystemExit):
        return 1
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _tell(error: BaseException | None, status: int) -> None:
    words = "process %d, which the application forked in process %d, has come back to the server and ends %s"
    pids = os.getpid(), os.getppid()
    if isinstance(error, SystemExit):
        logger.info(words, *pids, f"with status {status}")
    elif status:
        logger.error(words, *pids, "because of an exception", exc_info=error)
    else:
        logger.warning(words, *pids, "since only its parent serves; end it with os._exit()")
