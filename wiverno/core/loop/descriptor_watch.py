"""Once a second: are the descriptors that the server lives on still what they were?

A closed listening socket makes no event, a closed life line none either, and a leader that waits in epoll_wait(2) does
not notice that its epoll descriptor is gone. So the loop turns once a second and looks. A server that has lost one of
them ends with a failure: other threads may have opened files under the same numbers since, and going on would mean to
write into those.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from wiverno.core.loop.descriptors import Descriptor, DescriptorLostError
from wiverno.core.loop.event_loop import Loop

INTERVAL: Final = 0.05  # seconds; deadlines come due with whole seconds of the clock, so this is once a second


class DescriptorWatch:
    """Stands among the loop's deadlines; belongs to the leader."""

    __slots__ = ("_loop", "_next", "_on_look", "_on_lost", "_watched", "fd", "tick")

    def __init__(
        self, loop: Loop, watched: Callable[[], Iterable[Descriptor]], on_lost: Callable[[Exception], None],
        on_look: Callable[[], None],
    ) -> None:  # fmt: skip
        """Look at the loop's poller and at what `watched` returns; `on_look` is called each time as well."""
        self.fd = -1
        self.tick = 0
        self._loop = loop
        self._watched = watched
        self._on_lost = on_lost
        self._on_look = on_look
        self._next = time.monotonic() + INTERVAL
        loop.watch(self, self._next)

    def ready(self, events: int) -> None:
        """Do nothing: it has no descriptor."""

    def deadline(self) -> float:
        """Return when to look next."""
        return self._next

    def expire(self) -> None:
        """Look."""
        self._next = time.monotonic() + INTERVAL
        self._loop.watch(self, self._next)
        try:
            self._loop.poller.check()
            for descriptor in self._watched():
                descriptor.check()
        except DescriptorLostError as error:
            self._on_lost(error)
        else:
            self._on_look()
