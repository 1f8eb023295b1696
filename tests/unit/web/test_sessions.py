"""Sessions: signed cookies that are set only when something has changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from itsdangerous.timed import TimestampSigner

from tests.support.wsgi import Answer, call
from wiverno.web.application import Wiverno
from wiverno.web.request import Request
from wiverno.web.sessions import Sessions
from wiverno.web.signing import Signer

SECRET = "a secret of thirty-two letters ..."


def make_app(sessions: Sessions | None = None) -> Wiverno:
    app = Wiverno()
    app.middleware(sessions or Sessions(SECRET))
    app.get("/none")(lambda request: "ok")
    app.get("/read")(lambda request: {"user": request.session.get("user")})

    @app.get("/set")
    def set_user(request: Request) -> str:
        request.session["user"] = request.query_params.get("user", "ann")
        return "ok"

    @app.get("/nested")
    def nested(request: Request) -> str:
        request.session.setdefault("cart", []).append(7)
        return "ok"

    @app.get("/clear")
    def clear(request: Request) -> str:
        request.session.clear()
        return "ok"

    @app.get("/fails")
    def fails(request: Request) -> str:
        request.session["user"] = "eve"
        raise ValueError("a bug")

    return app


def cookie_of(got: Answer) -> str:
    """Return the cookie as a browser sends it back."""
    return got.headers["set-cookie"].partition(";")[0]


def attributes_of(got: Answer) -> list[str]:
    """Return the cookie's attributes; ``Expires`` says the same as ``Max-Age``."""
    return sorted(text for text in got.headers["set-cookie"].split("; ")[1:] if not text.startswith("Expires="))


def test_a_session_comes_back() -> None:
    """From handler to handler, nested values too; each change sets the cookie again."""
    app = make_app()
    cookie = cookie_of(call(app, path="/set"))
    assert call(app, path="/read", HTTP_COOKIE=cookie).body == b'{"user":"ann"}'
    cookie = cookie_of(call(app, path="/nested", HTTP_COOKIE=cookie))
    again = cookie_of(call(app, path="/nested", HTTP_COOKIE=cookie))
    assert again != cookie
    assert Signer(SECRET, "wiverno.session").read(again.partition("=")[2]) == {"user": "ann", "cart": [7, 7]}


def test_nothing_is_set_when_nothing_changed() -> None:
    """No cookie for a session that was not asked for, only read, or set to what it was; Vary where it was read."""
    app = make_app()
    cookie = cookie_of(call(app, path="/set"))
    for path, vary in (("/none", None), ("/read", "Cookie"), ("/set", "Cookie"), ("/nowhere", "Accept")):
        got = call(app, path=path, HTTP_COOKIE=cookie)
        assert (got.headers.get("set-cookie"), got.headers.get("vary")) == (None, vary), path
    assert "set-cookie" not in call(app, path="/clear").headers
    assert call(app, path="/set", HTTP_COOKIE=cookie, QUERY_STRING="user=bob").headers["vary"] == "Cookie"


def test_attributes_of_the_cookie() -> None:
    """Scripts do not see it, other sites' forms do not send it, and it has an end."""
    got = call(make_app(), path="/set", HTTP_HOST="shop.example")
    assert attributes_of(got) == ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Lax", "Secure"]
    https: dict[str, Any] = {"wsgi.url_scheme": "https"}
    assert "Secure" in attributes_of(call(make_app(), path="/set", HTTP_HOST="localhost", **https))
    own = Sessions(SECRET, cookie="__Host-s", max_age=60, path="/", secure=True, samesite="Strict")
    got = call(make_app(own), path="/set")
    assert cookie_of(got).startswith("__Host-s=")
    assert attributes_of(got) == ["HttpOnly", "Max-Age=60", "Path=/", "SameSite=Strict", "Secure"]
    shared = Sessions(SECRET, domain="shop.example")
    assert "Domain=shop.example" in call(make_app(shared), path="/set").headers["set-cookie"]
    assert "Path=/m" in call(make_app(), path="/set", SCRIPT_NAME="/m").headers["set-cookie"]


