"""A route's path as text, taken apart once: ``/users/{id:int}/files/{name:path}``.

A pattern is a row of segments between slashes. A segment is literal, or it holds parameters ``{name}`` or
``{name:converter}`` with literal text around them. Literal text is only ever compared, never read as a regular
expression; a literal brace is written doubled, ``{{`` and ``}}``. What a pattern matches is decided by its *shape*
alone (literals and converters): two patterns that differ only in parameter names are the same pattern.

This module knows no route table and no request.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

MAX_PARAMETERS_A_SEGMENT = 3
# RFC 3986 §3.3: what a path segment may hold unescaped.
_SEGMENT_SAFE = "!$&'()*+,;=:@-._~"


class PatternError(ValueError):
    """A route that cannot be registered; the message names the pattern and what is wrong with it."""


class Converter:
    """Converts one parameter's text into a value and back; subclass it for another kind.

    Attributes:
        regex: A pattern of the text; used if a segment has several parameters.
        rank: If several converters match, those with a lower rank are tried first.
        spans_segments: The parameter takes the rest of the path, slashes included.
    """

    regex: ClassVar[str] = r"[^/]+?"
    rank: ClassVar[int] = 50
    spans_segments: ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """Return the value.

        Raises:
            ValueError: ``text`` is not of this kind, so the route does not match.
        """
        return text

    def format(self, value: Any) -> str:
        """Return the text that ``parse`` reads back.

        Raises:
            ValueError: ``value`` does not fit.
        """
        return str(value)


class TextConverter(Converter):
    """Any text without a slash; at least one character."""

    rank: ClassVar[int] = 90


class IntConverter(Converter):
    """A whole number in ASCII digits; at most 18 of them, which every 64-bit column holds."""

    regex: ClassVar[str] = r"-?[0-9]{1,18}"
    rank: ClassVar[int] = 10

    def parse(self, text: str) -> int:
        """Read a whole number; ValueError for other text."""
        digits = text[1:] if text[:1] == "-" else text
        # int() alone takes "+1", "1_000", " 1" and other scripts' digits.
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
            raise ValueError(text)
        return int(text)

    def format(self, value: Any) -> str:
        """Write a whole number; ValueError for other values."""
        return str(self.parse(str(int(value))))


class FloatConverter(Converter):
    """A decimal number such as ``3``, ``-0.5`` or ``12.75``; no exponent, no ``nan``."""

    regex: ClassVar[str] = r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?"
    rank: ClassVar[int] = 20
    _number = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)

    def parse(self, text: str) -> float:
        """Read a decimal number; ValueError for other text."""
        if self._number.fullmatch(text) is None:
            raise ValueError(text)
        return float(text)

    def format(self, value: Any) -> str:
        """Write a decimal number without exponent; ValueError for other values."""
        text = format(float(value), "f").rstrip("0").rstrip(".")
        self.parse(text)
        return text


class UUIDConverter(Converter):
    """A UUID in its canonical form, either case."""

    regex: ClassVar[str] = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    rank: ClassVar[int] = 5
    _canonical = re.compile(regex)

    def parse(self, text: str) -> uuid.UUID:
        """Read a UUID; ValueError for other text."""
        if self._canonical.fullmatch(text) is None:
            raise ValueError(text)
        return uuid.UUID(text)

    def format(self, value: Any) -> str:
        """Write a UUID in its canonical form; ValueError for other values."""
        return str(value if isinstance(value, uuid.UUID) else self.parse(str(value)))


class PathConverter(Converter):
    """Any text, slashes included; at least one character."""

    regex: ClassVar[str] = r".+"
    rank: ClassVar[int] = 100
    spans_segments: ClassVar[bool] = True


CONVERTERS: Mapping[str, Converter] = {
    "str": TextConverter(),
    "int": IntConverter(),
    "float": FloatConverter(),
    "uuid": UUIDConverter(),
    "path": PathConverter(),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``{name:converter}`` of a pattern."""

    name: str
    converter: Converter


@dataclass(frozen=True, slots=True)
class Segment:
    """The text between two slashes: ``literals[0] parameter literals[1] parameter … literals[-1]``."""

    literals: tuple[str, ...]
    parameters: tuple[Parameter, ...]

    @property
    def is_literal(self) -> bool:
        """Whether the segment has no parameter."""
        return not self.parameters

    @property
    def spans_segments(self) -> bool:
        """Whether a parameter takes slashes."""
        return any(parameter.converter.spans_segments for parameter in self.parameters)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed route path."""

    text: str
    segments: tuple[Segment, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters, in order."""
        return tuple(parameter for segment in self.segments for parameter in segment.parameters)

    @property
    def is_literal(self) -> bool:
        """Whether the pattern has no parameter."""
        return all(segment.is_literal for segment in self.segments)

    @property
    def literal_path(self) -> str:
        """The path itself; only for a pattern without parameters."""
        return "/" + "/".join(segment.literals[0] for segment in self.segments)

    def build(self, values: Mapping[str, object]) -> str:
        """Return the percent-encoded path with ``values`` put in.

        Raises:
            ValueError: a parameter is missing, or its value does not fit the converter.
        """
        return "/" + "/".join(self._build_segment(segment, values) for segment in self.segments)

    def _build_segment(self, segment: Segment, values: Mapping[str, object]) -> str:
        pieces = [quote(segment.literals[0], safe=_SEGMENT_SAFE)]
        for parameter, literal in zip(segment.parameters, segment.literals[1:], strict=True):
            pieces.append(self._build_value(parameter, values))
            pieces.append(quote(literal, safe=_SEGMENT_SAFE))
        return "".join(pieces)

    def _build_value(self, parameter: Parameter, values: Mapping[str, object]) -> str:
        if parameter.name not in values:
            raise ValueError(f"{self.text}: no value for {parameter.name!r}")
        value = values[parameter.name]
        try:
            text = parameter.converter.format(value)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.text}: {value!r} does not fit {parameter.name!r}") from error
        spans = parameter.converter.spans_segments
        if not text or ("/" in text and not spans) or text in (".", ".."):
            raise ValueError(f"{self.text}: {value!r} does not fit {parameter.name!r}")
        return quote(text, safe=_SEGMENT_SAFE + "/" if spans else _SEGMENT_SAFE)


