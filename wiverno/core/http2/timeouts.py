"""How long a connection and its streams may take: the decisions of HTTP/1.1's timeouts, for many exchanges at once."""

from collections.abc import Iterator
from typing import Final, Protocol

from wiverno.core.context import ServerContext
from wiverno.core.http2.states import RECEIVING
from wiverno.core.http2.stream import Stream

FOREVER: Final = float("inf")


class Timed(Protocol):
    """What the deadlines of a connection depend on."""

    context: ServerContext
    now: float
    since: float
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
    deadline = FOREVER
    if partial_since is not None:
        deadline = time_limit(partial_since, context.header_timeout)
    if not connection.streams:
        return min(deadline, time_limit(connection.since, context.channel_timeout))
    soonest = min(stream_deadline(connection, stream) for stream in connection.streams.values())
    return min(deadline, soonest, time_limit(connection.now, context.channel_timeout))


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
