"""The site of the framework loads is the same in each framework."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from benchmarks import apps, framework_pages
from tests.support.wsgi import call

each_framework = pytest.mark.parametrize("framework", framework_pages.FRAMEWORKS)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    """Another process: Django can be configured once in each, and another test may have done that in this one."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def answer_of(framework: str, path: str, environ: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
    answer = call(getattr(framework_pages, f"{framework}_app"), path=path, **environ)
    return answer.status, answer.headers, answer.body


@each_framework
@pytest.mark.parametrize("path", ["/", "/greeting/item-7"])
def test_each_framework_greets(elsewhere: ProcessPoolExecutor, framework: str, path: str) -> None:
    """The comparison is between equal answers."""
    status, _, body = elsewhere.submit(answer_of, framework, path, {}).result()
    assert (status, body) == ("200 OK", apps.GREETING)


@each_framework
def test_each_framework_sends_the_page(elsewhere: ProcessPoolExecutor, framework: str) -> None:
    """All send the same bytes, with what is unsafe escaped."""
    _, _, first = elsewhere.submit(answer_of, "flask", "/catalogue/item-1", {}).result()
    status, headers, body = elsewhere.submit(answer_of, framework, "/catalogue/item-1", {}).result()
    assert status == "200 OK"
    assert headers["content-type"].lower() == "text/html; charset=utf-8"
    assert body == first
    assert len(body) == framework_pages.PAGE_LENGTH
    assert b"Salt &amp; pepper" in body


@each_framework
def test_the_page_reads_the_query_string_and_the_cookie(elsewhere: ProcessPoolExecutor, framework: str) -> None:
    """A page that reads nothing of the request would flatter the server that parses least."""
    environ = {"QUERY_STRING": "page=3&sort=price", "HTTP_COOKIE": "a=b; theme=dark"}
    _, _, body = elsewhere.submit(answer_of, framework, "/catalogue/item-42", environ).result()
    assert b"<h1>Item 42</h1>\n<p>Sorted by price, page 3.</p>" in body
    assert b'<body class="dark">' in body


def test_an_unknown_application_is_no_attribute() -> None:
    """A misspelt name fails at the start of the server."""
    with pytest.raises(AttributeError):
        framework_pages.flaks_app  # noqa: B018
