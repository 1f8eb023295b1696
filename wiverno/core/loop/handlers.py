"""What the tables of the loop hold: objects with a descriptor, and among them the clients.

The loop, the engine, the acceptor and eviction treat all clients alike, in whatever stage they are: in a PROXY
preamble, in a TLS handshake, in a request, in HTTP/2, or in a lingering close. A client says itself when it may be
evicted and what draining means for it; no code asks for its class.
"""

from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from wiverno.core.loop.deadlines import Expiring

# Order of eviction: what costs the client least goes first.
IDLE_RANK: Final = 0  # no request has begun, or its response has been sent: closing loses nothing (RFC 9112 §9.5)
UNFINISHED_RANK: Final = 1  # a preamble, a handshake, a head or a body that is not complete

# Seconds for which a client is not evicted. With a limit of L connections and W clients before it in the accept queue,
# a new client waits W/L times as long at most: so these are short, and count only while the limit is reached.
IDLE_AGE: Final = 0.1  # its next request may be on its way
HEAD_AGE: Final = 0.25  # a head is one packet nearly always, and comes with the connection or just after it
HANDSHAKE_GRACE: Final = 0.5  # handshakes and preambles take several round trips
LINGER_AGE: Final = 0.25  # it has its response, which must reach it before the end does
BODY_AGE: Final = 0.5  # a body, before its average rate counts


class Eviction(NamedTuple):
    """When a client may be closed to admit another one, and before which others.

    Attributes:
        rank: lower goes first.
        since: monotonic seconds; of the same rank the earliest goes first.
        safe_until: monotonic seconds; before that the client is not evicted.
    """

    rank: int
    since: float
    safe_until: float


class Handler(Expiring, Protocol):
    """An object with a descriptor: a client or a listening socket."""

    fd: int

    def ready(self, events: int) -> Any:
        """Handle the events; return an exchange whose request is complete, or None.

        `events` 0 means: continue with what has been received.
        """


@runtime_checkable
class Client(Handler, Protocol):
    """A connected client in any stage: what `Loop.connections` holds.

    All methods belong to the leader, except `abandon`, which a child process calls after a fork.
    """

    @property
    def sock(self) -> Any:
        """The client's socket, plain or TLS."""

    def eviction(self) -> Eviction | None:
        """Return when and in which order the client may be evicted; None if it may not."""

    def has_input(self) -> bool:
        """Tell whether the client has sent something that has not been read yet."""

    def evict(self) -> None:
        """Close to admit another client."""

    def begin_drain(self) -> None:
        """Note that the server drains: the next response is the last one."""

    def drain(self, before: float = ...) -> None:
        """Close if no request has been in progress since `before`, in monotonic seconds."""

    def close(self) -> None:
        """Close the socket and remove the client from the tables of the loop."""

    def abandon(self) -> None:
        """Close this process's copy of the socket after a fork: send nothing, take no lock, change no table."""
