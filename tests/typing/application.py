"""An application that uses the framework's public types; mypy --strict must find nothing (test_types.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, assert_type

from pydantic import BaseModel
from werkzeug.datastructures import FileStorage

from wiverno import (
    CORS,
    BaseView,
    FromForm,
    FromQuery,
    Request,
    Response,
    Router,
    Sessions,
    Signer,
    Templator,
    Wiverno,
)  # fmt: skip
from wiverno.web.errors import HTTPError, abort
from wiverno.web.files import send_file
from wiverno.web.forms import Limits
from wiverno.web.patterns import Converter
from wiverno.web.response import ReturnValue, redirect
from wiverno.web.testing import TestClient
from wiverno.web.values import Fields


class Year(Converter):
    def parse(self, text: str) -> int:
        return int(text)


app = Wiverno(debug=False, limits=Limits(json_depth=8), converters={"year": Year})
shop = Router("/shop", name="shop")


@app.get("/")
def status_and_text(request: Request) -> tuple[str, str]:
    return "200 OK", "Hello"


@app.get("/text")
def text(request: Request) -> str:
    return request.path


@app.get("/number")
def number_and_headers(request: Request) -> tuple[int, str, dict[str, str]]:
    return 200, "x", {"X-A": "b"}


@app.get("/enum")
def enum_and_bytes(request: Request) -> tuple[HTTPStatus, bytes]:
    return HTTPStatus.CREATED, b""


@app.post("/json")
def dictionary(request: Request) -> dict[str, Any]:
    return {"got": request.json}


@dataclass
class Item:
    name: str


class Order(BaseModel):
    item: str


@app.get("/path/{id:int}")
def of_the_path(id: int) -> dict[str, int]:
    return {"id": id}


@app.post("/checked")
def checked(order: Order, page: FromQuery[int] = 1, note: FromForm[str] = "") -> tuple[Order, int]:
    assert_type(page, int)
    assert_type(note, str)
    return order, 201


@app.get("/dataclass")
def of_a_dataclass() -> Item:
    return Item("a")


@app.get("/flask")
def as_in_flask() -> tuple[dict[str, str], int, dict[str, str]]:
    return {"a": "b"}, 202, {"X-A": "b"}


@app.before_request
def before(request: Request) -> tuple[int, str] | None:
    request.state.user = request.session.get("user")
    return None


@app.after_request
def after(request: Request, response: Response) -> None:
    response.headers["X-A"] = "b"


@app.middleware
def around(request: Request, call_next: Callable[[Request], Response]) -> Response:
    return call_next(request)


@app.error_page(KeyError)
def of_a_class(request: Request, error: KeyError) -> tuple[int, str]:
    return 503, str(error)


app.middleware(Sessions("x" * 16))
app.middleware(CORS(["https://shop.example"]))
assert_type(Signer(["x" * 16]).sign({"a": 1}), str)


@shop.get("/items/{id:int}")
def items(request: Request) -> list[int]:
    return [request.path_params["id"]]


@shop.get("/stream")
def stream(request: Request) -> Iterator[str]:
    yield "a"


@app.get("/file")
def file(request: Request) -> ReturnValue:
    return open(__file__, "rb")


@app.get("/sent")
def sent(request: Request) -> Response:
    response = send_file(request, __file__, max_age=60)
    response.set_cookie("a", "b", samesite="Strict")
    return response if request.is_secure else redirect(app.url_for("shop.items", id=7))


@app.route("/view/{y:year}", methods=["GET", "PUT"])
class View(BaseView):
    def get(self, request: Request) -> str:
        return Templator("templates").render("a.html", year=request.path_params["y"])

    def put(self, request: Request) -> str:
        abort(403, "Not you.")


@app.error_page(404)
def not_found(request: Request) -> str:
    return "nothing here"


@app.error_page(409)
def conflict(request: Request, error: HTTPError) -> tuple[int, dict[str, str]]:
    return error.status, {"error": error.message}


app.include_router(shop, "/v1")


def what_a_request_has(request: Request) -> None:
    assert_type(request.method, str)
    assert_type(request.headers, Fields)
    assert_type(request.query_params.get("a"), str | None)
    assert_type(request.query_params.getlist("a"), list[str])
    assert_type(request.cookies.get("a"), str | None)
    assert_type(request.form["a"], str)
    assert_type(request.files["f"], FileStorage)
    assert_type(request.body, bytes)
    assert_type(request.text, str)
    assert_type(request.client_ip, str | None)
    assert_type(request.is_secure, bool)
    assert_type(request.content_length, int | None)
    assert_type(app.url_for("text"), str)
    assert_type(TestClient(app).get("/").status_code, int)
