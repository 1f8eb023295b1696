"""One response on its way to the sink: its head, its framing, its pieces, and which thread may still add to it.

What the sink refuses, because the client is gone or because what it does not take can't be kept, leaves the connection
out of step: the next byte would be read as something else. So after a write that was cut nothing more is sent, even if
the application takes no notice of the error.

Other threads of the application may be in `write` and `hint` at any time. `_lock` lets one of them at a time in. The
thread that owns the response sends without it, and ends the exchange before it sends what comes last: it first records
that, and then reads `_is_writing`. A thread in `write` does both in the opposite order, so one of the two sees the
other.
"""

from typing import Any

from wiverno.http.response import Headers, ResponseHead, hint_fields
from wiverno.wsgi.callables import RequestCallables, ended
from wiverno.wsgi.lengths import fit
from wiverno.wsgi.outcomes import KEEP, MAX_JOINED
from wiverno.wsgi.pieces import plain_piece
from wiverno.wsgi.sink import ClientDisconnected, Sink


class ResponseWriter:
    """The responses of one connection, one after the other."""

    __slots__ = (
        "_body",
        "_callables",
        "_chunked",
        "_is_broken",
        "_is_cut",
        "_is_over",
        "_is_writing",
        "_known",
        "_left",
        "_lock",
        "_outcome",
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

    def __init__(self, sink: Sink) -> None:
        """`sink` takes the bytes."""
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
        self._lock = sink.lock
        self._is_writing = False
        self._is_broken = False  # the sink has refused something: nothing may follow on this connection
        self._is_over = False  # the body's close() is being called: the exchange has not ended, but nothing may be sent
        self._is_cut = False  # the application gives more than the head allows
        self._chunked = False
        self._left = -1  # bytes that may still follow, -1 for any number
        self._known = -1
        self._outcome = KEEP
        self._body: Any = None
        self._callables = RequestCallables()

    # ---------------------------------------------------------------- the application's callables (any thread)

    def write(self, callables: RequestCallables, data: bytes) -> None:
        """Send a piece that an exchange was given to write; it never suspends, the sink keeps what it must."""
        piece = data if type(data) is bytes else plain_piece(data)
        with self._lock:
            self._enter_write(callables, "write()")
            try:
                self._send_piece(piece)
            finally:
                self._is_writing = False

    def hint(self, callables: RequestCallables, headers: Headers) -> None:
        """Send early hints for an exchange."""
        fields = hint_fields(headers)
        with self._lock:
            self._enter_write(callables, "wsgi.early_hints")
            try:
                if not self.has_sent_head:
                    self._send_hints(fields)
            finally:
                self._is_writing = False

    def _enter_write(self, callables: RequestCallables, name: str) -> None:
        """Begin to write if the exchange has not ended; `_lock` is held."""
        if self._is_writing:  # a finalizer or a signal handler has interrupted this thread's own write
            raise RuntimeError(f"{name} was called inside of write()")
        self._is_writing = True
        if self._is_over or callables.gateway is None or self._callables is not callables:
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
        if 0 <= self._left < len(piece):
            piece = self._fit(piece)
        if piece:
            self._frame(piece, pieces)
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
        callables = self._callables
        head = callables.head
        if head is not None and head.has_body and head.declared > remaining and not self.has_sent_head:
            callables.head = head.shortened(remaining)

    def _fit(self, piece: bytes) -> bytes:
        """Cut what goes beyond the declared length, or belongs to a response without content."""
        if len(piece) <= self._left:
            return piece
        self._is_cut = True
        return fit(piece, self._left, self.head, self.method)

    # ---------------------------------------------------------------- what a protocol's gateway adds

    def _start_head(self, length: int) -> bytes:
        """Return the response head and decide how the body's end is told; `length` is -1 if it is not known."""
        raise NotImplementedError

    def _frame(self, piece: bytes, pieces: list[bytes]) -> None:
        """Add a piece of the body to what is sent, in the protocol's framing."""
        pieces.append(piece)

    def _send_hints(self, headers: Headers) -> None:
        """Send an interim response (RFC 8297)."""
        raise NotImplementedError


def cut() -> ClientDisconnected:
    """Return what is raised where something would follow a write that was cut."""
    return ClientDisconnected("an earlier part of the response could not be sent")
