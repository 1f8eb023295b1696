"""Which calls block their thread, and which only take long.

With the GIL the monitor thread hardly runs while a call computes. So a call that it finds unfinished after a
millisecond usually waits for something, and the lead is passed on. Without the GIL it finds each call that takes long:
also one that computes, or whose processor another program has for a moment. To pass the lead on would only make one
more thread want the same processors. There the kernel is asked whether the leader's thread waits, and whether a call
has given up its processor. A call that computes for COMPUTING counts as blocked all the same: other clients wait.
"""

import threading
from pathlib import Path
from typing import Any, Final

from wiverno.tables import has_gil

BLOCKED: Final = 0.001  # seconds from which on a call may count as blocking
COMPUTING: Final = 0.010  # seconds from which on it counts as blocking even if it has only computed

_TASKS: Final = Path("/proc/self/task")


class Detector:
    """Takes each call that lasts for a blocked one."""

    def begin_lead(self) -> None:
        """Note that the calling thread leads from now on."""

    def is_running(self, turn: int, now: float) -> bool:
        """Tell whether the leader computes, in the call of this number; `now` in monotonic seconds (monitor thread)."""
        return False

    def begin_call(self) -> Any:
        """Return what `has_blocked` has to know of the time before a call."""
        return None

    def has_blocked(self, before: Any, seconds: float) -> bool:
        """Tell whether a call of the calling thread that took so long has blocked it."""
        return seconds > BLOCKED


class KernelDetector(Detector):
    """Asks the kernel about threads (Linux: proc(5), getrusage(2))."""

    def __init__(self) -> None:
        """Raise ImportError or AttributeError where the system can't tell what a thread has used."""
        import resource

        self._usage, self._of_thread = resource.getrusage, resource.RUSAGE_THREAD
        self._leader = 0
        self._turn = -1
        self._since = 0.0

    def begin_lead(self) -> None:
        """Note that the calling thread leads from now on."""
        self._leader = threading.get_native_id()

    def is_running(self, turn: int, now: float) -> bool:
        """Tell whether the leader computes or could, for less than COMPUTING in the call of this number."""
        if turn != self._turn:
            self._turn, self._since = turn, now
        return now - self._since < COMPUTING and is_runnable(self._leader)

    def begin_call(self) -> Any:
        """Return what the calling thread has used until now."""
        return self._usage(self._of_thread)

    def has_blocked(self, before: Any, seconds: float) -> bool:
        """Tell whether the call has waited, or computed for long; `seconds` of waiting for a processor do not count."""
        if seconds <= BLOCKED:
            return False
        now = self.begin_call()
        has_waited: bool = now.ru_nvcsw > before.ru_nvcsw
        return has_waited or now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime >= COMPUTING


def is_runnable(native_id: int) -> bool:
    """Tell whether a thread of this process runs, or waits for nothing but a processor; False if that is unknown."""
    try:
        with open(_TASKS / str(native_id) / "stat", "rb") as file:
            state = file.read(256).rpartition(b")")[2]
    except OSError:
        return False
    return state[1:2] == b"R"


def new_detector() -> Detector:
    """Return what suits this build of Python and this system."""
    if has_gil() or not is_runnable(threading.get_native_id()):
        return Detector()
    try:
        return KernelDetector()
    except (ImportError, AttributeError):  # Windows, macOS
        return Detector()
