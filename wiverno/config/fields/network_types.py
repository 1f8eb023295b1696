"""The types of value for the network: hosts, addresses to listen on, networks, sockets."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from wiverno.config.errors import BadValue
from wiverno.config.fields import units
from wiverno.config.fields.types import ValueType, list_of, reject_native
from wiverno.http.hosts import read_host_pattern

Network = IPv4Network | IPv6Network


def host() -> ValueType:
    """Return the type of a host to listen on, kept as written; `*` is every address."""
    accepts = "a host name or an IP address; * is every address"

    def read(raw: str) -> str:
        return units.read_host(raw) if raw.strip() != "*" else "*"

    examples = ("127.0.0.1", "::1", "*")
    return ValueType(accepts, read, reject_native("a host name or an IP address"), metavar="HOST", examples=examples)


def addresses() -> ValueType:
    """Return the type of addresses to listen on, kept as written; `Adjustments.addresses` parses them."""

    def item(word: str) -> str:
        units.read_address(word)
        return word

    accepts = "a list of host:port, [v6]:port, *:port, unix:/path, fd:NAME"
    examples = ("127.0.0.1:8000", "[::1]:8000", "unix:/run/wiverno.sock")
    return list_of(accepts, item, metavar="ADDRESS", examples=examples)


def redirect_addresses() -> ValueType:
    """Return the type of addresses of plain ports, kept as written; `Adjustments.redirect_addresses` parses them."""

    def item(word: str) -> str:
        if isinstance(units.read_address(word), units.UnixAddress):
            raise BadValue("expected host:port, [v6]:port, *:port or fd:NAME")
        return word

    accepts = "a list of host:port, [v6]:port, *:port, fd:NAME"
    return list_of(accepts, item, metavar="ADDRESS", examples=("0.0.0.0:80", "[::]:80", "fd:http"))


def networks() -> ValueType:
    """Return the type of IP networks in CIDR notation; an address alone is a network of one."""

    def item(word: str | Network) -> Network:
        try:
            return ip_network(word)
        except ValueError:
            pass
        hint = "every address is 0.0.0.0/0 and ::/0" if word == "*" else None
        try:
            hint = f"write {ip_network(word, strict=False)}"
        except ValueError:
            pass
        raise BadValue("expected IP networks such as 10.0.0.0/8 or ::1", hint)

    accepted = (str, IPv4Network, IPv6Network)
    examples = ("10.0.0.0/8", "::1")
    return list_of("a list of IP networks", item, metavar="NETWORK", examples=examples, native_items=accepted)


def hosts() -> ValueType:
    """Return the type of hosts that requests may name, kept as written; `wiverno.http.hosts` compares them."""

    def item(word: str) -> str:
        try:
            read_host_pattern(word)
        except ValueError as error:
            raise BadValue(str(error)) from None
        return word

    accepts = "a list of hosts such as example.org, *.example.org, 192.0.2.1 or [2001:db8::1]:8443"
    return list_of(accepts, item, metavar="HOST", examples=("www.example.org", "*.example.org", "192.0.2.1"))


def sockets() -> ValueType:
    """Return the type of bound stream sockets, recognised by their attributes: this room does not import socket."""

    def lenient(raw: str) -> tuple[Any, ...]:
        if raw.strip():
            raise BadValue("expected socket objects, which only a call in Python can give", "use listen = fd:NAME")
        return ()

    def strict(raw: object) -> tuple[Any, ...]:
        if not isinstance(raw, list | tuple):
            raise BadValue("expected a list of sockets")
        families = {_socket_family(entry) for entry in raw}
        if len(families) > 1:
            raise BadValue("Internet and UNIX sockets may not be mixed")
        return tuple(raw)

    return ValueType("bound stream sockets (in code only)", lenient, strict, text=lambda _: "", native=lambda _: [])


def _socket_family(entry: Any) -> str:
    """Return "inet" or "unix"."""
    family = getattr(getattr(entry, "family", None), "name", None)
    if family is None or not hasattr(entry, "fileno"):
        raise BadValue(f"expected sockets, not {type(entry).__name__}")
    if family not in ("AF_INET", "AF_INET6", "AF_UNIX") or getattr(entry.type, "name", "") != "SOCK_STREAM":
        raise BadValue("only Internet or UNIX stream sockets may be used")
    return "unix" if family == "AF_UNIX" else "inet"
