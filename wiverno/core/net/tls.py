"""TLS: handshakes that hold no other client up, and a socket to serve on; the certificates are certificates.py's.

    accept (→ preamble) → Handshake (in the loop, with a deadline) → TlsSocket → Connection

A `TlsSocket` behaves as a plain socket that does not block: where OpenSSL wants to wait it raises BlockingIOError. Two
things are different, and whoever uses it has to know them: bytes that are decrypted already wait inside of it
(`pending`), of which no poller tells; and the kernel can't send files through it.

A client that speaks plain HTTP to the port gets a readable 400.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from wiverno.core.context import ServerContext
from wiverno.core.http1.error_responses import MAX_LOOK, as_far_as_known
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.handlers import HANDSHAKE_GRACE, UNFINISHED_RANK, Eviction
from wiverno.core.loop.poller import READ, WRITE, is_readable
from wiverno.core.net.closing import close_client, close_copy
from wiverno.core.net.lingering_close import Lingering
from wiverno.core.net.peer_name import distinguished_name
from wiverno.foreign_code import guarded_logger
from wiverno.http.response import error_response

logger = guarded_logger("wiverno")

RECORD: Final = 16384  # bytes: the largest TLS record (RFC 8446 §5.1)
HANDSHAKE_RECORD: Final = 22  # first byte of a client that speaks TLS (RFC 8446 §5.1)

_MISDIRECTED: Final = "this port speaks TLS, and the request came without: use https:// in its address"


class TlsSocket:
    """A connection's socket after the handshake; the methods that connections use, in their meaning."""

    __slots__ = ("_socket", "pending")

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._socket = sock
        self.pending = sock.pending

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive at least what is decrypted already, so that nothing waits unseen; b"" at the end."""
        if flags:
            raise BlockingIOError  # nothing can be peeked at here
        sock = self._socket
        try:
            data = sock.recv(size)
            while waiting := sock.pending():
                data += sock.recv(waiting)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLEOFError:
            return b""
        return data

    def recv_into(self, buffer: Any, size: int = 0) -> int:
        """Receive into a buffer, no more than it holds or `size` bytes; the rest is `pending`."""
        try:
            return self._socket.recv_into(buffer, size or len(buffer))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLEOFError:
            return 0

    def send(self, data: Any) -> int:
        """Send record by record until nothing is left or the client takes no more."""
        view = memoryview(data)
        sent = 0
        try:
            # A record that OpenSSL could not send must be offered again as it was: it begins where `sent` ends.
            while sent < len(view):
                sent += self._socket.send(view[sent : sent + RECORD])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if not sent:
                raise BlockingIOError from None
        return sent

    def shutdown(self, how: int) -> None:
        """Say that nothing more is sent; what comes from then on is of no meaning."""
        self._say_end()
        self._socket.shutdown(how)

    def _say_end(self) -> None:
        """Send close_notify, by which the client knows that nobody has cut the connection (RFC 8446 §6.1)."""
        with contextlib.suppress(OSError, ValueError):
            self._socket.unwrap()

    def detach(self) -> int:
        """Leave the descriptor alone from now on, and return it."""
        return self._socket.detach()

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        """Set an option of the socket below."""
        self._socket.setsockopt(level, name, value)

    def close(self) -> None:
        """Close the descriptor without a word to the client: in a forked child the connection stays the parent's."""
        self._socket.close()


# Called with the socket and what the environ says of the connection.
OnSecured = Callable[[TlsSocket, dict[str, Any]], None]


