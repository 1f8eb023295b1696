"""CORS as the Fetch Standard has it: preflights, credentials, Vary."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.wsgi import Answer, call
from wiverno.web.application import Wiverno
from wiverno.web.cors import CORS
from wiverno.web.request import Request

SHOP = "https://shop.example"


def make_app(cors: CORS) -> Wiverno:
    app = Wiverno()
    app.middleware(cors)
    app.get("/")(lambda request: (200, {"a": 1}, {"Vary": "Cookie"}))

    @app.get("/fails")
    def fails(request: Request) -> str:
        raise ValueError("a bug")

    return app


def preflight(app: Wiverno, origin: str = SHOP, method: str = "PUT", fields: str = "") -> Answer:
    more: dict[str, Any] = {"HTTP_ACCESS_CONTROL_REQUEST_HEADERS": fields} if fields else {}
    return call(app, "OPTIONS", "/x", HTTP_ORIGIN=origin, HTTP_ACCESS_CONTROL_REQUEST_METHOD=method, **more)


def fields(got: Answer) -> dict[str, str]:
    return {name[15:]: value for name, value in got.headers.items() if name.startswith("access-control-")}


def vary(got: Answer) -> set[str]:
    return {name.strip() for name in got.headers.get("vary", "").split(",") if name.strip()}


def test_named_origins() -> None:
    """Their pages may read every response, error pages too; pages of others may not; caches are told."""
    app = make_app(CORS([SHOP, "http://localhost:3000"], expose=["X-Total"]))
    for path, status in (("/", "200"), ("/nowhere", "404"), ("/fails", "500")):
        got = call(app, path=path, HTTP_ORIGIN=SHOP)
        assert got.status.startswith(status)
        assert fields(got) == {"allow-origin": SHOP, "expose-headers": "X-Total"}
        assert "Origin" in vary(got)
    assert vary(call(app, HTTP_ORIGIN=SHOP)) == {"Cookie", "Origin"}
    for origin in ("https://evil.example", "https://shop.example.evil.example", "null", "HTTPS://SHOP.EXAMPLE", ""):
        got = call(app, HTTP_ORIGIN=origin)
        assert (got.status, fields(got), vary(got)) == ("200 OK", {}, {"Cookie", "Origin"})


def test_all_origins() -> None:
    """The answer is the same for all, so it does not vary."""
    app = make_app(CORS("*"))
    got = call(app, HTTP_ORIGIN="https://any.example")
    assert (fields(got), vary(got)) == ({"allow-origin": "*"}, {"Cookie"})
    assert fields(preflight(app))["allow-origin"] == "*"


def test_credentials() -> None:
    got = call(make_app(CORS([SHOP], credentials=True)), HTTP_ORIGIN=SHOP)
    assert fields(got) == {"allow-origin": SHOP, "allow-credentials": "true"}
    assert fields(preflight(make_app(CORS([SHOP], credentials=True))))["allow-credentials"] == "true"


def test_preflights() -> None:
    """Answered for every address, without asking a handler, with what is allowed."""
    app = make_app(CORS([SHOP], headers=["Content-Type", "Authorization"], max_age=60))
    got = preflight(app, fields="authorization, Content-Type, ,accept")
    assert (got.status, got.body) == ("204 No Content", b"")
    assert fields(got) == {
        "allow-origin": SHOP,
        "allow-methods": "DELETE, GET, HEAD, PATCH, POST, PUT",
        "allow-headers": "accept, accept-language, authorization, content-language, content-type",
        "max-age": "60",
    }
    assert vary(got) == {"Access-Control-Request-Method", "Access-Control-Request-Headers", "Origin"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"origin": "https://evil.example"}, b"This origin is not allowed.\n"),
        ({"method": "TRACE"}, b"This method is not allowed for other origins.\n"),
        ({"fields": "x-token"}, b"A header field is not allowed for other origins.\n"),
    ],
)
def test_refused_preflights(asked: dict[str, str], message: bytes) -> None:
    """403 with the reason and without what a browser needs to go on."""
    got = preflight(make_app(CORS([SHOP])), **asked)
    assert (got.status, got.body, fields(got)) == ("403 Forbidden", message, {})
    assert "Origin" in vary(got)


def test_options_that_are_no_preflight_reach_the_application() -> None:
    app = make_app(CORS([SHOP]))
    assert call(app, "OPTIONS", HTTP_ORIGIN=SHOP).headers["allow"] == "GET, HEAD, OPTIONS"
    assert call(app, "OPTIONS", HTTP_ACCESS_CONTROL_REQUEST_METHOD="GET").headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"origins": "*", "credentials": True}, ValueError, "would let every site act as the user"),
        ({"origins": ["*"], "credentials": True}, ValueError, "would let every site act as the user"),
        ({"origins": ["https://shop.example/"]}, ValueError, "is not an origin; write scheme and host"),
        ({"origins": ["shop.example"]}, ValueError, "'shop.example' is not an origin"),
        ({"origins": ["null"]}, ValueError, "'null' is not an origin"),
        ({"origins": [SHOP, "*"]}, ValueError, r"'\*' is not an origin"),
        ({"origins": [SHOP], "methods": "GET"}, TypeError, r"methods is a list of names, like \['GET'\]"),
        ({"origins": [SHOP], "headers": ["*"]}, ValueError, r"headers: '\*' is not a name; name each one"),
        ({"origins": [SHOP], "expose": ["a\nb"]}, ValueError, "expose: 'a.nb' is not a name"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CORS(**arguments)
