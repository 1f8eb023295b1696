"""The gateway: what an application says becomes these bytes; the sink is a list."""

import io
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from wiverno.core.http1.gateway import Http1Gateway
from wiverno.http.response import DateAndServer, Headers, ResponseError
from wiverno.wsgi.file_wrapper import FileWrapper
from wiverno.wsgi.gateway import BROKEN, CLOSE, KEEP, MAX_JOINED, SUSPENDED
from wiverno.wsgi.sink import ClientDisconnected


class Sink:
    """Keeps what is written; can be full, or have lost its client."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.lock: AbstractContextManager[object, Any] = threading.RLock()
        self.has_room = True
        self.broken_after = -1

    def write(self, data: bytes, last: bool = False) -> bool:
        assert data, "nothing to write"
        if len(self.data) == self.broken_after:
            raise ClientDisconnected
        self.data.append(data)
        return self.has_room

    def write_response(self, data: bytes, last: bool = True) -> bool:
        return self.write(data, last)

    def write_pieces(self, pieces: list[bytes], last: bool = False) -> bool:
        return self.write(b"".join(pieces))

    def is_disconnected(self) -> bool:
        return self.broken_after >= 0

    def write_file(self, file: FileWrapper, descriptor: int, offset: int, count: int) -> None:
        try:
            file.seek(offset)
            if count:
                self.write(file.read(count))
        finally:
            file.close()


class Body:
    """An iterable without a length that counts its close()."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = pieces
        self.closed = 0
        self.taken = 0

    def __iter__(self) -> Iterator[Any]:
        for piece in self.pieces:
            self.taken += 1
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    def close(self) -> None:
        self.closed += 1


class Sized(Body):
    def __len__(self) -> int:
        return len(self.pieces)


