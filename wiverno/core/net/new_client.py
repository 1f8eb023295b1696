"""A client that has no connection yet: in the loop until its first bytes or its handshake are complete.

A PROXY preamble, a TLS handshake and the choice of the protocol wait in the same way: registered with the poller when
they first have to wait, as long as a request's head may take, evicted before complete requests, closed by a drain.
"""

from collections.abc import Callable
from typing import Any, Final

from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.handlers import HANDSHAKE_GRACE, UNFINISHED_RANK, Eviction
from wiverno.core.loop.poller import is_readable
from wiverno.core.net.closing import close_client, close_copy

UNREGISTERED: Final = 0


class NewClient:
    """What all of them have; a subclass adds `ready`. Belongs to the leader, except `abandon`.

    Attributes:
        sock: the client's socket, which does not block.
        fd: its descriptor.
        grace: seconds for which the client is not evicted.
    """

    __slots__ = ("__weakref__", "_armed", "_deadline", "_loop", "_since", "fd", "sock", "tick")

    grace: float = HANDSHAKE_GRACE

    def __init__(self, sock: Any, loop: Loop, timeout: float) -> None:
        """Begin with a connected socket; `timeout` in seconds, 0 for no limit."""
        self.sock = sock
        self.fd: int = sock.fileno()
        self.tick = 0
        self._loop = loop
        self._armed = UNREGISTERED
        self._since = loop.now
        self._deadline = loop.now + timeout if timeout else float("inf")

    def _wait_for(self, interest: int) -> None:
        """Tell the poller what the client waits for: READ or WRITE."""
        if self._armed == UNREGISTERED:
            self._loop.poller.register(self.fd, interest)
        elif self._armed != interest:
            self._loop.poller.arm(self.fd, interest)
        self._armed = interest

    def _leave_loop(self) -> None:
        """Leave the loop; the socket stays open."""
        self._loop.forget(self)
        if self._armed != UNREGISTERED:
            self._loop.poller.unregister(self.fd)
            self._armed = UNREGISTERED

    def _pass_on(self, begin: Callable[[], None]) -> None:
        """Leave the loop and have `begin` continue with the socket; close it if an exception keeps that from it."""
        try:
            self._leave_loop()
            begin()
        except BaseException:  # also MemoryError, or thrown in: no table has the client now, and it would wait for ever
            if self.fd not in self._loop.handlers:
                close_client(self.sock)
            raise

    def ready(self, events: int) -> None:
        """Take an event."""
        raise NotImplementedError

    def deadline(self) -> float:
        """Return when the first bytes or the handshake must be complete."""
        return self._deadline

    def expire(self) -> None:
        """Close: it took too long."""
        self.close()

    def eviction(self) -> Eviction:
        """Return when it may be evicted."""
        return Eviction(UNFINISHED_RANK, self._since, self._since + self.grace)

    def has_input(self) -> bool:
        """Tell whether the client has sent something that has not been read yet."""
        return is_readable(self.fd)

    def evict(self) -> None:
        """Close to admit another client."""
        self.close()

    def begin_drain(self) -> None:
        """Do nothing: a request that follows soon is still answered."""

    def drain(self, before: float = float("inf")) -> None:
        """Close: no request has begun."""
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._leave_loop()
        close_client(self.sock)

    def abandon(self) -> None:
        """Close this process's copy after a fork."""
        close_copy(self.sock)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} fd={self.fd} armed={self._armed}>"