@pytest.mark.parametrize(
    ("host", "secure"),
    [
        ("localhost:8000", False), ("127.0.0.1", False), ("[::1]:8000", False), ("[::1]", False),
        ("shop.localhost", False), ("LOCALHOST", False), ("shop.example", True), ("10.0.0.7:8000", True),
    ],
)  # fmt: skip
def test_the_cookie_is_for_https_except_on_this_machine(
    host: str, secure: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A browser that will not keep it is mentioned in the log, once, with what to do."""
    app = make_app()
    for _ in range(2):
        assert ("Secure" in call(app, path="/set", HTTP_HOST=host).headers["set-cookie"]) == secure
    assert [("trusted_proxies" in message) for message in caplog.messages] == [True] * secure
    assert (
        "Secure"
        not in call(make_app(Sessions(SECRET, secure=False)), path="/set", HTTP_HOST=host).headers["set-cookie"]
    )


def test_clearing_deletes_the_cookie() -> None:
    app = make_app()
    got = call(app, path="/clear", HTTP_COOKIE=cookie_of(call(app, path="/set")))
    assert got.headers["set-cookie"].startswith("session=;")
    assert "Max-Age=0" in got.headers["set-cookie"]


def test_a_session_that_is_not_valid_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed, of another secret, too old, no dictionary or too long: the handler sees an empty one."""
    app = make_app(Sessions(SECRET, max_age=60))
    cookie = cookie_of(call(app, path="/set"))
    texts = [
        cookie + "x", "session=x", "session=" + "x" * 5000,
        cookie_of(call(make_app(Sessions("other" * 8)), path="/set")),
        "session=" + Signer(SECRET, "wiverno.session").sign([1]), "session=" + Signer(SECRET).sign({"user": "eve"}),
    ]  # fmt: skip
    for text in texts:
        got = call(app, path="/read", HTTP_COOKIE=text)
        assert (got.body, "set-cookie" in got.headers) == (b'{"user":null}', False), text
    later = TimestampSigner.get_timestamp
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: later(self) + 62)
    assert call(app, path="/read", HTTP_COOKIE=cookie).body == b'{"user":null}'


def test_rotation() -> None:
    """A session of the old secret is read, and signed by the new one when it changes."""
    old, new = "old" * 8, "new" * 8
    cookie = cookie_of(call(make_app(Sessions(old)), path="/set"))
    app = make_app(Sessions([new, old]))
    assert call(app, path="/read", HTTP_COOKIE=cookie).body == b'{"user":"ann"}'
    changed = cookie_of(call(app, path="/set", HTTP_COOKIE=cookie, QUERY_STRING="user=bob"))
    assert call(make_app(Sessions(new)), path="/read", HTTP_COOKIE=changed).body == b'{"user":"bob"}'


def test_a_session_that_is_too_large_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """A browser would drop it in silence."""
    import secrets

    got = call(make_app(), path="/set", QUERY_STRING=f"user={secrets.token_hex(4000)}")
    assert got.status == "500 Internal Server Error"
    assert "bytes as a cookie, and browsers keep 4096; keep the data elsewhere" in caplog.text


def test_what_json_cannot_hold_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app()

    @app.get("/object")
    def of_an_object(request: Request) -> str:
        request.session["x"] = object()
        return "ok"

    assert call(app, path="/object").status == "500 Internal Server Error"
    assert "object is not JSON serializable" in caplog.text


def test_a_failed_handler_keeps_its_changes() -> None:
    """As in Flask: the page for 500 is a response like any other."""
    got = call(make_app(), path="/fails")
    assert got.status.startswith("500")
    assert cookie_of(got).startswith("session=")


def test_without_sessions() -> None:
    with pytest.raises(RuntimeError, match=r"sessions are off; switch them on with app.middleware\(Sessions"):
        _ = Request({"REQUEST_METHOD": "GET"}).session


@pytest.mark.parametrize(
    ("options", "message"),
    [({"max_age": 0}, "at least a second"), ({"samesite": "None", "secure": False}, "needs secure=True")],
)
def test_options_that_cannot_work(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sessions(SECRET, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cookie": "a b"}, ValueError, "'a b' is not a name for a cookie"),
        ({"domain": "a;b"}, ValueError, "cookie 'session': 'a;b' is not a domain"),
        ({"samesite": "lax"}, ValueError, "samesite is 'Strict', 'Lax' or 'None', not 'lax'"),
        ({"max_age": "60"}, TypeError, "max_age is a whole number of seconds, not '60'"),
    ],
)
def test_options_are_checked_at_once(options: dict[str, Any], error: type[Exception], message: str) -> None:
    """Not at the first request that has a session."""
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        Sessions("x" * 16, **options)
