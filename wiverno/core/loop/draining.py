"""What a server that was asked to stop does next: a pure decision from the time and from the work that is left.

ANNOUNCE ── drain_delay ──→ BEGIN ──→ CLOSE_IDLE, again and again ──→ END, or ABORT after graceful_timeout
"""

from dataclasses import dataclass
from enum import Enum


class Step(Enum):
    """One action; the engine asks again after each one, until it has to wait or has ended."""

    ANNOUNCE = "tell that the server is not ready any more"
    BEGIN = "stop accepting"
    CLOSE_IDLE = "close the connections without a request in progress"
    END = "end: nothing is left"
    ABORT = "end: the time is over"
    WAIT = "wait for events"


@dataclass(slots=True)
class Shutdown:
    """The times of a graceful shutdown, in monotonic seconds.

    Attributes:
        drain_at: when `drain_delay` is over; None before the stop was announced.
        is_draining: whether the server has stopped accepting.
        idle_check_at: when idle connections must be closed next.
        deadline: when `graceful_timeout` is over.
    """

    drain_at: float | None = None
    is_draining: bool = False
    idle_check_at: float = float("inf")
    deadline: float = float("inf")


def next_step(shutdown: Shutdown, now: float, *, has_work: bool) -> Step:
    """Return what to do at `now`; `has_work`: there are connections or queued requests."""
    if shutdown.drain_at is None:
        return Step.ANNOUNCE
    if not shutdown.is_draining:
        return Step.BEGIN if now >= shutdown.drain_at else Step.WAIT
    if not has_work:
        return Step.END
    if now >= shutdown.idle_check_at:
        return Step.CLOSE_IDLE
    return Step.ABORT if now >= shutdown.deadline else Step.WAIT