_TOKENS = re.compile(r"(?P<open>\{\{)|(?P<close>\}\})|\{(?P<inside>[^{}]*)\}|(?P<stray>[{}])|(?P<text>[^{}]+)")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<converter>[A-Za-z_][A-Za-z0-9_]*))?")


# "<name>" and "<int:name>" of Flask and Django, "<name:int>" of Bottle.
_ELSEWHERE = re.compile(r"<(?:(?P<kind>[A-Za-z_]\w*)(?:\([^)<>]*\))?:)?(?P<name>[A-Za-z_]\w*)>")


def _own_spelling(match: re.Match[str]) -> str:
    kind, name = match["kind"], match["name"]
    if kind and kind not in _KINDS_ELSEWHERE and name in _KINDS_ELSEWHERE:
        kind, name = name, kind
    return "{" + name + ("" if kind in (None, "str", "string", "default", "slug") else f":{kind}") + "}"


_KINDS_ELSEWHERE = frozenset({"str", "string", "default", "slug", "int", "float", "path", "uuid", "any", "re"})


def parse_pattern(text: str, converters: Mapping[str, Converter] = CONVERTERS) -> Pattern:
    """Take a route path apart.

    Raises:
        PatternError: the text is not a route path; the message says why.
    """
    if not isinstance(text, str):
        raise TypeError(f"a route is text, like '/items/{{id:int}}', not {type(text).__name__}")
    if _ELSEWHERE.search(text):
        raise PatternError(f"{text!r}: write {_ELSEWHERE.sub(_own_spelling, text)!r}")
    if not text.startswith("/"):
        raise PatternError(f"{text!r}: a route starts with a slash, like {'/' + text!r}")
    if any(ord(character) < 33 or ord(character) == 127 or character in "?#" for character in text):
        raise PatternError(f"{text!r}: a route holds no spaces, control characters, '?' or '#'")
    return _check_pattern(Pattern(text, tuple(_parse_segment(text, part, converters) for part in text[1:].split("/"))))


def join(prefix: Pattern | None, pattern: Pattern) -> Pattern:
    """Return ``pattern`` below ``prefix``.

    Raises:
        PatternError: together they use a parameter name twice, or span slashes twice.
    """
    if prefix is None:
        return pattern
    return _check_pattern(Pattern(prefix.text + pattern.text, prefix.segments + pattern.segments))


def _check_pattern(pattern: Pattern) -> Pattern:
    names = [parameter.name for parameter in pattern.parameters]
    for name in names:
        if names.count(name) > 1:
            raise PatternError(f"{pattern.text!r}: the parameter {name!r} occurs twice")
    if sum(segment.spans_segments for segment in pattern.segments) > 1:
        raise PatternError(f"{pattern.text!r}: only one parameter may span slashes")
    return pattern


def _parse_segment(text: str, part: str, converters: Mapping[str, Converter]) -> Segment:
    literals = [""]
    parameters: list[Parameter] = []
    for token in _TOKENS.finditer(part):
        if token["inside"] is not None:
            if parameters and not literals[-1]:
                raise PatternError(f"{text!r}: two parameters need some text between them")
            parameters.append(_parse_parameter(text, token["inside"], converters))
            literals.append("")
        elif token["stray"]:
            raise PatternError(f"{text!r}: a single {token['stray']!r}; write it twice to mean the character")
        else:
            literals[-1] += {"{{": "{", "}}": "}"}.get(token[0], token[0])
    if len(parameters) > MAX_PARAMETERS_A_SEGMENT:
        raise PatternError(f"{text!r}: more than {MAX_PARAMETERS_A_SEGMENT} parameters between two slashes")
    if any(p.converter.spans_segments for p in parameters) and (len(parameters) > 1 or any(literals)):
        raise PatternError(f"{text!r}: a parameter that spans slashes stands alone between slashes")
    return Segment(tuple(literals), tuple(parameters))


def _parse_parameter(text: str, inside: str, converters: Mapping[str, Converter]) -> Parameter:
    match = _INSIDE.fullmatch(inside)
    if match is None:
        raise PatternError(
            f"{text!r}: {'{' + inside + '}'!r} is not '{{name}}' or '{{name:converter}}'; "
            f"converters are {', '.join(sorted(converters))}"
        )
    kind = match["converter"] or "str"
    if kind not in converters:
        raise PatternError(f"{text!r}: no converter {kind!r}; there are {', '.join(sorted(converters))}")
    return Parameter(match["name"], converters[kind])
