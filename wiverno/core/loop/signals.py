"""Signals while a server runs: the handler only passes the number on; the previous handlers are restored at the end.

Handlers can be set in the main thread only (signal.signal); in other threads nothing is installed. A handler that the
program has set itself is left alone.

The previous handlers are remembered for children that the application forks, too: they get them back (forks.py).
"""

import faulthandler
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

from wiverno.standard_streams import STDERR

# Windows has SIGBREAK in addition: Ctrl-Break, and what service managers send to end a process group.
STOP_SIGNALS = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
# Log files are reopened. Windows has neither.
REFRESH_SIGNALS = tuple(signal.Signals[name] for name in ("SIGUSR1", "SIGHUP") if hasattr(signal, name))
# What a supervisor may send to a program that runs again, before it has handlers; SIGTERM and SIGQUIT end it.
IGNORED_AT_FIRST: Final = ("SIGINT", "SIGHUP", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2")
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)

DRAINING: Final = "draining: no new connections; %d connection(s) open, %d request(s) queued%s"
AGAIN: Final = "; press Ctrl-C again to end at once"
"""What a message about draining ends with if Ctrl-C has begun it."""

Handler = Callable[[int, FrameType | None], Any] | int | None

_taken: Final[dict[int, tuple[Handler, Handler]]] = {}  # signal → the server's handler, the one before it
_stacks_on: Final[list[int]] = []  # the signal that prints stacks
_wake_up: Final[list[int]] = []  # descriptors that signals_wake has set; the last one is in use


def gets_signals() -> bool:
    """Whether this is the main thread: it alone may set handlers, and runs them."""
    return threading.current_thread() is threading.main_thread()


def take_signal(number: int, handler: Handler) -> None:
    """Set a handler of the server (main thread), and remember the first one that it replaces."""
    before = signal.signal(number, handler)
    _taken[number] = (handler, _taken[number][1] if number in _taken else before)


def restore_signal(number: int) -> None:
    """Restore the handler that was there before the server's (main thread)."""
    _, before = _taken.pop(number, (None, None))
    signal.signal(number, signal.SIG_DFL if before is None else before)


def remember_ignored(numbers: Iterable[int]) -> None:
    """Remember signals that the server ignored across an exec, as if Python's defaults had been there before."""
    for number in numbers:
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        _taken[number] = (signal.SIG_IGN, default)


def clear_wake_up() -> None:
    """Let signals write nowhere: in a worker, where the supervisor's descriptor is closed."""
    signal.set_wakeup_fd(-1)
    _wake_up.clear()


def restore_signals() -> None:
    """Restore all handlers in a child process that is not the server; what the program has set meanwhile stays."""
    for number, (handler, _) in list(_taken.items()):
        with suppress(ValueError, OSError):
            if signal.getsignal(number) is handler:
                restore_signal(number)
    _taken.clear()
    if _stacks_on:
        faulthandler.unregister(_stacks_on.pop())
    if _wake_up:
        with suppress(ValueError, OSError):
            found = signal.set_wakeup_fd(-1)
            if found not in _wake_up:
                signal.set_wakeup_fd(found)
        _wake_up.clear()


def print_stacks_on(number: int) -> None:
    """Have a signal print the stacks of all threads to standard error."""
    faulthandler.register(number, file=STDERR, all_threads=True)
    _stacks_on[:] = [number]


@contextmanager
def signals_wake(descriptor: int) -> Iterator[None]:
    """Have each signal write its number to a socket inside the block, whichever thread the system gives it to.

    Without that the main thread, which runs the handlers, would not notice a signal that comes a moment before it
    begins to wait, or that another thread was interrupted by.
    """
    if not gets_signals():
        yield
        return
    old = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    _wake_up.append(descriptor)
    try:
        yield
    finally:
        with suppress(ValueError):
            _wake_up.remove(descriptor)
        try:
            signal.set_wakeup_fd(old)
        except (OSError, ValueError):  # its owner, perhaps in a parent process, has closed it meanwhile
            signal.set_wakeup_fd(-1)


@contextmanager
def handle_signals(numbers: Iterable[int], handler: Handler) -> Iterator[None]:
    """Have a handler of the server inside the block (main thread); the earlier handlers are restored after it."""
    numbers = list(numbers)
    try:
        for number in numbers:
            take_signal(number, handler)
        yield
    finally:
        for number in numbers:
            restore_signal(number)


@contextmanager
def stop_signals(on_signal: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call `on_signal` for the signals that stop and those that refresh, inside the block."""
    if not gets_signals():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        on_signal(signal.Signals(number))

    numbers = [number for number in (*STOP_SIGNALS, *REFRESH_SIGNALS) if signal.getsignal(number) in _DEFAULTS]
    with handle_signals(numbers, handle):
        yield
