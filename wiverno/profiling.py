"""`profile`: a statement under the profiler, as waitress's `serve(_profile=True)` prints it."""

import sys
import warnings
from collections.abc import Mapping
from typing import Any, Final

from wiverno.tables import has_gil

SORT_ORDER: Final = ("cumulative", "calls", "time")


def profile(
    cmd: str,
    globals: dict[str, Any],
    locals: Mapping[str, Any],
    sort_order: tuple[str, ...] | None = None,
    callers: bool = False,
) -> None:
    """Run a command under the profiler and print what its own thread spent its time on.

    Args:
        cmd: a Python statement.
        globals: global names for it.
        locals: local names for it.
        sort_order: keys of pstats, the first counts most; without it cumulative, calls, time.
        callers: print who called each function instead of its times.
    """
    import pstats

    profiler = _new_profiler()
    try:
        # What the statement assigns is seen by the caller where locals are a real namespace, as in the profile module.
        profiler.runctx(cmd, globals, locals if isinstance(locals, dict) else dict(locals))
    except SystemExit:
        pass
    statistics = pstats.Stats(profiler, stream=sys.stdout).strip_dirs().sort_stats(*(sort_order or SORT_ORDER))
    # The upper third: below it stands what takes no time.
    (statistics.print_callers if callers else statistics.print_stats)(0.3)


def _new_profiler() -> Any:
    """Return the faster profiler, or without the GIL the one that other threads can't disturb.

    cProfile records the calls of all threads and keeps them in a tree without a lock: threads that run at the same
    time make a ring of it, and the end of the profile never comes.
    """
    if has_gil():
        import cProfile

        return cProfile.Profile()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # since 3.15, for those that have a choice
        import profile as in_python
    return in_python.Profile()
