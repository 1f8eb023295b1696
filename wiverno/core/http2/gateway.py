"""The gateway of a stream: PEP 3333 as everywhere, and the response's fields as HPACK (RFC 9113 §8.3.2).

Frames end a body in HTTP/2, so nothing is chunked; a connection persists whatever a response says. The field block is
handed to the stream, which sends it together with the first bytes of content.
"""

import threading
import time
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from wiverno.core.context import ServerContext
from wiverno.core.telemetry.request_recorder import Recording
from wiverno.http.response import Headers, ResponseHead, error_fields, http_date
from wiverno.http2.response_fields import content_length_block, encode_field, response_block
from wiverno.wsgi.gateway import KEEP, Gateway
from wiverno.wsgi.sink import Sink
from wiverno.wsgi_types import Environ

EARLY_HINTS: Final = 103


class _DateBlock:
    """The Date field, encoded once a second; one object serves all threads, two of which may encode it twice."""

    __slots__ = ("_block", "_since", "_until")

    def __init__(self) -> None:
        self._since = self._until = 0.0
        self._block = b""

    def get(self) -> bytes:
        """Return the field as a block."""
        if self._since <= time.time() < self._until:
            return self._block
        now = int(time.time())
        self._block = encode_field("date", http_date(now))
        self._since = float(now)
        self._until = now + 1.0
        return self._block


_date: Final = _DateBlock()


class BlockSink(Sink, Protocol):
    """A sink that takes the response's field block apart from its content."""

    block: bytes

    def send_informational(self, block: bytes) -> None:
        """Send an interim response's field block."""


class _NoStream:
    """The sink of a gateway that has no stream yet."""

    def __init__(self) -> None:
        self.lock = threading.RLock()


class Http2Gateway(Gateway):
    """The server side of PEP 3333 for one stream after the other; belongs to the thread that owns the stream."""

    __slots__ = ("_ident", "_server_block", "own_variables")

    sink: BlockSink

    def __init__(self, context: ServerContext) -> None:
        """Take the application and what its errors may show; `sink` is set for each stream."""
        self.own_variables: Environ = {}
        """The callables of the gateway's exchange, for each environ."""
        nothing: Any = _NoStream()
        super().__init__(context.application, nothing, self.own_variables, expose=context.expose_tracebacks)
        self._ident = context.ident
        self._server_block = encode_field("server", context.ident) if context.ident else b""

    @property
    def lock(self) -> AbstractContextManager[object, Any]:
        """One thread at a time is in the application's write() and early_hints()."""
        return self._lock

    @property
    def is_reusable(self) -> bool:
        """Whether another stream may have it: nothing was cut."""
        return not self._is_broken

    def _start_head(self, length: int) -> bytes:
        """Hand the response's field block to the stream; `length` is -1 if it is not known. Nothing stands in front."""
        head = self.head = self._callables.head
        if head is None:
            raise AssertionError("the application returned without calling start_response()")
        self.has_sent_head = True
        self.sent = 0
        self._is_cut = False
        self._outcome = KEEP
        block = head.block or _encode(head)
        if not head.has_body or self.method == "HEAD":
            self._left = 0
            if head.has_body and head.declared < 0 and length > 0:
                block += content_length_block(length)
        elif head.declared >= 0:
            self._left = head.declared
        else:
            self._left = length
            if length >= 0:
                block += content_length_block(length)
        if not head.has_date:
            block += _date.get()
        if not head.has_server:
            block += self._server_block
        self.sink.block = block
        return b""

    def _send_hints(self, headers: Headers) -> None:
        self.sink.send_informational(response_block(EARLY_HINTS, headers))

    def encode_error(self, status: int, detail: str, retry_after: int = 0) -> tuple[bytes, bytes]:
        """Return field block and content of one of the server's own responses."""
        fields, content = error_fields(status, detail, self._ident, retry_after=retry_after)
        return response_block(status, fields) + _date.get() + self._server_block, content

    def _send_error(self, status: int, detail: str) -> None:
        block, content = self.encode_error(status, detail)
        self.sink.block = block
        self.sent = len(content) if self.method != "HEAD" else 0
        self._emit(content if self.method != "HEAD" else b"", last=True)


class RecordingHttp2Gateway(Recording, Http2Gateway):
    """The same, with a record of each response."""

    __slots__ = ()


def new_gateway(context: ServerContext, *, trusted: bool) -> Http2Gateway:
    """Return a gateway for a connection's streams."""
    if context.recorder is None:
        return Http2Gateway(context)
    gateway = RecordingHttp2Gateway(context)
    gateway.record_into(context.recorder, trusted=trusted)
    return gateway


def _encode(head: ResponseHead) -> bytes:
    """Encode a checked head; heads that are kept keep their block."""
    block = head.block = response_block(head.code, head.fields)
    return block
