"""Handlers are checked when they are registered, and named by the messages about them."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest

from tests.support.wsgi import call
from wiverno.web.application import Wiverno
from wiverno.web.handlers import as_handler, describe_handler, place_of, view_of
from wiverno.web.patterns import PatternError
from wiverno.web.request import Request
from wiverno.web.router import Router
from wiverno.web.testing import TestClient
from wiverno.web.views import BaseView


class Page(BaseView):
    def get(self, request: Request) -> Any:
        return None


def home(request: Request) -> Any:
    return None


def line_of(source: Any) -> int:
    return int(place_of(source).rpartition(":")[2])


def test_places() -> None:
    """A function, a decorated one, a view and an object with __call__ have the place of their source."""

    @functools.wraps(home)
    def decorated(*args: Any) -> Any:
        return home(*args)

    assert place_of(home).startswith(f"{__file__}:")
    assert place_of(decorated) == place_of(home)
    assert place_of(as_handler(Page)) == place_of(Page)
    assert line_of(Page) < line_of(home)
    assert place_of(Page()) == place_of(Page)
    assert place_of(print) == ""
    assert place_of(3) == ""
    space: dict[str, Any] = {}
    exec("def made(request): return ''", space)
    assert describe_handler(space["made"]) == "made"
    assert describe_handler(home) == f"home ({place_of(home)})"


def test_views_are_found() -> None:
    page = Page()
    assert (view_of(as_handler(Page)), view_of(page), view_of(home)) == (Page, page, None)


@pytest.mark.parametrize(
    ("path", "named"),
    [("/", r"home \(.*test_handlers.py:\d+\) returned None; return text,"), ("/page", r"Page.get \(.*:\d+\) returned")],
)
def test_a_handler_that_returned_none_is_named_with_its_place(
    path: str, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, and in the exception that a test client raises."""
    app = Wiverno()
    app.get("/")(home)
    app.route("/page")(Page)
    assert call(app, path=path).status == "500 Internal Server Error"
    assert re.search(named, caplog.text)
    with pytest.raises(TypeError, match=named):
        TestClient(app).get(path)


def test_an_error_page_that_returned_none_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """The page, not the handler of the address."""
    app = Wiverno()

    @app.error_page(405)
    def refused(request: Request) -> Any:
        return None

    app.get("/")(home)
    assert call(app, "POST").status == "500 Internal Server Error"
    assert re.search(r"refused \(.*test_handlers.py:\d+\) returned None", caplog.text)


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "head", "options", "route"])
def test_decorators_without_parentheses_are_refused(method: str) -> None:
    """`@app.get` above a function says what to write."""
    with pytest.raises(TypeError, match=r"home \(.*\): a route needs its path, like @app.get\('/home'\)"):
        getattr(Wiverno(), method)(home)


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("/users/<id>", "/users/{id}"),
        ("/users/<int:id>", "/users/{id:int}"),
        ("/users/<id:int>/x", "/users/{id:int}/x"),
        ("/f/<path:name>", "/f/{name:path}"),
        ("/f/<string:name>/<uuid:key>", "/f/{name}/{key:uuid}"),
        ("users/<string(length=2):lang>", "users/{lang}"),
        ("/y/<year:year>", "/y/{year:year}"),
    ],
)
def test_spellings_of_other_frameworks_are_refused_with_the_right_one(written: str, right: str) -> None:
    """Flask, Django and Bottle write parameters in angle brackets."""
    with pytest.raises(PatternError, match=re.escape(f"{written!r}: write {right!r}")):
        Router().get(written)(home)


def test_a_regular_expression_as_converter_is_refused_with_the_converters() -> None:
    with pytest.raises(PatternError, match="converters are float, int, path, str, uuid"):
        Router().get("/users/{id:[0-9]+}")(home)
    with pytest.raises(TypeError, match=r"a route is text, like '/items/\{id:int\}', not int"):
        Router().add_route(3, home)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "argument", "advice"),
    [
        ("get", "methods", "app.route takes methods"),
        ("route", "endpoint", "write name="),
        ("post", "status_code", r"return it with the body, like \(201, body\)"),
        ("get", "response_model", "return that model"),
        ("get", "tags", "there is only name"),
    ],
)
def test_arguments_of_other_frameworks_are_refused_with_what_to_do(method: str, argument: str, advice: str) -> None:
    with pytest.raises(TypeError, match=f"'/x': there is no argument '{argument}'; {advice}"):
        getattr(Wiverno(), method)("/x", **{argument: 1})
    with pytest.raises(TypeError, match=r"an application has no name: write Wiverno\(\), not Wiverno\('shop'\)"):
        Wiverno("shop")  # type: ignore[arg-type]
