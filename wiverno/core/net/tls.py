"""TLS: non-blocking handshakes, and a socket to serve on. Certificates are read in certificates.py.

    accept (→ preamble) → Handshake (in the loop, with a deadline) → TlsSocket → Connection

A `TlsSocket` behaves as a plain socket that does not block: where OpenSSL wants to wait it raises BlockingIOError. Two
things are different for its users: decrypted bytes may wait inside of it (`pending`), which no poller reports; and the
kernel can send files through it only if it also encrypts (`takes_files`).

A call fails for errors of others, too: OpenSSL keeps a queue of errors for each thread, and tells what it finds there.
Python leaves the error of a client that has reset its connection in it (3.14 and 3.15 with OpenSSL 3.4 or later;
CPython's issue 148594), and so may libraries of the application. So what fails is tried once more with an empty queue.

A client that sends plain HTTP gets a readable response, which the acceptor makes.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from wiverno.core.loop.connection_log import log_event
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import READ, WRITE
from wiverno.core.net.certificates import KERNEL_TLS, Certificates
from wiverno.core.net.lingering_close import Lingering
from wiverno.core.net.new_client import NewClient
from wiverno.core.net.peer_name import distinguished_name

RECORD: Final = 16384  # bytes: the largest TLS record (RFC 8446 §5.1)
HANDSHAKE_RECORD: Final = 22  # first byte of a client that speaks TLS (RFC 8446 §5.1)
SOL_TLS: Final = 282  # linux/socket.h
TLS_TX: Final = 1  # linux/tls.h
MAX_PEEK: Final = 1024  # bytes of what a client has sent that are read to recognise plain HTTP

WAITS: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError)

LEFT: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, BrokenPipeError)
"""How OpenSSL tells that a client has left, also while it reads: it may have to send then, and can't."""


UNEXPECTED_EOF: Final = "UNEXPECTED_EOF_WHILE_READING"
"""The same as an error's reason: it is no SSLEOFError if another error was in the queue before it."""


class TlsSocket:
    """A connection's socket after the handshake; the methods that connections use, in their meaning."""

    __slots__ = ("_read", "_socket", "_write", "alpn", "pending", "takes_files")

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._socket = sock
        self.alpn = sock.selected_alpn_protocol()
        # What SSLSocket's methods call in the end: without them a request of TLS takes an eighth fewer instructions.
        self._bind(getattr(sock, "_sslobj", None) or sock)
        self.takes_files = _is_encrypted_by_kernel(sock)
        """sendfile(2) to the descriptor is encrypted on its way."""

    def _bind(self, tls: Any) -> None:
        """Read and write by these methods of `tls`."""
        self._read: Callable[..., Any] = tls.read
        self._write: Callable[[Any], int] = tls.write
        self.pending: Callable[[], int] = tls.pending

    def _unbind(self) -> None:
        """Read and write by the socket's own methods: OpenSSL keeps the number of a descriptor that may be reused."""
        self._read, self._write, self.pending = self._socket.recv, self._socket.send, self._socket.pending

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive at least what is decrypted already, which no poller reports; b"" at the end.

        With `flags`, such as MSG_PEEK, it receives what is still encrypted: it shows only whether the client has left.
        """
        if flags:
            return socket.socket.recv(self._socket, size, flags)
        try:
            data: bytes = self._read(size)
            if len(data) < size:
                return data  # the whole of a record: OpenSSL does not read ahead
            while waiting := self.pending():
                data += self._read(waiting)
        except WAITS:
            raise BlockingIOError from None
        except OSError as error:
            again: bytes = _once_more(error, b"", self._read, size)
            return again
        return data

    def recv_into(self, buffer: Any, size: int = 0) -> int:
        """Receive into a buffer, no more than it holds or `size` bytes; the rest is `pending`."""
        try:
            return self._socket.recv_into(buffer, size or len(buffer))
        except WAITS:
            raise BlockingIOError from None
        except OSError as error:
            again: int = _once_more(error, 0, self._socket.recv_into, buffer, size or len(buffer))
            return again

    def send(self, data: Any) -> int:
        """Send record by record until nothing is left or the client takes no more."""
        sent = 0
        try:
            if 0 < len(data) <= RECORD:
                return self._write(data)
            view = memoryview(data)
            # A record that OpenSSL could not send must be offered again as it was: it begins where `sent` ends.
            while sent < len(view):
                sent += self._write(view[sent : sent + RECORD])
        except WAITS:
            if not sent:
                raise BlockingIOError from None
        except OSError as error:
            sent += self._send_again(error, memoryview(data)[sent : sent + RECORD], is_first=not sent)
        return sent

    def _send_again(self, error: OSError, record: memoryview, *, is_first: bool) -> int:
        try:
            sent: int = _once_more(error, -1, self._write, record)
        except BlockingIOError:
            if is_first:
                raise
            return 0
        if sent < 0:
            raise BrokenPipeError(str(error)) from error  # the client has left, as a plain socket says it
        return sent

    def shutdown(self, how: int) -> None:
        """Send close_notify, half-close, discard what follows."""
        self._send_close_notify()
        self._unbind()
        self._socket.shutdown(how)

    def _send_close_notify(self) -> None:
        """Send close_notify, by which the client knows that the connection was not cut (RFC 8446 §6.1)."""
        try:
            self._socket.unwrap()
        except (OSError, ValueError):
            empty_error_queue()

    def detach(self) -> int:
        """Return the descriptor without closing it; the object must not be used any more."""
        return self._socket.detach()

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        """Set an option of the socket below."""
        self._socket.setsockopt(level, name, value)

    def close(self) -> None:
        """Close the descriptor without close_notify: in a forked child the connection stays the parent's."""
        self._unbind()
        self._socket.close()


