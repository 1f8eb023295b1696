"""The table of an application's routes."""

from __future__ import annotations

from typing import Any

import pytest

from wiverno.web.application import Wiverno
from wiverno.web.request import Request
from wiverno.web.route_list import format_routes, routes_table
from wiverno.web.views import BaseView


class Item(BaseView):
    def get(self, request: Request) -> str:
        return ""

    def put(self, request: Request) -> str:
        return ""


def home(request: Request) -> str:
    return ""


def test_the_table() -> None:
    app = Wiverno()
    app.add_route("/items/{id:int}", Item)
    app.get("/", name="start")(home)
    app.add_route("/object", Item())
    rows = routes_table(app)
    assert [(row.methods, row.path, row.name) for row in rows] == [
        ("GET", "/", "start"), ("GET, PUT", "/items/{id:int}", "Item"), ("GET, PUT", "/object", "Item"),
    ]  # fmt: skip
    assert rows[0].handler.endswith("test_route_list.home")
    assert "test_route_list.py:" in rows[0].place
    lines = format_routes(rows).splitlines()
    assert lines[0].split() == ["METHODS", "PATH", "NAME", "HANDLER"]
    assert lines[1].startswith("GET       /                start  ")


def test_no_routes_and_no_application() -> None:
    assert format_routes(routes_table(Wiverno())) == "The application has no routes."
    with pytest.raises(TypeError, match="dict is not a wiverno application"):
        routes_table({})


def test_a_handler_without_source() -> None:
    app = Wiverno()
    namespace: dict[str, Any] = {}
    exec("def made(request): return ''", namespace)
    app.add_route("/x", namespace["made"])
    assert routes_table(app)[0].place == ""
