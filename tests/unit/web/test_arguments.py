"""What handlers get as arguments, decided when they are registered."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from tests.support.wsgi import Answer, call
from wiverno.web.application import Wiverno
from wiverno.web.arguments import FromForm, FromQuery, bind_handler
from wiverno.web.patterns import Converter, parse_pattern
from wiverno.web.request import Request
from wiverno.web.router import Router
from wiverno.web.views import BaseView

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers


class Item(BaseModel):
    name: str
    price: float = 1
    tags: list[str] = []


@dataclass
class Point:
    x: int
    y: int = 0


class Size(TypedDict):
    width: int


class Colour(Enum):
    RED = "red"


def answer(handler: Callable[..., Any] | type[BaseView], pattern: str, path: str, **more: Any) -> Answer:
    """Register one handler and make one request."""
    app = Wiverno()
    method = more.pop("method", "GET")
    app.route(pattern, None if isinstance(handler, type) else [method])(handler)
    return call(app, method, path, HTTP_ACCEPT="application/json", **more)


def post(handler: Callable[..., Any], value: Any, kind: str = "application/json") -> Answer:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return answer(handler, "/", "/", method="POST", body=body, CONTENT_TYPE=kind)


def details(got: Answer) -> list[tuple[list[Any], str]]:
    """Return place and kind of each problem of a 422."""
    assert got.status.startswith("422 ")
    return [(one["loc"], one["type"]) for one in json.loads(got.body)["details"]]


def plain(request: Request) -> str:
    return request.path


def other_name(anything: Any) -> Any:
    return anything.path


def nothing() -> str:
    return "ok"


def open_to_all(*args: Any, **kwargs: Any) -> str:
    return f"{len(args)} {kwargs}"


@pytest.mark.parametrize("handler", [plain, other_name, lambda r: r.path, open_to_all, min])
def test_handlers_of_the_request_alone_are_called_as_they_are(handler: Callable[..., Any]) -> None:
    """Nothing is put around them, so they cost what they did."""
    assert bind_handler(handler, parse_pattern("/a/{id:int}")) is handler


@pytest.mark.parametrize(
    ("handler", "pattern", "path", "body"),
    [
        (lambda: "ok", "/", "/", b"ok"),
        (lambda id: str(id + 1), "/u/{id:int}", "/u/7", b"8"),
        (lambda request, id: f"{request.path} {id}", "/u/{id:int}", "/u/7", b"/u/7 7"),
        (lambda id, request: f"{request.path} {id}", "/u/{id:int}", "/u/7", b"/u/7 7"),
        (lambda r, b, a: f"{r.path} {a} {b}", "/{a}/{b}", "/1/2", b"/1/2 1 2"),
        (lambda r, a: f"{r.path} {a}", "/{a}/{b}", "/1/2", b"/1/2 1"),
        (lambda r, *, a, c=3: f"{a} {c}", "/{a}", "/1", b"1 3"),
        (lambda r, a, /, b: f"{a} {b}", "/{a}/{b}", "/1/2", b"1 2"),
        (lambda a=5: str(a), "/x", "/x", b"5"),
        (lambda r, a=5: str(a), "/x/{a}", "/x/1", b"1"),
    ],
)
def test_parameters_of_the_path(handler: Callable[..., Any], pattern: str, path: str, body: bytes) -> None:
    """They are taken by name, in any order, with or without the request; other defaults are kept."""
    assert answer(handler, pattern, path).body == body


def by_int(id: int) -> str:
    return f"{type(id).__name__} {id}"


def by_optional(id: int | None = None) -> str:
    return f"{id}"


def by_uuid(id: UUID) -> str:
    return f"{type(id).__name__} {id}"


def by_enum(id: Colour) -> str:
    return id.name


def by_range(id: Annotated[int, Field(gt=3)]) -> str:
    return f"{id}"


def by_float(id: float) -> str:
    return f"{id}"


@pytest.mark.parametrize(
    ("handler", "pattern", "path", "expected"),
    [
        (by_int, "/{id:int}", "/7", b"int 7"),
        (by_int, "/{id}", "/7", b"int 7"),
        (by_int, "/{id}", "/x", ["path", "id"]),
        (by_optional, "/{id:int}", "/7", b"7"),
        (by_optional, "/", "/", b"None"),
        (by_uuid, "/{id}", "/12345678-1234-5678-1234-567812345678", b"UUID 12345678-1234-5678-1234-567812345678"),
        (by_uuid, "/{id}", "/1", ["path", "id"]),
        (by_enum, "/{id}", "/red", b"RED"),
        (by_enum, "/{id}", "/blue", ["path", "id"]),
        (by_range, "/{id:int}", "/4", b"4"),
        (by_range, "/{id:int}", "/3", ["path", "id"]),
        (by_float, "/{id:int}", "/3", b"3"),
    ],
)
def test_parameters_are_of_the_annotated_type(
    handler: Callable[..., Any], pattern: str, path: str, expected: bytes | list[str]
) -> None:
    """The converter makes the value, or where it leaves text, the annotation; what does not fit is answered 422."""
    got = answer(handler, pattern, path)
    if isinstance(expected, bytes):
        assert got.body == expected
    else:
        assert [place for place, _ in details(got)] == [expected]


def test_own_converters_give_what_they_like() -> None:
    class Half(Converter):
        def parse(self, text: str) -> int:
            return int(text) // 2

    app = Wiverno(converters={"half": Half})

    @app.get("/{id:half}")
    def half(id: int) -> str:
        return str(id)

    assert call(app, path="/8").body == b"4"


def test_views_take_arguments() -> None:
    """Each method of a view has its own; HEAD is answered by get, other methods are 405."""

    class Thing(BaseView):
        def get(self, request: Request, id: int) -> Any:
            return {"id": id}

        def put(self, id: int, item: Item) -> Any:
            return {"id": id, "name": item.name}

        @staticmethod
        def delete(request: Request) -> Any:
            return 204, ""

    assert answer(Thing, "/{id:int}", "/7").body == b'{"id":7}'
    body = {"body": b'{"name":"a"}', "CONTENT_TYPE": "application/json"}
    assert answer(Thing, "/{id:int}", "/7", method="PUT", **body).body == b'{"id":7,"name":"a"}'
    assert answer(Thing, "/{id:int}", "/7", method="DELETE").status == "204 No Content"
    assert answer(Thing, "/{id:int}", "/7", method="HEAD").headers["content-length"] == "8"
    app = Wiverno()
    app.route("/{id:int}", ["GET", "POST"])(Thing)
    app.add_route("/object/{id:int}", Thing())
    assert call(app, "POST", "/7").status.startswith("405")
    assert call(app, path="/object/9").body == b'{"id":9}'


def test_a_view_with_its_own_dispatch_keeps_it() -> None:
    class Own(BaseView):
        def get(self, request: Request, extra: str) -> Any: ...

        def __call__(self, request: Request) -> Any:
            return "own"

    assert answer(Own, "/", "/").body == b"own"


def test_decorators() -> None:
    """A decorator with functools.wraps passes arguments on, may add some, and is called as it wants to be."""

    def passing(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return inner

    def adding(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(request: Request, *args: Any, **kwargs: Any) -> Any:
            return function(request, *args, user="ann", **kwargs)

        return inner

    def narrow(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(request: Request) -> Any:
            return function(request, 7)

        return inner

    def with_user(req: Any, id: int, user: str) -> str:
        return f"{req.path} {id} {user}"

    def with_id(request: Request, id: int) -> str:
        return f"{request.path} {id}"

    assert answer(passing(with_id), "/{id:int}", "/3").body == b"/3 3"
    assert answer(passing(by_int), "/{id}", "/3").body == b"int 3"
    assert answer(adding(with_user), "/{id:int}", "/3").body == b"/3 3 ann"
    assert answer(narrow(with_id), "/x", "/x").body == b"/x 7"
    assert answer(functools.partial(with_id, id=1), "/x", "/x").body == b"/x 1"


def test_groups_are_bound_where_they_are_included() -> None:
    """A handler of a group may take parameters of the prefix that it gets later."""
    shop = Router("/{shop}")

    @shop.get("/{id:int}")
    def item(shop: str, id: int, lang: str) -> str:
        return f"{lang} {shop} {id}"

    app = Wiverno()
    app.include_router(shop, "/{lang}")
    assert call(app, path="/en/toys/7").body == b"en toys 7"
    with pytest.raises(TypeError, match="has no parameter 'lang'"):
        Wiverno().include_router(shop)


def of_model(item: Item) -> Any:
    return {"name": item.name, "price": item.price}


def of_dataclass(request: Request, point: Point) -> Any:
    return {"x": point.x, "kind": type(point).__name__}


def of_list(items: list[Item]) -> Any:
    return [item.name for item in items]


def of_typed_dict(size: Size) -> Any:
    return dict(size)


def of_optional(item: Item | None = None) -> Any:
    return {"given": item is not None}


@pytest.mark.parametrize(
    ("handler", "value", "expected"),
    [
        (of_model, {"name": "a"}, {"name": "a", "price": 1}),
        (of_model, {"name": "a", "price": "x"}, [["body", "price"], "float_parsing"]),
        (of_model, {}, [["body", "name"], "missing"]),
        (of_model, b"", [["body"], "missing"]),
        (of_model, None, [["body"], "model_type"]),
        (of_dataclass, {"x": "3"}, {"x": 3, "kind": "Point"}),
        (of_dataclass, {"x": []}, [["body", "x"], "int_type"]),
        (of_list, [{"name": "a"}], ["a"]),
        (of_list, [{"name": "a"}, {}], [["body", 1, "name"], "missing"]),
        (of_typed_dict, {"width": 3}, {"width": 3}),
        (of_optional, {"name": "a"}, {"given": True}),
        (of_optional, b"", {"given": False}),
    ],
)
def test_bodies_are_checked(handler: Callable[..., Any], value: Any, expected: Any) -> None:
    """The annotation of an argument is that of the body; what does not fit is named with its place."""
    got = post(handler, value)
    if isinstance(expected, list) and isinstance(expected[0], list):
        assert details(got) == [(expected[0], expected[1])]
    else:
        assert (got.status, json.loads(got.body)) == ("200 OK", expected)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"name":"a"}', "application/vnd.shop+json; charset=utf-8", 200),
        (b'{"name":"a"}', "text/plain", 415),
        (b'{"name":"a"}', "application/x-www-form-urlencoded", 415),
        (b'{"name":"a"}', "", 415),
        (b'{"name":', "application/json", 400),
        (b'{"name":"a","price":NaN}', "application/json", 400),
        (b'{"name":"\xff"}', "application/json", 400),
        (b"[" * 70 + b"]" * 70, "application/json", 400),
    ],
)
def test_bodies_that_are_no_json(body: bytes, kind: str, status: int) -> None:
    """A body of another type is 415: a form of another site could send it without asking."""
    assert post(of_model, body, kind).status.startswith(str(status))


def test_bodies_of_many_items() -> None:
    """Too many items are 413 before they are checked; many problems are counted, and the first fifty are listed."""
    text = b"[" + b"0," * 100_000 + b"0]"
    assert post(of_list, text).status.startswith("413")
    nested = b'[{"name":"a","tags":[' + b'"",' * 60_000 + b'""]},[' + b"0," * 60_000 + b"0]]"
    assert post(of_list, nested).status.startswith("413")
    got = post(of_list, b"[" + b"0," * 1500 + b"0]")
    assert got.status.startswith("422")
    assert json.loads(got.body)["message"] == "The body does not fit in 1501 places."
    got = post(of_list, b"[" + b"0," * 500 + b"0]")
    assert len(details(got)) == 50
    assert "; and 498 more." in json.loads(got.body)["message"]
    commas = json.dumps([{"name": "," * 100_000}]).encode()
    assert post(of_list, commas).status == "200 OK"


def search(q: FromQuery[str], page: FromQuery[int] = 1, tags: FromQuery[list[int]] = []) -> Any:  # noqa: B006
    return [q, page, tags]


def maybe(page: FromQuery[int] | None = None) -> Any:
    return [page]


def whole(item: FromQuery[Item]) -> Any:
    return [item.name, item.price, item.tags]


@pytest.mark.parametrize(
    ("handler", "query", "expected"),
    [
        (search, "q=a", ["a", 1, []]),
        (search, "q=a&page=2&tags=1&tags=2", ["a", 2, [1, 2]]),
        (search, "", (["query", "q"], "missing")),
        (search, "q=a&page=x", (["query", "page"], "int_parsing")),
        (search, "q=a&tags=x", (["query", "tags", 0], "int_parsing")),
        (maybe, "", [None]),
        (maybe, "page=3", [3]),
        (whole, "name=a&tags=b", ["a", 1, ["b"]]),
        (whole, "price=2", (["query", "name"], "missing")),
    ],
)
def test_marked_arguments_come_from_the_query(handler: Callable[..., Any], query: str, expected: Any) -> None:
    got = answer(handler, "/", "/", QUERY_STRING=query)
    if isinstance(expected, tuple):
        assert details(got) == [expected]
    else:
        assert json.loads(got.body) == expected


def test_marked_arguments_come_from_a_form() -> None:
    def of_form(item: FromForm[Item], tags: FromForm[list[str]]) -> Any:
        return [item.name, item.tags, tags]

    def of_points(point: FromForm[Point]) -> Any:
        return [point.x]

    form = "application/x-www-form-urlencoded"
    assert json.loads(post(of_form, b"name=a&tags=b&tags=c", form).body) == ["a", ["b", "c"], ["b", "c"]]
    assert json.loads(post(of_points, b"x=3", form).body) == [3]
    assert details(post(of_form, b"tags=a", form)) == [(["form", "name"], "missing")]


def two_bodies(a: Item, b: Item) -> Any: ...


def text_of_int(id: str) -> Any: ...


def unresolved(amount: OnlyForCheckers) -> Any: ...


class Unknown:
    pass


def of_unknown(id: Unknown) -> Any: ...


def unknown_name(request: Request, ident: int) -> Any: ...


def a_first_value(ident: int) -> Any: ...


@pytest.mark.parametrize(
    ("handler", "pattern", "message"),
    [
        (
            unknown_name,
            "/{id:int}",
            r"'/{id:int}' has no parameter 'ident' \(it has 'id'\). A handler takes",
        ),
        (a_first_value, "/", r"'/' has no parameter 'ident' \(it has none\).*ident: FromQuery\[...\] of the query"),
        (two_bodies, "/", "'a' and 'b' are both annotated as the body; a request has one"),
        (text_of_int, "/{id:int}", "'id' is annotated str, and '/{id:int}' makes it an int; write '{id}'"),
        (
            unresolved,
            "/",
            "the annotation 'OnlyForCheckers' of 'amount' is not known in its module: name 'OnlyFor",
        ),
        (of_unknown, "/{id}", "'id': Unknown is no type that pydantic can check: "),
    ],
)
def test_parameters_that_cannot_be_filled_are_refused(handler: Callable[..., Any], pattern: str, message: str) -> None:
    """At registration, with the handler's name and place, and with what to write."""
    with pytest.raises(TypeError, match=rf"{handler.__name__} \(.*test_arguments.py:\d+\): {message}"):
        Wiverno().get(pattern)(handler)


def test_refused_handlers_leave_no_route() -> None:
    app = Wiverno()
    with pytest.raises(TypeError):
        app.get("/")(two_bodies)
    app.get("/")(plain)
    assert call(app).body == b"/"


def test_without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an argument that has to be checked needs it, and says so where it is registered."""
    app = Wiverno()
    monkeypatch.setitem(sys.modules, "pydantic", None)
    app.get("/{id:int}")(by_int)
    with pytest.raises(ImportError, match=r"by_int \(.*\): 'id': checked arguments need pydantic: pip install"):
        app.get("/x/{id}")(by_int)
