"""Which proxies are believed, and with which fields; the fields of all others are removed.

Strategy: most requests carry none of these fields, so `ProxyPolicy.apply` asks that first and returns. What trusted
proxies say is read by `wiverno.wsgi.forwarded`. This module knows no socket and no setting: whether a peer is trusted
is asked once a connection and handed in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from wiverno.foreign_code import guarded_logger
from wiverno.wsgi.proxy_fields import FIELD_NAMES, PROXY_KEYS

logger = guarded_logger("wiverno")

# Called with the environ, the trusted fields, and how many entries trusted proxies have appended.
Rewrite = Callable[[dict[str, object], frozenset[str], int], None]


def _rewrite(environ: dict[str, object], names: frozenset[str], count: int) -> None:
    from wiverno.wsgi.forwarded import rewrite

    rewrite(environ, names, count)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ProxyPolicy:
    """Which peers are trusted, and with which fields.

    Attributes:
        trusted_proxy: one peer address, ``"*"`` for every peer, ``"localhost"`` for Unix peers, None for no peer.
        trusted_proxies: networks whose addresses are believed as well.
        trusted_proxy_count: how many entries, counted from the right, trusted proxies have appended.
        trusted_proxy_headers: names in lower case: ``forwarded``, or any of ``x-forwarded-{for,host,proto,port,by}``.
        clear_untrusted: remove the fields that are not believed from the environ.
        log_untrusted: warn when one has been taken out.
        rewrite: `wiverno.wsgi.forwarded.rewrite`; the default loads it, for a server without trusted proxies does not.
    """

    trusted_proxy: str | None = None
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    trusted_proxy_count: int = 1
    trusted_proxy_headers: frozenset[str] = frozenset()
    clear_untrusted: bool = True
    log_untrusted: bool = False
    rewrite: Rewrite = _rewrite

    def trusts(self, peer: str) -> bool:
        """Tell whether this peer's proxy fields are believed; ask once a connection and keep the answer."""
        if self.trusted_proxy is not None and self.trusted_proxy in ("*", peer):
            return True
        if not self.trusted_proxies:
            return False
        try:
            address = ip_address(peer)
        except ValueError:  # a Unix peer has no address
            return False
        # A dual-stack listener shows an IPv4 peer as ::ffff:192.0.2.1.
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in network or address in network for network in self.trusted_proxies)

    def apply(self, environ: dict[str, object], trusted: bool) -> None:
        """Rewrite the environ from the trusted fields, and remove the others.

        Args:
            environ: a complete environ; REMOTE_ADDR is still the peer.
            trusted: what `trusts` said of the peer.

        Raises:
            ProtocolError: 400, a trusted field is malformed; the environ is as it was.
        """
        if environ.keys().isdisjoint(PROXY_KEYS):
            return
        if trusted and self.trusted_proxy_headers:
            self.rewrite(environ, self.trusted_proxy_headers, self.trusted_proxy_count)
        if self.clear_untrusted:
            self._clear(environ, trusted)

    def _clear(self, environ: dict[str, object], trusted: bool) -> None:
        believed = self.trusted_proxy_headers if trusted else frozenset[str]()
        removed = [
            name
            for key, name in FIELD_NAMES.items()
            if name.lower() not in believed and environ.pop(key, None) is not None
        ]
        if removed and self.log_untrusted:
            names = ", ".join(removed)
            logger.warning("Removed untrusted headers (%s). Wiverno recommends these be removed upstream.", names)
