"""The kinds of value a setting can have: what is accepted, how it is read, how it is written again.

A kind stands in a setting's annotation, so pydantic reads values through it and the schema, the options' help and the settings page
are told by it. The rule for reading is one: text is lenient, because INI files, the environment and the command line have nothing
else; a native value (TOML, Python) must already be of the right type, so `port = true` is a mistake and not port 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from wiverno.config import units
from wiverno.config.errors import BadValue, did_you_mean

Network = IPv4Network | IPv6Network

# One century in seconds: far above any use, and no clock or poll call overflows.
LONGEST = 3_155_760_000

# Decimal numbers that are valid octal modes by accident (400 is 0o620) and are far more often a forgotten quote.
_DOUBTFUL_MODES = frozenset((400, 440, 444, 500))


@dataclass(frozen=True)
class Kind:
    """How values of one kind are read and written; the classes below say of what kind."""

    unit: ClassVar[str] = ""
    metavar: ClassVar[str] = "TEXT"
    is_flag: ClassVar[bool] = False
    is_list: ClassVar[bool] = False

    def read(self, raw: object) -> Any:
        """Return the normalised value.

        Raises:
            BadValue: the value is not accepted.
        """
        return self.from_text(raw) if isinstance(raw, str) else self.from_native(raw)

    def from_text(self, text: str) -> Any:
        """Read text leniently."""
        raise NotImplementedError

    def from_native(self, raw: object) -> Any:
        """Read a value of TOML or Python strictly."""
        raise NotImplementedError

    def text(self, value: Any) -> str:
        """Return the value as INI, the environment and options spell it; `read` gives the same value back."""
        return str(value)

    def native(self, value: Any) -> Any:
        """Return the value as TOML spells it best; `read` gives the same value back."""
        return self.text(value)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what a TOML file may say."""
        return {"type": "string"}

    @property
    def accepts(self) -> str:
        """What is accepted, in words."""
        return "text"

    @property
    def examples(self) -> tuple[str, ...]:
        """Values to show in explanations, as text."""
        return ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.schema()


@dataclass(frozen=True)
class Text(Kind):
    """Any text; with a pattern, text of that form.

    Args:
        pattern: regular expression that the whole text must match.
        form: the pattern in words.
        optional: empty text and None mean "none".
    """

    pattern: str = ""
    form: str = "text"
    optional: bool = False
    samples: tuple[str, ...] = ()

    def from_text(self, text: str) -> str | None:
        text = text.strip()
        if self.optional and not text:
            return None
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise BadValue(f"expected {self.form}")
        return text

    def from_native(self, raw: object) -> str | None:
        if raw is None and self.optional:
            return None
        raise BadValue(f"expected {self.form}", "write it in quotes" if isinstance(raw, int | float) else None)

    def text(self, value: str | None) -> str:
        return value or ""

    @property
    def accepts(self) -> str:
        return self.form

    @property
    def examples(self) -> tuple[str, ...]:
        return self.samples


@dataclass(frozen=True)
class Identity(Text):
    """The Server header's text; None and empty text leave the header out."""

    # RFC 9110 §5.5: visible characters, spaces and tabs; line breaks would start another header.
    pattern: str = r"[\t\x20-\x7e\x80-\xff]*"
    form: str = "text that can stand in a header: no line breaks, no control characters"

    def from_native(self, raw: object) -> str | None:
        return "" if raw is None else super().from_native(raw)


@dataclass(frozen=True)
class Prefix(Text):
    """A path prefix, written with or without its slashes: one slash before it, none after it, "" for none."""

    pattern: str = r"[^\s?#]*"
    form: str = "a path such as /app"

    def from_text(self, text: str) -> str:
        prefix = (super().from_text(text) or "").strip("/")
        return f"/{prefix}" if prefix else ""


