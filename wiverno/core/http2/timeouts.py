"""How long a connection and its streams may take: the decisions of HTTP/1.1's timeouts, for many exchanges at once."""

from collections.abc import Iterator
from typing import Final, Protocol

from wiverno.core.context import ServerContext
from wiverno.core.http2.states import RECEIVING
from wiverno.core.http2.stream import Stream
from wiverno.http2.frames import MIN_MAX_FRAME_SIZE

FOREVER: Final = float("inf")


class Timed(Protocol):
    """What the deadlines of a connection depend on."""

    context: ServerContext
    now: float
    sent_at: float
    since: float
    stalled_sent: int
    stalled_since: float | None
    streams: dict[int, Stream]


def stream_deadline(connection: Timed, stream: Stream) -> float:
    """Return when a stream expires, in monotonic seconds; a request that runs is bounded by nothing here."""
    context = connection.context
    body, pending = stream.body, stream.pending
    if stream.state == RECEIVING:
        pause = min(time_limit(stream.since, context.channel_timeout), time_limit(stream.since, context.body_timeout))
        received = body.received if body is not None else 0
        return min(pause, slowest_deadline(stream.started, context.body_timeout, received, context.min_rate))
    if pending is not None:
        pause = time_limit(max(stream.since, pending.since), context.channel_timeout)
        return min(pause, slowest_deadline(pending.since, context.channel_timeout, pending.sent, context.min_rate))
    return FOREVER


def connection_deadline(connection: Timed, partial_since: float | None) -> float:
    """Return when something of a connection expires, in monotonic seconds.

    Args:
        connection: the connection.
        partial_since: when a preface, frame or field block began that has not ended; None if there is none.
    """
    context = connection.context
    deadline = stalled_deadline(connection)
    if partial_since is not None:
        deadline = min(deadline, partial_deadline(connection, partial_since))
    streams = list(connection.streams.values())  # at once: threads take theirs out meanwhile
    if not streams:
        return min(deadline, time_limit(connection.since, context.channel_timeout))
    soonest = min(stream_deadline(connection, stream) for stream in streams)
    return min(deadline, soonest, time_limit(connection.now, context.channel_timeout))


def partial_deadline(connection: Timed, since: float) -> float:
    """Return when a frame or field block that began at `since` must be complete.

    Beside streams it has the time that a body's frame takes at the minimum rate, for that is what it may be.
    """
    context = connection.context
    if not connection.streams or not context.min_rate:
        return time_limit(since, context.header_timeout)
    return slowest_deadline(since, context.header_timeout, MIN_MAX_FRAME_SIZE, context.min_rate)


def stalled_deadline(connection: Timed) -> float:
    """Return when a client is given up that does not take what the socket has, or takes it below the minimum rate."""
    since, context = connection.stalled_since, connection.context
    if since is None:
        return FOREVER
    pause = time_limit(connection.sent_at, context.channel_timeout)
    return min(pause, slowest_deadline(since, context.channel_timeout, connection.stalled_sent, context.min_rate))


def overdue_streams(connection: Timed, now: float) -> Iterator[Stream]:
    """Give the streams whose deadline has passed."""
    for stream in list(connection.streams.values()):
        if stream_deadline(connection, stream) <= now:
            yield stream


def time_limit(start: float, timeout: float) -> float:
    """Return when a timeout ends, in monotonic seconds; 0 seconds is no timeout."""
    return start + timeout if timeout else FOREVER


def slowest_deadline(start: float, grace: float, count: int, rate: float) -> float:
    """Return when a peer that has moved `count` bytes since `start` is below `rate` bytes a second; `grace` is free."""
    return start + grace + count / rate if grace and rate else FOREVER
