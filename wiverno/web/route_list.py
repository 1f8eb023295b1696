"""The routes of an application as a table for people (``wiverno routes``)."""

from __future__ import annotations

from dataclasses import dataclass

from wiverno.web.handlers import place_of
from wiverno.web.router import Router


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route as text; ``place`` is the ``file:line`` of its handler, or empty."""

    methods: str
    path: str
    name: str
    handler: str
    place: str


def routes_table(app: object) -> list[RouteRow]:
    """Return the routes of an application or router, sorted by path.

    Raises:
        TypeError: ``app`` is not a wiverno application; wiverno does not know other frameworks' routes.
    """
    if not isinstance(app, Router):
        raise TypeError(f"{type(app).__qualname__} is not a wiverno application; only its framework knows its routes")
    rows = [
        RouteRow(
            ", ".join(route.methods), route.pattern.text, route.name, _name(route.handler), place_of(route.handler)
        )
        for route in app.routes
    ]
    return sorted(rows, key=lambda row: (row.path, row.methods))


def format_routes(rows: list[RouteRow]) -> str:
    """Return the rows in aligned columns with a heading; one sentence without rows."""
    if not rows:
        return "The application has no routes."
    cells = [("METHODS", "PATH", "NAME", "HANDLER")]
    cells += [(row.methods, row.path, row.name, row.handler) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _name(handler: object) -> str:
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return f"{named.__module__}.{getattr(named, '__qualname__', '')}"
