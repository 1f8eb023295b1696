"""The site of the framework loads is the same in each framework."""

import pytest

from benchmarks import apps, framework_pages
from tests.support.wsgi import call

each_framework = pytest.mark.parametrize("framework", framework_pages.FRAMEWORKS)


@each_framework
@pytest.mark.parametrize("path", ["/", "/greeting/item-7"])
def test_each_framework_greets(framework: str, path: str) -> None:
    """The comparison is between equal answers."""
    answer = call(getattr(framework_pages, f"{framework}_app"), path=path)
    assert (answer.status, answer.body) == ("200 OK", apps.GREETING)


@each_framework
def test_each_framework_sends_the_page(framework: str) -> None:
    """All send the same bytes, with what is unsafe escaped."""
    first = call(framework_pages.flask_app, path="/catalogue/item-1").body
    answer = call(getattr(framework_pages, f"{framework}_app"), path="/catalogue/item-1")
    assert answer.status == "200 OK"
    assert answer.headers["content-type"].lower() == "text/html; charset=utf-8"
    assert answer.body == first
    assert len(answer.body) == framework_pages.PAGE_LENGTH
    assert b"Salt &amp; pepper" in answer.body


@each_framework
def test_the_page_reads_the_query_string_and_the_cookie(framework: str) -> None:
    """A page that reads nothing of the request would flatter the server that parses least."""
    application = getattr(framework_pages, f"{framework}_app")
    answer = call(
        application, path="/catalogue/item-42", QUERY_STRING="page=3&sort=price", HTTP_COOKIE="a=b; theme=dark"
    )
    assert b"<h1>Item 42</h1>\n<p>Sorted by price, page 3.</p>" in answer.body
    assert b'<body class="dark">' in answer.body


def test_an_unknown_application_is_no_attribute() -> None:
    """A misspelt name fails at the start of the server."""
    with pytest.raises(AttributeError):
        framework_pages.flaks_app  # noqa: B018
