"""Hosts and ports as text: how an address is written, and whether only this machine reaches it.

Pure text, without DNS and sockets: a name other than `localhost` can point anywhere, so it is never taken for local.
"""

from __future__ import annotations

from ipaddress import ip_address


def is_ip_address(host: str) -> bool:
    """Return whether a host is an IP address, without brackets."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host to listen on: `localhost` or a loopback address."""
    return ip_address(host).is_loopback if is_ip_address(host) else host == "localhost"


def is_rebind_proof(host: str) -> bool:
    """Return whether no DNS server can point a host elsewhere: an IP address, or `localhost` and names below it."""
    return host == "localhost" or host.endswith(".localhost") or is_ip_address(host)


def bracket_host(host: str) -> str:
    """Return a host as URLs and `host:port` have it: an IPv6 address stands in brackets (RFC 3986 section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def join_host_port(host: str, port: int) -> str:
    """Return `host:port` or `[v6]:port`."""
    return f"{bracket_host(host)}:{port}"


def strip_port(authority: str) -> str:
    """Return the host of a Host field in lower case, without port, brackets and the root's dot."""
    if authority.startswith("["):
        host = authority[1:].partition("]")[0]
    else:
        host = authority.partition(":")[0]
    return host.lower().rstrip(".")