class RequestCallables:
    """One gateway, and what came of its last response."""

    def __init__(self, *, minor: int = 1, expose: bool = False) -> None:
        self.sink = Sink()
        self.application: Callable[..., Any] = lambda environ, start_response: []
        self.gateway = Http1Gateway(self._call, self.sink, {}, DateAndServer(""), expose=expose)
        self.minor = minor

    def _call(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return self.application(environ, start_response)

    def run(self, application: Callable[..., Any], method: str = "GET") -> int:
        self.application = application
        self.sink.data.clear()
        self.gateway.minor = self.minor
        self.gateway.keep_alive = bool(self.minor)
        self.gateway.target = "/x?secret=1"
        return self.gateway.respond({"REQUEST_METHOD": method, "PATH_INFO": "/x"})

    def respond(self, body: Any, headers: Headers | None = None, status: str = "200 OK", method: str = "GET") -> int:
        def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            start_response(status, headers or [])
            return body

        return self.run(application, method)

    @property
    def head(self) -> list[bytes]:
        lines = b"".join(self.sink.data).partition(b"\r\n\r\n")[0].split(b"\r\n")
        return [line for line in lines if not line.startswith(b"Date: ")]

    @property
    def content(self) -> bytes:
        return b"".join(self.sink.data).partition(b"\r\n\r\n")[2]


@pytest.fixture
def exchange() -> RequestCallables:
    return RequestCallables()


OK = b"HTTP/1.1 200 OK"
OK_1_0 = b"HTTP/1.0 200 OK"
CHUNKED = b"Transfer-Encoding: chunked"


def length(number: int) -> bytes:
    return b"Content-Length: %d" % number


@pytest.mark.parametrize("body", [[b"hello"], (b"hello",), [b"he", b"", b"llo"], (b"he", b"llo")])
def test_sequences_leave_whole(exchange: RequestCallables, body: Any) -> None:
    """A list or tuple leaves in one write, head and content together, with its length."""
    assert exchange.respond(body) == KEEP
    assert len(exchange.sink.data) == 1
    assert (exchange.head, exchange.content) == ([OK, length(5)], b"hello")
    assert exchange.gateway.sent == 5
    assert exchange.gateway.head is not None


@pytest.mark.parametrize("body", [[], (), [b""], Body(), Body(b"", b""), iter(())])
def test_empty_bodies(exchange: RequestCallables, body: Any) -> None:
    """A body without content has a length of zero."""
    assert exchange.respond(body) == KEEP
    assert (exchange.head, exchange.content) == ([OK, length(0)], b"")


def test_large_content_is_not_copied(exchange: RequestCallables) -> None:
    """Content beyond what is cheap to join still leaves whole."""
    content = b"x" * (MAX_JOINED + 1)
    assert exchange.respond([content]) == KEEP
    assert exchange.content == content
    assert exchange.respond(Sized(content)) == KEEP
    assert (exchange.head, exchange.content) == ([OK, length(len(content))], content)


def test_streams_are_chunked_and_kept(exchange: RequestCallables) -> None:
    """Without a length HTTP/1.1 gets chunks and stays; empty pieces are no chunks; nothing is held back."""
    body = Body(b"", b"he", b"", b"llo")
    assert exchange.respond(body) == KEEP
    assert exchange.head == [OK, CHUNKED]
    assert exchange.content == b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    assert len(exchange.sink.data) == 3
    assert (body.closed, exchange.gateway.sent) == (1, 5)


def test_streams_in_http_1_0() -> None:
    """HTTP/1.0 knows no chunks: the end of the connection ends the content."""
    exchange = RequestCallables(minor=0)
    assert exchange.respond(Body(b"he", b"llo")) == CLOSE
    assert (exchange.head, exchange.content) == ([OK_1_0, b"Connection: close"], b"hello")


def test_failure_in_http_1_0(caplog: pytest.LogCaptureFixture) -> None:
    """A 500 is in the client's version, too."""
    exchange = RequestCallables(minor=0)
    assert exchange.run(raising) == CLOSE
    assert exchange.head[0] == b"HTTP/1.0 500 Internal Server Error"
    assert caplog.records


def test_keep_alive_in_http_1_0() -> None:
    """HTTP/1.0 is told when it may stay."""
    exchange = RequestCallables(minor=0)
    exchange.application = lambda environ, start_response: start_response("200 OK", []) and [b"x"]
    exchange.gateway.minor = 0
    assert exchange.gateway.respond({"REQUEST_METHOD": "GET"}) == KEEP
    assert exchange.head == [OK_1_0, length(1), b"Connection: Keep-Alive"]


def test_a_single_piece_has_a_length(exchange: RequestCallables) -> None:
    """An iterable whose len() is 1 gets a Content-Length from its piece (PEP 3333)."""
    body = Sized(b"hello")
    assert exchange.respond(body) == KEEP
    assert (exchange.head, exchange.content, body.closed) == ([OK, length(5)], b"hello", 1)


def test_head_leaves_with_the_first_piece(exchange: RequestCallables) -> None:
    """A lazy body that calls start_response on its first step is served (PEP 3333)."""

    def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        assert not exchange.sink.data
        yield b""
        assert not exchange.sink.data
        start_response("201 Created", [])
        yield b"x"

    assert exchange.run(application) == KEEP
    assert exchange.head == [b"HTTP/1.1 201 Created", CHUNKED]


def test_write(exchange: RequestCallables) -> None:
    """write() sends at once, before what the application returns."""

    def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"")
        assert exchange.head == [OK, CHUNKED]
        write(b"he")
        assert exchange.content == b"2\r\nhe\r\n"
        write(b"")
        return [b"llo"]

    assert exchange.run(application) == KEEP
    assert exchange.content == b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


def test_write_with_a_length(exchange: RequestCallables) -> None:
    """write() respects the declared length."""

    def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Length", "4")])
        write(b"he")
        write(b"llo")
        return []

    assert exchange.run(application) == KEEP
    assert (exchange.head, exchange.content) == ([OK, length(4)], b"hell")


def test_write_after_a_file_of_known_length(exchange: RequestCallables) -> None:
    """What was known of one response's length is forgotten before the next."""
    assert exchange.respond(FileWrapper(io.BytesIO(b"12345"))) == KEEP

    def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])(b"more than five")
        return []

    assert exchange.run(application) == KEEP
    assert (exchange.head, exchange.content) == ([OK, CHUNKED], b"E\r\nmore than five\r\n0\r\n\r\n")


