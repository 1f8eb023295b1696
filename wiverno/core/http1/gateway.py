"""The gateway of an HTTP/1.1 connection: PEP 3333, with the heads, chunks and error responses of RFC 9112.

A response whose content is known in full, of the length that its head declares, is the usual one: head and content
leave with one call, and its checked head decides everything about it.
"""

from time import time as clock
from typing import Final

from wiverno.http.body import LAST_CHUNK, chunk_prefix
from wiverno.http.response import (
    ANY_LENGTH,
    DateAndServer,
    Headers,
    ResponseHead,
    as_http10,
    early_hints,
    error_response,
)
from wiverno.wsgi.gateway import Gateway
from wiverno.wsgi.outcomes import CLOSE, KEEP, MAX_JOINED
from wiverno.wsgi.pieces import plain_piece
from wiverno.wsgi.sink import ResponseSink
from wiverno.wsgi_types import Application, Environ


class Http1Gateway(Gateway):
    """The server side of PEP 3333 for one connection. Belongs to the thread that owns the connection."""

    __slots__ = ("_signature",)
    sink: ResponseSink

    def __init__(
        self,
        application: Application,
        sink: ResponseSink,
        variables: Environ,
        signature: DateAndServer,
        *,
        expose: bool,
    ) -> None:
        """Begin with a connection.

        Args:
            application: what is called.
            sink: where the bytes go.
            variables: the connection's, of which each request's environ is a copy.
            signature: gives Date and Server.
            expose: whether the body of a 500 is the traceback.
        """
        super().__init__(application, sink, variables, expose=expose)
        self._signature = signature

    def _send_whole(self, content: bytes) -> int:
        """Send a response whose content is known in full: one write for head and content."""
        if type(content) is not bytes:
            content = plain_piece(content)
        length = len(content)
        head = self._callables.head
        # The usual response first: these conditions decide what `_start_head` decides for others.
        if (
            head is None or ((expected := head.expected) != length and expected != ANY_LENGTH) or length > MAX_JOINED
            or not self.minor or not self.keep_alive or self.method == "HEAD"
        ):  # fmt: skip
            return _send_whole(self, content)
        self.head = head
        self.has_sent_head = True
        data = head.prefix if expected >= 0 else head.prefix + b"Content-Length: %d\r\n" % length
        signature = self._signature
        closing = signature.line if signature.since <= clock() < signature.until else signature.closing()
        try:
            self.sink.write_response(data + closing + content)
        except BaseException:
            self._is_broken = True
            raise
        self.sent = length
        return KEEP

    def _send_piece(self, piece: bytes) -> bool:
        """Send a piece of the body; the only one leaves with its head, and a chunk of usual size at once."""
        size = len(piece)
        if not self.has_sent_head:
            head = self._callables.head
            # The usual iterable first: one piece, of the declared length. `_start_head` decides the same for it.
            if (
                head is not None and head.expected == size <= MAX_JOINED and self.minor and self.keep_alive
                and self.method != "HEAD" and not self._is_broken
            ):  # fmt: skip
                return self._send_declared(head, piece)
            return _send_piece(self, piece)
        if not self._chunked or self._is_broken or not 0 < size <= MAX_JOINED:
            return _send_piece(self, piece)
        try:
            has_room = self.sink.write(b"%x\r\n%b\r\n" % (size, piece))
        except BaseException:
            self._is_broken = True
            raise
        self.sent += size
        return has_room

    def _send_declared(self, head: ResponseHead, piece: bytes) -> bool:
        """Send a usual head and the piece that has the length it declares."""
        self.head = head
        self.has_sent_head = True
        self._chunked = self._is_cut = False
        self._left = self.sent = 0
        self._outcome = KEEP
        signature = self._signature
        closing = signature.line if signature.since <= clock() < signature.until else signature.closing()
        try:
            has_room = self.sink.write_response(head.prefix + closing + piece, False)
        except BaseException:
            self._is_broken = True
            raise
        self.sent = len(piece)
        return has_room

    def _frame(self, piece: bytes, pieces: list[bytes]) -> None:
        if self._chunked:
            pieces += (chunk_prefix(len(piece)), piece, b"\r\n")
        else:
            pieces.append(piece)

    def _end_body(self) -> None:
        if self._chunked:
            self._emit(LAST_CHUNK, last=True)

    def _send_hints(self, headers: Headers) -> None:
        if self.minor:  # RFC 8297 §2: an HTTP/1.0 client does not know interim responses
            self._emit(early_hints(headers))

    def _send_error(self, status: int, detail: str) -> None:
        response = error_response(status, detail, self._signature, method=self.method, minor=self.minor)
        self.sent = response.content_length
        self._emit(response.data, last=True)

    def _start_head(self, length: int) -> bytes:
        """Return the response head and decide the framing (RFC 9112 §6.3); `length` is -1 if the end is not known."""
        head = self.head = self._callables.head
        if head is None:
            raise AssertionError("the application returned without calling start_response()")
        self.has_sent_head = True
        self.sent = 0
        self._chunked = self._is_cut = False
        framing = b""
        if not head.has_body or self.method == "HEAD":
            self._left = 0
            if head.has_body and head.declared < 0 and length > 0:
                framing = b"Content-Length: %d\r\n" % length
        elif head.declared >= 0:
            self._left = head.declared
        elif length >= 0:
            self._left = length
            framing = b"Content-Length: %d\r\n" % length
        else:
            self._left = -1
            if self.minor:
                self._chunked = True
                framing = b"Transfer-Encoding: chunked\r\n"
            else:
                self.keep_alive = False  # RFC 9112 §9.3: without a length only the end of the connection tells
                self.is_open_ended = True
        keeps = self.keep_alive  # read once: the thread that begins to drain may change it at any time
        self._outcome = KEEP if keeps else CLOSE
        if not keeps:
            framing += b"Connection: close\r\n"
        elif not self.minor:
            framing += b"Connection: Keep-Alive\r\n"
        prefix = head.prefix if self.minor else as_http10(head.prefix)
        if head.has_date or head.has_server:
            return prefix + framing + self._signature.closing_beside(head)
        return prefix + framing + self._signature.closing()


_send_whole: Final = Gateway._send_whole
_send_piece: Final = Gateway._send_piece
