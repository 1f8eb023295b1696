"""Names in certificates as text that has one reading only: the string form of a distinguished name (RFC 4514)."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

# RFC 4514 §3: the names that every reader of the form knows; OpenSSL gives the long ones.
_SHORT: Final = {
    "commonName": "CN", "localityName": "L", "stateOrProvinceName": "ST", "organizationName": "O",
    "organizationalUnitName": "OU", "countryName": "C", "streetAddress": "STREET", "domainComponent": "DC",
    "userId": "UID",
}  # fmt: skip
_SPECIAL: Final = re.compile(r'[\\"+,;<>]')
# Everything but printable ASCII is written as the hexadecimal pairs of its UTF-8 bytes (§2.4): the environ holds
# Latin-1 only (PEP 3333, Unicode Issues), and a log line stays one line.
_UNPRINTABLE: Final = re.compile(r"[^ -~]")

# Relative names of one pair or more each; the one nearest to the root comes first.
Name = Iterable[Sequence[tuple[str, str]]]


def distinguished_name(name: Name) -> str:
    """Return a name as RFC 4514 has it: the most specific part first, no character of a value taken for a separator."""
    parts = ["+".join(f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in pairs) for pairs in name]
    return ",".join(reversed(parts))


def _escaped(value: str) -> str:
    """Escape a value (RFC 4514 §2.4)."""
    text = _SPECIAL.sub(r"\\\g<0>", value)
    if text.startswith(("#", " ")):
        text = "\\" + text
    if text.endswith(" ") and len(value) > 1:
        text = text[:-1] + "\\ "
    return _UNPRINTABLE.sub(_pairs, text)


def _pairs(match: re.Match[str]) -> str:
    return "".join(f"\\{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
