"""Which hosts a server answers for: names, every name below a name, and addresses, with or without a port.

A pattern is read once, at the start; a request's Host is compared with all of them. Both go through the grammar of Host
fields, so no text is a host here that a request could not name. It knows no DNS: a name is compared as it is written,
in lower case and without the root's dot.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from wiverno.http.errors import ProtocolError
from wiverno.http.grammar import is_authority, split_authority

ANY: Final = "*"
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class HostPattern:
    """A host that is answered for.

    Attributes:
        host: in lower case, without brackets and the root's dot; with a dot in front, every name below it.
        port: the port that the request must name, "" for any.
    """

    host: str
    port: str = ""


def read_host_pattern(text: str) -> HostPattern:
    """Return the pattern that a text is: `example.org`, `*.example.org`, `192.0.2.1`, `[2001:db8::1]:8443`, `*`.

    Raises:
        ValueError: it is none; the message says what is accepted.
    """
    if text == ANY:
        return HostPattern(ANY)
    if "://" in text or "/" in text:
        raise ValueError(f'"{text}" is an address of a page: write only its host')
    below = text.startswith("*.")
    rest = text[2:] if below else text
    if "*" in rest:
        raise ValueError(f'"{text}": * stands only in front, for every name below another one: *.example.org')
    if rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"
    authority = _as_ascii(rest)
    match = split_authority(authority)
    if match is None or not is_authority(authority) or not match["host"].strip(".") or match["port"] == "":
        raise ValueError(f'"{text}" is no host such as example.org, *.example.org or 192.0.2.1:8443')
    host, port = split_host(authority)
    if host.startswith("."):
        raise ValueError(f'"{text}" begins with a dot: write *{host} for the names below, and {host[1:]} for it')
    return HostPattern("." + host if below else host, port)


def _as_ascii(authority: str) -> str:
    """Return a name in the form in which clients send it (RFC 5890 §2.3.2.1)."""
    if authority.isascii():
        return authority
    name, colon, port = authority.partition(":")
    try:
        return name.encode("idna").decode("ascii") + colon + port
    except UnicodeError:
        return authority


def split_host(authority: str) -> tuple[str, str]:
    """Return host and port of a Host field: the host in one spelling, without brackets; the port "" if there is none.

    Args:
        authority: uri-host [ ":" port ], checked before (RFC 9110 §7.2).
    """
    match = split_authority(authority)
    if match is None:
        return "", ""
    host = match["host"].lower().rstrip(".")
    if host[:1] == "[":
        host = host[1:-1]
        try:
            host = str(ip_address(host))
        except ValueError:
            pass  # an address of a future version (RFC 3986 §3.2.2)
    return host, (match["port"] or "").lstrip("0")


class AllowedHosts:
    """The hosts that requests may name. It does not change, so all threads may use it."""

    __slots__ = ("_allows_all", "_hosts", "_suffixes")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Read the patterns.

        Raises:
            ValueError: one of them is none.
        """
        found = [read_host_pattern(text) for text in patterns]
        self._allows_all = any(pattern.host == ANY for pattern in found)
        self._hosts = frozenset((pattern.host, pattern.port) for pattern in found if pattern.host[:1] != ".")
        self._suffixes = tuple((pattern.host, pattern.port) for pattern in found if pattern.host[:1] == ".")

    def allows(self, authority: str, scheme: str = "http") -> bool:
        """Tell whether a host is one of them.

        Args:
            authority: the request's Host, checked before.
            scheme: of the request; its default port is the one of a Host without a port.
        """
        if self._allows_all:
            return True
        host, port = split_host(authority)
        if (host, "") in self._hosts:
            return True
        port = port or _DEFAULT_PORTS.get(scheme, "")
        if (host, port) in self._hosts:
            return True
        return any(
            host.endswith(suffix) and host != suffix and wanted in ("", port) for suffix, wanted in self._suffixes
        )

    def check(self, authority: str | None, scheme: str) -> None:
        """Refuse a request for another host; the arguments are those of `allows`, None for a request without Host.

        Raises:
            ProtocolError: 400 without a host, 421 for another one (RFC 9110 §15.5.20).
        """
        if not authority:
            raise ProtocolError(400, "the request names no host")
        if not self.allows(authority, scheme):
            raise ProtocolError(421, "this server does not answer for the requested host")
