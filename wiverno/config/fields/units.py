"""Text ↔ value, one pair of functions per unit: durations, sizes, booleans, lists, file modes, listen addresses.

INI files, the environment and the command line have only text; it is read leniently, but nothing is guessed: ambiguous
text is refused, with both meanings. A function raises `BadValue`, whose message says what is accepted. Functions that
need exact fractions import decimal, which most starts do without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

from wiverno.addresses import join_host_port
from wiverno.config.errors import BadValue

HTTP_PORT = 80

# waitress's words for true, and their opposites; any other text is a mistake (for waitress it is false).
TRUE_WORDS = frozenset(("true", "t", "yes", "y", "on", "1"))
FALSE_WORDS = frozenset(("false", "f", "no", "n", "off", "0"))

_SECONDS = {"d": "86400", "h": "3600", "m": "60", "s": "1", "ms": "0.001"}
_BYTES = {"": 1, "b": 1} | {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_BYTES |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|[dhms])\s*")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_HOST = re.compile(r"[^\s/\[\]:,]*")
_PORT = re.compile(r"[0-9]{1,5}")

DURATION_PATTERN = r"^\s*([0-9]+(\.[0-9]+)?|([0-9]+(\.[0-9]+)?\s*(ms|[dhms])\s*)+)\s*$"
SIZE_PATTERN = r"^\s*[0-9]+(\.[0-9]+)?\s*([bB]|[kKmMgGtT][iI]?[bB])?\s*$"
MODE_PATTERN = r"^\s*(0[oO]?)?[0-7]{3}\s*$"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host name or IP address and a port; host "" means every address, port 0 a port that the system chooses."""

    host: str
    port: int

    def __str__(self) -> str:
        return join_host_port(self.host or "*", self.port)


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A Unix socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class FdAddress:
    """An inherited socket: by the name that systemd gives it (FileDescriptorName), or by its descriptor's number."""

    name: str

    def __str__(self) -> str:
        return f"fd:{self.name}"


Address = TcpAddress | UnixAddress | FdAddress


def read_boolean(text: str) -> bool:
    """Return the boolean that the text names, in any case."""
    word = text.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise BadValue("expected true or false (also yes/no, on/off, 1/0)")


def read_integer(text: str) -> int:
    """Return the whole number in decimal digits; underscores, which int() accepts, are refused."""
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text.strip()):
        raise BadValue("expected a whole number")
    return int(text)


def read_duration(text: str) -> float:
    """Return seconds from `30`, `0.5`, `500ms`, `30s`, `1m30s`, `2h`, `1d`; the parts go from large to small."""
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped):
        return float(stripped)
    from decimal import Decimal

    total, position, units = Decimal(0), 0, list(_SECONDS)
    while position < len(stripped):
        part = _DURATION_PART.match(stripped, position)
        if part is None or part[2] not in units:
            raise BadValue("expected a duration: seconds, or 500ms, 30s, 1m30s, 2h, 1d")
        total += Decimal(part[1]) * Decimal(_SECONDS[part[2]])
        units = units[units.index(part[2]) + 1 :]
        position = part.end()
    if not stripped:
        raise BadValue("expected a duration: seconds, or 500ms, 30s, 1m30s, 2h, 1d")
    return float(total)


def format_duration(seconds: float) -> str:
    """Return the shortest usual spelling of seconds; `read_duration` gives the same number back."""
    from decimal import Decimal

    exact = Decimal(repr(seconds))
    if exact == exact.to_integral_value() and exact < Decimal(10) ** 12:
        rest, parts = int(exact), []
        for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
            count, rest = divmod(rest, size)
            if count:
                parts.append(f"{count}{unit}")
        return "".join(parts) or "0s"
    milliseconds = exact * 1000
    if milliseconds == milliseconds.to_integral_value() and milliseconds < 1000:
        return f"{int(milliseconds)}ms"
    return format(exact, "f")


def read_size(text: str) -> int:
    """Return bytes from `8192`, `10kB`, `1.5MiB`; a bare k, m or g is refused: people mean both 1000 and 1024 by it."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[2].lower() not in _BYTES and match[2].lower() not in ("k", "m", "g", "t")):
        raise BadValue("expected a size: bytes, or kB MB GB (powers of 1000), KiB MiB GiB (powers of 1024)")
    from decimal import Decimal

    number, unit = Decimal(match[1]), match[2]
    if unit.lower() in ("k", "m", "g", "t"):
        letter = unit.upper()
        decimal = "kB" if letter == "K" else f"{letter}B"
        raise BadValue(f'"{unit}" alone is ambiguous: write {letter}iB (powers of 1024) or {decimal} (powers of 1000)')
    size = number * _BYTES[unit.lower()]
    if size != size.to_integral_value():
        raise BadValue("expected a whole number of bytes")
    return int(size)


def format_size(size: int) -> str:
    """Return bytes in the largest binary unit that divides them; `read_size` gives the same number back."""
    for unit, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def read_mode(text: str) -> int:
    """Return a file mode from octal digits: `660`, `0660`, `0o660`."""
    if not re.fullmatch(r"(?:0[oO]?)?[0-7]{3}", text.strip()):
        raise BadValue('expected a file mode in octal, such as "660"')
    return int(text.strip().lower().removeprefix("0o"), 8)


def format_mode(mode: int) -> str:
    """Return a file mode as octal digits."""
    return f"{mode:03o}"


def read_words(text: str) -> list[str]:
    """Return the items of a list written as text: between commas, spaces and line breaks."""
    return [word for word in re.split(r"[\s,]+", text) if word]


def read_host(text: str) -> str:
    """Return a host name or IP address; "" and "*" mean every address, brackets around an IPv6 address are removed."""
    host = text.strip()
    if host == "*":
        return ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if _HOST.fullmatch(host):
        return host
    try:
        IPv6Address(host)
    except AddressValueError:
        hint = "the port is another setting: port" if re.fullmatch(r"[^\s:]*:[0-9]+", host) else None
        raise BadValue("expected a host name or an IP address", hint) from None
    return host


def read_port(text: str) -> int:
    """Return a TCP port from 0 to 65535."""
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise BadValue(f'"{text}" is not a port (0 to 65535)')
    return int(text)


def read_address(text: str, default_port: int = 0) -> Address:
    """Return the address that an item of `listen` names.

    Args:
        text: `host:port`, `[v6]:port`, `*:port`, `:port`, a bare host, `unix:/path`, or `fd:NAME`.
        default_port: the port of a bare host.
    """
    scheme, _, rest = text.partition(":")
    if scheme == "unix":
        if not rest:
            raise BadValue('expected a path after "unix:"', "write unix:/run/wiverno.sock")
        return UnixAddress(rest)
    if scheme == "fd":
        if not re.fullmatch(r"[^\s:,]+", rest):
            raise BadValue('expected the name or number of a systemd socket after "fd:"')
        return FdAddress(rest)
    if "://" in text:
        raise BadValue("expected host:port, [v6]:port, *:port, unix:/path or fd:NAME", "leave the scheme out")
    if text.isdigit():
        raise BadValue(f'"{text}" is a port without a host', f"write *:{text} or 127.0.0.1:{text}")
    if text.count(":") > 1 and not text.startswith("["):
        raise BadValue("an IPv6 address needs brackets", "write [address]:port, such as [::1]:8080")
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        return TcpAddress(read_host(text), default_port)
    return TcpAddress(read_host(host), read_port(port))
