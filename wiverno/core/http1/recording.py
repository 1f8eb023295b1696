"""The gateway of a server with an access log or metrics; others do not load what they need for it."""

from wiverno.core.http1.gateway import Http1Gateway
from wiverno.core.telemetry.request_recorder import Recording


class RecordingHttp1Gateway(Recording, Http1Gateway):
    """An HTTP/1.1 connection's gateway, with a record of each response."""

    __slots__ = ()
