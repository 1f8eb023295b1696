"""The plain values that all connections of a server share: the application and the limits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wiverno.config.settings import Adjustments
from wiverno.core.net.body_memory import BodyMemory
from wiverno.core.net.listener_kinds import Listener
from wiverno.files import make_absolute
from wiverno.http.response import DateAndServer, error_response
from wiverno.wsgi.environ import listener_variables
from wiverno.wsgi_types import Application, Environ

# What few servers have is imported where they make it: each start pays for its own.
if TYPE_CHECKING:
    from wiverno.core.net.certificates import Certificates
    from wiverno.core.net.redirects import Redirects
    from wiverno.core.telemetry.request_recorder import RequestRecorder
    from wiverno.http.hosts import AllowedHosts
    from wiverno.static.site import StaticSite
    from wiverno.wsgi.proxy_policy import ProxyPolicy


@dataclass(frozen=True, slots=True, repr=False)
class ServerContext:
    """The application and the limits. Durations in seconds, sizes in bytes, 0 for no limit."""

    application: Application
    signature: DateAndServer
    expose_tracebacks: bool
    log_socket_errors: bool
    policy: "ProxyPolicy | None"
    proxy_protocol: bool
    url_prefix: str
    is_threaded: bool
    recv_bytes: int
    max_head: int
    max_line: int
    max_fields: int
    max_body: int
    inbuf_overflow: int
    body_memory: BodyMemory
    outbuf_overflow: int
    high_water: int
    channel_timeout: float
    header_timeout: float
    body_timeout: float
    min_rate: float
    recorder: "RequestRecorder | None" = None
    tls: "Certificates | None" = None
    http2_connections: set[Any] | None = None
    """The open HTTP/2 connections, for the figures; None if HTTP/2 is off."""
    allowed_hosts: "AllowedHosts | None" = None
    """The hosts that requests may name; None for every host."""
    site: "StaticSite | None" = None
    """The mounts around the application, which then are `application`; None if there are none."""
    redirects: "Redirects | None" = None
    """What the plain port beside TLS answers; None on every other port."""

    @property
    def inner_application(self) -> Application:
        """The application without the mounts."""
        return self.application if self.site is None else self.site.application

    def with_application(self, application: Application) -> "ServerContext":
        """Return the context with another application inside of the mounts."""
        if self.site is None:
            return replace(self, application=application)
        site = self.site.around(application)
        return replace(self, application=site, site=site)

    @property
    def ident(self) -> str:
        """The name that error responses are signed with."""
        return self.signature.ident

    def error_response(self, status: int, detail: str, environ: Environ, minor: int = 1, retry_after: int = 0) -> bytes:
        """Return one of the server's own responses in HTTP/1's form, and record it for the access log.

        Args:
            status: the status code.
            detail: what was wrong.
            environ: what is known of the request.
            minor: the version of HTTP/1 to answer in.
            retry_after: seconds for a Retry-After field, 0 for none.
        """
        method = environ.get("REQUEST_METHOD", "")
        response = error_response(status, detail, self.signature, method=method, minor=minor, retry_after=retry_after)
        if self.recorder is not None:
            self.recorder.record_error_response(environ, status, response.content_length)
        return response.data


def new_context(
    application: Application, settings: Adjustments, *, is_threaded: bool, recorder: "RequestRecorder | None" = None
) -> ServerContext:
    """Return the settings that connections need, as plain values."""
    site = _new_site(application, settings) if settings.static else None
    return ServerContext(
        application=site or application,
        site=site,
        signature=DateAndServer(settings.ident or ""),
        expose_tracebacks=settings.expose_tracebacks,
        log_socket_errors=settings.log_socket_errors,
        policy=_new_policy(settings),
        proxy_protocol=settings.proxy_protocol,
        url_prefix=settings.url_prefix,
        is_threaded=is_threaded,
        recv_bytes=settings.recv_bytes,
        max_head=settings.max_request_header_size,
        max_line=settings.max_request_line_size,
        max_fields=settings.max_header_count,
        max_body=settings.max_request_body_size,
        inbuf_overflow=settings.inbuf_overflow,
        body_memory=BodyMemory(settings.max_body_memory),
        outbuf_overflow=settings.outbuf_overflow,
        high_water=settings.outbuf_high_watermark,
        channel_timeout=settings.channel_timeout,
        header_timeout=settings.header_timeout,
        body_timeout=settings.body_timeout,
        min_rate=settings.body_min_rate,
        recorder=recorder,
        http2_connections=set() if settings.http2 else None,
        allowed_hosts=_new_allowed_hosts(settings),
    )


def _new_policy(settings: Adjustments) -> "ProxyPolicy | None":
    trusts = bool(settings.trusted_proxy or settings.trusted_proxies)
    if not trusts and not settings.clear_untrusted_proxy_headers:
        return None
    from wiverno.wsgi.proxy_policy import ProxyPolicy

    policy = ProxyPolicy(
        trusted_proxy=settings.trusted_proxy,
        trusted_proxies=settings.trusted_proxies,
        trusted_proxy_count=settings.trusted_proxy_count or 1,
        trusted_proxy_headers=settings.trusted_proxy_headers,
        clear_untrusted=settings.clear_untrusted_proxy_headers,
        log_untrusted=settings.log_untrusted_proxy_headers,
    )
    if not trusts:
        return policy
    from wiverno.wsgi.forwarded import rewrite

    return replace(policy, rewrite=rewrite)


def _new_allowed_hosts(settings: Adjustments) -> "AllowedHosts | None":
    if not settings.allowed_hosts:
        return None
    from wiverno.http.hosts import AllowedHosts

    return AllowedHosts(settings.allowed_hosts)


def _new_site(application: Application, settings: Adjustments) -> "StaticSite":
    from wiverno.static.site import StaticSite  # loads the tables of types and names only where there are mounts

    mounts = [replace(mount, directory=make_absolute(mount.directory)) for mount in settings.static]
    return StaticSite(application, mounts, settings.ident or "")


def redirect_context(context: ServerContext, settings: Adjustments, listeners: Sequence[Listener]) -> ServerContext:
    """Return the context of the plain port beside TLS, which has everything in common but what answers."""
    from wiverno.core.net.redirects import new_redirects  # only servers with such a port load it

    redirects = new_redirects(settings, listeners, context.allowed_hosts)
    return replace(
        context, application=redirects, redirects=redirects, site=None, url_prefix="", tls=None, http2_connections=None
    )


def new_certificates(settings: Adjustments) -> "Certificates | None":
    """Return the certificates that the settings name, None without TLS.

    Raises:
        OSError: a file can't be read or used.
    """
    if settings.certfile is None:
        return None
    from wiverno.core.net.certificates import Certificates  # loads OpenSSL only where TLS is configured

    return Certificates(settings)


def new_recorder(settings: Adjustments) -> "RequestRecorder | None":
    """Return the recorder for the access log, None if there is none.

    Raises:
        OSError: the access log can't be opened.
    """
    if not settings.access_log:
        return None
    from wiverno.core.telemetry.request_recorder import open_recorder

    return open_recorder(settings.access_log, settings)


def variables_of(listener: Listener, settings: Adjustments, context: ServerContext, *, processes: bool) -> Environ:
    """Return a listener's part of the environ; `processes`: whether other processes accept from it, too."""
    scheme = settings.url_scheme if context.tls is None else listener.scheme("https", settings.url_scheme)
    if context.redirects is not None:
        scheme = "http"
    return listener_variables(
        server_name=listener.server_name(settings.server_name),
        server_port=str(listener.port),
        software=settings.ident,
        scheme=scheme,
        prefix=context.url_prefix,
        threads=context.is_threaded,
        processes=processes,
    )