@dataclass(frozen=True)
class Host(Kind):
    """A host name or IP address to listen on; stored as written, "" and "*" being every address."""

    metavar: ClassVar[str] = "HOST"

    def from_text(self, text: str) -> str:
        host = units.read_host(text)
        return "*" if text.strip() == "*" else host

    def from_native(self, raw: object) -> str:
        raise BadValue("expected a host name or an IP address", "write it in quotes")

    @property
    def accepts(self) -> str:
        return "a host name or an IP address; * is every address"

    @property
    def examples(self) -> tuple[str, ...]:
        return ("127.0.0.1", "::1", "*")


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number between two bounds, both included."""

    least: int = 0
    most: int | None = None

    metavar: ClassVar[str] = "NUMBER"

    def from_text(self, text: str) -> int:
        return self._bounded(units.read_whole(text))

    def from_native(self, raw: object) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise BadValue("expected a whole number")
        return self._bounded(raw)

    def _bounded(self, number: int) -> int:
        if number < self.least:
            raise BadValue(f"must be at least {self.least}")
        if self.most is not None and number > self.most:
            raise BadValue(f"must be at most {self.most}")
        return number

    def native(self, value: int) -> int:
        return value

    def schema(self) -> dict[str, Any]:
        bounds = {"minimum": self.least} | ({} if self.most is None else {"maximum": self.most})
        return {"anyOf": [{"type": "integer", **bounds}, {"type": "string", "pattern": r"^\s*[0-9]+\s*$"}]}

    @property
    def accepts(self) -> str:
        upper = f"to {self.most}" if self.most is not None else "upwards"
        return f"a whole number from {self.least} {upper}"

    @property
    def examples(self) -> tuple[str, ...]:
        return ("8000",) if self.most == 65535 else ()


@dataclass(frozen=True)
class Duration(Kind):
    """A length of time in seconds.

    Args:
        zero: what 0 means; empty where 0 is a length like any other.
    """

    zero: str = "no limit"

    unit: ClassVar[str] = "seconds"
    metavar: ClassVar[str] = "DURATION"

    def from_text(self, text: str) -> float:
        return self._bounded(units.read_duration(text))

    def from_native(self, raw: object) -> float:
        if not isinstance(raw, int | float) or isinstance(raw, bool) or not math.isfinite(raw):
            raise BadValue('expected a duration: seconds, or text such as "30s" or "1m30s"')
        return self._bounded(float(raw))

    def _bounded(self, seconds: float) -> float:
        if seconds < 0:
            raise BadValue("must be at least 0")
        if seconds > LONGEST:
            raise BadValue("must be at most a hundred years")
        return seconds

    def text(self, value: float) -> str:
        return units.duration_text(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": units.DURATION_PATTERN}]}

    @property
    def accepts(self) -> str:
        return "a duration: seconds, or 500ms, 30s, 1m30s, 2h, 1d" + (f"; 0 is {self.zero}" if self.zero else "")

    @property
    def examples(self) -> tuple[str, ...]:
        return ("30s", "1m30s", "2h")


@dataclass(frozen=True)
class Size(Kind):
    """An amount of bytes."""

    least: int = 0

    unit: ClassVar[str] = "bytes"
    metavar: ClassVar[str] = "SIZE"

    def from_text(self, text: str) -> int:
        return self._bounded(units.read_size(text))

    def from_native(self, raw: object) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise BadValue('expected a size: bytes, or text such as "10MiB"')
        return self._bounded(raw)

    def _bounded(self, size: int) -> int:
        if size < self.least:
            raise BadValue(f"must be at least {self.least}")
        if size > 2**62:
            raise BadValue("must be at most 4194304TiB")
        return size

    def text(self, value: int) -> str:
        return units.size_text(value)

    def native(self, value: int) -> int | str:
        return self.text(value) if value >= 1024 and not self.text(value).isdigit() else value

    def schema(self) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "integer", "minimum": self.least}, {"type": "string", "pattern": units.SIZE_PATTERN}]
        }

    @property
    def accepts(self) -> str:
        return "a size: bytes, or kB MB GB (powers of 1000), KiB MiB GiB (powers of 1024)"

    @property
    def examples(self) -> tuple[str, ...]:
        return ("64KiB", "10MiB", "1GB")


@dataclass(frozen=True)
class Flag(Kind):
    """True or false."""

    metavar: ClassVar[str] = "BOOLEAN"
    is_flag: ClassVar[bool] = True

    def from_text(self, text: str) -> bool:
        return units.read_boolean(text)

    def from_native(self, raw: object) -> bool:
        if isinstance(raw, bool):
            return raw
        raise BadValue("expected true or false")

    def text(self, value: bool) -> str:
        return "true" if value else "false"

    def native(self, value: bool) -> bool:
        return value

    def schema(self) -> dict[str, Any]:
        words = "|".join(sorted(units.TRUE_WORDS | units.FALSE_WORDS))
        return {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": rf"^\s*(?i:{words})\s*$"}]}

    @property
    def accepts(self) -> str:
        return "true or false (also yes/no, on/off, 1/0)"

    @property
    def examples(self) -> tuple[str, ...]:
        return ("true", "false")


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...] = ()

    def from_text(self, text: str) -> str:
        word = text.strip().lower()
        if word in self.words:
            return word
        raise BadValue(f"expected {self.accepts}", did_you_mean(word, self.words))

    def from_native(self, raw: object) -> str:
        raise BadValue(f"expected {self.accepts}")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.words)}

    @property
    def accepts(self) -> str:
        quoted = [f"'{word}'" for word in self.words]
        return ", ".join(quoted[:-1]) + f" or {quoted[-1]}"

    @property
    def examples(self) -> tuple[str, ...]:
        return self.words


@dataclass(frozen=True)
class Mode(Kind):
    """A file mode, in octal."""

    metavar: ClassVar[str] = "OCTAL"

    def from_text(self, text: str) -> int:
        return units.read_mode(text)

    def from_native(self, raw: object) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise BadValue('expected a file mode in octal, such as "660"')
        if raw > 0o777 or raw < 0 or raw in _DOUBTFUL_MODES:
            hint = f'write "{raw}" in quotes, or 0o{raw}' if re.fullmatch(r"[0-7]{3}", str(raw)) else None
            raise BadValue("is a decimal number, and a file mode is octal" if hint else "is no file mode", hint)
        return raw

    def text(self, value: int) -> str:
        return units.mode_text(value)

    def schema(self) -> dict[str, Any]:
        integer = {"type": "integer", "minimum": 0, "maximum": 0o777}
        return {"anyOf": [{"type": "string", "pattern": units.MODE_PATTERN}, integer]}

    @property
    def accepts(self) -> str:
        return 'a file mode in octal: text "660", or 0o660 in TOML'

    @property
    def examples(self) -> tuple[str, ...]:
        return ("660", "600")


@dataclass(frozen=True)
class Items(Kind):
    """A list of words: a TOML array, or text split at commas, spaces and line breaks. Subclasses read one item."""

    metavar: ClassVar[str] = "LIST"
    is_list: ClassVar[bool] = True

    def item(self, word: str) -> Any:
        """Return the normalised item."""
        return word

    def collect(self, items: Iterable[Any]) -> Any:
        """Return the items as the collection that is stored."""
        return tuple(dict.fromkeys(items))

    def from_text(self, text: str) -> Any:
        return self.collect(self.item(word) for word in units.read_words(text))

    def from_native(self, raw: object) -> Any:
        if not isinstance(raw, list | tuple | set | frozenset):
            raise BadValue("expected a list")
        return self.collect(self._native_item(item) for item in raw)

    def _native_item(self, item: object) -> Any:
        if not isinstance(item, str):
            raise BadValue(f"expected text in the list, not {item!r}")
        return self.item(item.strip())

    def words(self, value: Iterable[Any]) -> list[str]:
        """Return the items as text; a set's in alphabetical order."""
        words = [str(item) for item in value]
        return sorted(words) if isinstance(value, set | frozenset) else words

    def text(self, value: Iterable[Any]) -> str:
        return " ".join(self.words(value))

    def native(self, value: Iterable[Any]) -> list[str]:
        return self.words(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}


