"""A response that could not be sent whole: nothing follows it on its connection, and its client can see the cut."""

import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import MODES, serving
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until

Start = Callable[..., Any]
PIECE = b"x" * 1_000_000
COUNT = 24
TWO = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no temporary file be made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))


class Writing:
    """Writes more than is kept in memory, whatever write() says, and answers as if nothing had happened."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.paths: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.paths.append(path)
        declared = [("Content-Length", str(COUNT * len(PIECE) + 4))] if path == "/declared" else []
        write = start_response("200 OK", declared)
        if path == "/second":
            return [b"second"]
        for _ in range(COUNT):
            try:
                write(PIECE)
            except Exception as error:  # an application that goes on in any case
                self.errors.append(error)
        return iter([b"tail"]) if path == "/iterator" else [b"tail"]


def received(client: RawClient) -> bytes:
    """Return everything up to the end or the reset."""
    with suppress(ConnectionResetError):
        while data := client.socket.recv(1 << 20):
            client.buffer += data
    return client.buffer


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("path", ["declared", "chunked", "iterator"])
def test_output_that_cannot_be_kept(mode: dict[str, Any], path: str) -> None:
    """After a write that failed nothing more is sent, whatever the application makes of it; the client sees it."""
    application = Writing()
    with serving(application, outbuf_overflow=100_000, **mode) as served, served.client() as client:
        client.send(TWO % path.encode())
        wait_until(lambda: application.errors, what="the writes to fail")
        head, _, content = received(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        whole = COUNT * (PIECE if path == "declared" else b"F4240\r\n%b\r\n" % PIECE)
        assert len(content) < len(whole)
        assert whole.startswith(content), "something follows a write that was cut"
        assert application.paths == [f"/{path}"]
        first, *others = application.errors
        assert isinstance(first, OSError)
        assert all(str(error) == "an earlier part of the response could not be sent" for error in others)


@pytest.mark.usefixtures("full_disk")
def test_a_suspended_iteration_that_cannot_be_kept() -> None:
    """The same for an iterator, which a server of one thread resumes when there is room."""
    paths: list[str] = []

    def application(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        paths.append(environ["PATH_INFO"])
        write = start_response("200 OK", [])
        yield PIECE * 4
        with suppress(OSError):
            write(PIECE * 30)  # more than the kernel takes at once, however quick the client is
            write(PIECE)
        yield b"tail"

    with serving(application, outbuf_overflow=100_000, threads=1) as served, served.client() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(TWO % b"first")
        client.until(b"\r\n\r\n")
        content = received(client)
        assert not content.endswith(b"0\r\n\r\n")
        assert paths == ["/first"]


def short(environ: dict[str, Any], start_response: Start) -> Any:
    """Fail in the middle of a response of the kind that the path names."""
    kind = environ["PATH_INFO"][1:]
    fields = [("Content-Length", "10")] if kind in ("too few bytes", "raises with a length") else []
    start_response("200 OK", fields)
    if kind == "too few bytes":
        return [b"12345"]

    def pieces() -> Iterator[bytes]:
        yield b"12345"
        raise ValueError(kind)

    return pieces()


@pytest.mark.parametrize("kind", ["too few bytes", "raises with a length", "raises in chunks"])
def test_a_response_that_ends_early_is_visible(mode: dict[str, Any], kind: str) -> None:
    """The connection closes before the length is reached or the last chunk is sent; the next request is not served."""
    with serving(short, **mode) as served, served.client() as client:
        client.send(TWO % kind.replace(" ", "%20").encode())
        content = received(client).partition(b"\r\n\r\n")[2]
        assert content == (b"5\r\n12345\r\n" if kind == "raises in chunks" else b"12345")


@pytest.mark.parametrize("end", ["raises", "returns"])
def test_a_cut_that_only_a_reset_can_show(mode: dict[str, Any], end: str) -> None:
    """Where only the end of the connection ends a response (HTTP/1.0), a cut one ends with a reset, a whole one not."""

    def application(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"12345"
        if end == "raises":
            raise ValueError(end)

    with serving(application, **mode) as served, served.client() as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        if end == "returns":
            assert client.rest().endswith(b"\r\n\r\n12345")
        else:
            with pytest.raises(ConnectionResetError):
                client.rest()


def test_an_error_after_the_whole_response(mode: dict[str, Any]) -> None:
    """A response whose declared length has been sent is whole, and the client is not told otherwise."""

    def application(_: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        yield b"12345"
        raise ValueError

    with serving(application, **mode) as served, served.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response()[2] == b"12345"
        assert client.rest() == b""


def test_early_hints_that_cannot_be_kept(mode: dict[str, Any], full_disk: None) -> None:
    """A 103 response that was cut is followed by nothing, the final response included."""
    errors: list[Exception] = []

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        for _ in range(1000):
            try:
                environ["wsgi.early_hints"]([("X", "x" * 100_000)])
            except Exception as error:
                errors.append(error)
                break
        start_response("200 OK", [])
        return [b"final"]

    with serving(application, outbuf_overflow=100_000, **mode) as served, served.client() as client:
        client.send(TWO % b"first")
        wait_until(lambda: errors, what="the hints to fail")
        assert b"200 OK" not in received(client)
