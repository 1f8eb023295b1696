"""What each event of the protocol means for the streams of a connection (leader, lock held)."""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from wiverno.core.http2.owner import StreamOwner
from wiverno.core.http2.states import QUEUED, RECEIVING
from wiverno.core.http2.stream import Stream
from wiverno.core.net.buffers import BodyBuffer
from wiverno.http.errors import ProtocolError
from wiverno.http2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    GoawayReceived,
    RequestReceived,
    RequestRefused,
    SettingsChanged,
    StreamEnded,
    StreamReset,
    WindowOpened,
)
from wiverno.http2.response_fields import status_block
from wiverno.wsgi.environ import describe_body
from wiverno.wsgi_types import Environ

FULL_BODIES: Final = 4  # bodies of a connection that may use all of inbuf_overflow in memory
SMALL_BODY: Final = 16384  # bytes in memory of each further one; then it goes to a file


class Receiver(StreamOwner[Stream], Protocol):
    """What events change in a connection."""

    base: Environ
    complete: deque[Stream]
    streams: dict[int, Stream]

    @property
    def is_trusted(self) -> bool:
        """Whether the peer is a trusted proxy."""

    def open_stream(self, stream_id: int, environ: Environ) -> Stream:
        """Make a stream for a request."""

    def drop_stream(self, stream: Stream) -> None:
        """Close a stream that is gone."""

    def watch(self) -> None:
        """Have the loop ask for the deadline again."""


def take_event(connection: Receiver, event: Event) -> None:
    """Act on one event."""
    _TAKE[type(event)](connection, event)


def _take_request(connection: Receiver, event: RequestReceived) -> None:
    context = connection.context
    request = event.request
    environ = connection.base.copy()
    environ.update(request.variables)
    stream = connection.open_stream(event.stream_id, environ)
    target = stream.gateway.target = request.variables["REQUEST_URI"]
    try:
        if len(target) > context.max_line:
            raise ProtocolError(414, "request target too long")
        if not request.is_plain and context.policy is not None:
            context.policy.apply(environ, connection.is_trusted)
        if context.allowed_hosts is not None:
            context.allowed_hosts.check(environ["HTTP_HOST"], environ["wsgi.url_scheme"])
        if request.length >= context.max_body:
            raise ProtocolError(413, f"exceeds max_body of {context.max_body}")
    except ProtocolError as error:
        stream.answer(error.status, error.message)
        return
    if event.ends:
        _queue(connection, stream)
        return
    bodies = sum(other.body is not None for other in connection.streams.values())
    overflow = context.inbuf_overflow if bodies < FULL_BODIES else min(context.inbuf_overflow, SMALL_BODY)
    stream.body = BodyBuffer(overflow, context.body_memory)
    if request.expects_continue:
        connection.protocol.output.informational(stream.stream_id, status_block(100))
    if bodies == 0:
        connection.watch()


def _take_refused(connection: Receiver, event: RequestRefused) -> None:
    stream = connection.open_stream(event.stream_id, connection.base.copy())
    stream.answer(event.status, event.message)


def _take_data(connection: Receiver, event: DataReceived) -> None:
    stream = connection.streams.get(event.stream_id)
    if stream is not None and stream.state == RECEIVING and stream.body is not None:
        try:
            if stream.body.received + len(event.data) >= connection.context.max_body:
                raise ProtocolError(413, f"exceeds max_body of {connection.context.max_body}")
            stream.body.append(event.data)
            stream.since = connection.now
        except ProtocolError as error:
            stream.answer(error.status, error.message)
    connection.protocol.acknowledge(event.stream_id, len(event.data))


def _take_end(connection: Receiver, event: StreamEnded) -> None:
    stream = connection.streams.get(event.stream_id)
    if stream is None or stream.state != RECEIVING or stream.body is None:
        return
    describe_body(stream.environ, stream.body.received, stream.body.finish())
    stream.since = connection.now
    _queue(connection, stream)


def _queue(connection: Receiver, stream: Stream) -> None:
    stream.move(QUEUED)
    connection.complete.append(stream)


def _take_reset(connection: Receiver, event: StreamReset) -> None:
    stream = connection.streams.get(event.stream_id)
    if stream is None:
        connection.protocol.release(event.stream_id)
        return
    connection.drop_stream(stream)


def _ignore(connection: Receiver, event: Any) -> None:
    """Nothing follows for the streams; windows that opened are used after every read."""


_TAKE: Final[dict[type, Callable[[Receiver, Any], None]]] = {
    RequestReceived: _take_request,
    RequestRefused: _take_refused,
    DataReceived: _take_data,
    StreamEnded: _take_end,
    StreamReset: _take_reset,
    WindowOpened: _ignore,
    SettingsChanged: _ignore,
    GoawayReceived: _ignore,
    ConnectionTerminated: _ignore,
}
