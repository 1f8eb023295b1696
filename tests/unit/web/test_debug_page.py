"""The debug page shows the traceback escaped, executes nothing, and never shows a secret (security case 45)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.wsgi import Answer, call
from wiverno.web.application import Wiverno
from wiverno.web.debug_page import render_debug_page
from wiverno.web.request import Request

HTML: dict[str, Any] = {"HTTP_ACCEPT": "text/html"}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "wiverno.web")


def page_of(handler: Callable[[Request], Any], path: str = "/x", method: str = "GET", **environ: Any) -> Answer:
    app = Wiverno(debug=True)
    app.route("/{x:path}", ["GET", "POST"])(handler)
    return call(app, method, path, **{**HTML, **environ})


class Leaky:
    def __init__(self, password: str) -> None:
        self.password = password

    def __repr__(self) -> str:
        return f"Leaky(password={self.password!r})"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def failing(request: Request) -> str:
    password = "hunter2-value"
    config = {"db": {"password": "inner-value", "url": "postgres://u:url-value@h"}, "plain": "seen"}
    leaky, broken, markup = Leaky("object" + "-value"), Broken(), "<script>alert('local')</script>"
    try:
        raise KeyError(password)
    except KeyError as error:
        error.add_note("a <b>note</b>")
        raise ValueError(
            f"<script>alert('message')</script> {config['db']} {leaky} {broken.__class__} {markup}"
        ) from error


SECRETS = ("hunter2-value", "inner-value", "url-value", "object-value", "bearer-value", "cookie-value", "query-value")


@pytest.mark.parametrize("query", ["token=query-value", "token=query-value&__locals__=1"])
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_no_secret_anywhere(query: str, accept: str) -> None:
    got = page_of(
        failing, QUERY_STRING=query, HTTP_AUTHORIZATION="Bearer bearer-value", HTTP_COOKIE="sid=cookie-value",
        HTTP_ACCEPT=accept,
    )  # fmt: skip
    assert got.status == "500 Internal Server Error"
    text = got.body.decode()
    # The lines of this very test hold the words; they are source, not values.
    shown = "\n".join(line for line in text.splitlines() if "SECRETS" not in line and "HTTP_" not in line)
    assert [secret for secret in SECRETS if secret in shown] == []


def test_everything_is_escaped_and_nothing_can_run() -> None:
    got = page_of(
        failing, "/<script>alert('path')</script>", QUERY_STRING="a=<script>alert(1)</script>&__locals__=1",
        HTTP_X_EVIL="<script>alert(2)</script>", HTTP_HOST='"><script>x',
    )  # fmt: skip
    text = got.body.decode()
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#x27;message&#x27;)" in text
    assert "default-src 'none'" in got.headers["content-security-policy"]
    assert got.headers["cache-control"] == "no-store"


def test_causes_notes_source_and_request_are_there() -> None:
    text = page_of(failing, "/path", HTTP_X_SOME="field").body.decode()
    for part in ("ValueError", "KeyError", "It was raised because of:", "a &lt;b&gt;note", "test_debug_page.py",
    "failing", "raise ValueError(", "field", "GET /path"):  # fmt: skip
        assert part in text, part
    assert text.index("ValueError") < text.index("It was raised because of:")


def test_local_values_are_one_click_away() -> None:
    """On the page they are folded under their call; plain text, which is for logs, has them only on request."""
    text = page_of(failing).body.decode()
    assert "<summary>Local values</summary><dl>" in text
    assert "<dt>markup</dt>" in text
    assert "&lt;Broken instance at 0x" in text
    assert "&#x27;plain&#x27;: &#x27;seen&#x27;" in text
    assert "<details class=values open" not in text
    assert "markup = " not in page_of(failing, HTTP_ACCEPT="").body.decode().replace("broken, markup = ", "")
    assert "      markup = " in page_of(failing, HTTP_ACCEPT="", QUERY_STRING="__locals__=1").body.decode()


def test_the_expression_that_failed_is_marked() -> None:
    """In its line, after letters of several bytes, over several lines; not where the whole line is it, or is masked."""
    nothing: Any = None

    def one_line(request: Request) -> str:
        return "ä" + str(len("<") + nothing.missing)

    def lines(request: Request) -> str:
        return "".join(
            nothing.missing,
        ) + str(1)

    def whole(request: Request) -> str:
        raise ValueError

    def masked(request: Request) -> str:
        return str(dict(password="x") + nothing.missing)

    assert "(len(&quot;&lt;&quot;) + <mark>nothing.missing</mark>)" in page_of(one_line).body.decode()
    assert "<mark>nothing.missing</mark>,\n" in page_of(lines).body.decode()
    assert "<mark>" not in page_of(whole).body.decode().partition("whole")[2].partition("<details>")[0]
    assert "<mark>nothing" not in page_of(masked).body.decode()


def test_recursion_and_contexts_are_bounded() -> None:
    def deep(request: Request, level: int = 0) -> str:
        return deep(request, level + 1)

    got = page_of(deep)
    assert "calls in the middle are left out" in got.body.decode()
    assert len(got.body) < 500_000

    def endless(request: Request) -> str:
        error: Exception = ValueError("0")
        for number in range(50):
            following = ValueError(str(number))
            following.__context__ = error
            error = following
        raise error

    assert page_of(endless).body.decode().count("while this was handled") < 10


def test_a_broken_message_and_undecodable_query() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def handler(request: Request) -> str:
        raise Odd

    text = page_of(handler, QUERY_STRING="a=%FF&b=\xff").body.decode()
    assert "(its message cannot be read)" in text


def test_plain_text_for_who_does_not_ask_for_html() -> None:
    got = page_of(failing, HTTP_ACCEPT="*/*")
    assert got.headers["content-type"] == "text/plain; charset=utf-8"
    assert "That was the direct cause of:" in got.body.decode()
    assert "ValueError: <script>" in got.body.decode()


def test_it_is_off_unless_asked_for() -> None:
    app = Wiverno()
    app.get("/")(failing)
    assert b"ValueError" not in call(app, **HTML).body
    assert b"ValueError" not in call(app, **HTML, HTTP_WIVERNO_DEBUG="1").body
    extra: dict[str, Any] = {"wiverno.debug": True}
    assert b"ValueError" in call(app, **HTML, **extra).body
    app.debug = False
    assert b"ValueError" not in call(app, **HTML, **extra).body


def test_a_syntax_error_shows_its_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("x = 1\ndef f(:\n    pass\n")
    try:
        compile(file.read_text(), str(file), "exec")
    except SyntaxError as error:
        text = answer_text(
            render_debug_page(error, {"REQUEST_METHOD": "GET", **HTML}, title="No start", advice="Save again.")
        )
    assert f"{file}:2" in text
    assert "def f(:" in text
    assert "No start" in text
    assert "Save again." in text


def answer_text(response: Any) -> str:
    return str(response.body)


def test_404_names_the_routes_in_debug_mode() -> None:
    app = Wiverno(debug=True)
    assert b"the application has none" in call(app, path="/usres").body
    for path in ("/users", "/other", *(f"/r{number}" for number in range(20))):
        app.get(path)(lambda request: "")
    body = call(app, path="/usres<b>").body.decode()
    assert "No route answers /usres&lt;b&gt;. There are /users, " in body
    assert "…" in body


def test_values_are_short_whatever_they_are() -> None:
    class Nameless(type):
        __name__ = property(lambda cls: 1 // 0)

    class Odd(metaclass=Nameless):
        pass

    def handler(request: Request) -> str:
        deep: Any = {}
        for _ in range(20):
            deep = {"next": deep, "long": "x" * 10_000}
        many = {number: number for number in range(1000)}
        odd = Odd()
        none: dict[str, str] = {}
        raise RuntimeError(str(len(many)) + str(len(none)) + str(odd is None) + str(len(deep)))

    text = page_of(handler, QUERY_STRING="__locals__=1").body.decode()
    assert "{…}" in text
    assert ", …}" in text
    assert "<dd>{}</dd>" in text
    assert "its repr() raised ZeroDivisionError" in text
    assert len(text) < 100_000


def test_plain_text_tells_how_exceptions_hang_together() -> None:
    def handler(request: Request) -> str:
        try:
            raise KeyError("first")
        except KeyError:
            return str(1 // 0)

    text = page_of(handler, HTTP_ACCEPT="", QUERY_STRING="__locals__=1").body.decode()
    assert (
        text.index("KeyError") < text.index("While that was handled, this happened:") < text.index("ZeroDivisionError")
    )
    assert "      request = <Request GET /x>" in text
