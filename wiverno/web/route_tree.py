"""Find the route of a path, at a cost that does not depend on the number of routes.

Paths without parameters stand in one dictionary, found in one step. The others form a tree with one level a segment;
at each node literals are a dictionary, and parameters are grouped by the length of the literal text before and after
them, so that ``/page-{n}`` and ten thousand siblings are still one lookup. More specific always wins, whatever the
order of registration: literal text, then text around a parameter, then converters by rank.

A pattern's shape, not its parameter names, decides where it hangs; two routes that would answer the same request meet
at one leaf, and the second is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from wiverno.web.patterns import Converter, Pattern, PatternError, Segment
from wiverno.web.request import Request

Values: TypeAlias = tuple[object, ...]
Leaf: TypeAlias = "dict[str, Route]"

# One segment with several parameters is matched by a regular expression; longer text than this is never a match, which
# bounds what backtracking can cost.
_LONGEST_MIXED_SEGMENT = 255


def _is_not_bound(request: Request) -> NoReturn:
    raise TypeError("the route is not in an application")


@dataclass(frozen=True, slots=True)
class Route:
    """One registered handler.

    Attributes:
        pattern: Where it answers.
        methods: The registered methods; GET includes HEAD.
        handler: What was registered.
        call: What is called with the request: the handler, or a function that gives it its arguments.
        name: What ``url_for`` calls it.
        is_named: The name was given, not taken from the handler.
        parameter_names: The pattern's parameters in order.
    """

    pattern: Pattern
    methods: tuple[str, ...]
    handler: Callable[..., Any]
    name: str
    is_named: bool = False
    parameter_names: tuple[str, ...] = ()
    call: Callable[[Request], Any] = _is_not_bound


class RouteTable:
    """All routes of an application; filled while it starts, then only read, so any thread may search it.

    Attributes:
        static: Path as it stands in ``PATH_INFO`` → method → route, for routes without parameters.
    """

    def __init__(self) -> None:
        self.static: dict[str, Leaf] = {}
        self._root = _Node()

    def add(self, route: Route) -> None:
        """Add a route to the tree.

        Raises:
            PatternError: another route answers the same requests.
        """
        if route.pattern.is_literal:
            # PEP 3333, Unicode Issues: PATH_INFO holds bytes as ISO-8859-1 text, whatever the URL's encoding.
            leaf = self.static.setdefault(route.pattern.literal_path.encode().decode("latin-1"), {})
        else:
            leaf = self._root.leaf_for(route.pattern.segments)
        _require_free(leaf, route)
        for method in route.methods:
            leaf[method] = route
        if "GET" in route.methods:
            leaf.setdefault("HEAD", route)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, object]] | frozenset[str]:
        """Search the route for a request.

        Args:
            method: The request's method.
            path: The decoded path, beginning with a slash.

        Returns:
            The route and its parameters' values; or the methods that the path does answer, empty for none.
        """
        allowed: set[str] = set()
        leaf = self.static.get(path if path.isascii() else path.encode("utf-8", "replace").decode("latin-1"))
        if leaf is not None:
            route = leaf.get(method)
            if route is not None:
                return route, {}
            allowed.update(leaf)
        found = self._root.search(path[1:].split("/"), 0, (), method, allowed)
        if found is None:
            return frozenset(allowed)
        route, values = found
        return route, dict(zip(route.parameter_names, values, strict=True))


def _require_free(leaf: Leaf, route: Route) -> None:
    for method in route.methods:
        other = leaf.get(method)
        # An explicit route for HEAD replaces the HEAD that a GET includes.
        if other is not None and method in other.methods:
            raise PatternError(
                f"{method} {route.pattern.text}: {_name_of(other.handler)} already answers this"
                + (f" as {other.pattern.text}" if other.pattern.text != route.pattern.text else "")
            )


def _name_of(handler: object) -> str:
    return getattr(handler, "__qualname__", None) or type(handler).__qualname__


class _Node:
    """One place in the tree, reached after a number of segments."""

    __slots__ = ("leaf", "literals", "shapes", "spans")

    def __init__(self) -> None:
        self.leaf: Leaf | None = None
        self.literals: dict[str, _Node] = {}
        # (length before, length after, (text before, text after) → edges by rank), longest text first
        self.shapes: list[tuple[int, int, dict[tuple[str, str], list[_Edge]]]] = []
        self.spans: list[_Span] = []

    def leaf_for(self, segments: tuple[Segment, ...]) -> Leaf:
        """Return the leaf below; missing nodes are added."""
        node = self
        for number, segment in enumerate(segments):
            if segment.is_literal:
                node = node.literals.setdefault(segment.literals[0], _Node())
            elif segment.spans_segments:
                span = node._span_for(segment.parameters[0].converter)
                span.add_rest(len(segments) - number - 1)
                node = span.child
            else:
                node = node._edge_for(segment).child
        if node.leaf is None:
            node.leaf = {}
        return node.leaf

    def _span_for(self, converter: Converter) -> _Span:
        for span in self.spans:
            if span.converter is converter:
                return span
        self.spans.append(_Span(converter))
        self.spans.sort(key=lambda span: span.converter.rank)
        return self.spans[-1] if self.spans[-1].converter is converter else self._span_for(converter)

    def _edge_for(self, segment: Segment) -> _Edge:
        before, after = segment.literals[0], segment.literals[-1]
        table = self._table_for(len(before), len(after))
        edges = table.setdefault((before, after), [])
        made = _Edge(segment)
        for edge in edges:
            if edge.shape == made.shape:
                return edge
        edges.append(made)
        edges.sort(key=lambda edge: edge.rank)
        return made

    def _table_for(self, before: int, after: int) -> dict[tuple[str, str], list[_Edge]]:
        for known_before, known_after, table in self.shapes:
            if (known_before, known_after) == (before, after):
                return table
        made: dict[tuple[str, str], list[_Edge]] = {}
        self.shapes.append((before, after, made))
        self.shapes.sort(key=lambda shape: (-(shape[0] + shape[1]), -shape[0]))
        return made

    def search(
        self, parts: list[str], at: int, values: Values, method: str, allowed: set[str]
    ) -> tuple[Route, Values] | None:
        """Return the best route below; other methods of the path are added to ``allowed``.

        Each node is seen at most once for a given number of segments, so the cost is bounded by the tree's part that
        fits the path.
        """
        if at == len(parts):
            if self.leaf is None:
                return None
            route = self.leaf.get(method)
            if route is None:
                allowed.update(self.leaf)
                return None
            return route, values
        part = parts[at]
        child = self.literals.get(part)
        if child is not None:
            found = child.search(parts, at + 1, values, method, allowed)
            if found is not None:
                return found
        size = len(part)
        for before, after, table in self.shapes:
            # A parameter is never empty.
            if size <= before + after:
                continue
            end = size - after
            for edge in table.get((part[:before], part[end:]), ()):
                more = edge.parse(part[before:end])
                if more is not None:
                    found = edge.child.search(parts, at + 1, values + more, method, allowed)
                    if found is not None:
                        return found
        for span in self.spans:
            for end, value in span.matches(parts, at):
                found = span.child.search(parts, end, (*values, value), method, allowed)
                if found is not None:
                    return found
        return None


class _Edge:
    """A segment with parameters: how its text is parsed, and the node below it."""

    __slots__ = ("_converters", "_regex", "child", "rank", "shape")

    def __init__(self, segment: Segment) -> None:
        converters = tuple(parameter.converter for parameter in segment.parameters)
        self._converters = converters
        self._regex: re.Pattern[str] | None = None
        if len(converters) > 1:
            pieces = [f"({converters[0].regex})"]
            for literal, converter in zip(segment.literals[1:-1], converters[1:], strict=True):
                pieces.append(re.escape(literal) + f"({converter.regex})")
            self._regex = re.compile("".join(pieces), re.ASCII | re.DOTALL)
        # Several parameters are more specific than one.
        self.rank = (-len(converters), sum(converter.rank for converter in converters))
        self.shape = (converters, segment.literals)
        self.child = _Node()

    def parse(self, text: str) -> Values | None:
        """Return the parameters' values, or None where the text does not fit."""
        try:
            if self._regex is None:
                return (self._converters[0].parse(text),)
            match = self._regex.fullmatch(text) if len(text) <= _LONGEST_MIXED_SEGMENT else None
            if match is None:
                return None
            texts = match.groups()
            return tuple(converter.parse(text) for converter, text in zip(self._converters, texts, strict=True))
        except ValueError:
            return None


class _Span:
    """A parameter over several segments. The number of segments after it is known, so nothing is tried twice."""

    __slots__ = ("child", "converter", "rests")

    def __init__(self, converter: Converter) -> None:
        self.converter = converter
        self.child = _Node()
        self.rests: list[int] = []

    def add_rest(self, rest: int) -> None:
        """Add a number of segments that may follow; longer rests are more specific and are tried first."""
        if rest not in self.rests:
            self.rests = sorted((*self.rests, rest), reverse=True)

    def matches(self, parts: list[str], at: int) -> Iterator[tuple[int, object]]:
        """Yield where the parameter may end, and its value there."""
        for rest in self.rests:
            end = len(parts) - rest
            text = "/".join(parts[at:end]) if end > at else ""
            if text:
                try:
                    yield end, self.converter.parse(text)
                except ValueError:
                    continue
