"""Responses say what the handler said; cookies and redirects are careful by default."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from tests.support.wsgi import call
from wiverno.web.answers import answer
from wiverno.web.application import Wiverno
from wiverno.web.request import Request
from wiverno.web.response import Response, redirect, status_line


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, "200 OK"),
        (HTTPStatus.NOT_FOUND, "404 Not Found"),
        ("201 Created", "201 Created"),
        ("404", "404 Not Found"),
        (299, "299 Unknown"),
        ("200 ", "200 "),
        ("200 Fine\tby me", "200 Fine\tby me"),
    ],
)
def test_status_lines(status: str | int, line: str) -> None:
    assert status_line(status) == line


@pytest.mark.parametrize("status", [0, 99, 100, 199, 1000, -1, True, "", "OK", "20 OK", "2000 OK", "100 Continue",
                                    "200 OK\n", "200 \x00", "200 é", "٢٠٠ OK", "٢٠٠", None, 200.0 + 0.5])  # fmt: skip
def test_statuses_that_cannot_be_sent(status: str | int) -> None:
    with pytest.raises(ValueError, match="is not a status"):
        status_line(status)


def test_equal_answers_share_their_parts() -> None:
    """A server that remembers response heads recognises them at once: exact types, one object a field."""
    first, second = answer(("200 OK", "Hello"), {}), answer(("200 OK", "World"), {})
    assert type(first[1]) is list
    assert first[1] is not second[1]
    assert all(one is two for one, two in zip(first[1], second[1], strict=True))
    assert all(type(field) is tuple and type(field[0]) is type(field[1]) is str for field in first[1])
    assert type(first[2]) is list
    assert first[2] == [b"Hello"]


@pytest.mark.parametrize("status", [204, 205, 304])
def test_no_content_has_none(status: int) -> None:
    for value in (status, "ignored"), Response("ignored", status, {"ETag": '"x"', "Content-Length": "7"}):
        line, headers, body = answer(value, {})
        assert (line[:3], list(body)) == (str(status), [])
        assert not {"content-length", "content-type"} & {name.lower() for name, _ in headers}


def test_a_closed_body_of_no_content() -> None:
    closed: list[bool] = []

    def items() -> Iterator[str]:
        try:
            yield "x"
        finally:
            closed.append(True)

    generator = items()
    next(generator)
    answer((204, generator), {})
    assert closed == [True]


def test_headers_given_are_kept() -> None:
    _, headers, _ = answer((200, iter(["ab"]), {"content-length": "2", "CONTENT-TYPE": "a/b"}), {})
    assert headers == [("content-length", "2"), ("CONTENT-TYPE", "a/b")]
    assert answer((200, "", {"X": 5}), {})[1][0] == ("X", "5")
    with pytest.raises(UnicodeEncodeError):
        answer((200, "", {"X": "€"}), {})


def test_cookies() -> None:
    response = Response("x")
    response.set_cookie("a", "1")
    response.set_cookie("b", "x;\r\n y", max_age=60, secure=True, samesite="Strict", httponly=False, path="/p")
    response.delete_cookie("c")
    first, second, third = response.headers.getlist("Set-Cookie")
    assert first == "a=1; HttpOnly; Path=/; SameSite=Lax"
    assert "\r" not in second
    assert "Max-Age=60" in second
    assert "Secure" in second
    assert "Path=/p; SameSite=Strict" in second
    assert "HttpOnly" not in second
    assert third.startswith("c=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0;")
    app = Wiverno()
    app.get("/")(lambda request: response)
    assert [name for name, _ in call(app).header_list].count("Set-Cookie") == 3


def test_redirects() -> None:
    response = redirect("/a b?é=1")
    assert (response.status, response.headers["Location"]) == ("303 See Other", "/a%20b?%C3%A9=1")
    assert redirect("/x", 308).status_code == 308
    assert "\r" not in redirect("/x\r\nSet-Cookie: a=b").headers["Location"]
    with pytest.raises(ValueError, match="200 is not a redirect"):
        redirect("/x", 200)


def test_a_response_remembers_its_headers() -> None:
    response = Response({"a": 1}, "201 Created", [("X-A", "1"), ("X-A", "2")], "application/vnd.x+json")
    response.headers["X-B"] = "3"
    line, headers, _ = answer(response, {})
    assert line == "201 Created"
    assert headers == [
        ("X-A", "1"), ("X-A", "2"), ("Content-Type", "application/vnd.x+json"), ("X-B", "3"), ("Content-Length", "7"),
    ]  # fmt: skip
    with pytest.raises(ValueError):
        response.headers["X-C"] = "a\r\nb"


def test_what_streams_may_yield() -> None:
    assert list(answer(iter([b"a", "b", bytearray(b"c"), memoryview(b"d")]), {})[2]) == [b"a", b"b", b"c", b"d"]
    with pytest.raises(TypeError, match="a streaming handler yielded a int; yield text or bytes"):
        list(answer(iter([1]), {})[2])
    with pytest.raises(TypeError, match="a handler returned a coroutine"):
        answer(_coroutine(), {})


async def _coroutine() -> str:
    return ""


@pytest.mark.parametrize(
    ("cookie", "error", "message"),
    [
        ({"name": "a;b"}, ValueError, "'a;b' is not a name for a cookie; write letters, digits, '-', '_' or '.'"),
        ({"name": "a=b"}, ValueError, "'a=b' is not a name for a cookie; write letters, digits, '-', '_' or '.'"),
        ({"name": " a"}, ValueError, "' a' is not a name for a cookie; write letters, digits, '-', '_' or '.'"),
        ({"name": "a\n"}, ValueError, "'a\\n' is not a name for a cookie; write letters, digits, '-', '_' or '.'"),
        ({"name": ""}, ValueError, "'' is not a name for a cookie; write letters, digits, '-', '_' or '.'"),
        ({"name": 5}, TypeError, "a cookie's name is text, not int"),
        ({"value": 5}, TypeError, "cookie 'a': the value is text, not int"),
        ({"domain": "x; Path=/"}, ValueError, "cookie 'a': 'x; Path=/' is not a domain; write one like 'shop.example'"),
        ({"domain": 5}, TypeError, "cookie 'a': a domain is text, not int"),
        ({"max_age": "60"}, TypeError, "cookie 'a': max_age is a whole number of seconds, not '60'"),
        ({"max_age": 1.5}, TypeError, "cookie 'a': max_age is a whole number of seconds, not 1.5"),
    ],
)
def test_a_cookie_that_would_become_another_one(cookie: dict[str, Any], error: type[Exception], message: str) -> None:
    """Name and domain cannot add attributes to the field; the message names what was found."""
    response = Response("x")
    with pytest.raises(error) as caught:
        response.set_cookie(**{"name": "a", "value": "b"} | cookie)
    assert str(caught.value) == message
    assert "Set-Cookie" not in response.headers


def test_a_redirect_to_nothing() -> None:
    with pytest.raises(TypeError, match=r"^a redirect needs an address, like '/login', not NoneType$"):
        redirect(None)  # type: ignore[arg-type]


def test_every_cookie_that_a_browser_sends_can_be_deleted() -> None:
    """Other applications of the host set names that are no tokens."""
    sent = 'cart[1]=a; a b=c; \xc3\xa9=d; =e; f; (g)@h,i="j"; k\tl=m;;'
    request = Request({"HTTP_COOKIE": sent, "REQUEST_METHOD": "GET"})
    names = list(request.cookies)
    assert {"cart[1]", "\xe9", "(g)@h,i"} <= set(names)
    response = Response("")
    for name in names:
        response.delete_cookie(name)
    assert len(response.headers.getlist("Set-Cookie")) == len(names)
