"""Registering handlers: decorators, inclusion, names, and the words of refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.wsgi import call
from wiverno.web.application import Wiverno
from wiverno.web.patterns import Converter, PatternError
from wiverno.web.request import Request
from wiverno.web.router import Router
from wiverno.web.views import BaseView


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_a_decorator_for_every_method(method: str) -> None:
    app = Wiverno()

    @getattr(app, method.lower())("/x")
    def handler(request: Request) -> tuple[int, str, dict[str, str]]:
        return 200, "", {"X-Was": request.method}

    assert handler.__name__ == "handler"
    assert call(app, method, "/x").headers["x-was"] == method


def test_route_takes_several_methods() -> None:
    app = Wiverno()
    app.route("/x", methods=["PUT", "PURGE"])(lambda request: request.method)
    assert call(app, "PURGE", "/x").body == b"PURGE"
    assert call(app, "GET", "/x").headers["allow"] == "OPTIONS, PURGE, PUT"


def test_decorators_stack() -> None:
    app = Wiverno()

    @app.get("/a")
    @app.post("/b")
    def handler(request: Request) -> str:
        return "x"

    assert call(app, "GET", "/a").body == call(app, "POST", "/b").body == b"x"


@pytest.mark.parametrize("before", [True, False])
def test_routers_nest_and_their_routes_arrive_whenever_they_are_added(before: bool) -> None:
    app, shop, items = Wiverno(), Router("/shop", name="shop"), Router(name="items")

    def connect() -> None:
        shop.include_router(items, "/items")
        app.include_router(shop, "/v1")

    if before:
        connect()

    @items.get("/{id:int}")
    def item(request: Request) -> dict[str, Any]:
        return dict(request.path_params)

    if not before:
        connect()
    assert call(app, path="/v1/shop/items/7").body == b'{"id":7}'
    assert app.url_for("shop.items.item", id=7) == "/v1/shop/items/7"
    assert items.url_for("items.item", id=7) == "/v1/shop/items/7", "where the application answers"


def test_a_router_can_be_included_twice() -> None:
    app, router = Wiverno(), Router()
    router.get("/x")(lambda request: request.path)
    app.include_router(router, "/a")
    app.include_router(router, "/b")
    assert (call(app, path="/a/x").body, call(app, path="/b/x").body) == (b"/a/x", b"/b/x")


def test_a_prefix_may_have_parameters() -> None:
    app, router = Wiverno(), Router("/users/{user}")
    router.get("/posts/{post:int}", name="post")(lambda request: dict(request.path_params))
    app.include_router(router)
    assert call(app, path="/users/ann/posts/3").body == b'{"user":"ann","post":3}'
    assert app.url_for("post", user="ann", post=3) == "/users/ann/posts/3"


class Colour(Converter):
    rank = 30

    def parse(self, text: str) -> object:
        if text not in ("red", "blue"):
            raise ValueError(text)
        return text.upper()

    def format(self, value: object) -> str:
        return str(value).lower()


def test_own_converters_travel_with_their_router() -> None:
    app, router = Wiverno(), Router(converters={"colour": Colour})
    router.get("/{c:colour}", name="paint")(lambda request: request.path_params["c"])
    app.include_router(router, "/paint")
    assert call(app, path="/paint/red").body == b"RED"
    assert call(app, path="/paint/green").status == "404 Not Found"
    assert app.url_for("paint", c="BLUE") == "/paint/blue"
    with pytest.raises(PatternError, match="no converter 'colour'"):
        app.get("/{c:colour}")(lambda request: "")
    with pytest.raises(TypeError, match="a converter is a Converter, not str"):
        app.add_converter("x", "y")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'a-b' is not a name for a converter"):
        app.add_converter("a-b", Colour)


def test_url_for() -> None:
    app = Wiverno()
    app.get("/a/{x}", name="one")(lambda request: "")
    assert app.url_for("one", x="b c", page=2, tag=["p", "q"]) == "/a/b%20c?page=2&tag=p&tag=q"
    with pytest.raises(LookupError, match="no route is called 'two'; there are one"):
        app.url_for("two")
    with pytest.raises(ValueError, match="no value for 'x'"):
        app.url_for("one")


def test_names_must_be_clear() -> None:
    app = Wiverno()
    app.get("/a", name="same")(lambda request: "")
    app.post("/a", name="same")(lambda request: "")
    with pytest.raises(PatternError, match=r"/b: /a is already called 'same'"):
        app.get("/b", name="same")(lambda request: "")

    def twice(request: Request) -> str:
        return ""

    app.get("/c")(twice)
    app.get("/d")(twice)
    with pytest.raises(LookupError, match="several routes are called 'twice': /c, /d; give them names"):
        app.url_for("twice")


class NotAView:
    pass


async def coroutine(request: Request) -> str:
    return ""


class Empty(BaseView):
    pass


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("/x", "text"), TypeError, "a handler is a function of the request, not str"),
        (("/x", NotAView), TypeError, "NotAView is a class but not a BaseView"),
        (("/x", coroutine), TypeError, "coroutine is 'async def'; this is a WSGI framework, write 'def'"),
        (("/x", Empty), TypeError, "Empty defines no method; write 'def get"),
        (("/x", print, "GET"), TypeError, r"methods is a list of methods, like \['GET'\]"),
        (("/x", print, ["get"]), ValueError, "'get' is not a method; methods are written in capitals"),
        (("/x", print, ["GE T"]), ValueError, "'GE T' is not a method"),
        (("/x", print, []), ValueError, "a route needs at least one method"),
    ],
)
def test_wrong_registrations_say_why(arguments: tuple[Any, ...], kind: type[Exception], message: str) -> None:
    app = Wiverno()
    with pytest.raises(kind, match=message):
        app.add_route(*arguments)
    assert app.routes == []


@pytest.mark.parametrize("prefix", ["shop", "/shop/", "/"])
def test_wrong_prefixes(prefix: str) -> None:
    with pytest.raises(PatternError, match="a prefix starts with a slash"):
        Router(prefix)


def test_a_conflict_anywhere_is_refused_where_it_arises() -> None:
    app, router = Wiverno(), Router()
    app.get("/a/{x}")(lambda request: "")
    router.get("/{y}")(lambda request: "")
    with pytest.raises(PatternError, match=r"already answers this as /a/\{x\}"):
        app.include_router(router, "/a")


def test_no_circles() -> None:
    one, two = Router(), Router()
    one.include_router(two, "/a")
    with pytest.raises(ValueError, match="cannot include itself"):
        two.include_router(one, "/b")
    with pytest.raises(ValueError, match="cannot include itself"):
        one.include_router(one, "/b")


def test_static_files_are_a_route(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("x")
    (tmp_path / "index.html").write_text("home")
    app = Wiverno()
    app.static("/static", tmp_path, index="index.html", max_age=60)
    got = call(app, path="/static/a.css")
    assert (got.body, got.headers["cache-control"]) == (b"x", "public, max-age=60")
    assert call(app, path="/static/").body == b"home"
    assert app.url_for("static", path="a.css") == "/static/a.css"
    with pytest.raises(NotADirectoryError, match="not a folder to serve files from"):
        app.static("/other", tmp_path / "missing")


@pytest.mark.parametrize(("router", "found"), [("shop", "str"), (Router, "Router"), (None, "NoneType")])
def test_including_what_is_no_router(router: Any, found: str) -> None:
    with pytest.raises(TypeError) as caught:
        Router().include_router(router)
    assert str(caught.value) == f"include_router needs a Router, like Router(prefix='/shop'), not {found}"


@pytest.mark.parametrize("prefix", [None, 5, b"/shop"])
def test_a_prefix_that_is_no_text(prefix: Any) -> None:
    with pytest.raises(TypeError, match=rf"^a prefix is text, like '/shop', not {type(prefix).__name__}$"):
        Router(prefix=prefix)