def test_write_after_the_end(exchange: RequestCallables) -> None:
    """A write() that was kept does not reach the next response."""
    kept: list[Callable[[bytes], None]] = []

    def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        kept.append(start_response("200 OK", []))
        return [b"x"]

    exchange.run(application)
    with pytest.raises(RuntimeError, match="after the end of its request"):
        kept[0](b"late")
    assert exchange.content == b"x"


@pytest.mark.parametrize(
    ("body", "declared", "content", "outcome", "message"),
    [
        ([b"hello"], 5, b"hello", KEEP, None),
        ([b"hello"], 2, b"he", KEEP, "exceeded the number of bytes specified by Content-Length header (2)"),
        ([b"hello"], 9, b"hello", BROKEN, "returned too few bytes (5) for specified Content-Length (9) via app_iter"),
        (Body(b"he", b"llo"), 5, b"hello", KEEP, None),
        (Body(b"he", b"llo"), 3, b"hel", KEEP, "exceeded the number of bytes specified by Content-Length header (3)"),
        (Body(b"he", b"llo"), 2, b"he", KEEP, "exceeded the number of bytes specified by Content-Length header (2)"),
        (Body(b"he"), 9, b"he", BROKEN, "returned too few bytes (2) for specified Content-Length (9) via app_iter"),
        (Body(), 9, b"", BROKEN, "returned too few bytes (0) for specified Content-Length (9) via app_iter"),
        ([], 0, b"", KEEP, None),
    ],
)
def test_declared_lengths(
    exchange: RequestCallables, body: Any, declared: int, content: bytes, outcome: int, message: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Too much is cut with a warning, too little closes the connection with one."""
    assert exchange.respond(body, [("Content-Length", str(declared))]) == outcome
    assert (exchange.head, exchange.content) == ([OK, length(declared)], content)
    assert [message in record.getMessage() for record in caplog.records] == ([True] if message else [])  # type: ignore[operator]
    if isinstance(body, Body):
        assert body.closed == 1


@pytest.mark.parametrize(
    ("status", "framing"), [("204 No Content", []), ("205 Reset Content", [length(0)]), ("304 Not Modified", [])]
)
@pytest.mark.parametrize("body", [[b"hello"], Body(b"he", b"llo"), []])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_statuses_without_content(
    exchange: RequestCallables, status: str, framing: list[bytes], body: Any, method: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """204, 205 and 304 have no content; what the application sent is dropped with a warning, but for HEAD."""
    assert exchange.respond(body, status=status, method=method) == KEEP
    assert (exchange.head, exchange.content) == ([b"HTTP/1.1 " + status.encode(), *framing], b"")
    if method == "HEAD":
        return
    assert len(caplog.records) == bool(body)
    if body:
        assert "may not contain a message-body" in caplog.text


@pytest.mark.parametrize(
    ("body", "headers", "framing"),
    [
        ([b"hello"], [], [length(5)]),
        ([b"hello"], [("Content-Length", "5")], [length(5)]),
        ([], [("Content-Length", "5")], [length(5)]),
        ([], [], []),
        (Body(b"he", b"llo"), [], []),
        (Body(), [], []),
        (Sized(b"hello"), [], [length(5)]),
    ],
)
def test_head_requests(
    exchange: RequestCallables, body: Any, headers: Headers, framing: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """HEAD gets the head that GET would get, no content, and no warning; the rest of the body is not made."""
    assert exchange.respond(body, headers, method="HEAD") == KEEP
    assert (exchange.head, exchange.content) == ([OK, *framing], b"")
    assert not caplog.records
    if isinstance(body, Body):
        assert (body.taken <= 1, body.closed) == (True, 1)


class Boom(Exception):
    pass


def raising(_: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    raise Boom("secret")


def raising_after_start(_: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    start_response("200 OK", [("X-Own", "y")])
    raise Boom("secret")


def without_start(_: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    return [b"x"]


def lazily_without_start(_: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    return Body()


def starting_twice(_: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return [b"x"]


def exiting(_: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    raise SystemExit(3)


def returning(body: Any) -> Callable[..., Any]:
    def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [])
        return body

    return application


@pytest.mark.parametrize(
    "application",
    [raising, raising_after_start, without_start, lazily_without_start, starting_twice, exiting, returning(None),
     returning(5), returning("text"), returning(b"hello"), returning(["text"]), returning([1]), returning(["a", "b"]),
     returning(Body("text")), returning(Body(1)), returning([b"a", 0]), returning(Body(Boom("secret")))],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_failures_before_the_head(
    exchange: RequestCallables, application: Callable[..., Any], method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Until the head has left, whatever goes wrong is a complete 500 that tells nothing, logged with its traceback."""
    assert exchange.run(application, method) == CLOSE
    assert exchange.head[0] == b"HTTP/1.1 500 Internal Server Error"
    assert b"Connection: close" in exchange.head
    assert not [line for line in exchange.head if line.startswith(b"X-Own")]
    assert b"secret" not in exchange.content
    if method == "GET":
        assert length(len(exchange.content)) in exchange.head
    else:
        assert exchange.content == b""
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == (
        "wiverno",
        logging.ERROR,
        "Exception while serving /x",
    )
    assert record.exc_info is not None


def test_exposed_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """expose_tracebacks puts the traceback into the 500."""
    exchange = RequestCallables(expose=True)
    exchange.run(raising)
    assert b"Boom: secret" in exchange.content
    assert b"Traceback" in exchange.content
    assert caplog.records


def test_failure_after_the_head(exchange: RequestCallables, caplog: pytest.LogCaptureFixture) -> None:
    """Once the head has left, only the end of the connection can tell: no last chunk, no second head."""
    body = Body(b"he", Boom("secret"), b"llo")
    assert exchange.respond(body) == BROKEN
    assert exchange.content == b"2\r\nhe\r\n"
    assert (body.closed, len(caplog.records)) == (1, 1)


def test_failing_close(exchange: RequestCallables, caplog: pytest.LogCaptureFixture) -> None:
    """An error in close() is logged; the response was complete."""

    class Bad(Body):
        def close(self) -> None:
            super().close()
            raise Boom("late")

    body = Bad(b"x")
    assert exchange.respond(body) == KEEP
    assert body.closed == 1
    assert "Exception in close()" in caplog.text


def test_keyboard_interrupt_is_passed_on(exchange: RequestCallables) -> None:
    """Control-C inside the application ends the server, after close()."""
    body = Body(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        exchange.respond(body)
    assert body.closed == 1


def test_second_start_with_exc_info(exchange: RequestCallables) -> None:
    """Before the head has left, exc_info replaces status and headers (PEP 3333)."""

    def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("A", "b")])
        try:
            raise Boom
        except Boom as error:
            start_response("503 Sorry", [("C", "d")], (type(error), error, error.__traceback__))
        return [b"x"]

    assert exchange.run(application) == KEEP
    assert exchange.head == [b"HTTP/1.1 503 Sorry", b"C: d", length(1)]