@dataclass(frozen=True)
class Addresses(Items):
    """Addresses to listen on, kept as they are spelled; `Adjustments.addresses` has them read."""

    metavar: ClassVar[str] = "ADDRESS"

    def item(self, word: str) -> str:
        units.read_address(word)
        return word

    @property
    def accepts(self) -> str:
        return "a list of host:port, [v6]:port, *:port, unix:/path, fd:NAME"

    @property
    def examples(self) -> tuple[str, ...]:
        return ("127.0.0.1:8000", "[::1]:8000", "unix:/run/wiverno.sock")


@dataclass(frozen=True)
class Networks(Items):
    """IP networks in CIDR notation; an address alone is a network of one."""

    metavar: ClassVar[str] = "NETWORK"

    def item(self, word: str | Network) -> Network:
        try:
            return ip_network(word)
        except ValueError as error:
            raise BadValue("expected IP networks such as 10.0.0.0/8 or ::1", self._correction(word)) from error

    def _native_item(self, item: object) -> Network:
        return item if isinstance(item, IPv4Network | IPv6Network) else super()._native_item(item)

    @staticmethod
    def _correction(word: str | Network) -> str | None:
        if word == "*":
            return "every address is 0.0.0.0/0 and ::/0"
        try:
            return f"write {ip_network(word, strict=False)}"
        except ValueError:
            return None

    @property
    def accepts(self) -> str:
        return "a list of IP networks"

    @property
    def examples(self) -> tuple[str, ...]:
        return ("10.0.0.0/8", "::1")


