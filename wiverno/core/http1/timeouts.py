"""How long a connection may take over what it is doing: a pure decision from the limits and the times.

Every state is bounded. A head has a total time however its bytes are spread; a body and a reader of output may neither
pause for long nor be slow on average; a client without a request may be silent for a while. A request that runs is
bounded by nothing here: only the application knows how long it takes.
"""

from typing import Final

from wiverno.core.context import ServerContext
from wiverno.core.http1.states import BODY, HEAD, IDLE, RUNNING
from wiverno.core.loop.handlers import BODY_AGE, HEAD_AGE, IDLE_AGE, IDLE_RANK, UNFINISHED_RANK, Eviction
from wiverno.core.net.buffers import Pending

FOREVER: Final = float("inf")


def deadline_for(
    context: ServerContext, state: int, now: float, since: float, started: float, received: int, pending: Pending | None
) -> float:
    """Return when a connection expires if nothing happens, in monotonic seconds.

    Args:
        context: the limits.
        state: what the connection is doing.
        now: the present.
        since: when something was received or sent last.
        started: when the head or body that is being received began.
        received: bytes of that body so far.
        pending: output that waits for the client, if any does.
    """
    if state == HEAD:
        return min(_after(since, context.channel_timeout), _after(started, context.header_timeout))
    if state == BODY:
        pause = min(_after(since, context.channel_timeout), _after(since, context.body_timeout))
        return min(pause, _slowest(started, context.body_timeout, received, context.min_rate))
    if pending is not None:
        # The request may have run for long before anything had to wait for the client.
        pause = _after(max(since, pending.since), context.channel_timeout)
        return min(pause, _slowest(pending.since, context.channel_timeout, pending.sent, context.min_rate))
    return _after(now if state == RUNNING else since, context.channel_timeout)


def eviction_of(context: ServerContext, state: int, since: float, started: float, received: int) -> Eviction | None:
    """Return when and in which order a connection may be evicted; None if it may not.

    A body that arrives is not evicted: the bytes that arrive with its head are enough for many seconds at the slowest
    rate that is accepted. With `body_min_rate` 0 no body is evicted.

    Args:
        context: the limits.
        state: what the connection is doing.
        since: when something was received or sent last.
        started: when the head or body that is being received began.
        received: bytes of that body so far.
    """
    if state == IDLE:
        return Eviction(IDLE_RANK, since, since + IDLE_AGE)
    if state == HEAD:
        return Eviction(UNFINISHED_RANK, started, started + HEAD_AGE)
    if state == BODY and context.min_rate:
        return Eviction(UNFINISHED_RANK, started, _slowest(started, BODY_AGE, received, context.min_rate))
    return None


def _after(start: float, timeout: float) -> float:
    return start + timeout if timeout else FOREVER


def _slowest(start: float, grace: float, count: int, rate: float) -> float:
    """Return when a peer that has sent or read `count` bytes since `start` falls below `rate` bytes a second.

    The first `grace` seconds do not count; 0 for either number means that any rate will do.
    """
    return start + grace + count / rate if grace and rate else FOREVER