def test_late_start_with_exc_info(exchange: RequestCallables, caplog: pytest.LogCaptureFixture) -> None:
    """After the head has left, exc_info is raised again (PEP 3333)."""

    def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"x"
        try:
            raise Boom("late")
        except Boom as error:
            start_response("500 Oh", [], (type(error), error, error.__traceback__))
        yield b"never"

    assert exchange.run(application) == BROKEN
    assert exchange.content == b"1\r\nx\r\n"
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is Boom


def test_first_start_with_exc_info(exchange: RequestCallables) -> None:
    """exc_info in the first call is no error."""
    exchange.run(lambda _, start_response: start_response("500 Oh", [], (None, None, None)) and [b"x"])
    assert exchange.head[0] == b"HTTP/1.1 500 Oh"


def test_refused_headers_reach_the_application(exchange: RequestCallables) -> None:
    """start_response raises in the application, which may then answer something else."""

    def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        for headers in ([("A", "b\r\n")], [("A", ["b"])], [["A", "b"]], [("Connection", "close")]):
            with pytest.raises(ResponseError):
                start_response("200 OK", headers)
        start_response("200 OK", [])
        return [b"x"]

    assert exchange.run(application) == KEEP
    assert exchange.content == b"x"


@pytest.mark.parametrize("after", [0, 1, 2])
def test_client_leaves(exchange: RequestCallables, after: int, caplog: pytest.LogCaptureFixture) -> None:
    """A client that has gone ends the iteration; close() is called once; it is told at INFO, without a traceback."""
    body = Body(b"a", b"b", b"c", b"d")
    exchange.sink.broken_after = after
    with caplog.at_level(logging.INFO, "wiverno"):
        assert exchange.respond(body) == BROKEN
    assert (body.closed, body.taken) == (1, after + 1)
    assert [record.getMessage() for record in caplog.records] == ["Client disconnected while serving /x"]
    assert caplog.records[0].exc_info is None


