"""Signals while a server runs: the handler only hands the number on, to be acted upon later; old handlers come back.

Handlers can be set in the main thread alone (signal.signal); elsewhere nothing is installed and whoever started the
thread decides. A handler that the program has set itself is left alone.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Log files are opened anew. Windows has neither.
REFRESH_SIGNALS = tuple(signal.Signals[name] for name in ("SIGUSR1", "SIGHUP") if hasattr(signal, name))
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


@contextmanager
def signals_wake(descriptor: int) -> Iterator[None]:
    """Have each signal write its number to a socket inside the block, whichever thread the system gives it to.

    Without that the main thread, which runs the handlers, would not notice a signal that comes a moment before it
    begins to wait, or that another thread was interrupted by.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    try:
        yield
    finally:
        try:
            signal.set_wakeup_fd(old)
        except (OSError, ValueError):  # whoever set it, in a parent process perhaps, has closed it meanwhile
            signal.set_wakeup_fd(-1)


@contextmanager
def stop_signals(on_signal: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call `on_signal` for SIGINT, SIGTERM and those that refresh, inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        on_signal(signal.Signals(number))

    old: dict[signal.Signals, Any] = {}
    for number in (*STOP_SIGNALS, *REFRESH_SIGNALS):
        if signal.getsignal(number) in _DEFAULTS:
            old[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
