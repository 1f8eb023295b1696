"""What an application keeps of a request and uses later never acts on another request of the connection."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.serving import MODES, serving
from tests.support.waiting import PATIENCE, wait_until

Start = Callable[..., Any]
GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"

CALLS: dict[str, Callable[[dict[str, Any]], object]] = {
    "start_response": lambda kept: kept["start"]("500 Stolen", [("X-Stolen", "1")]),
    "start_response with exc_info": lambda kept: kept["start"]("500 S", [("X-Stolen", "1")], (None, None, None)),
    "write": lambda kept: kept["write"](b"stolen"),
    "an empty write": lambda kept: kept["write"](b""),
    "early_hints": lambda kept: kept["environ"]["wsgi.early_hints"]([("X-Stolen", "1")]),
    "client_disconnected": lambda kept: kept["environ"]["wiverno.client_disconnected"](),
    "waitress.client_disconnected": lambda kept: kept["environ"]["waitress.client_disconnected"](),
}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


class Keeping:
    """Keeps the first request's callables; a later one uses them in its own call, or while it iterates."""

    def __init__(
        self, call: Callable[[dict[str, Any]], object], *, body: Callable[[Any], Iterable[bytes]] = list
    ) -> None:
        self.kept: dict[str, Any] = {}
        self.call = call
        self.body = body
        self.errors: list[BaseException] = []

    def misuse(self) -> None:
        try:
            self.call(self.kept)
        except BaseException as error:
            self.errors.append(error)

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/keep":
            write = start_response("200 OK", [("X-Path", path)])
            self.kept.update(environ=environ, start=start_response, write=write)
            return self.body([b"kept"])
        if path == "/before":
            self.misuse()
        start_response("200 OK", [("X-Path", path)])
        if path == "/thread":
            thread = threading.Thread(target=self.misuse)
            thread.start()
            thread.join(PATIENCE)
        return self.iterate(path) if path == "/between" else [b"own"]

    def iterate(self, path: str) -> Iterable[bytes]:
        yield b"o"
        self.misuse()
        yield b"wn"


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("body", [list, iter])
def test_a_kept_callable_raises_and_sends_nothing(mode: dict[str, Any], name: str, body: Any) -> None:
    """Whatever was kept of a request raises during the next ones, pipelined or not, and their responses are whole."""
    application = Keeping(CALLS[name], body=body)
    with serving(application, **mode) as served, served.client() as client:
        client.send(GET % b"keep" + GET % b"before" + GET % b"between")
        paths = [b"/keep", b"/before", b"/between"]
        for path, content in zip(paths, (b"kept", b"own", b"own"), strict=True):
            status, fields, received = client.response()
            assert (status, fields["x-path"].encode(), received) == (200, path, content)
            assert "x-stolen" not in fields
        client.send(GET % b"thread")
        assert client.response()[2] == b"own"
        application.misuse()  # while the connection is idle
        client.send(GET % b"keep" + GET % b"before")
        assert [client.response()[2] for _ in range(2)] == [b"kept", b"own"]
        assert len(application.errors) == 5
        for error in application.errors:
            assert isinstance(error, RuntimeError)
            assert str(error).endswith("was called after the end of its request; nothing is sent")


def test_what_is_kept_may_be_used_while_the_request_lasts(mode: dict[str, Any]) -> None:
    """Until the body has been closed a thread of the application may use everything, and close() may ask."""
    answers: list[object] = []

    class Body:
        def __init__(self, environ: dict[str, Any], write: Callable[[bytes], None]) -> None:
            self.environ = environ
            self.write = write

        def __iter__(self) -> Iterable[bytes]:
            for piece in (b"b", b"c"):
                thread = threading.Thread(target=self.write, args=(piece,))
                thread.start()
                thread.join(PATIENCE)
            yield b"d"

        def close(self) -> None:
            answers.append(self.environ["wiverno.client_disconnected"]())
            try:
                self.write(b"late")
            except RuntimeError as error:
                answers.append(str(error))

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        write = start_response("200 OK", [])
        write(b"a")
        return Body(environ, write)

    with serving(application, **mode) as served, served.client() as client:
        client.send(GET % b"" + GET % b"")
        assert [client.response()[2] for _ in range(2)] == [b"abcd", b"abcd"]
        late = "write() was called after the end of its request; nothing is sent"
        wait_until(lambda: len(answers) == 4, what="close()")
        assert answers == [False, late] * 2


@pytest.mark.parametrize("body", ["list", "iterator"])
def test_a_thread_that_writes_when_the_response_ends(mode: dict[str, Any], body: str) -> None:
    """A thread that writes without end meets the end at any moment; every response is read whole, by its framing."""
    writers: list[threading.Thread] = []
    refused: list[BaseException] = []

    def write_on(write: Callable[[bytes], None], has_begun: threading.Event) -> None:
        try:
            while True:
                write(b"w")
                has_begun.set()
        except BaseException as error:
            refused.append(error)

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        if environ["PATH_INFO"] == "/own":
            start_response("200 OK", [("X-Own", "1")])
            return [b"own"]
        write = start_response("200 OK", [])
        has_begun = threading.Event()
        writer = threading.Thread(target=write_on, args=(write, has_begun))
        writers.append(writer)
        writer.start()
        has_begun.wait(PATIENCE)
        return [] if body == "list" else iter(())

    with serving(application, **mode) as served, served.client() as client:
        for _ in range(10):
            client.send((GET % b"write" + GET % b"own") * 2)
            for _ in range(2):
                status, fields, content = client.response()
                assert (status, content.strip(b"w")) == (200, b"")
                status, fields, content = client.response()
                assert (fields.get("x-own"), content) == ("1", b"own")
        for writer in writers:
            writer.join(PATIENCE)
        assert len(refused) == 20
        assert {str(error) for error in refused} == {"write() was called after the end of its request; nothing is sent"}
