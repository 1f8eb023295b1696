"""The PROXY protocol's preamble: read whole or byte by byte with the same result, refused when it is anything else."""

import pytest

from wiverno.http.errors import ProtocolError
from wiverno.http.proxy_protocol import ProxyPreamble, read_proxy_preamble

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
IPV4 = bytes([192, 0, 2, 1, 198, 51, 100, 2]) + (56324).to_bytes(2, "big") + (443).to_bytes(2, "big")
IPV6 = bytes.fromhex("20010db800000000000000000000000120010db8000000000000000000000002") + b"\x00\x01\xff\xff"
ENDS_V4 = (("192.0.2.1", 56324), ("198.51.100.2", 443))


def v2(command: int, kind: int, block: bytes, length: int | None = None) -> bytes:
    return SIGNATURE + bytes([command, kind]) + (len(block) if length is None else length).to_bytes(2, "big") + block


VALID = {
    "v1 over IPv4": (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", ENDS_V4),
    "v1 over IPv6": (b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", (("2001:db8::1", 1), ("::1", 65535))),
    "v1 longest IPv6": (
        b"PROXY TCP6 " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n",
        ((("ffff:" * 8)[:-1], 65535), (("ffff:" * 8)[:-1], 65535)),
    ),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1 unknown with whatever follows": (b"PROXY UNKNOWN ffff:f...f:ffff \xff 65535\r\n", None),
    "v2 over IPv4": (v2(0x21, 0x11, IPV4), ENDS_V4),
    "v2 over IPv6": (v2(0x21, 0x21, IPV6), (("2001:db8::1", 1), ("2001:db8::2", 65535))),
    "v2 with extensions": (v2(0x21, 0x11, IPV4 + b"\x04\x00\x03abc" + b"\x05\x00\x00"), ENDS_V4),
    "v2 local": (v2(0x20, 0x00, b""), None),
    "v2 local with addresses to skip": (v2(0x20, 0x11, IPV4), None),
    "v2 unspecified": (v2(0x21, 0x00, b""), None),
    "v2 unix": (v2(0x21, 0x31, b"/a".ljust(108, b"\0") + b"/b".ljust(108, b"\0")), None),
    "v2 at the limit": (v2(0x21, 0x11, IPV4 + b"\x04" + (4096 - 15).to_bytes(2, "big") + bytes(4096 - 15)), ENDS_V4),
}
INVALID = {
    "no preamble": b"GET / HTTP/1.1\r\n",
    "lower case": b"proxy TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
    "v1 without a family": b"PROXY \r\n",
    "v1 unknown family": b"PROXY UDP4 192.0.2.1 198.51.100.2 56324 443\r\n",
    "v1 missing port": b"PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
    "v1 one word more": b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 7\r\n",
    "v1 two spaces": b"PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
    "v1 wrong family of address": b"PROXY TCP4 ::1 ::1 56324 443\r\n",
    "v1 address out of range": b"PROXY TCP4 192.0.2.256 198.51.100.2 56324 443\r\n",
    "v1 leading zero in address": b"PROXY TCP4 192.0.2.01 198.51.100.2 56324 443\r\n",
    "v1 zone": b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    "v1 port out of range": b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
    "v1 leading zero in port": b"PROXY TCP4 192.0.2.1 198.51.100.2 0443 443\r\n",
    "v1 signed port": b"PROXY TCP4 192.0.2.1 198.51.100.2 +443 443\r\n",
    "v1 endless": b"PROXY UNKNOWN " + b"x" * 100,
    "v1 too long": b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
    "v1 bare line feed": b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\nGET / HTTP/1.1\r\n",
    "v2 wrong version": v2(0x11, 0x11, IPV4),
    "v2 unknown command": v2(0x22, 0x11, IPV4),
    "v2 datagram": v2(0x21, 0x12, IPV4),
    "v2 unknown family": v2(0x21, 0x41, IPV4),
    "v2 short block": v2(0x21, 0x11, IPV4[:-1]),
    "v2 IPv4 block for IPv6": v2(0x21, 0x21, IPV4),
    "v2 cut extension": v2(0x21, 0x11, IPV4 + b"\x04\x00"),
    "v2 over-long extension": v2(0x21, 0x11, IPV4 + b"\x04\x00\x09abc"),
    "v2 over the limit": v2(0x21, 0x11, b"", 4097),
    "v2 local over the limit": v2(0x20, 0x00, b"", 65535),
}


@pytest.mark.parametrize("name", VALID)
def test_valid(name: str) -> None:
    """A complete preamble gives both ends and its own length, whatever follows; any shorter piece asks for more."""
    data, ends = VALID[name]
    source, destination = ends or (None, None)
    for rest in (b"", b"GET / HTTP/1.1\r\n\r\n"):
        assert read_proxy_preamble(data + rest) == ProxyPreamble(len(data), source, destination)
    for length in range(len(data)):
        assert read_proxy_preamble(data[:length]) is None


@pytest.mark.parametrize("name", INVALID)
def test_invalid(name: str) -> None:
    """Anything else is a 400, and no piece of it is taken for a preamble."""
    data = INVALID[name]
    with pytest.raises(ProtocolError) as raised:
        read_proxy_preamble(data)
    assert raised.value.status == 400
    for length in range(len(data)):
        try:
            assert read_proxy_preamble(data[:length]) is None
        except ProtocolError:
            break
