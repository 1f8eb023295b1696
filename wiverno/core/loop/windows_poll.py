"""WSAPoll: what is ready among any number of sockets on Windows, where select(2) takes 512.

The array that the call takes is kept from one wait to the next, so a wait costs one call and one look at a small number
for each socket. The last entry moves into the place of one that leaves.

Python has no binding, so `ctypes` is used, and the module is imported on Windows only. What it needs of the call is a
value (`PollCall`), so poll(2) of other systems, which differs in the layout of an entry, serves as well.
"""

import ctypes
import math
import selectors
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from typing import Any, Final

FIRST_CAPACITY: Final = 64
MAX_TIMEOUT: Final = 2**31 - 1  # milliseconds


class PollEntry(ctypes.Structure):
    """WSAPOLLFD: a socket, what to wait for, and what has happened."""

    _fields_ = (("fd", ctypes.c_size_t), ("events", ctypes.c_short), ("revents", ctypes.c_short))


@dataclass(frozen=True, slots=True)
class PollCall:
    """The call, and its numbers.

    Attributes:
        call: (array, count, milliseconds) → how many are ready, negative for an error.
        entry: the structure of fd, events and revents.
        read: the event of bytes that can be read, or a client that can be accepted.
        write: the event of room for bytes.
        last_error: returns the number of the last error.
    """

    call: Callable[[Any, int, int], Any]
    entry: type[ctypes.Structure]
    read: int
    write: int
    last_error: Callable[[], int]


def wsa_poll() -> PollCall:
    """Return Windows' WSAPoll."""
    call = ctypes.WinDLL("ws2_32", use_last_error=True).WSAPoll  # type: ignore[attr-defined]
    call.argtypes = (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int)
    # POLLRDNORM and POLLWRNORM: WSAPoll refuses POLLERR and POLLHUP, which it reports unasked.
    return PollCall(call, PollEntry, 0x0100, 0x0010, ctypes.get_last_error)  # type: ignore[attr-defined]


class PollArraySelector(selectors.BaseSelector):
    """A selector on one array of entries. As with all selectors, one thread at a time may call it."""

    def __init__(self, poll: PollCall | None = None) -> None:
        self._poll = poll or wsa_poll()
        self._keys: dict[int, SelectorKey] = {}
        self._descriptors: list[int] = []  # the entries' descriptors, in the order of the array
        self._positions: dict[int, int] = {}
        self._reserve(FIRST_CAPACITY)

    def _reserve(self, capacity: int) -> None:
        entry = self._poll.entry
        array: Any = (entry * capacity)()
        for position, fd in enumerate(self._descriptors):
            array[position].fd = fd
            array[position].events = self._array[position].events
        self._array: Any = array
        shorts = memoryview(array).cast("B").cast("h")
        self._results = shorts[entry.revents.offset // 2 :: ctypes.sizeof(entry) // 2]

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """Watch a socket.

        Raises:
            KeyError: it is watched already.
        """
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if fd in self._keys:
            raise KeyError(f"{fd} is registered already")
        position = len(self._descriptors)
        if position == len(self._array):
            self._reserve(2 * position)
        poll, entry = self._poll, self._array[position]
        entry.fd = fd
        entry.events = (poll.read if events & EVENT_READ else 0) | (poll.write if events & EVENT_WRITE else 0)
        entry.revents = 0
        self._descriptors.append(fd)
        self._positions[fd] = position
        key = self._keys[fd] = SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> SelectorKey:
        """Stop watching a socket.

        Raises:
            KeyError: it is not watched.
        """
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys.pop(fd)
        position, last = self._positions.pop(fd), self._descriptors.pop()
        if last != fd:
            moved, free = self._array[len(self._descriptors)], self._array[position]
            free.fd, free.events, free.revents = moved.fd, moved.events, moved.revents
            self._descriptors[position] = last
            self._positions[last] = position
        return key

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Return what is ready; `timeout` in seconds, None waits for ever.

        Raises:
            OSError: the call failed.
        """
        milliseconds = -1 if timeout is None else min(math.ceil(max(timeout, 0.0) * 1000), MAX_TIMEOUT)
        count = len(self._descriptors)
        ready = self._poll.call(self._array, count, milliseconds)
        if ready < 0:
            number = self._poll.last_error()
            raise OSError(number, f"poll of {count} sockets failed: error {number}")
        if not ready:
            return []
        poll = self._poll
        found = []
        for position, result in enumerate(self._results[:count].tolist()):
            if result:
                # An error or a hang-up shows in the next read and the next write.
                events = (EVENT_READ if result & ~poll.write else 0) | (EVENT_WRITE if result & ~poll.read else 0)
                key = self._keys[self._descriptors[position]]
                if events & key.events:
                    found.append((key, events & key.events))
        return found

    def close(self) -> None:
        """Forget everything."""
        self._keys.clear()
        self._positions.clear()
        self._descriptors.clear()

    def get_map(self) -> Mapping[Any, SelectorKey]:
        """Return descriptor → key."""
        return self._keys