class Handshake:
    """Stands in the loop until a client has shaken hands, in the time that the head of a request has."""

    __slots__ = (
        "__weakref__",
        "_armed",
        "_client",
        "_context",
        "_deadline",
        "_loop",
        "_on_secured",
        "_plain",
        "_secure",
        "_since",
        "fd",
        "tick",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, context: ServerContext, loop: Loop, client: str, on_secured: OnSecured
    ) -> None:  # fmt: skip
        """Begin with a socket that does not block; `client` is its address, for the access log."""
        self._client = client
        self._plain: socket.socket | None = sock
        self._secure: ssl.SSLSocket | None = None
        self._context = context
        self._loop = loop
        self._on_secured = on_secured
        self._deadline = loop.now + context.header_timeout if context.header_timeout else float("inf")
        self._armed = 0
        self._since = loop.now
        self.fd = sock.fileno()
        self.tick = 0

    def ready(self, events: int) -> None:
        """Go on with the handshake."""
        try:
            if self._secure is None and not self._begin():
                return
            assert self._secure is not None
            self._secure.do_handshake()
        except (ssl.SSLWantReadError, BlockingIOError, InterruptedError):
            self._arm(READ)
        except ssl.SSLWantWriteError:
            self._arm(WRITE)
        except (OSError, ValueError) as error:
            # Scanners do this all day: it concerns nobody but the client.
            logger.debug("TLS handshake failed: %s", error)
            self.close()
        else:
            self._leave_loop()
            secure, self._secure = self._secure, None
            self._on_secured(TlsSocket(secure), describe_certificate(secure))

    def _begin(self) -> bool:
        """Wrap the socket if the client speaks TLS; False if it does not."""
        assert self._plain is not None
        assert self._context.tls is not None
        first = self._plain.recv(MAX_LOOK, socket.MSG_PEEK)
        if not first:
            self.close()
            return False
        if first[0] != HANDSHAKE_RECORD:
            self._refuse(first)
            return False
        plain, self._plain = self._plain, None
        context = self._context.tls.context
        self._secure = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        return True

    def _refuse(self, received: bytes) -> None:
        """Answer a client that speaks plain HTTP; `received` is the beginning of what it says."""
        context = self._context
        sock, self._plain = self._plain, None
        assert sock is not None
        response = error_response(400, _MISDIRECTED, context.signature, context.ident)
        end = response.index(b"\r\n\r\n") + 4
        known = as_far_as_known({"REMOTE_ADDR": self._client}, received)
        if known.get("REQUEST_METHOD") == "HEAD":
            response = response[:end]  # RFC 9110 §9.3.2: no content
        if context.recorder is not None:
            context.recorder.record_error_response(known, 400, len(response) - end)
        with contextlib.suppress(OSError):
            sock.send(response)
        is_registered = bool(self._armed)
        self._loop.forget(self)
        try:
            Lingering(sock, self._loop, is_registered=is_registered)
        except OSError:
            self._plain = sock
            self.close()

    def _arm(self, interest: int) -> None:
        if not self._armed:
            self._loop.poller.register(self.fd, interest)
        elif self._armed != interest:
            self._loop.poller.arm(self.fd, interest)
        self._armed = interest

    def _leave_loop(self) -> None:
        self._loop.forget(self)
        if self._armed:
            self._loop.poller.unregister(self.fd)
            self._armed = 0

    def deadline(self) -> float:
        """Return when the handshake must be over."""
        return self._deadline

    def expire(self) -> None:
        """Give up."""
        self.close()

    def eviction(self) -> Eviction:
        """Return when it may be closed for another client."""
        return Eviction(UNFINISHED_RANK, self._since, self._since + HANDSHAKE_GRACE)

    def has_input(self) -> bool:
        """Tell whether the client has sent something that has not been looked at yet."""
        return is_readable(self.fd)

    def evict(self) -> None:
        """Close for another client's sake."""
        self.close()

    def begin_drain(self) -> None:
        """Go on: a request that follows soon is still answered."""

    def abandon(self) -> None:
        """Close this process's copy after a fork."""
        close_copy(self.sock)

    def __repr__(self) -> str:
        return f"<Handshake fd={self.fd} armed={self._armed}>"

    def drain(self, before: float = float("inf")) -> None:
        """Close: no request has begun."""
        self.close()

    @property
    def sock(self) -> Any:
        """The socket, as connections have it."""
        return self._secure or self._plain

    def close(self) -> None:
        """Close the socket."""
        self._leave_loop()
        for sock in (self._plain, self._secure):
            if sock is not None:
                close_client(sock)


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
