"""Whose request it is, for a queue that is fair between clients.

A client is its address: REMOTE_ADDR, which behind trusted proxies is the forwarded one. Two exceptions:

- IPv6: the network of 64 bits. That is the least a household or a machine gets (RFC 6177, RIPE-690), and each of them
  may use any of its 2⁶⁴ addresses; privacy extensions change them by themselves (RFC 8981). An IPv4 address in
  IPv6's form (::ffff:192.0.2.1, as a dual-stack socket has it) is that IPv4 address.
- A Unix socket has no address. Its peer is a proxy in most cases; if that one is not trusted with a forwarded address,
  each of its connections counts as a client, since as one client all of a site's visitors would share one turn.
"""

import socket
from typing import Final

from wiverno.core.threads.exchange import Exchange
from wiverno.wsgi_types import Environ

UNIX_PEER: Final = "localhost"  # REMOTE_ADDR of a Unix peer; a forwarded name never gets there, only an address
MAPPED: Final = bytes(10) + b"\xff\xff"  # RFC 4291 §2.5.5.2
NETWORK: Final = 8  # bytes


def client_of(exchange: Exchange, environ: Environ) -> str:
    """Return the client of a request as text that only serves to be compared."""
    address: str = environ["REMOTE_ADDR"]
    if ":" in address:
        return network_of(address)
    if address == UNIX_PEER:
        return f"connection {exchange.client.fd}"
    return address


def network_of(address: str) -> str:
    """Return the network of an IPv6 address; text that is none is returned as it is."""
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return address
    if packed.startswith(MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return packed[:NETWORK].hex()
