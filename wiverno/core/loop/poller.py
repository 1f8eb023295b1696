"""Which sockets are ready: epoll where there is one, selectors elsewhere, behind the same few methods.

The selector is the standard library's best, kqueue on macOS and the BSDs, and on Windows WSAPoll (windows_poll.py).

A descriptor is registered once and then armed: READ, WRITE or NOTHING. NOTHING means no event at all: a client that
hangs up must not wake the loop while a thread runs its request, which epoll does even with an empty event mask.

`wait` belongs to the leading thread. Every other method may be called by any thread at any time.
"""

import contextlib
import errno
import select
import selectors
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from wiverno.core.loop.descriptors import Descriptor, DescriptorLostError

NOTHING: Final = 0
READ: Final = 1
WRITE: Final = 4

MAX_EVENTS: Final = 256


class Poller(Protocol):
    """What the loop needs from the operating system."""

    def register(self, fd: int, interest: int) -> None:
        """Watch a descriptor that is not watched yet."""

    def arm(self, fd: int, interest: int) -> None:
        """Change what a watched descriptor is watched for; NOTHING keeps it registered and silent."""

    def unregister(self, fd: int) -> None:
        """Stop watching; unknown descriptors are ignored."""

    def wait(self, timeout: float) -> list[tuple[int, int]]:
        """Return (descriptor, events) pairs; `timeout` in seconds, negative waits for ever."""

    def wake(self) -> None:
        """Make a `wait` in progress, or else the next one, return."""

    def wake_on_signal(self, on_signal: Callable[[], None]) -> int:
        """Return a descriptor that signals may write to; a `wait` that one ends calls `on_signal`."""

    def check(self) -> None:
        """Make sure that the poller's own descriptors are still its own (leader).

        Raises:
            DescriptorLostError: something else has closed one of them.
        """

    def close(self) -> None:
        """Close the descriptors."""


class WakeUp:
    """A socket pair that makes a wait return; a socket pair because Windows can select nothing else."""

    __slots__ = ("_is_set", "_on_signal", "_reader", "_writer", "descriptors")

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        ends = (self._reader, self._writer)
        self.descriptors = [Descriptor(end.fileno(), "the wake-up socket", is_socket=True) for end in ends]
        self._is_set = False
        self._on_signal: Callable[[], None] | None = None

    def check(self) -> None:
        """Make sure that both ends are still ours.

        Raises:
            DescriptorLostError: one of them is not.
        """
        for descriptor in self.descriptors:
            descriptor.check()

    def fileno(self) -> int:
        """Return the descriptor to watch for reading."""
        return self._reader.fileno()

    def wake_on_signal(self, on_signal: Callable[[], None]) -> int:
        """Return the descriptor that signals write to; `clear` calls `on_signal` if one has."""
        self._on_signal = on_signal
        return self._writer.fileno()

    def set(self) -> None:
        """Make the descriptor readable; safe in signal handlers and from any thread."""
        if not self._is_set:
            try:
                self._is_set = True
                if not self.descriptors[1].is_ours():
                    return  # its number may be another socket's now; the next check ends the server
                with contextlib.suppress(OSError):  # full: readable anyhow; closed: no thread waits
                    self._writer.send(b"\0")
            except BaseException:  # thrown in from outside; perhaps before the byte was written
                self._is_set = False
                raise

    def clear(self) -> None:
        """Read what was written; called by the thread that waited."""
        # Read first: otherwise a byte written in between would be lost, and no later one would be written.
        data = b""
        try:
            with contextlib.suppress(OSError):
                data = self._reader.recv(4096)
        finally:
            self._is_set = False
        if self._on_signal is not None and data.strip(b"\0"):  # a signal writes its number, `set` writes zero
            self._on_signal()

    def close(self) -> None:
        """Close both ends, unless their numbers are used for something else now."""
        for end, descriptor in zip((self._reader, self._writer), self.descriptors, strict=True):
            if not descriptor.is_ours():
                end.detach()
            end.close()