def _once_more(error: OSError, left: Any, call: Callable[..., Any], *arguments: Any) -> Any:
    """Repeat a call that has failed with `error`, perhaps because of another connection's; return what it returns.

    It returns `left` if the client has left, and raises BlockingIOError if the call has to wait, or else `error`.
    """
    empty_error_queue()
    try:
        return call(*arguments)
    except WAITS:
        raise BlockingIOError from None
    except OSError as again:
        empty_error_queue()  # the next connection must not find it
        # The second error tells more, unless the first one was of the protocol: after that OpenSSL tells only the end.
        is_first = isinstance(error, ssl.SSLError) and error.library == "SSL" and error.reason != UNEXPECTED_EOF
        if isinstance(error, LEFT) or (not is_first and isinstance(again, LEFT)):
            return left
        raise again if isinstance(again, ConnectionError) else error from None


def empty_error_queue() -> None:
    """Empty this thread's queue of OpenSSL errors: every handshake begins with that, also one that gets no further."""
    handshake = _idle_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    with contextlib.suppress(ssl.SSLError):
        handshake.do_handshake()


@cache
def _idle_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def _is_encrypted_by_kernel(sock: ssl.SSLSocket) -> bool:
    """Tell whether the kernel has this connection's key for sending (tls(7), TLS_TX); it fails without."""
    if not sock.context.options & KERNEL_TLS:
        return False
    try:
        return len(sock.getsockopt(SOL_TLS, TLS_TX, 4)) == 4  # version and cipher
    except OSError:
        return False


# Called with the socket and what the environ says of the connection.
OnSecured = Callable[[TlsSocket, dict[str, Any]], None]
# Called with the beginning of a plain HTTP request; returns the response to it.
AnswerPlain = Callable[[bytes], bytes]


class Handshake(NewClient):
    """A client in the loop until its handshake is complete; it has as much time as the head of a request."""

    __slots__ = ("_answer_plain", "_certificates", "_on_secured")

    def __init__(
        self, sock: socket.socket, loop: Loop, certificates: Certificates, timeout: float,
        on_secured: OnSecured, answer_plain: AnswerPlain,
    ) -> None:  # fmt: skip
        """Begin with a socket that does not block.

        Args:
            sock: the client's.
            loop: where the handshake waits for its client.
            certificates: give the context to shake hands with.
            timeout: seconds, 0 for no limit.
            on_secured: called when the handshake is complete.
            answer_plain: called when the client sends plain HTTP.
        """
        super().__init__(sock, loop, timeout)
        self._certificates = certificates
        self._on_secured = on_secured
        self._answer_plain = answer_plain

    def ready(self, events: int) -> None:
        """Continue the handshake."""
        try:
            if not isinstance(self.sock, ssl.SSLSocket) and not self._begin():
                return
            self.sock.do_handshake()
        except (ssl.SSLWantReadError, BlockingIOError, InterruptedError):
            self._wait_for(READ)
        except ssl.SSLWantWriteError:
            self._wait_for(WRITE)
        except (OSError, ValueError) as error:
            # Scanners do this all day: DEBUG is enough.
            log_event(self.fd, "TLS handshake failed: %s", error)
            empty_error_queue()
            self.close()
        else:
            self._pass_on(lambda: self._on_secured(TlsSocket(self.sock), describe_certificate(self.sock)))

    def _begin(self) -> bool:
        """Wrap the socket if the client speaks TLS; False if it does not."""
        first = self.sock.recv(MAX_PEEK, socket.MSG_PEEK)
        if not first:
            self.close()
            return False
        if first[0] != HANDSHAKE_RECORD:
            self._reject_plain(first)
            return False
        context = self._certificates.context
        self.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
        return True

    def _reject_plain(self, received: bytes) -> None:
        """Answer a client that sends plain HTTP; `received` is the beginning of it."""
        response = self._answer_plain(received)
        with contextlib.suppress(OSError):
            self.sock.send(response)
        is_registered = bool(self._armed)
        self._loop.forget(self)
        try:
            Lingering(self.sock, self._loop, is_registered=is_registered)
        except OSError:
            self.close()


def describe_certificate(sock: ssl.SSLSocket) -> dict[str, Any]:
    """Return the variables about a connection, by mod_ssl's names, and the client's certificate if it gave one."""
    cipher = sock.cipher()
    certificate = sock.getpeercert()
    found: dict[str, Any] = {
        "HTTPS": "on", "SSL_PROTOCOL": sock.version() or "", "SSL_CIPHER": cipher[0] if cipher else "",
        "SSL_CLIENT_VERIFY": "SUCCESS" if certificate else "NONE",
    }  # fmt: skip
    if certificate:
        subject: Any = certificate.get("subject", ())
        issuer: Any = certificate.get("issuer", ())
        found["SSL_CLIENT_S_DN"] = distinguished_name(subject)
        found["SSL_CLIENT_I_DN"] = distinguished_name(issuer)
        found["wiverno.client_certificate"] = certificate
    return found
