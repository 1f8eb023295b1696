"""Calls the application once a request and turns its response into bytes for a sink (PEP 3333).

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
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from wiverno.foreign_code import guarded_logger, is_from_signal
from wiverno.wsgi import forked
from wiverno.wsgi.callables import REFERENCES, RequestCallables, count_references
from wiverno.wsgi.file_wrapper import FileWrapper
from wiverno.wsgi.lengths import log_too_short
from wiverno.wsgi.outcomes import BROKEN, CLOSE, KEEP, MAX_JOINED, SUSPENDED
from wiverno.wsgi.pieces import joined, plain_piece
from wiverno.wsgi.sink import ClientDisconnected, Sink
from wiverno.wsgi.writer import ResponseWriter, cut
from wiverno.wsgi_types import Application, Environ

__all__ = ["BROKEN", "CLOSE", "KEEP", "MAX_JOINED", "SUSPENDED", "Application", "Gateway"]

logger = guarded_logger("wiverno")


class Gateway(ResponseWriter):
    """The server side of PEP 3333 for one connection. Belongs to the thread that owns the connection."""

    __slots__ = (
        "_application", "_disconnected", "_expose", "_hints", "_iterator", "_recorded", "_recorder", "_start",
        "_trusted", "_variables",
    )  # fmt: skip

    def __init__(
        self,
        application: Application,
        sink: Sink,
        variables: Environ,
        *,
        expose: bool,
    ) -> None:
        """Begin with a connection.

        Args:
            application: what is called.
            sink: where the bytes go.
            variables: the connection's, of which each request's environ is a copy.
            expose: whether the body of a 500 is the traceback.
        """
        super().__init__(sink)
        self._variables = variables
        self._application = application
        self._expose = expose
        self._iterator: Iterator[bytes] | None = None
        self._start: Any = None
        self._hints: Any = None
        self._disconnected: Any = None

    # ---------------------------------------------------------------- the call

    def respond(self, environ: Environ) -> int:
        """Run one request to its end, or to where the sink is full; return one of the four outcomes."""
        self.has_sent_head = False
        self.method = environ["REQUEST_METHOD"]
        count = count_references
        if count(self._start) + count(self._hints) + count(self._disconnected) + count(self._callables) != REFERENCES:
            self._renew_callables(environ)
        callables = self._callables
        callables.gateway = self
        callables.head = None
        try:
            body: Any = self._application(environ, self._start)
            kind = type(body)
            if kind is list or kind is tuple:
                # A plain sequence calls nothing of the application's, and has no close() to call.
                callables.gateway = None
                if self._is_writing:
                    self._await_writer()
                if not self.has_sent_head:
                    return self._send_whole(body[0] if len(body) == 1 else joined(body))
            self._body = body
            return self._stream(body)
        except BaseException as error:  # noqa: BLE001 - an application may raise anything, SystemExit included
            return self._fail(error)

    def _renew_callables(self, environ: Environ) -> None:
        """Leave the callables to the application, which has kept one of them, and make new ones for this request."""
        callables = self._callables = RequestCallables()
        self._start = callables.start_response
        self._hints = callables.early_hints
        self._disconnected = callables.is_disconnected
        for variables in (self._variables, environ):
            variables["wsgi.early_hints"] = self._hints
            variables["wiverno.client_disconnected"] = variables["waitress.client_disconnected"] = self._disconnected

    # ---------------------------------------------------------------- bodies

    def _send_whole(self, content: bytes) -> int:
        """Send a response whose content is known in full: one write for head and content."""
        if type(content) is not bytes:
            content = plain_piece(content)
        head = self._start_head(len(content))
        if self._left != len(content):
            content = self._fit(content)
        try:
            if len(content) <= MAX_JOINED:
                self.sink.write(head + content, True)
            else:
                self.sink.write_pieces([head, content], True)
        except BaseException:
            self._is_broken = True
            raise
        self.sent = len(content)
        if self._left > self.sent:
            log_too_short(self.sent, self.head)
            return BROKEN
        return self._outcome

    def _stream(self, body: Iterable[bytes]) -> int:
        if type(body) is FileWrapper:  # a subclass may give other bytes than the file's
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
        """Continue a suspended iteration; return as respond()."""
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
        for given in self._iterator:
            piece = given if type(given) is bytes else plain_piece(given)
            if not piece:
                continue
            has_room = self._send_piece(piece)
            if self._is_cut:
                break  # no client will see the rest
            if not has_room:
                return SUSPENDED
        return self._complete()

    def _complete(self) -> int:
        """End a streamed response: the last chunk, or a head for an empty body."""
        self._is_over = True
        if self._is_writing:
            self._await_writer()
        if self._is_broken:
            raise cut()
        if not self.has_sent_head:
            self._emit(self._start_head(0 if self.method != "HEAD" else -1))
        is_short = self._left > 0
        self._end_body()
        self._release()
        if is_short:
            log_too_short(self.sent, self.head)
        return BROKEN if is_short else self._outcome

    def _send_file(self, body: FileWrapper) -> int | None:
        """Hand a regular file to the sink; None if it must be iterated after all."""
        extent = body.extent()
        if extent is None or self.has_sent_head or self._callables.head is None:
            return None
        descriptor, offset, remaining = extent
        self._callables.gateway = None
        if self._is_writing:
            self._await_writer()
            if self.has_sent_head:
                return None
        self._lower_declared(remaining)
        head = self._start_head(remaining)
        self.sent = count = min(remaining, self._left)
        self._emit(head)
        self._body = None  # the sink closes it from here on
        try:
            self.sink.write_file(body, descriptor, offset, count)
        except BaseException:
            self._is_broken = True
            raise
        return self._outcome

    # ---------------------------------------------------------------- what a protocol's gateway adds

    def _end_body(self) -> None:
        """Tell the end of a streamed body, where the protocol does not tell it otherwise."""

    def _send_error(self, status: int, detail: str) -> None:
        """Send one of the server's own responses; `detail` is text for its content."""
        raise NotImplementedError

    # ---------------------------------------------------------------- ends

    def _release(self) -> None:
        """End the exchange: nothing more is sent; call the body's close() once (PEP 3333) and forget the request."""
        body, self._body = self._body, None
        self._iterator = None
        self._known = -1
        self._is_over = True
        if self._is_writing:
            self._await_writer()
        try:
            close = getattr(body, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            if is_from_signal(error):
                raise
            logger.exception("Exception in close() of the application's response")
        finally:
            self._callables.gateway = None
            self._is_over = False

    def _fail(self, error: BaseException) -> int:
        """Log what went wrong, answer 500 if that is still possible; the connection closes in any case."""
        if forked.is_copy:
            forked.leave(error)
        if is_from_signal(error):
            self._release()
            raise error
        path = self.target.partition("?")[0]
        is_gone = isinstance(error, ClientDisconnected)
        if is_gone:
            logger.info("Client disconnected while serving %s", path)
        else:
            logger.error("Exception while serving %s", path, exc_info=error)
        self._release()
        if is_gone or self._is_broken:
            return BROKEN
        if self.has_sent_head:
            # The content may have been complete before the application failed.
            return BROKEN if self._left else CLOSE
        self.head = None
        self.has_sent_head = True
        detail = "The server encountered an unexpected internal server error"
        if self._expose:
            with suppress(BaseException):  # the exception's own code may run here
                detail = "".join(traceback.format_exception(error))
        try:
            self._send_error(500, detail)
        except ClientDisconnected:
            logger.info("Client disconnected while serving %s", path)
        except Exception:  # no memory or disk for it: the connection ends, the thread does not
            logger.exception("The response to %s can't be kept", path)
        return BROKEN if self._is_broken else CLOSE
