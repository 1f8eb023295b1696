"""What the plain port beside TLS answers: an address with https, or the content of an ACME challenge.

The connection (core/http1/redirect.py) decides what a request gets, and hands the answer over in the environ: so the
gateway sends and records it as it does an application's, with HEAD, HTTP/1.0 and keep-alive.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from wiverno.config.settings import Adjustments
from wiverno.core.net.challenges import Challenges
from wiverno.core.net.listener_kinds import Listener
from wiverno.files import make_absolute
from wiverno.http.errors import ProtocolError
from wiverno.http.hosts import AllowedHosts
from wiverno.http.redirects import HTTPS_PORT, https_location
from wiverno.http.response import Headers
from wiverno.wsgi_types import Environ, StartResponse

ANSWER: Final = "wiverno.answer"

NO_NAME: Final = "wiverno.invalid"
"""server_name where it is not set: no client reaches it."""

_MOVED: Final = b"This page is at the same address with https.\n"
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as the application would give it."""

    status: str
    fields: Headers
    content: bytes


@dataclass(frozen=True, slots=True)
class Redirects:
    """What the redirecting listeners of a server share; any thread may use it.

    Attributes:
        port: where TLS is spoken.
        default_host: stands for a Host that is missing, "" for none.
        challenges: reads challenge files; None if such paths are redirected, too.
        allowed_hosts: the hosts that requests may name, None for every host.
    """

    port: int = HTTPS_PORT
    default_host: str = ""
    challenges: Challenges | None = None
    allowed_hosts: AllowedHosts | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Send the answer that the environ holds."""
        answer: Answer = environ[ANSWER]
        start_response(answer.status, answer.fields)
        return [answer.content]

    def check_host(self, environ: Environ) -> None:
        """Refuse a request for a host that is not allowed.

        Raises:
            ProtocolError: 400 or 421.
        """
        if self.allowed_hosts is not None:
            self.allowed_hosts.check(environ.get("HTTP_HOST"), environ["wsgi.url_scheme"])

    def redirect(self, environ: Environ) -> Answer:
        """Return the redirect that answers a request.

        Raises:
            ProtocolError: 400 without a host; 421 if a trusted proxy says that its client speaks https already.
        """
        if environ["wsgi.url_scheme"] == "https":
            raise ProtocolError(421, "this port redirects to https, which the client speaks already")
        location = https_location(environ.get("HTTP_HOST") or self.default_host, environ["REQUEST_URI"], self.port)
        return _answer("308 Permanent Redirect", _MOVED, ("Location", location))


def answer_challenge(method: str, content: bytes | None) -> Answer:
    """Return the answer to a request for a challenge; `content` is None if there is none."""
    if method not in ("GET", "HEAD"):
        return _answer("405 Method Not Allowed", b"A challenge is read with GET.\n", ("Allow", "GET, HEAD"))
    if content is None:
        return _answer("404 Not Found", b"There is no such challenge.\n")
    return _answer("200 OK", content, kind="application/octet-stream")


def _answer(status: str, content: bytes, *fields: tuple[str, str], kind: str = _TEXT) -> Answer:
    return Answer(status, [*fields, ("Content-Type", kind), ("Content-Length", str(len(content)))], content)


def new_redirects(settings: Adjustments, listeners: Sequence[Listener], hosts: AllowedHosts | None) -> Redirects:
    """Return what the redirecting listeners need.

    Args:
        settings: the server's.
        listeners: all that are bound; the first one with TLS tells the port unless a setting does.
        hosts: those that requests may name.
    """
    ports = [one.port for one in listeners if one.speaks_tls]
    known = HTTPS_PORT if HTTPS_PORT in ports or not ports else ports[0]
    return Redirects(
        port=settings.redirect_port or known,
        default_host="" if settings.server_name == NO_NAME else settings.server_name,
        challenges=Challenges(make_absolute(settings.acme_webroot)) if settings.acme_webroot else None,
        allowed_hosts=hosts,
    )
