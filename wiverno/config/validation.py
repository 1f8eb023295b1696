"""What settings say to one another: which may not be given together, and which mean nothing alone.

Rules about names look at what was given, so they hold before values are read; rules about values look at the finished
settings. Each finding names the setting where it is to be mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from wiverno.addresses import is_loopback
from wiverno.config.errors import Origin, Problem
from wiverno.config.fields.units import TcpAddress, UnixAddress
from wiverno.files import error_text, unix_path

if TYPE_CHECKING:
    from wiverno.config.settings import Adjustments

PROXY_HEADERS = (
    "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-by",
)  # fmt: skip

# Four ways to say where to listen. One source may use only one of them; a higher source replaces a lower one's.
LISTENING: tuple[tuple[str, ...], ...] = (("host", "port"), ("listen",), ("unix_socket",), ("sockets",))


def problem(key: str, message: str, hint: str | None = None) -> Problem:
    """Return a finding about a setting whose place is not known yet."""
    return Problem(message, Origin("keyword", text=key), key, hint=hint, about="key")


def conflicts(given: Mapping[str, object]) -> list[Problem]:
    """Return what may not be given together: waitress's rules on listen, host and port, unix_socket, sockets."""
    used = [group for group in LISTENING if any(name in given for name in group)]
    found = []
    for index, group in enumerate(used):
        for other in used[:index]:
            first = " and ".join(name for name in other if name in given)
            second = next(name for name in group if name in given)
            found.append(problem(second, f"may not be set if {first} {'are' if ' and ' in first else 'is'} set"))
    return found


def contradictions(settings: Adjustments) -> list[Problem]:
    """Return what the finished values contradict."""
    given, found = settings.model_fields_set, list[Problem]()
    trusts = settings.trusted_proxy is not None or bool(settings.trusted_proxies)
    found.extend(
        problem(name, "has no meaning without trusted_proxy or trusted_proxies")
        for name in ("trusted_proxy_count", "trusted_proxy_headers")
        if name in given and getattr(settings, name) and not trusts
    )
    headers = settings.trusted_proxy_headers
    if "forwarded" in headers and len(headers) > 1:
        found.append(
            problem(
                "trusted_proxy_headers",
                "forwarded and the x-forwarded headers exclude one another: trust only one kind",
            )
        )
    if settings.trusted_proxies and not headers and settings.trusted_proxy is None and not settings.proxy_protocol:
        found.append(problem("trusted_proxies", "has no effect without trusted_proxy_headers or proxy_protocol"))
    found += _about_unix_sockets(settings)
    found += _about_production(settings)
    if settings.mode == "simple" and "threads" in given and settings.threads > 1:
        found.append(
            problem(
                "threads", "has no effect in mode simple, which serves one request at a time", "leave out one of them"
            )
        )
    if not settings.ipv4 and not settings.ipv6 and not settings.sockets:
        found.append(problem("ipv6", "ipv4 and ipv6 are both off, so there is nothing to listen on"))
    return found


def _about_unix_sockets(settings: Adjustments) -> list[Problem]:
    """Return which Unix sockets have a path that the system will not take."""
    used = "listen" if settings.listen else "unix_socket"
    found = []
    for key, address in [*((used, each) for each in settings.addresses), ("admin_listen", settings.admin_address)]:
        if isinstance(address, UnixAddress):
            try:
                unix_path(address.path)
            except OSError as error:
                found.append(problem(key, error_text(error)))
    return found


def _about_production(settings: Adjustments) -> list[Problem]:
    """Return what is wrong with who may look after the server."""
    found = []
    address = settings.admin_address
    if isinstance(address, TcpAddress) and not is_loopback(address.host) and not settings.admin_public:
        found.append(
            problem(
                "admin_listen",
                f"{address} can be reached by other machines, and tells them how the server is",
                "listen on 127.0.0.1 or a Unix socket, or set admin_public = true",
            )
        )
    found.extend(
        problem(name, "has no meaning without certfile")
        for name in ("keyfile", "ca_certs")
        if getattr(settings, name) is not None and settings.certfile is None
    )
    if settings.client_cert != "none" and settings.ca_certs is None:
        found.append(problem("client_cert", "needs ca_certs: the authorities whose certificates are accepted"))
    if settings.admin_metrics_application and settings.admin_listen is None:
        found.append(problem("admin_metrics_application", "needs admin_listen, where /metrics is"))
    if settings.stuck_requests == "recycle" and not settings.workers:
        found.append(problem("stuck_requests", "recycle replaces a worker: it needs workers = 1 or more"))
    if settings.max_requests_jitter and not settings.max_requests:
        found.append(problem("max_requests_jitter", "has no meaning without max_requests"))
    return found


def deprecations(settings: Adjustments, inert: Iterable[str]) -> list[str]:
    """Return a sentence for each use of what is on its way out."""
    given, found = settings.model_fields_set, []
    used = [name for name in inert if name in given]
    if used:
        verb = "do" if len(used) > 1 else "does"
        found.append(f"{', '.join(used)} {verb} nothing in wiverno, whose engine is not asyncore; remove what sets it")
    if settings.trusted_proxy is not None and "trusted_proxy_headers" not in given and not settings.proxy_protocol:
        found.append(
            "trusted_proxy is set without trusted_proxy_headers, so x-forwarded-proto is trusted as in waitress; "
            "name the headers that your proxy sets"
        )
    return found