class EpollPoller:
    """epoll(7), level-triggered. epoll_ctl is safe beside epoll_wait, so arming needs no hand-over to the leader."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wake_up = WakeUp()
        self._wake_fd = self._wake_up.fileno()
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        self.register = self._epoll.register  # READ and WRITE are epoll's own values

    def arm(self, fd: int, interest: int) -> None:
        """Change what a descriptor is watched for."""
        # A hang-up is reported even to an empty mask, again and again; one-shot reports it once and then no more.
        self._epoll.modify(fd, interest or select.EPOLLONESHOT)

    def unregister(self, fd: int) -> None:
        """Stop watching."""
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(fd)

    def check(self) -> None:
        """Make sure that the epoll descriptor and the wake-up socket are still ours."""
        self._wake_up.check()
        try:
            self._epoll.modify(self._wake_fd, select.EPOLLIN)  # fails for any descriptor but this very epoll
        except OSError as error:
            raise _lost(error) from error

    def wait(self, timeout: float) -> list[tuple[int, int]]:
        """Return what is ready."""
        try:
            events = self._epoll.poll(timeout, MAX_EVENTS)
        except OSError as error:
            raise _lost(error) from error
        for event in events:
            if event[0] == self._wake_fd:
                self._wake_up.clear()
                events.remove(event)
                break
        return events

    def wake(self) -> None:
        """Make `wait` return."""
        self._wake_up.set()

    def wake_on_signal(self, on_signal: Callable[[], None]) -> int:
        """Return a descriptor for signals."""
        return self._wake_up.wake_on_signal(on_signal)

    def close(self) -> None:
        """Close the descriptors."""
        # Without a way to detach it, an epoll object whose number is used for something else is left open for good.
        with contextlib.suppress(OSError, DescriptorLostError):
            self.check()
            self._epoll.close()
        self._wake_up.close()


class SelectorsPoller:
    """Any selector: the standard library's, WSAPoll on Windows.

    Changes from other threads are queued and made before the next wait.
    """

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        self._selector = selector or _new_selector()
        self._wake_up = WakeUp()
        self._selector.register(self._wake_up.fileno(), selectors.EVENT_READ)
        self._changes: deque[Callable[[], object]] = deque()
        self._lock = threading.Lock()
        self._is_waiting = False

    def _change(self, action: Callable[[], object]) -> None:
        with self._lock:
            self._changes.append(action)
            is_waiting = self._is_waiting
        if is_waiting:
            self._wake_up.set()

    def register(self, fd: int, interest: int) -> None:
        """Watch a descriptor."""
        self._change(lambda: self._set(fd, interest))

    def arm(self, fd: int, interest: int) -> None:
        """Change what a descriptor is watched for."""
        self._change(lambda: self._set(fd, interest))

    def unregister(self, fd: int) -> None:
        """Stop watching."""
        # In order with the others: the number may be reused and registered again meanwhile.
        self._change(lambda: self._set(fd, NOTHING))

    def _set(self, fd: int, interest: int) -> None:
        events = (selectors.EVENT_READ if interest & READ else 0) | (selectors.EVENT_WRITE if interest & WRITE else 0)
        with contextlib.suppress(KeyError, ValueError, OSError):
            self._selector.unregister(fd)
        if events:
            with contextlib.suppress(ValueError, OSError):  # closed meanwhile
                self._selector.register(fd, events)

    def wait(self, timeout: float) -> list[tuple[int, int]]:
        """Return what is ready."""
        with self._lock:
            self._is_waiting = True
            changes = list(self._changes)
            self._changes.clear()
        for change in changes:
            change()
        try:
            ready = self._selector.select(None if timeout < 0 else timeout)
        except (OSError, ValueError) as error:
            raise _lost(error) from error
        self._is_waiting = False
        events = []
        for key, mask in ready:
            if key.fd == self._wake_up.fileno():
                self._wake_up.clear()
            else:
                read = READ if mask & selectors.EVENT_READ else 0
                events.append((key.fd, read | (WRITE if mask & selectors.EVENT_WRITE else 0)))
        return events

    def check(self) -> None:
        """Make sure that the wake-up socket is still ours; `wait` notices the loss of the selector's descriptor."""
        self._wake_up.check()

    def wake(self) -> None:
        """Make `wait` return."""
        self._wake_up.set()

    def wake_on_signal(self, on_signal: Callable[[], None]) -> int:
        """Return a descriptor for signals."""
        return self._wake_up.wake_on_signal(on_signal)

    def close(self) -> None:
        """Close the descriptors."""
        with contextlib.suppress(OSError, DescriptorLostError):
            self._selector.close()
        self._wake_up.close()


def _new_selector() -> selectors.BaseSelector:
    """Return the best selector of this system. Windows has select(2) alone in the standard library, for 512 sockets."""
    if sys.platform == "win32":
        from wiverno.core.loop.windows_poll import PollArraySelector

        return PollArraySelector()
    return selectors.DefaultSelector()


def _lost(error: Exception) -> DescriptorLostError:
    return DescriptorLostError(f"the poller's descriptor was closed by something else in this process: {error}")


def is_readable(fd: int) -> bool:
    """Tell at once whether a descriptor has something to read, an end or an error."""
    if not hasattr(select, "poll"):  # Windows, where select() has no small numbers
        return bool(select.select([fd], [], [], 0)[0])
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def new_poller(kind: str) -> Poller:
    """Return the poller that the setting names: "epoll", "selectors", or "auto" for the best of this machine.

    Raises:
        OSError: epoll is asked for where there is none.
    """
    has_epoll = hasattr(select, "epoll")
    if kind == "selectors" or (kind == "auto" and not has_epoll):
        return SelectorsPoller()
    if not has_epoll:
        raise OSError(errno.EOPNOTSUPP, "poller = epoll: this system has no epoll; auto takes what there is")
    return EpollPoller()
