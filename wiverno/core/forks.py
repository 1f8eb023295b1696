"""Forks: what a child process does with the copies of a server that runs in its parent.

An application may fork at any moment, in any thread: with os.fork, with multiprocessing, with a subprocess that has a
preexec_fn. The child gets a copy of every descriptor, of the signal handlers and of the frames below the application.
It must not answer, accept, or run the server's handlers, and its copies may not keep a port or a client busy.

So each owner of descriptors registers here while it runs, and `os.register_at_fork` has the child call `abandon` of
each: descriptors are closed, which does not affect the parent, and nothing is sent, shut down, unlinked or changed
in an epoll set, which would. The signal handlers from before the server are restored. The thread that forked may
still return into the server: leader.py, engine.py and the gateway then end the process (wsgi/forked.py).

Locks are not touched: another thread may have held them at the fork, and will never release them in the child.

The supervisor's own forks are workers, which close and restore what they must.
"""

import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from wiverno.core.loop.signals import clear_wake_up, restore_signals
from wiverno.wsgi import forked


class Abandonable(Protocol):
    """Something with descriptors that a child process must not keep."""

    def abandon(self) -> None:
        """Close this process's copies after a fork: send nothing, take no lock, leave the parent's as they are."""


_registered: Final[list[Abandonable]] = []
_forking: Final[set[int]] = set()  # threads that are about to fork a worker
_masks: Final[dict[int, set[Any]]] = {}  # thread → the signals that it had blocked before it began to fork


def register(owner: Abandonable) -> None:
    """Have children that are forked from now on abandon `owner`."""
    _registered.append(owner)


def unregister(owner: Abandonable) -> None:
    """Remove `owner`; harmless when done before."""
    with suppress(ValueError):
        _registered.remove(owner)


@contextmanager
def own_fork() -> Iterator[None]:
    """Fork a worker inside the block: the child abandons nothing by itself."""
    me = threading.get_ident()
    _forking.add(me)
    try:
        with without_fork_warnings():
            yield
    finally:
        _forking.discard(me)


@contextmanager
def without_fork_warnings() -> Iterator[None]:
    """Fork inside the block although there are threads.

    Python 3.12 and newer warn of threads beside a fork. Where warnings are errors, 3.15 does not fork at all, and a
    service whose application has started a thread would never have workers.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"This process \(pid=\d+\) is multi-threaded")
        yield


def _before_fork() -> None:
    # A signal that reached the child before it has its own handlers, as from Process.terminate(), would be lost.
    if _registered and hasattr(signal, "pthread_sigmask"):
        _masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _after_fork() -> None:
    """Unblock the thread's signals again, in either process."""
    mask = _masks.pop(threading.get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _after_fork_in_child() -> None:
    try:
        _abandon()
    finally:
        _after_fork()
        _masks.clear()


def _abandon() -> None:
    owners = list(_registered)
    _registered.clear()
    is_own = threading.get_ident() in _forking
    _forking.clear()
    if is_own:
        clear_wake_up()
        return
    forked.is_copy = bool(owners) or forked.is_copy
    for owner in owners:
        with suppress(Exception):  # the others have to be abandoned, too
            owner.abandon()
    restore_signals()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