def test_client_leaves_before_a_500(exchange: RequestCallables, caplog: pytest.LogCaptureFixture) -> None:
    """A 500 without a client to read it is no second error."""
    exchange.sink.broken_after = 0
    with caplog.at_level(logging.INFO, "wiverno"):
        assert exchange.run(raising) == BROKEN
    assert len(caplog.records) == 2


def test_suspended_iteration(exchange: RequestCallables) -> None:
    """A full sink suspends the iteration after each piece; resume() goes on where it stopped."""
    body = Body(b"a", b"b")
    exchange.sink.has_room = False
    assert exchange.respond(body) == SUSPENDED
    assert body.taken == 1
    assert exchange.gateway.resume() == SUSPENDED
    assert body.closed == 0
    assert exchange.gateway.resume() == KEEP
    assert body.closed == 1
    assert exchange.content == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"


def test_suspended_iteration_that_fails(exchange: RequestCallables, caplog: pytest.LogCaptureFixture) -> None:
    """An error after a suspension is handled as before it."""
    body = Body(b"a", Boom())
    exchange.sink.has_room = False
    assert exchange.respond(body) == SUSPENDED
    assert exchange.gateway.resume() == BROKEN
    assert (body.closed, len(caplog.records)) == (1, 1)


def test_abandoned_iteration(exchange: RequestCallables) -> None:
    """When the client of a suspended iteration has gone, close() is called, once."""
    body = Body(b"a", b"b")
    exchange.sink.has_room = False
    assert exchange.respond(body) == SUSPENDED
    exchange.gateway.abandon()
    exchange.gateway.abandon()
    assert (body.closed, body.taken) == (1, 1)


class File(io.BytesIO):
    closings = 0

    def close(self) -> None:
        self.closings += 1
        super().close()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("declared", [None, 3, 5, 9])
