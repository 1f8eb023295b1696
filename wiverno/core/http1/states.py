"""The states of an HTTP/1.1 connection, and which one may follow which.

Most requests change no state: the leader reads the head, calls the application and sends while the connection stays
IDLE. A state tells what a connection does while it waits for its client, or for another thread.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# IDLE is 0, so that the hot path asks one question.
IDLE: Final = 0  # waits for a request, or the leader has read one and runs it, now or next
HEAD: Final = 1  # a part of a head has been received
BODY: Final = 2  # a body is being received
RUNNING: Final = 3  # a thread that does not lead runs the request
SENDING: Final = 4  # the response is complete, and a part of it waits for the client
WAITING: Final = 5  # the response is suspended until the client has read (one-threaded servers)
CLOSED: Final = 6

PARTS: Final = {HEAD: "headers", BODY: "body"}
"""What a connection waits for, in messages."""

NAMES: Final = ("idle", "head", "body", "running", "sending", "waiting", "closed")

_AFTER_A_RESPONSE: Final = frozenset({IDLE, HEAD, SENDING, WAITING, CLOSED})

MOVES: Final[Mapping[int, frozenset[int]]] = MappingProxyType(
    {
        IDLE: _AFTER_A_RESPONSE | {BODY, RUNNING},
        HEAD: frozenset({IDLE, SENDING, CLOSED}),
        BODY: frozenset({IDLE, SENDING, CLOSED}),
        RUNNING: _AFTER_A_RESPONSE,
        SENDING: frozenset({IDLE, HEAD, CLOSED}),
        WAITING: _AFTER_A_RESPONSE,
        CLOSED: frozenset({CLOSED}),
    }
)
"""The legal moves. From HEAD and BODY a connection goes to SENDING with an error response."""

is_checked: bool = False
"""Whether `check_move` is called for each move; tests turn it on."""


class IllegalMoveError(Exception):
    """A bug: a connection has changed to a state that can't follow the one it was in."""


def check_move(before: int, after: int) -> None:
    """Make sure that a move is in the table.

    Raises:
        IllegalMoveError: it is not.
    """
    if after not in MOVES[before]:
        raise IllegalMoveError(f"a connection can't go from {NAMES[before]} to {NAMES[after]}")
