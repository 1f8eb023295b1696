"""The states of a stream, as the engine sees them, and the legal moves between them.

    RECEIVING ── body complete ──→ QUEUED ── called ──→ RUNNING ── all is sent ──→ CLOSED
        │                            ↑                   │    │                      ↑
        └── answered by the server ──┼───────────────────┼────┼──────────────────────┤
                                     └── (no body) ──    │    └── data waits → SENDING
                                                         └── one thread, sink full → SUSPENDED → RUNNING

What HTTP/2 itself allows on a stream is another table: `wiverno.http2.streams`.
"""

from typing import Final

RECEIVING: Final = 0
QUEUED: Final = 1
RUNNING: Final = 2
SUSPENDED: Final = 3
SENDING: Final = 4
CLOSED: Final = 5

NAMES: Final = ("receiving", "queued", "running", "suspended", "sending", "closed")

MOVES: Final[dict[int, frozenset[int]]] = {
    RECEIVING: frozenset({QUEUED, SENDING, CLOSED}),
    QUEUED: frozenset({RUNNING, SENDING, CLOSED}),
    RUNNING: frozenset({SUSPENDED, SENDING, CLOSED}),
    SUSPENDED: frozenset({RUNNING, SENDING, CLOSED}),
    SENDING: frozenset({CLOSED}),
    CLOSED: frozenset(),
}
