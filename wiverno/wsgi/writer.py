"""One response on its way to the sink: its head, its framing, its pieces, and who may still add to it.

What the sink refuses, because the client is gone or because what it does not take can't be kept, leaves the connection
out of step: the next byte would be read as something else. So after a write that was cut nothing more is sent, even if
the application takes no notice of the error.

Other threads of the application may be in `write` and `hint` at any time. `_lock` lets one of them at a time in. The
thread that owns the response sends without it, and ends the exchange before it sends what comes last: it first says so,
and then looks at `_is_writing`. A thread in `write` does both in the opposite order, so one of the two sees the other.
"""

from typing import Any

from wiverno.http.body import chunk_prefix
from wiverno.http.response import DateAndServer, Headers, ResponseHead, early_hints
from wiverno.wsgi.exchange import Exchange, ended
from wiverno.wsgi.lengths import fit
from wiverno.wsgi.outcomes import CLOSE, KEEP, MAX_JOINED
from wiverno.wsgi.pieces import plain_piece
from wiverno.wsgi.sink import ClientDisconnected, Sink


class ResponseWriter:
    """The responses of one connection, one after the other."""

    __slots__ = (
        "_body",
        "_chunked",
        "_exchange",
        "_is_broken",
        "_is_cut",
        "_is_over",
        "_is_writing",
        "_known",
        "_left",
        "_lock",
        "_outcome",
        "_signature",
        "has_sent_head",
        "head",
        "is_open_ended",
        "keep_alive",
        "method",
        "minor",
        "sent",
        "sink",
        "target",
    )  # fmt: skip

    def __init__(self, sink: Sink, signature: DateAndServer) -> None:
        """`signature` gives Date and Server."""
        self.sink = sink
        self.method = ""
        """The request's method; applications may change the one in the environ."""
        self.target = ""
        """The request target as it was sent, set by the connection; applications may change what the environ says."""
        self.minor = 1
        """The request's HTTP version: 0 or 1."""
        self.keep_alive = True
        """Whether the connection may persist after this response."""
        self.head: ResponseHead | None = None
        """The head that was sent, for the access log; None if it was the server's own."""
        self.has_sent_head = False
        """Whether the head of the present response has been handed to the sink."""
        self.sent = 0
        """Bytes of content sent."""
        self.is_open_ended = False
        """Whether only the end of the connection ends the response, which is its last one (RFC 9112 §6.3)."""
        self._signature = signature
        self._lock = sink.lock
        self._is_writing = False
        self._is_broken = False  # the sink has refused something: nothing may follow on this connection
        self._is_over = False  # the body's close() is being called: the exchange goes on, but nothing may be sent
        self._is_cut = False  # the application gives more than the head allows
        self._chunked = False
        self._left = -1  # bytes that may still follow, -1 for any number
        self._known = -1
        self._outcome = KEEP
        self._body: Any = None
        self._exchange = Exchange()

    # ---------------------------------------------------------------- the application's callables (any thread)

    def write(self, exchange: Exchange, data: bytes) -> None:
        """Send a piece that an exchange was given to write; it never suspends, the sink keeps what it must."""
        piece = data if type(data) is bytes else plain_piece(data)
        with self._lock:
            self._enter_write(exchange, "write()")
            try:
                self._send_piece(piece)
            finally:
                self._is_writing = False

    def hint(self, exchange: Exchange, headers: Headers) -> None:
        """Do what an exchange's early_hints() is called for."""
        data = early_hints(headers)
        with self._lock:
            self._enter_write(exchange, "wsgi.early_hints")
            try:
                # RFC 8297 §2: an HTTP/1.0 client does not know interim responses.
                if self.minor and not self.has_sent_head:
                    self._emit(data)
            finally:
                self._is_writing = False

    def _enter_write(self, exchange: Exchange, name: str) -> None:
        """Begin to write if the exchange has not ended; `_lock` is held."""
        if self._is_writing:  # a finalizer or a signal handler has interrupted this thread's own write
            raise RuntimeError(f"{name} was called inside of write()")
        self._is_writing = True
        if self._is_over or exchange.gateway is None or self._exchange is not exchange:
            self._is_writing = False
            raise ended(name)

    def _await_writer(self) -> None:
        """Wait until the thread that is in `write` has left it; none comes after it, since the exchange has ended."""
        with self._lock:
            pass

    # ---------------------------------------------------------------- pieces

    def _send_piece(self, piece: bytes) -> bool:
        """Send a piece of the body, after the head if that has not been sent; the piece may be empty."""
        if self._is_broken:
            raise cut()
        pieces: list[bytes] = []
        if not self.has_sent_head:
            pieces.append(self._start_head(self._known_length(piece) if piece else -1))
        if self._chunked:
            if piece:
                pieces += (chunk_prefix(len(piece)), piece, b"\r\n")
        else:
            if 0 <= self._left < len(piece):
                piece = self._fit(piece)
            if piece:
                pieces.append(piece)
        try:
            if len(pieces) == 1:
                has_room = self.sink.write(pieces[0])
            elif len(piece) > MAX_JOINED:
                has_room = self.sink.write_pieces(pieces)
            else:
                has_room = self.sink.write(b"".join(pieces)) if pieces else True
        except BaseException:
            self._is_broken = True
            raise
        self.sent += len(piece)
        if self._left > 0:
            self._left -= len(piece)
        return has_room

    def _emit(self, data: bytes, *, last: bool = False) -> None:
        """Hand bytes to the sink; if it can't take them whole, nothing more is sent."""
        try:
            self.sink.write(data, last)
        except BaseException:
            self._is_broken = self.has_sent_head = True  # no whole response after this one
            raise

    def _known_length(self, piece: bytes) -> int:
        """Return the content's length if it is known at its first piece, else -1."""
        if self._known >= 0:
            return self._known
        try:
            return len(piece) if len(self._body) == 1 else -1
        except TypeError:
            return -1

    def _lower_declared(self, remaining: int) -> None:
        """Lower a declared length that goes beyond the file's end, `remaining` bytes away: it could never be kept."""
        exchange = self._exchange
        head = exchange.head
        if head is not None and head.has_body and head.declared > remaining and not self.has_sent_head:
            exchange.head = head.shortened(remaining)

    def _fit(self, piece: bytes) -> bytes:
        """Cut what goes beyond the declared length, or belongs to a response without content."""
        if len(piece) <= self._left:
            return piece
        self._is_cut = True
        return fit(piece, self._left, self.head, self.method)

    # ---------------------------------------------------------------- heads

    def _start_head(self, length: int) -> bytes:
        """Return the response head and decide the framing (RFC 9112 §6.3); `length` is -1 if the end is not known."""
        head = self.head = self._exchange.head
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
        keeps = self.keep_alive  # read once: whoever begins to drain may change it at any time
        self._outcome = KEEP if keeps else CLOSE
        if not keeps:
            framing += b"Connection: close\r\n"
        elif not self.minor:
            framing += b"Connection: Keep-Alive\r\n"
        # Clients of HTTP/1.0 are answered in their own version, as by waitress and wsgiref. RFC 9110 §6.2 would have
        # the highest one that we know, but who asks so may never have heard of it.
        prefix = head.prefix if self.minor else b"HTTP/1.0" + head.prefix[8:]
        if head.has_date or head.has_server:
            return prefix + framing + self._signature.closing_beside(head)
        return prefix + framing + self._signature.closing()


def cut() -> ClientDisconnected:
    """Return what is raised where something would follow a write that was cut."""
    return ClientDisconnected("an earlier part of the response could not be sent")
