"""What may stand in the tables of the loop: everything with a descriptor, and among it the clients.

The loop, the engine, the acceptor and the room treat all clients alike, in whatever stage they are: in a PROXY preamble
(preamble.py), in a TLS handshake (tls.py), in a request (connection.py) or at their end (linger.py). So a client says
of itself when it may be closed for another one and what draining means for it; no code asks which class it has.
"""

from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from wiverno.core.loop.deadlines import Expiring

# Order in which clients are closed for others: what costs the client least goes first.
IDLE_RANK: Final = 0  # no request has begun, or its answer has been sent: closing loses nothing (RFC 9112 §9.5)
UNFINISHED_RANK: Final = 1  # a preamble, a handshake, a head or a body that is not complete

# Seconds for which a client is not closed for another one. With L places and W clients before it in the backlog, a new
# client waits W/L times as long at most: so these are short, and count only while all places are taken.
IDLE_AGE: Final = 0.1  # its next request may be on its way
HEAD_AGE: Final = 0.25  # a head is one packet nearly always, and comes with the connection or just after it
HANDSHAKE_GRACE: Final = 0.5  # handshakes and preambles take several journeys
LINGER_AGE: Final = 0.25  # it has its answer, which must reach it before the end does
BODY_AGE: Final = 0.5  # a body, before its average rate counts


class Eviction(NamedTuple):
    """When a client may be closed to make room, and before which others.

    Attributes:
        rank: lower goes first.
        since: monotonic seconds; of the same rank the earliest goes first.
        safe_until: monotonic seconds; before that the client is not closed for another one.
    """

    rank: int
    since: float
    safe_until: float


class Handler(Expiring, Protocol):
    """An object with a descriptor: a client or a listening socket."""

    fd: int

    def ready(self, events: int) -> Any:
        """Do what the events ask for; return an exchange whose request is complete, or None.

        `events` 0 means: continue with what has been received.
        """


@runtime_checkable
class Client(Handler, Protocol):
    """A connected client in any stage: what may stand in `Loop.connections`.

    All methods are the leader's, but for `abandon`, which is a child process's after a fork.
    """

    @property
    def sock(self) -> Any:
        """The client's socket, plain or TLS."""

    def eviction(self) -> Eviction | None:
        """Return when and in which order the client may be closed for another one; None if it may not."""

    def has_input(self) -> bool:
        """Tell whether the client has sent something that has not been looked at yet."""

    def evict(self) -> None:
        """Close for another client's sake."""

    def begin_drain(self) -> None:
        """Learn that the server drains: what is answered from now on is the last response."""

    def drain(self, before: float = ...) -> None:
        """Close if no request has been in progress since `before`, in monotonic seconds."""

    def close(self) -> None:
        """Close the socket and leave the tables of the loop."""

    def abandon(self) -> None:
        """Close this process's copy of the socket after a fork: send nothing, take no lock, change no table."""
