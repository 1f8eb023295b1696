"""An exchange is used again only if the application has kept nothing of it."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.wsgi.test_gateway import RequestCallables, Sink
from wiverno.core.http1.gateway import Http1Gateway
from wiverno.http.response import DateAndServer
from wiverno.tables import has_gil
from wiverno.wsgi.gateway import KEEP


class CountingGateway(Http1Gateway):
    __slots__ = ("renewals",)

    renewals: int

    def _renew_callables(self, environ: dict[str, Any]) -> None:
        self.renewals += 1
        super()._renew_callables(environ)


class Requests:
    """A connection's requests, as the connection makes them: each environ is a copy of the connection's variables."""

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {}
        self.kept: list[Any] = []
        self.what = ""
        self.gateway = CountingGateway(self.application, Sink(), self.variables, DateAndServer(""), expose=False)
        self.gateway.renewals = 0

    def application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        write = start_response("200 OK", [])
        all_of_it = {"start_response": start_response, "write": write, "environ": environ}
        if self.what:
            self.kept.append(all_of_it.get(self.what) or environ[self.what])
        return [b"x"]

    def run(self, *, keeping: str = "") -> int:
        """Make a request, and return how many exchanges have been made by now."""
        self.what = keeping
        assert self.gateway.respond({**self.variables, "REQUEST_METHOD": "GET"}) == KEEP
        return self.gateway.renewals


def test_nothing_is_kept() -> None:
    """As long as nothing is kept, one exchange serves all requests of the connection; not where it can't be known."""
    requests = Requests()
    assert [requests.run() for _ in range(5)] == ([1] * 5 if has_gil() else [1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    "what", ["start_response", "write", "wsgi.early_hints", "wiverno.client_disconnected", "environ"]
)
def test_something_is_kept(what: str) -> None:
    """Whatever is kept, the next request has another exchange, and the requests after it go on with that one."""
    requests = Requests()
    assert [requests.run(keeping=what), requests.run(), requests.run()] == ([1, 2, 2] if has_gil() else [1, 2, 3])
    assert [requests.run(keeping=what) for _ in range(3)] == ([2, 3, 4] if has_gil() else [4, 5, 6])


def test_write_inside_of_write() -> None:
    """A finalizer that calls write() while its thread is in write() is told so: one piece would be inside the other."""
    exchange = RequestCallables()
    errors: list[RuntimeError] = []

    def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        write = start_response("200 OK", [])
        plain = exchange.sink.write

        def interrupted(data: bytes, last: bool = False) -> bool:
            exchange.sink.write = plain  # type: ignore[method-assign]
            try:
                write(b"inner")
            except RuntimeError as error:
                errors.append(error)
            return plain(data, last)

        exchange.sink.write = interrupted  # type: ignore[method-assign]
        write(b"outer")
        return iter([])

    assert exchange.run(application) == KEEP
    assert [str(error) for error in errors] == ["write() was called inside of write()"]
    assert exchange.content == b"5\r\nouter\r\n0\r\n\r\n"


def test_the_end_waits_for_a_thread_in_write() -> None:
    """A response does not end before a thread that is in write() has left it, whatever the kind of body."""
    for body in ([], [b"more"], iter([b"more"])):
        exchange = RequestCallables()
        is_inside, may_go_on = threading.Event(), threading.Event()

        def application(
            _: dict[str, Any],
            start_response: Callable[..., Any],
            exchange: RequestCallables = exchange,
            events: tuple[threading.Event, threading.Event] = (is_inside, may_go_on),
            body: Any = body,
        ) -> Any:
            write = start_response("200 OK", [])
            plain = exchange.sink.write

            def slow(data: bytes, last: bool = False) -> bool:
                exchange.sink.write = plain  # type: ignore[method-assign]
                events[0].set()
                assert events[1].wait(10)
                return plain(data, last)

            exchange.sink.write = slow  # type: ignore[method-assign]
            threading.Thread(target=write, args=(b"slow",)).start()
            assert events[0].wait(10)
            threading.Timer(0.05, events[1].set).start()
            return body

        assert exchange.run(application) == KEEP
        assert exchange.content.endswith(b"0\r\n\r\n")
        assert b"4\r\nslow\r\n" in exchange.content
        assert exchange.content.count(b"HTTP/1.1") == 0
