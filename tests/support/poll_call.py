"""The system call behind the selector of Windows, as this system has it: WSAPoll, or poll(2) with its own entries."""

import ctypes
import select
import sys

from wiverno.core.loop.windows_poll import PollCall, wsa_poll


class PosixEntry(ctypes.Structure):
    """Poll(2)'s struct pollfd."""

    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


def poll_call() -> PollCall:
    """Return the call of this system."""
    if sys.platform == "win32":
        return wsa_poll()
    call = ctypes.CDLL(None, use_errno=True).poll
    call.argtypes = (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int)
    return PollCall(call, PosixEntry, select.POLLIN, select.POLLOUT, ctypes.get_errno)