@pytest.mark.parametrize("real", [True, False])
def test_file_wrapper(
    exchange: RequestCallables,
    tmp_path: Any,
    method: str,
    declared: int | None,
    real: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A file has its length; the application may ask for less of it; the file is closed once, by its owner."""
    path = tmp_path / "file"
    path.write_bytes(b"xxhello")
    file: Any = path.open("rb") if real else File(b"xxhello")
    file.seek(2)
    headers = [] if declared is None else [("content-length", str(declared)), ("X", "y")]
    assert exchange.respond(FileWrapper(file), headers, method=method) == KEEP
    expected = b"hello"[:declared]
    fields = [line.lower() for line in exchange.head[1:]]
    assert fields == [length(len(expected)).lower(), *([b"x: y"] if headers else [])]
    assert exchange.content == (expected if method == "GET" else b"")
    assert file.closed
    if not real:
        assert file.closings == 1
    cut = declared == 3 and method == "GET" and not real
    assert len(caplog.records) == cut
    if declared is not None:  # the lowered head is not remembered for responses without a file
        assert exchange.respond([b"x" * declared], headers) == KEEP
        assert len(exchange.content) == declared


@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content", "304 Not Modified"])
def test_file_wrapper_without_content(exchange: RequestCallables, tmp_path: Any, status: str) -> None:
    """A file with a status that has no content is closed unsent."""
    (tmp_path / "file").write_bytes(b"hello")
    file = (tmp_path / "file").open("rb")
    assert exchange.respond(FileWrapper(file), [("Content-Length", "9")], status=status) == KEEP
    assert exchange.content == b""
    assert file.closed


def test_file_wrapper_without_a_length(exchange: RequestCallables) -> None:
    """A file-like that can't seek is iterated."""

    class Pipe:
        pieces = [b"a", b"b", b""]

        def read(self, size: int) -> bytes:
            return self.pieces.pop(0)

    assert exchange.respond(FileWrapper(Pipe())) == KEEP
    assert (exchange.head, exchange.content) == ([OK, CHUNKED], b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


def test_file_wrapper_without_start(
    exchange: RequestCallables, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A file without start_response is a 500, and closed."""
    (tmp_path / "file").write_bytes(b"x")
    file = (tmp_path / "file").open("rb")
    assert exchange.run(lambda *_: FileWrapper(file)) == CLOSE
    assert exchange.head[0].startswith(b"HTTP/1.1 500")
    assert file.closed
    assert caplog.records


def test_early_hints(exchange: RequestCallables) -> None:
    """103 responses leave before the final head, and not to HTTP/1.0, nor after the head."""
    hint = [("Link", "</a.css>; rel=preload")]

    kept: list[Callable[..., None]] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        hints = environ["wsgi.early_hints"]
        kept.append(hints)
        hints(hint)
        with pytest.raises(ResponseError):
            hints([("A", "b\r\n")])
        start_response("200 OK", [])
        yield b"x"
        hints(hint)

    assert exchange.run(application) == KEEP
    assert exchange.sink.data[0] == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    assert b"".join(exchange.sink.data).count(b"103") == 1
    with pytest.raises(RuntimeError, match="after the end of its request"):
        kept[0](hint)
    assert b"".join(exchange.sink.data).count(b"103") == 1

    old = RequestCallables(minor=0)

    def hinting(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.early_hints"](hint)
        start_response("200 OK", [])
        return [b"x"]

    old.run(hinting)
    assert old.head[0] == OK_1_0


def test_own_date_and_server(exchange: RequestCallables) -> None:
    """Date and Server of the application stand in place of ours."""
    assert exchange.respond([b"x"], [("Date", "D"), ("Server", "S")]) == KEEP
    data = b"".join(exchange.sink.data)
    assert data == b"HTTP/1.1 200 OK\r\nDate: D\r\nServer: S\r\nContent-Length: 1\r\n\r\nx"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("minor", [1, 0])
def test_one_piece_of_the_declared_length_leaves_with_its_head(minor: int, method: str) -> None:
    """A framework's usual answer is one write, whose bytes a plain list would have given, and is closed once."""
    headers = [("Content-Type", "text/plain"), ("Content-Length", "5")]
    exchange, listed = RequestCallables(minor=minor), RequestCallables(minor=minor)
    body = Body(b"hello")
    outcome = exchange.respond(body, headers, method=method)
    assert outcome == listed.respond([b"hello"], headers, method=method)
    assert (exchange.head, exchange.content) == (listed.head, listed.content)
    assert (body.closed, len(exchange.sink.data)) == (1, 1)
    assert exchange.gateway.sent == listed.gateway.sent


def test_what_follows_the_declared_length_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """The first piece fills the response; the second one would be read as the next response."""
    exchange = RequestCallables()
    body = Body(b"hello", b"more")
    assert exchange.respond(body, [("Content-Length", "5")]) == KEEP
    assert exchange.content == b"hello"
    assert "exceeded the number of bytes" in caplog.text
    assert exchange.respond([b"next"]) == KEEP
    assert exchange.content == b"next"


def test_a_declared_piece_that_cannot_be_sent_breaks_the_connection() -> None:
    """Nothing may follow on a connection that took only a part of a response."""
    exchange = RequestCallables()
    exchange.sink.broken_after = 0
    body = Body(b"hello")
    assert exchange.respond(body, [("Content-Length", "5")]) == BROKEN
    assert (body.closed, exchange.sink.data) == (1, [])
