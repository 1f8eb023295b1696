"""Rules between settings: which exclude one another, and which have no effect alone.

Rules about names need only what was given, so they hold before values are read; rules about values need all values, as
plain values by setting: this module does not know the model. Each problem names the setting to correct.
"""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from wiverno.addresses import is_loopback
from wiverno.config.errors import Origin, Problem
from wiverno.config.fields.units import HTTP_PORT, Address, TcpAddress, UnixAddress, read_address
from wiverno.files import error_text, make_absolute, unix_path
from wiverno.static.mounts import Mount

PROXY_HEADERS = (
    "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-by",
)  # fmt: skip

# Four ways to say where to listen. One source may use only one of them; a higher source replaces a lower one's.
LISTENING: tuple[tuple[str, ...], ...] = (("host", "port"), ("listen",), ("unix_socket",), ("sockets",))


def problem(key: str, message: str, hint: str | None = None) -> Problem:
    """Return the problem of a setting whose place is not known yet."""
    return Problem(message, Origin("keyword", text=key), key, hint=hint, about="key")


def find_conflicts(given: Collection[str]) -> list[Problem]:
    """Return which names exclude one another: waitress's rules on listen, host and port, unix_socket, sockets."""
    used = [group for group in LISTENING if any(name in given for name in group)]
    found = []
    for index, group in enumerate(used):
        for other in used[:index]:
            first = " and ".join(name for name in other if name in given)
            second = next(name for name in group if name in given)
            found.append(problem(second, f"may not be set if {first} {'are' if ' and ' in first else 'is'} set"))
    return found


def find_contradictions(
    values: Mapping[str, Any], given: Collection[str], addresses: Iterable[Address], admin: Address | None
) -> list[Problem]:
    """Return which values contradict one another.

    Args:
        values: every setting's value.
        given: the settings that some source has set.
        addresses: the addresses to listen on.
        admin: the address of the admin listener.
    """
    found = _about_proxies(values, given)
    found += _about_unix_sockets(values, addresses, admin)
    found += _about_operations(values, admin)
    found += _about_mounts(values["static"])
    found += _about_redirects(values, addresses)
    if values["http2"] and importlib.util.find_spec("hpack") is None:
        found.append(problem("http2", "needs the package hpack", "install the extra: pip install 'wiverno[http2]>=2'"))
    found += _about_threads(values, given)
    if not values["ipv4"] and not values["ipv6"] and not values["sockets"]:
        found.append(problem("ipv6", "ipv4 and ipv6 are both off, so there is nothing to listen on"))
    return found


def _about_threads(values: Mapping[str, Any], given: Collection[str]) -> list[Problem]:
    """Return which settings of the thread pool contradict one another."""
    if values["mode"] == "simple":
        return [
            problem(name, "has no effect in mode simple, which serves one request at a time", "leave out one of them")
            for name, least in (("threads", 2), ("max_threads", 2), ("max_requests_per_client", 1))
            if name in given and values[name] >= least
        ]
    threads, most = values["threads"], values["max_threads"]
    if 0 < most < threads:
        of_default = "" if "threads" in given else ", the default"
        return [
            problem(
                "max_threads",
                f"{most} is below threads, which is {threads}{of_default}: there are never fewer",
                f"set max_threads to {threads} or more, or lower threads",
            )
        ]
    return []


def _about_proxies(values: Mapping[str, Any], given: Collection[str]) -> list[Problem]:
    """Return which settings about proxies contradict one another."""
    trusts = values["trusted_proxy"] is not None or bool(values["trusted_proxies"])
    found = [
        problem(name, "has no meaning without trusted_proxy or trusted_proxies")
        for name in ("trusted_proxy_count", "trusted_proxy_headers")
        if name in given and values[name] and not trusts
    ]
    headers = values["trusted_proxy_headers"]
    if "forwarded" in headers and len(headers) > 1:
        found.append(
            problem(
                "trusted_proxy_headers",
                "forwarded and the x-forwarded headers exclude one another: trust only one kind",
            )
        )
    has_use = headers or values["trusted_proxy"] is not None or values["proxy_protocol"] or values["http2"]
    if values["trusted_proxies"] and not has_use:
        found.append(problem("trusted_proxies", "has no effect without trusted_proxy_headers, proxy_protocol or http2"))
    return found


