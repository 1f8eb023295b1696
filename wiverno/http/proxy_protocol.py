"""The PROXY protocol: the client's address, sent by a proxy in front of a connection's first byte of HTTP.

Versions 1 (one line of text) and 2 (binary) of haproxy.org's doc/proxy-protocol.txt; sections named below are its. The
bytes come from any client, so the reader is strict and bounded. Whether that peer is trusted is
decided by the caller, who owns the socket.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from wiverno.http.errors import ProtocolError

__all__ = ["ProxyPreamble", "read_proxy_preamble"]

_V1_MARK = b"PROXY "
_V1_LIMIT = 107  # bytes, CRLF included: the longest line that section 2.1 allows
_V2_MARK = b"\r\n\r\n\0\r\nQUIT\n"
_V2_HEADER = 16  # bytes in front of the addresses
_V2_LIMIT = 4096  # bytes of addresses and extensions; certificates' names fit, a flood does not
_V2_ADDRESS_BYTES = {0x11: 4, 0x21: 16}  # family and transport: TCP over IPv4, TCP over IPv6
_V2_UNNAMED = {0x00: 0, 0x31: 216}  # unspecified, Unix stream: bytes of addresses that are not used here
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")

Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ProxyPreamble:
    """A complete preamble: its length in bytes, and the two ends; None (LOCAL, UNKNOWN) leaves the socket's own."""

    consumed: int
    source: Endpoint | None = None
    destination: Endpoint | None = None


def read_proxy_preamble(data: bytes) -> ProxyPreamble | None:
    """Read the PROXY protocol's preamble at the start of a connection; None: more bytes are needed.

    Raises:
        ProtocolError: 400, these bytes begin no preamble, or one that is malformed or too long.
    """
    if data.startswith(_V2_MARK):
        return _read_v2(data)
    if data.startswith(_V1_MARK):
        return _read_v1(data)
    if _V1_MARK.startswith(data) or _V2_MARK.startswith(data):
        return None
    raise ProtocolError(400, "PROXY protocol preamble expected.")


def _read_v1(data: bytes) -> ProxyPreamble | None:
    end = data.find(b"\r\n", 0, _V1_LIMIT)
    if end < 0:
        if len(data) >= _V1_LIMIT:
            raise _malformed_preamble()
        return None
    words = data[:end].decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":  # section 2.1: whatever follows up to the line's end is ignored
        return ProxyPreamble(end + 2)
    family = {"TCP4": IPv4Address, "TCP6": IPv6Address}.get(words[1])
    if family is None or len(words) != 6 or "%" in words[2] + words[3]:
        raise _malformed_preamble()
    try:
        source, destination = (str(family(word)) for word in words[2:4])
    except ValueError:
        raise _malformed_preamble() from None
    ports = words[4:]
    if not all(_PORT.fullmatch(port) is not None and int(port) <= 65535 for port in ports):
        raise _malformed_preamble()
    return ProxyPreamble(end + 2, (source, int(ports[0])), (destination, int(ports[1])))


def _read_v2(data: bytes) -> ProxyPreamble | None:
    if len(data) < _V2_HEADER:
        return None
    command, kind, length = data[12], data[13], int.from_bytes(data[14:16], "big")
    if command not in (0x20, 0x21) or length > _V2_LIMIT:
        raise _malformed_preamble()
    end = _V2_HEADER + length
    if command == 0x20:  # LOCAL: the proxy's own health check; the addresses are skipped
        return ProxyPreamble(end) if len(data) >= end else None
    size = _V2_ADDRESS_BYTES.get(kind)
    block = _V2_UNNAMED.get(kind) if size is None else 2 * size + 4
    if block is None or length < block:
        raise _malformed_preamble()
    if len(data) < end:
        return None
    _check_extensions(data, _V2_HEADER + block, end)
    if size is None:
        return ProxyPreamble(end)
    addresses = data[_V2_HEADER : _V2_HEADER + block]
    hosts = (str(ip_address(addresses[:size])), str(ip_address(addresses[size : 2 * size])))
    ports = (int.from_bytes(addresses[-4:-2], "big"), int.from_bytes(addresses[-2:], "big"))
    return ProxyPreamble(end, (hosts[0], ports[0]), (hosts[1], ports[1]))


def _check_extensions(data: bytes, position: int, end: int) -> None:
    """Walk the type-length-value fields after the addresses; they are not used, but their lengths must be right."""
    while position < end:
        if position + 3 > end:
            raise _malformed_preamble()
        position += 3 + int.from_bytes(data[position + 1 : position + 3], "big")
    if position > end:
        raise _malformed_preamble()


def _malformed_preamble() -> ProtocolError:
    return ProtocolError(400, "Malformed PROXY protocol preamble.")
