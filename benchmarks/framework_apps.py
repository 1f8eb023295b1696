"""The same application in five frameworks: a greeting under / and N routes with one parameter each.

Each is written as the framework's own introduction writes it, with the content type that it gives to text.

A server finds `flask_10` or `wiverno_10000` by name through the module's `__getattr__`: only the framework that is
measured is imported, and 10,000 routes are registered only where they are asked for.
"""

import importlib
from collections.abc import Callable
from typing import Any

from benchmarks import apps

GREETING = apps.GREETING.decode()


def _section(number: int) -> str:
    return f"/section{number}/item"


def bare(routes: int) -> Any:
    """No framework: what the server alone allows."""
    return apps.hello


def wiverno(routes: int) -> Any:
    """The framework of this project."""
    app = importlib.import_module("wiverno.main").Wiverno()

    def greet(request: Any) -> Any:
        return "200 OK", GREETING

    def item(request: Any) -> Any:
        return "200 OK", f"{request.path_params['number']}\n"

    app.get("/")(greet)
    for number in range(routes):
        app.get(f"{_section(number)}/{{number:int}}")(item)
    return app


def flask(routes: int) -> Any:
    """Flask."""
    app = importlib.import_module("flask").Flask("benchmarks")

    def greet() -> Any:
        return GREETING

    def item(number: int) -> Any:
        return f"{number}\n"

    app.add_url_rule("/", "greet", greet)
    for section in range(routes):
        app.add_url_rule(f"{_section(section)}/<int:number>", "item", item)
    return app


def bottle(routes: int) -> Any:
    """Bottle."""
    app = importlib.import_module("bottle").Bottle()

    def greet() -> str:
        return GREETING

    def item(number: int) -> str:
        return f"{number}\n"

    app.route("/", "GET", greet)
    for section in range(routes):
        app.route(f"{_section(section)}/<number:int>", "GET", item)
    return app


def falcon(routes: int) -> Any:
    """Falcon."""
    app = importlib.import_module("falcon").App()

    class Greet:
        def on_get(self, request: Any, response: Any) -> None:
            response.content_type = "text/plain; charset=utf-8"
            response.text = GREETING

    class Item:
        def on_get(self, request: Any, response: Any, number: int) -> None:
            response.content_type = "text/plain; charset=utf-8"
            response.text = f"{number}\n"

    app.add_route("/", Greet())
    shared = Item()
    for section in range(routes):
        app.add_route(f"{_section(section)}/{{number:int}}", shared)
    return app


FRAMEWORKS: dict[str, Callable[[int], Any]] = {
    "bare": bare,
    "wiverno": wiverno,
    "flask": flask,
    "falcon": falcon,
    "bottle": bottle,
}


def __getattr__(name: str) -> Any:
    framework, _, routes = name.rpartition("_")
    if framework not in FRAMEWORKS or not routes.isdecimal():
        raise AttributeError(name)
    return FRAMEWORKS[framework](int(routes))