def _about_unix_sockets(
    values: Mapping[str, Any], addresses: Iterable[Address], admin: Address | None
) -> list[Problem]:
    """Return which Unix sockets have a path that the system does not accept."""
    used = "listen" if values["listen"] else "unix_socket"
    found = []
    for key, address in [*((used, each) for each in addresses), ("admin_listen", admin)]:
        if isinstance(address, UnixAddress):
            try:
                unix_path(address.path)
            except OSError as error:
                found.append(problem(key, error_text(error)))
    return found


def _about_mounts(mounts: Iterable[Mount]) -> list[Problem]:
    """Return which mounts have a directory whose files can't be served."""
    found = []
    for number, mount in enumerate(mounts):
        if reason := why_unusable(mount.directory):
            origin = Origin("keyword", text="static")
            found.append(Problem(f"{mount.path}: {reason}", origin, "static", item=f"{number}.directory"))
    return found


def _about_operations(values: Mapping[str, Any], admin: Address | None) -> list[Problem]:
    """Return which settings of the admin listener, TLS and workers contradict one another."""
    found = []
    if isinstance(admin, TcpAddress) and not is_loopback(admin.host) and not values["admin_public"]:
        found.append(
            problem(
                "admin_listen",
                f"{admin} can be reached by other machines, which could read the server's status there",
                "listen on 127.0.0.1 or a Unix socket, or set admin_public = true",
            )
        )
    found.extend(
        problem(name, "has no meaning without certfile")
        for name in ("keyfile", "ca_certs")
        if values[name] is not None and values["certfile"] is None
    )
    if values["client_cert"] != "none" and values["ca_certs"] is None:
        found.append(problem("client_cert", "needs ca_certs: the authorities whose certificates are accepted"))
    if values["admin_metrics_application"] and values["admin_listen"] is None:
        found.append(problem("admin_metrics_application", "needs admin_listen, where /metrics is"))
    if values["stuck_requests"] == "recycle" and not values["workers"]:
        found.append(problem("stuck_requests", "recycle replaces a worker: it needs workers = 1 or more"))
    if values["max_requests_jitter"] and not values["max_requests"]:
        found.append(problem("max_requests_jitter", "has no meaning without max_requests"))
    return found


def _about_redirects(values: Mapping[str, Any], addresses: Iterable[Address]) -> list[Problem]:
    """Return what is wrong with the plain port beside TLS."""
    found = []
    named = [read_address(word, HTTP_PORT) for word in values["redirect_listen"]]
    if named and values["certfile"] is None:
        found.append(problem("redirect_listen", "has no meaning without certfile: nothing speaks TLS here"))
    elif named and addresses and all(isinstance(address, UnixAddress) for address in addresses):
        found.append(problem("redirect_listen", "needs an address with TLS, which Unix sockets do not speak"))
    # Port 0 is another port each time.
    taken = [one for one in named if one in addresses and not (isinstance(one, TcpAddress) and not one.port)]
    if taken and values["certfile"] is not None:
        found.append(problem("redirect_listen", f"{taken[0]} is where TLS is spoken: name another address"))
    found.extend(
        problem(name, "has no meaning without redirect_listen")
        for name in ("redirect_port", "acme_webroot")
        if values[name] and not named
    )
    if named and values["acme_webroot"] is not None and (reason := why_unusable(values["acme_webroot"])):
        found.append(problem("acme_webroot", reason))
    return found


def why_unusable(directory: str) -> str:
    """Return why a directory can't be served from, "" if it can."""
    try:
        mode = Path(make_absolute(directory)).stat().st_mode
    except FileNotFoundError:
        return f"there is no directory {directory}"
    except (OSError, ValueError) as error:
        return f"{directory}: {error_text(error)}"
    if not stat.S_ISDIR(mode):
        return f"{directory} is no directory"
    return "" if os.access(make_absolute(directory), os.X_OK) else f"{directory} can't be read by this user"


def find_deprecations(values: Mapping[str, Any], given: Collection[str], inert: Iterable[str]) -> list[str]:
    """Return a sentence for each deprecated use; `inert` are the settings that do nothing."""
    found = []
    used = [name for name in inert if name in given]
    if used:
        verb = "do" if len(used) > 1 else "does"
        found.append(f"{', '.join(used)} {verb} nothing in wiverno, whose engine is not asyncore; remove what sets it")
    if values["trusted_proxy"] is not None and "trusted_proxy_headers" not in given and not values["proxy_protocol"]:
        found.append(
            "trusted_proxy is set without trusted_proxy_headers, so x-forwarded-proto is trusted as in waitress; "
            "name the headers that your proxy sets"
        )
    return found
