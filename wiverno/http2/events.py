"""What the protocol object tells its owner. Values without behaviour.

They are not frozen because a frozen dataclass takes three times as long to make, and a request makes one.
"""

from dataclasses import dataclass

from wiverno.http2.errors import ConnectionFault
from wiverno.http2.fields import Request


@dataclass(slots=True)
class RequestReceived:
    """A request's field section is complete and valid."""

    stream_id: int
    request: Request
    """Shared by requests with the same field block: copy from it, change nothing."""
    ends: bool
    """The request has no body."""


@dataclass(slots=True)
class RequestRefused:
    """A request that is well-formed HTTP/2 and must not be served: answer it with `status` on its stream.

    Unless it `ends`, its body may follow: acknowledge and drop it, or reset the stream with NO_ERROR after the answer.
    """

    stream_id: int
    status: int
    message: str
    """Safe to log and to send."""
    ends: bool


@dataclass(slots=True)
class DataReceived:
    """A piece of a request's body. Call `acknowledge(stream_id, len(data))` once it no longer takes memory."""

    stream_id: int
    data: bytes


@dataclass(slots=True)
class StreamEnded:
    """The request's body is complete; trailers, if there were any, have been checked and dropped."""

    stream_id: int


@dataclass(slots=True)
class StreamReset:
    """A stream with a request ended early, by the peer or for its fault.

    Nothing can be sent on it. It counts as a stream until `release(stream_id)` is called, so that a peer can't have
    more requests running than it may have streams.
    """

    stream_id: int
    code: int
    by_peer: bool


@dataclass(slots=True)
class WindowOpened:
    """A stream whose data did not fit into its windows may send again.

    By then an earlier stream may have used the connection's window up, and the event comes again later;
    or the stream was reset by the same bytes, and then StreamReset follows and `Output.data` says GONE.
    """

    stream_id: int


@dataclass(slots=True)
class SettingsChanged:
    """The peer's settings were applied and acknowledged."""


@dataclass(slots=True)
class GoawayReceived:
    """The client will open no more streams; those that are open go on."""

    code: int
    last_stream_id: int
    debug: bytes


@dataclass(slots=True)
class ConnectionTerminated:
    """The peer broke the protocol or a bound. GOAWAY is in the output: send it and close."""

    fault: ConnectionFault
    last_stream_id: int


Event = (
    RequestReceived
    | RequestRefused
    | DataReceived
    | StreamEnded
    | StreamReset
    | WindowOpened
    | SettingsChanged
    | GoawayReceived
    | ConnectionTerminated
)
