"""Which gateway a connection gets: one that records its responses only where something is recorded."""

from typing import Any

from wiverno.core.context import ServerContext
from wiverno.core.http1.gateway import Http1Gateway


def new_gateway(connection: Any, context: ServerContext, *, trusted: bool) -> Http1Gateway:
    """Return a connection's gateway; `trusted` says whether its peer is a trusted proxy."""
    common = context.application, connection, connection.base, context.signature
    if context.recorder is None:
        return Http1Gateway(*common, expose=context.expose_tracebacks)
    from wiverno.core.http1.recording import RecordingHttp1Gateway

    gateway = RecordingHttp1Gateway(*common, expose=context.expose_tracebacks)
    gateway.record_into(context.recorder, trusted=trusted)
    return gateway