@dataclass(frozen=True)
class WordSet(Items):
    """A set of known words in any case and order."""

    known: tuple[str, ...] = ()

    def item(self, word: str) -> str:
        lowered = word.lower()
        if lowered not in self.known:
            raise BadValue(f'"{word}" is none of {", ".join(self.known)}', did_you_mean(lowered, self.known))
        return lowered

    def collect(self, items: Iterable[Any]) -> frozenset[str]:
        return frozenset(items)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "array", "items": {"enum": list(self.known)}}, {"type": "string"}]}

    @property
    def accepts(self) -> str:
        return "a list out of " + ", ".join(self.known)

    @property
    def examples(self) -> tuple[str, ...]:
        return self.known[:2]


@dataclass(frozen=True)
class Sockets(Kind):
    """Bound stream sockets handed over in code. They are known by their shape: this room does not touch the network."""

    families: tuple[str, ...] = field(default=("AF_INET", "AF_INET6", "AF_UNIX"))

    def from_text(self, text: str) -> tuple[Any, ...]:
        if text.strip():
            raise BadValue("expected socket objects, which only a call in Python can give", "use listen = fd:NAME")
        return ()

    def from_native(self, raw: object) -> tuple[Any, ...]:
        if not isinstance(raw, list | tuple):
            raise BadValue("expected a list of sockets")
        for item in raw:
            self._check(item)
        families = {item.family.name == "AF_UNIX" for item in raw}
        if len(families) > 1:
            raise BadValue("Internet and UNIX sockets may not be mixed")
        return tuple(raw)

    def _check(self, item: Any) -> None:
        family = getattr(getattr(item, "family", None), "name", None)
        if family is None or not hasattr(item, "fileno"):
            raise BadValue(f"expected sockets, not {type(item).__name__}")
        if family not in self.families or getattr(item.type, "name", "") != "SOCK_STREAM":
            raise BadValue("only Internet or UNIX stream sockets may be used")

    @property
    def accepts(self) -> str:
        return "bound stream sockets (in code only)"
