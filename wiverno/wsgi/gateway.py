"""Calls the application once a request and turns what it says into bytes for a sink (PEP 3333).

One Gateway serves the requests of one connection, one after the other; a call never crosses threads, except that a
suspended iteration is resumed by the loop. The order of things for one request:

    respond() → application(environ, start_response) → body
        a list or tuple → _send_whole: all is known, head and content leave together
        a FileWrapper   → _send_file: the sink takes the file over
        anything else   → _stream: the head leaves with the first non-empty piece, then piece by piece

It knows no socket, clock or thread. Whatever goes wrong in the application is logged here and answered with a 500 as
long as no head has left; after that, closing the connection is the only way to say that a response is broken.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

from wiverno.guard import guarded_logger, is_from_signal
from wiverno.http.body import LAST_CHUNK, chunk_prefix
from wiverno.http.response import (
    Headers,
    ResponseError,
    ResponseHead,
    Signature,
    check_head,
    checked_head,
    early_hints,
    error_response,
)
from wiverno.wsgi import forked
from wiverno.wsgi.environ import Environ
from wiverno.wsgi.file_wrapper import FileWrapper
from wiverno.wsgi.sink import ClientDisconnected, Sink

logger = guarded_logger("wiverno")

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
Application = Callable[..., Iterable[bytes]]

# What respond() and resume() return.
CLOSE: Final = 0  # the response is complete or broken off; the connection must close
KEEP: Final = 1  # the response is complete; the connection may serve the next request
SUSPENDED: Final = 2  # the sink is full: call resume() when it has room

MAX_JOINED: Final = 65536  # bytes: copying up to here is cheaper than a second buffer for the kernel


class Gateway:
    """The server side of PEP 3333 for one connection. Belongs to the thread that owns the connection."""

    __slots__ = (
        "_application", "_body", "_chunked", "_environ", "_expose", "_head_sent", "_ident", "_is_cut", "_iterator",
        "_known", "_left", "_outcome", "_signature", "_sink", "_start", "head", "method", "minor", "persist", "sent",
        "target",
    )  # fmt: skip

    def __init__(self, application: Application, sink: Sink, signature: Signature, ident: str, *, expose: bool) -> None:
        """`expose` puts the traceback into the body of a 500."""
        self._application = application
        self._sink = sink
        self._signature = signature
        self._ident = ident
        self._expose = expose
        self._start = self.start_response
        self.method = ""
        """The request's method; applications may change the one in the environ."""
        self.target = ""
        """The request target as it was sent, set by the connection; applications may change what the environ says."""
        self.minor = 1
        """The request's HTTP version: 0 or 1."""
        self.persist = True
        """Whether the connection may persist after this response."""
        self.head: ResponseHead | None = None
        """The head the application gave, for the access log."""
        self.sent = 0
        """Bytes of content sent."""
        self._head_sent = False
        self._chunked = False
        self._is_cut = False
        self._left = -1
        self._known = -1
        self._outcome = KEEP
        self._body: Any = None
        self._iterator: Iterator[bytes] | None = None
        self._environ: Environ = {}

    # ---------------------------------------------------------------- the call

    def respond(self, environ: Environ) -> int:
        """Run one request to its end, or to where the sink is full; return CLOSE, KEEP or SUSPENDED."""
        self.head = None
        self.sent = 0
        self._head_sent = False
        self._environ = environ
        self.method = environ["REQUEST_METHOD"]
        try:
            body: Any = self._application(environ, self._start)
            kind = type(body)
            if (kind is list or kind is tuple) and not self._head_sent:
                # A plain sequence has no close() to call.
                return self._send_whole(body[0] if len(body) == 1 else b"".join(body))
            self._body = body
            return self._stream(body)
        except BaseException as error:  # noqa: BLE001 - an application may raise anything, SystemExit included
            return self._fail(error)

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[[bytes], None]:
        """Take status and headers, as PEP 3333 describes the callable of this name.

        Raises:
            ResponseError: a status or header that must not be sent.
            AssertionError: called a second time without exc_info.
        """
        if self.head is not None:
            if exc_info is None:
                raise AssertionError("start_response called a second time without exc_info")
            try:
                if self._head_sent and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # breaks the cycle through the traceback
        try:
            head = checked_head((status, *headers))
        except TypeError:  # unhashable: no list of tuples of str
            head = None
        self.head = head or check_head(status, headers)
        return self._write

    # ---------------------------------------------------------------- bodies

    def _send_whole(self, content: bytes) -> int:
        """Send a response whose content is known in full: one write for head and content."""
        if type(content) is not bytes:
            raise ResponseError("the body must be made of bytes")
        head = self._start_head(len(content))
        if self._left != len(content):
            content = self._fitted(content)
        if len(content) <= MAX_JOINED:
            self._sink.write(head + content, True)
        else:
            self._sink.write_pieces([head, content], True)
        self.sent = len(content)
        self._environ = _NOTHING
        if self._left > self.sent:
            return self._too_short(self.sent, "app_iter")
        return self._outcome

    def _stream(self, body: Iterable[bytes]) -> int:
        if isinstance(body, FileWrapper):
            outcome = self._send_file(body)
            if outcome is not None:
                return outcome
            remaining = body.remaining()
            if remaining is not None:
                self._lower_declared(remaining)
                self._known = remaining
        self._iterator = iter(body)
        return self._pump()

    def resume(self) -> int:
        """Go on with a suspended iteration; return as respond()."""
        try:
            return self._pump()
        except BaseException as error:  # noqa: BLE001 - as in respond()
            return self._fail(error)

    def abandon(self) -> None:
        """Drop a suspended iteration because the client is gone; the application's close() is called."""
        self._release()

    def _pump(self) -> int:
        """Send piece after piece (PEP 3333, "Buffering and Streaming": no block is held back)."""
        assert self._iterator is not None
        for piece in self._iterator:
            if not piece:
                continue
            has_room = self._send_piece(piece)
            if self._is_cut:
                break  # nobody will see the rest
            if not has_room:
                return SUSPENDED
        return self._complete()

    def _complete(self) -> int:
        """End a streamed response: the last chunk, or a head for an empty body."""
        if not self._head_sent:
            empty = self.method != "HEAD"
            self._sink.write(self._start_head(0 if empty else -1))
        if self._chunked:
            self._sink.write(LAST_CHUNK, True)
        short = self._left > 0
        sent = self.sent
        self._release()
        if short:
            return self._too_short(sent, "app_iter")
        return self._outcome

    def _send_piece(self, piece: bytes) -> bool:
        if type(piece) is not bytes:
            raise ResponseError("the body must be made of bytes")
        pieces: list[bytes] = []
        if not self._head_sent:
            pieces.append(self._start_head(self._known_length(piece)))
        if self._chunked:
            pieces += (chunk_prefix(len(piece)), piece, b"\r\n")
            self.sent += len(piece)
        else:
            if 0 <= self._left < len(piece):
                piece = self._fitted(piece)
            if self._left >= 0:
                self._left -= len(piece)
            if piece:
                pieces.append(piece)
                self.sent += len(piece)
        if len(pieces) == 1:
            return self._sink.write(pieces[0])
        if not pieces or len(piece) > MAX_JOINED:
            return self._sink.write_pieces(pieces) if pieces else True
        return self._sink.write(b"".join(pieces))

    def _known_length(self, piece: bytes) -> int:
        """Return the content's length if it is known at its first piece, else -1."""
        if self._known >= 0:
            return self._known
        try:
            return len(piece) if len(self._body) == 1 else -1
        except TypeError:
            return -1

    def _write(self, data: bytes) -> None:
        """The write() callable (PEP 3333, "The write() Callable"); it never suspends, the sink keeps what it must."""
        if self.head is None or self._environ is _NOTHING:
            raise AssertionError("write() before start_response() or after the response's end")
        if data:
            self._send_piece(data)
        elif not self._head_sent:
            self._sink.write(self._start_head(-1))

    def _send_file(self, body: FileWrapper) -> int | None:
        """Hand a regular file to the sink; None if it must be iterated after all."""
        extent = body.extent()
        if extent is None or self._head_sent or self.head is None:
            return None
        _, offset, remaining = extent
        self._lower_declared(remaining)
        head = self._start_head(remaining)
        count = min(remaining, self._left)
        self.sent = count
        self._sink.write(head)
        self._body = None  # the sink closes it from here on
        self._sink.write_file(body, offset, count)
        self._environ = _NOTHING
        return self._outcome

    def _lower_declared(self, remaining: int) -> None:
        """Lower a declared length that goes beyond the file's end, `remaining` bytes away: it could never be kept."""
        head = self.head
        if head is not None and head.has_body and head.declared > remaining and not self._head_sent:
            self.head = head.shortened(remaining)

    def _fitted(self, piece: bytes) -> bytes:
        """Cut what goes beyond the declared length, or belongs to a response without content."""
        if len(piece) <= self._left:
            return piece
        self._is_cut = True
        if self.method == "HEAD":
            return b""
        head = self.head
        if head is not None and not head.has_body:
            logger.warning(
                "application-written content was ignored due to HTTP response that may not contain a "
                "message-body: (%s)",
                head.status,
            )
            return b""
        logger.warning(
            "application-written content exceeded the number of bytes specified by Content-Length header (%s)",
            head.declared if head else self._left,
        )
        return piece[: self._left]

    def _too_short(self, sent: int, source: str) -> int:
        declared = self.head.declared if self.head else -1
        logger.warning(
            "application returned too few bytes (%s) for specified Content-Length (%s) via %s", sent, declared, source
        )
        return CLOSE

    # ---------------------------------------------------------------- heads

    def _start_head(self, length: int) -> bytes:
        """Return the response head and decide the framing (RFC 9112 §6.3); `length` is -1 if the end is not known."""
        head = self.head
        if head is None:
            raise AssertionError("the application returned without calling start_response()")
        self._head_sent = True
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
                self.persist = False  # RFC 9112 §9.3: without a length only the end of the connection tells
        keeps = self.persist  # read once: whoever begins to drain may change it at any time
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

    def early_hints(self, headers: Headers) -> None:
        """Send a 103 response before the final one (RFC 8297): environ["wsgi.early_hints"].

        Raises:
            ResponseError: fields that must not be sent.
        """
        data = early_hints(headers)
        # RFC 8297 §2: an HTTP/1.0 client does not know interim responses.
        if self.minor and not self._head_sent and self._environ is not _NOTHING:
            self._sink.write(data)

    # ---------------------------------------------------------------- ends

    def _release(self) -> None:
        """Call the body's close() once (PEP 3333) and forget the request."""
        body, self._body = self._body, None
        self._iterator = None
        self._known = -1
        self._environ = _NOTHING
        try:
            close = getattr(body, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            if is_from_signal(error):
                raise
            logger.exception("Exception in close() of the application's response")

    def _fail(self, error: BaseException) -> int:
        """Log what went wrong, answer 500 if that is still possible; the connection closes in any case."""
        if forked.is_copy:
            forked.leave(error)
        if is_from_signal(error):
            self._release()
            raise error
        path = self.target.partition("?")[0]
        if isinstance(error, ClientDisconnected):
            logger.info("Client disconnected while serving %s", path)
        else:
            logger.error("Exception while serving %s", path, exc_info=error)
        with_body = self.method != "HEAD"
        self._release()
        if self._head_sent or isinstance(error, ClientDisconnected):
            return CLOSE
        self._head_sent = True
        detail = "The server encountered an unexpected internal server error"
        if self._expose:
            with suppress(BaseException):  # the exception's own code may run here
                detail = "".join(traceback.format_exception(error))
        response = error_response(500, detail, self._signature, self._ident)
        self.head = None
        if not self.minor:
            response = b"HTTP/1.0" + response[8:]
        end = response.index(b"\r\n\r\n") + 4
        if not with_body:
            response = response[:end]
        self.sent = len(response) - end
        try:
            self._sink.write(response)
        except ClientDisconnected:
            logger.info("Client disconnected while serving %s", path)
        return CLOSE


_NOTHING: Final[Environ] = {}
