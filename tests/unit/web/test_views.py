"""Class views answer the methods they define, each request with its own instance."""

from __future__ import annotations

from tests.support.wsgi import call
from wiverno.web.application import Wiverno
from wiverno.web.request import Request
from wiverno.web.views import BaseView


def app_with_view() -> Wiverno:
    app = Wiverno()

    @app.route("/items/{id:int}")
    class Item(BaseView):
        def __init__(self) -> None:
            self.calls = 0

        def get(self, request: Request) -> tuple[int, str]:
            self.calls += 1
            return 200, f"{request.path_params['id']} {self.calls}"

        def delete(self, request: Request) -> tuple[int, str]:
            return 204, ""

    return app


def test_methods_are_those_the_class_defines() -> None:
    app = app_with_view()
    assert call(app, "GET", "/items/7").body == b"7 1"
    assert call(app, "GET", "/items/7").body == b"7 1", "a new instance for each request"
    head = call(app, "HEAD", "/items/7")
    assert (head.status, head.body, head.headers["content-length"]) == ("200 OK", b"", "3")
    assert call(app, "DELETE", "/items/7").status == "204 No Content"
    refused = call(app, "POST", "/items/7")
    assert (refused.status, refused.headers["allow"]) == ("405 Method Not Allowed", "DELETE, GET, HEAD, OPTIONS")


def test_an_object_may_be_registered_and_more_methods_than_it_has() -> None:
    class Counter(BaseView):
        count = 0

        def get(self, request: Request) -> str:
            self.count += 1
            return str(self.count)

    app = Wiverno()
    app.add_route("/n", Counter(), ["GET", "HEAD", "PUT"])
    assert call(app, path="/n").body == b"1"
    assert call(app, path="/n").body == b"2"
    assert call(app, "HEAD", "/n").status == "200 OK"
    assert call(app, "PUT", "/n").status == "405 Method Not Allowed"
    assert call(app, "PUT", "/n").headers["allow"] == "GET"


def test_the_class_names_its_route() -> None:
    assert app_with_view().url_for("Item", id=3) == "/items/3"
