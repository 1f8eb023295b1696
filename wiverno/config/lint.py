"""Warnings of settings that are accepted but probably not wanted: one sentence each, with the remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from wiverno.addresses import is_ip_address, is_loopback
from wiverno.config.fields.units import format_size
from wiverno.config.settings import Adjustments, TcpAddress
from wiverno.files import make_absolute, start_directory

SMALLEST_WORKER: Final = 32 * 2**20  # bytes; Python, the server and a small framework's application
_CGROUP_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")


def find_risks(settings: Adjustments) -> list[str]:
    """Return a warning for each risky combination."""
    public = sorted(str(address) for address in settings.addresses if _is_public(address))
    found = _find_published_files(settings)
    if settings.trusted_proxy == "*" and public:
        found.append(
            f"trusted_proxy = * trusts the proxy headers of every client that can reach {', '.join(public)}; "
            "name the proxy's address, or listen on 127.0.0.1 or a Unix socket"
        )
    if any(network.prefixlen == 0 for network in settings.trusted_proxies) and public:
        found.append(
            f"trusted_proxies trusts the proxy headers of every client that can reach {', '.join(public)}; "
            "name the proxies' networks"
        )
    if (
        settings.trusted_proxy
        and settings.trusted_proxy not in ("*", "localhost")
        and not is_ip_address(settings.trusted_proxy)
    ):
        found.append(
            f"trusted_proxy = {settings.trusted_proxy} never matches, because peers are compared by IP address; "
            "write the address"
        )
    if settings.expose_tracebacks and public:
        found.append(
            f"expose_tracebacks shows source lines to all who can reach {', '.join(public)}; turn it off there"
        )
    if settings.graceful_timeout == 0:
        found.append(
            "graceful_timeout = 0 sets no deadline, so one stuck request keeps the server from stopping; "
            "set it below what the service manager waits"
        )
    if settings.http2 and not _may_speak_http2(settings):
        found.append(
            "http2 has no effect here, because plain ports speak it with trusted proxies only; "
            "set certfile or trusted_proxies, or listen on a Unix socket"
        )
    memory = _machine_memory()
    each = settings.max_rss or SMALLEST_WORKER
    if memory is not None and settings.workers * each > memory:
        found.append(
            f"workers = {settings.workers} processes of {format_size(each)} (max_rss, or what a small application "
            f"takes) need more than the {format_size(memory)} of memory available; lower workers or max_rss"
        )
    limit = _descriptor_limit()
    if limit is not None and settings.connection_limit >= limit - 16:
        found.append(
            f"connection_limit = {settings.connection_limit} needs more than the {limit} file descriptors allowed; "
            "raise the limit (ulimit -n, LimitNOFILE=) or lower connection_limit"
        )
    return found


def _find_published_files(settings: Adjustments) -> list[str]:
    """Return warnings of mounts that hide the application, or publish what is no part of the site."""
    found = []
    for mount in settings.static:
        if mount.path == "/" and not mount.fallback:
            found.append(
                "static: the mount / answers every path, so the application gets no request; set fallback = true"
            )
        directory = Path(make_absolute(mount.directory)).resolve()
        for what, place in _private_directories(settings):
            if Path(place).resolve().is_relative_to(directory):
                found.append(
                    f"static: {mount.directory} contains the directory {what}, so clients can read the application's "
                    "source and settings; name a directory with public files only"
                )
                break
    return found


def _private_directories(settings: Adjustments) -> Iterator[tuple[str, str]]:
    """Yield the directories with the application's source, as words and path; none that were removed."""
    start = start_directory()
    if start is not None:
        yield "where the server starts", start
    if settings.chdir is not None:
        with suppress(OSError):
            yield "of chdir", make_absolute(settings.chdir)


def _may_speak_http2(settings: Adjustments) -> bool:
    """Return whether any client can speak HTTP/2; inherited sockets may be Unix sockets."""
    has_trust = settings.trusted_proxy is not None or bool(settings.trusted_proxies)
    is_plain = all(isinstance(address, TcpAddress) for address in settings.addresses)
    return settings.certfile is not None or has_trust or not is_plain or bool(settings.sockets)


def _is_public(address: object) -> bool:
    """Return whether other machines can reach an address; every name but localhost counts as public."""
    return isinstance(address, TcpAddress) and not is_loopback(address.host)


def _descriptor_limit() -> int | None:
    """Return how many files this process may open, or None if there is no limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _machine_memory() -> int | None:
    """Return the bytes of memory that this process may use, or None if that is not known."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
    try:
        return min(memory, int(_CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no control group, or "max"
        return memory
