"""Addresses lead back to the application, wherever it is mounted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from wiverno import Request, Response, Router, Wiverno
from wiverno.web.response import redirect
from wiverno.web.testing import TestClient


def shop(folder: Path) -> Wiverno:
    (folder / "site.css").write_text("body {}")
    app, items = Wiverno(), Router("/items", name="items")
    app.static("/static", folder)

    @app.get("/")
    def home(request: Request) -> list[str]:
        return [app.url_for("home"), app.url_for("static", path="site.css"), items.url_for("items.item", id=7)]

    @app.get("/old")
    def old(request: Request) -> Response:
        return redirect(app.url_for("items.item", id=7))

    @app.get("/stream")
    def stream(request: Request) -> Iterator[str]:
        yield app.url_for("home")
        yield app.url_for("old")

    @app.get("/broken")
    def broken(request: Request) -> str:
        raise RuntimeError

    @app.error_page(500)
    def failed(request: Request) -> str:
        return app.url_for("home")

    @items.get("/{id:int}")
    def item(request: Request) -> str:
        return items.url_for("items.item", id=request.path_params["id"])

    app.include_router(items, "/v1")
    return app


@pytest.mark.parametrize(
    ("mount", "root"),
    [("", ""), ("/", ""), ("/shop", "/shop"), ("/a b/é", "/a%20b/%C3%A9"), ("/shop/", "/shop"), ("//evil", "/evil")],
)
def test_addresses_begin_at_the_mount_point(tmp_path: Path, mount: str, root: str) -> None:
    """Pages, redirects, static files, groups, streams and error pages; outside of a request nothing is put before."""
    app = shop(tmp_path)
    client = TestClient(app, raise_errors=False)
    environ = {"SCRIPT_NAME": mount.encode().decode("latin-1")}

    def get(path: str) -> str:
        return client.get(path, environ_overrides=environ).text

    assert client.get("/", environ_overrides=environ).json == [
        root + "/", root + "/static/site.css", root + "/v1/items/7",
    ]  # fmt: skip
    assert client.get("/old", environ_overrides=environ).headers["Location"] == root + "/v1/items/7"
    assert client.get("/v1/items/7/", environ_overrides=environ).headers["Location"] == root + "/v1/items/7"
    assert get("/v1/items/9") == root + "/v1/items/9"
    assert get("/stream") == root + "/" + root + "/old"
    assert get("/broken") == root + "/"
    assert app.url_for("home") == "/", "not during a request"


def test_under_a_mounting_middleware(tmp_path: Path) -> None:
    """Two copies and a third at the top: each is told its own place, also while one calls another."""
    top, first, second = shop(tmp_path), shop(tmp_path), shop(tmp_path)

    @first.get("/both")
    def both(request: Request) -> list[object]:
        other = TestClient(DispatcherMiddleware(top, {"/two": second})).get("/two/old").headers["Location"]
        return [first.url_for("home"), other, first.url_for("home"), second.url_for("home")]

    client = TestClient(DispatcherMiddleware(top, {"/one": first, "/two": second}))
    assert client.get("/one/both").json == ["/one/", "/two/v1/items/7", "/one/", "/"]
    assert client.get("/old").headers["Location"] == "/v1/items/7"
    assert client.get("/two/old").headers["Location"] == "/two/v1/items/7"


def test_streams_of_two_mounts_may_take_turns(tmp_path: Path) -> None:
    """A server may go on with another request between two parts of a body."""
    app = shop(tmp_path)

    def begin(root: str) -> Iterator[bytes]:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/stream", "SCRIPT_NAME": root}
        return iter(app(environ, lambda *_: None))

    bodies = [begin("/a"), begin("/b")]
    assert [next(body) for body in bodies] == [b"/a/", b"/b/"]
    assert [next(body) for body in bodies] == [b"/a/old", b"/b/old"]


def test_a_group_included_in_two_places_has_no_single_address() -> None:
    """Its own `url_for` says so and names both; the applications' work."""
    group, one, two = Router("/g", name="g"), Wiverno(), Wiverno(prefix="/two")

    @group.get("/x")
    def x(request: Request) -> str:
        return ""

    one.include_router(group)
    assert group.url_for("g.x") == "/g/x"
    two.include_router(group)
    with pytest.raises(LookupError, match=r"'g\.x' is included in several places: /g/x, /two/g/x; ask one of them"):
        group.url_for("g.x")
    assert (one.url_for("g.x"), two.url_for("g.x")) == ("/g/x", "/two/g/x")
