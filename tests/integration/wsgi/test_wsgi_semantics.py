"""PEP 3333 over real sockets: what frameworks depend on, with a thread pool and with one thread."""

import hashlib
import io
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from tests.support.serving import MODES, Recorder, serving
from tests.support.waiting import wait_until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
Start = Callable[..., Any]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


def post(path: str, body: bytes, *, chunked: bool = False, extra: str = "") -> bytes:
    """Return a POST with this body, in chunks of 1000 bytes if wanted."""
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\n{extra}"
    if not chunked:
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + wire


def test_environ(mode: dict[str, Any]) -> None:
    """Every variable that PEP 3333, RFC 3875 and waitress's users expect, of the exact types."""
    recorder = Recorder()
    with serving(recorder, ident="me", **mode) as served, served.client() as client:
        client.send(
            b"POST /a%20b/%C3%A4;p=1?x=%20&y HTTP/1.1\r\nHost: example.com:99\r\nContent-Type: text/x\r\n"
            b"Content-Length: 2\r\nX-Own: 1\r\nx-own: 2\r\n\r\nhi"
        )
        assert client.response()[0] == 200
        peer = client.socket.getsockname()
    environ = recorder.calls[0].environ
    assert {key: environ[key] for key in environ if type(environ[key]) is str} == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/\xc3\xa4;p=1",
        "QUERY_STRING": "x=%20&y",
        "REQUEST_URI": "/a%20b/%C3%A4;p=1?x=%20&y",
        "SERVER_NAME": environ["SERVER_NAME"],
        "SERVER_PORT": str(served.address[1]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "me",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1",
        "REMOTE_PORT": str(peer[1]),
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "2",
        "HTTP_HOST": "example.com:99",
        "HTTP_X_OWN": "1, 2",
        "wsgi.url_scheme": "http",
    }
    assert type(environ) is dict
    assert environ["wsgi.version"] == (1, 0)
    assert environ["wsgi.multithread"] is (mode["threads"] > 1)
    assert environ["wsgi.multiprocess"] is environ["wsgi.run_once"] is False
    assert environ["wsgi.input_terminated"] is True
    assert environ["SERVER_NAME"]
    for name in (
        "wsgi.file_wrapper",
        "wsgi.early_hints",
        "waitress.client_disconnected",
        "wiverno.client_disconnected",
    ):
        assert callable(environ[name])


def test_environ_is_the_applications_own(mode: dict[str, Any]) -> None:
    """What an application does to its environ reaches no other request of the connection."""
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        seen.append(dict(environ))
        environ.update({"REMOTE_ADDR": "x", "mine": 1, "REQUEST_METHOD": "HEAD", "SERVER_NAME": "y"})
        del environ["wsgi.input"]
        start_response("200 OK", [])
        environ.clear()
        return [b"hello"]

    with serving(application, **mode) as served, served.client() as client:
        for _ in range(2):
            client.send(GET)
            assert client.response()[2] == b"hello"
    assert seen[0].keys() == seen[1].keys()
    assert (seen[1]["REMOTE_ADDR"], seen[1]["REQUEST_METHOD"]) == ("127.0.0.1", "GET")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 999, 70000, 3_000_000])
def test_input(mode: dict[str, Any], size: int, chunked: bool) -> None:
    """wsgi.input reads by any method and ends at the body's end, in memory or in a temporary file."""
    line = b"0123456789abcdef\n"
    body = (line * (size // len(line) + 1))[:size]
    failures: list[str] = []

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        stream = environ["wsgi.input"]
        how = environ["PATH_INFO"]
        if how == "/read":
            read = stream.read()
        elif how == "/pieces":
            read = b"".join(iter(lambda: stream.read(1000), b""))
        elif how == "/lines":
            read = b"".join(iter(stream.readline, b""))
        elif how == "/limited":
            read = b"".join(iter(lambda: stream.readline(5), b""))
        elif how == "/iter":
            read = b"".join(stream)
        else:
            read = b"".join(stream.readlines())
        if read != body or stream.read() or stream.read(5) or stream.readline() or list(stream):
            failures.append(how)
        if environ["CONTENT_LENGTH"] != str(size) or "HTTP_TRANSFER_ENCODING" in environ:
            failures.append("length")
        start_response("200 OK", [])
        return [str(len(read)).encode()]

    with serving(application, inbuf_overflow=100000, **mode) as served, served.client() as client:
        for how in ("/read", "/pieces", "/lines", "/limited", "/iter", "/readlines"):
            client.send(post(how, body, chunked=chunked))
            assert client.response()[2] == str(size).encode()
    assert not failures


def test_unread_input(mode: dict[str, Any]) -> None:
    """A body that the application leaves alone does not become the next request."""

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    body = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 5000
    with serving(application, **mode) as served, served.client() as client:
        for chunked in (False, True):
            client.send(post("/a", body, chunked=chunked) + post("/b", b""))
            assert [client.response()[2] for _ in range(2)] == [b"/a", b"/b"]


def test_url_prefix(mode: dict[str, Any]) -> None:
    """url_prefix is SCRIPT_NAME and leaves PATH_INFO; REQUEST_URI is as it was sent."""
    recorder = Recorder()
    with serving(recorder, url_prefix="/app/", **mode) as served, served.client() as client:
        for path in ("/app", "/app/x", "/other", "//app//x"):
            client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            client.response()
    seen = [(call.environ["SCRIPT_NAME"], call.path, call.environ["REQUEST_URI"]) for call in recorder.calls]
    assert seen == [
        ("/app", "", "/app"),
        ("/app", "/x", "/app/x"),
        ("/app", "/other", "/other"),
        ("/app", "//x", "//app//x"),
    ]


def test_head_leaves_with_the_first_piece(mode: dict[str, Any]) -> None:
    """A lazy body is sent piece by piece: the client has the first before the second is made."""
    proceed = threading.Event()

    def application(_: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        yield b""
        start_response("200 OK", [])
        yield b"first"
        assert proceed.wait(10)
        yield b"second"

    with serving(application, **mode) as served, served.client() as client:
        client.send(GET)
        assert b"\r\nTransfer-Encoding: chunked\r\n" in client.until(b"\r\n\r\n")
        assert client.until(b"first\r\n") == b"5\r\nfirst\r\n"
        proceed.set()
        assert client.until(b"0\r\n\r\n") == b"6\r\nsecond\r\n0\r\n\r\n"


def test_write_is_sent_at_once(mode: dict[str, Any]) -> None:
    """What write() took has left before the application returns."""
    proceed = threading.Event()

    def application(_: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"first")
        assert proceed.wait(10)
        write(b"second")
        return [b"third"]

    with serving(application, **mode) as served, served.client() as client:
        client.send(GET)
        client.until(b"5\r\nfirst\r\n")
        proceed.set()
        assert client.until(b"0\r\n\r\n") == b"6\r\nsecond\r\n5\r\nthird\r\n0\r\n\r\n"


class Counted:
    """A body that counts its close() and tells what it was asked."""

    def __init__(self, pieces: Iterable[bytes], closed: list[str], name: str) -> None:
        self.pieces = pieces
        self.closed = closed
        self.name = name

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def close(self) -> None:
        self.closed.append(self.name)


def failing(after: int) -> Iterator[bytes]:
    for _ in range(after):
        yield b"x"
    raise RuntimeError("on purpose")


def test_close_is_called_once_on_every_path(mode: dict[str, Any]) -> None:
    """After the last piece, an error before or after the head, a cut or short body, HEAD, 304, a client that left."""
    closed: list[str] = []
    endless = iter(lambda: b"x" * 65536, b"")
    bodies: dict[str, tuple[str, list[tuple[str, str]], Callable[[], Iterable[bytes]]]] = {
        "whole": ("200 OK", [], lambda: [b"a", b"b"]),
        "empty": ("200 OK", [], list),
        "early": ("200 OK", [], lambda: failing(0)),
        "late": ("200 OK", [], lambda: failing(1)),
        "cut": ("200 OK", [("Content-Length", "1")], lambda: [b"a", b"b"]),
        "short": ("200 OK", [("Content-Length", "9")], lambda: [b"a", b"b"]),
        "none": ("304 Not Modified", [], lambda: [b"a"]),
        "wrong": ("200 OK", [], lambda: ["text"]),  # type: ignore[list-item]
        "left": ("200 OK", [], lambda: endless),
        "refused": ("200 OK\r\n", [], lambda: [b"a"]),
    }

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        name = environ["PATH_INFO"][1:]
        status, headers, make = bodies[name]
        body = Counted(make(), closed, name)
        if name == "refused":
            return body  # start_response was never called
        start_response(status, headers)
        return body

    with serving(application, **mode) as served:
        for name in bodies:
            for method in ("GET", "HEAD"):
                closed.clear()
                with served.client() as client:
                    client.send(f"{method} /{name} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                    client.until(b"\r\n\r\n")
                    if name == "left":
                        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        client.close()
                    wait_until(lambda: closed, what=f"close() of {name}")
                    if name == "left":
                        continue
                    client.end()
                    client.rest()
                assert closed == [name]


def test_errors_before_and_after_the_head(mode: dict[str, Any]) -> None:
    """Before the head an error is a 500, after it the end of the connection without a last chunk."""

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/raise":
            raise RuntimeError("secret")
        start_response("200 OK", [])
        return failing(1 if environ["PATH_INFO"] == "/late" else 0)

    with serving(application, **mode) as served:
        for path in ("/raise", "/early"):
            with served.client() as client:
                client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 2)
                status, fields, body = client.response()
                assert (status, fields["connection"]) == (500, "close")
                assert b"secret" not in body
                assert client.rest() == b""
        with served.client() as client:
            client.send(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.rest().endswith(b"\r\n\r\n1\r\nx\r\n")
    with serving(application, expose_tracebacks=True, **mode) as served, served.client() as client:
        client.send(b"GET /raise HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"RuntimeError: secret" in client.response()[2]


@pytest.mark.parametrize("size", [0, 10, 100_000, 5_000_000])
@pytest.mark.parametrize("kind", ["file", "offset", "memory", "pipe"])
def test_file_wrapper(mode: dict[str, Any], tmp_path: Path, size: int, kind: str) -> None:
    """A file comes through whole, from where it stood, with its length where it has one, and is closed."""
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    path = tmp_path / "file"
    path.write_bytes(content)
    opened: list[Any] = []

    class Pipe:
        def __init__(self) -> None:
            self.stream = io.BytesIO(content)
            self.read = self.stream.read
            self.close = self.stream.close

        @property
        def closed(self) -> bool:
            return self.stream.closed

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        stream: Any = {"memory": lambda: io.BytesIO(content), "pipe": Pipe}.get(kind, lambda: path.open("rb"))()
        opened.append(stream)
        if kind == "offset":
            stream.read(size // 3)
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](stream)

    with serving(application, **mode) as served, served.client() as client:
        for _ in range(2):
            client.send(GET)
            status, fields, body = client.response()
            assert status == 200
            assert body == (content[size // 3 :] if kind == "offset" else content)
            assert ("content-length" in fields) is (kind != "pipe" or not size)
        client.send(GET.replace(b"GET", b"HEAD"))
        assert client.response(method="HEAD")[0] == 200
        wait_until(lambda: len(opened) == 3 and all(stream.closed for stream in opened), what="the files to be closed")


def test_file_wrapper_seen_by_middleware(mode: dict[str, Any], tmp_path: Path) -> None:
    """Middleware may iterate a wrapped file, or wrap it once more."""
    path = tmp_path / "file"
    path.write_bytes(b"hello")

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        start_response("200 OK", [])
        wrapped = environ["wsgi.file_wrapper"](path.open("rb"), 2)
        if environ["PATH_INFO"] == "/list":
            pieces = list(wrapped)
            wrapped.close()
            return pieces
        if environ["PATH_INFO"] == "/upper":
            assert wrapped.seekable()
            with closing(wrapped):
                return [piece.upper() for piece in wrapped]
        return wrapped

    with serving(application, **mode) as served, served.client() as client:
        for name, expected in (("/", b"hello"), ("/list", b"hello"), ("/upper", b"HELLO")):
            client.send(f"GET {name} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert client.response()[2] == expected


def test_early_hints(mode: dict[str, Any]) -> None:
    """environ["wsgi.early_hints"] sends a 103 at once."""
    proceed = threading.Event()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload; as=style")])
        assert proceed.wait(10)
        start_response("200 OK", [])
        return [b"hello"]

    with serving(application, **mode) as served, served.client() as client:
        client.send(GET)
        status, fields, _ = client.response()
        assert (status, fields) == (103, {"link": "</a.css>; rel=preload; as=style"})
        proceed.set()
        assert client.response()[2] == b"hello"
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert client.response()[0] == 200


@pytest.mark.parametrize("how", ["reset", "close"])
def test_client_disconnected(how: str) -> None:
    """The application can ask whether its client is still there."""
    asked: list[bool] = []
    left = threading.Event()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        gone = environ["wiverno.client_disconnected"]
        asked.append(gone())
        assert left.wait(10)
        asked.append(wait_until(gone, what="the disconnect to be seen"))
        asked.append(environ["waitress.client_disconnected"]())
        start_response("200 OK", [])
        return [b"x" * 1000000]

    with serving(application, threads=4) as served:
        client = served.client()
        client.send(GET)
        wait_until(lambda: asked, what="the application to be called")
        if how == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        left.set()
        wait_until(lambda: len(asked) == 3, what="the answers")
    assert asked == [False, True, True]


def test_slow_requests_do_not_hold_up_others() -> None:
    """While some threads wait, others answer; responses on one connection stay in order."""
    release = threading.Event()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            assert release.wait(10)
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    with serving(application, threads=4) as served:
        slow = [served.client() for _ in range(3)]
        for client in slow:
            client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(20):
            with served.client() as client:
                client.send(GET)
                assert client.response()[2] == b"/"
        release.set()
        for client in slow:
            assert [client.response()[2] for _ in range(2)] == [b"/slow", b"/next"]
            client.close()


def test_validator(mode: dict[str, Any]) -> None:
    """wsgiref.validate finds nothing to complain of, in environ, input or the way the body is treated."""

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        if environ["PATH_INFO"] == "/stream":
            return iter([body, b"more"])
        return [body]

    with serving(validator(application), **mode) as served, served.client() as client:
        for path in ("/", "/stream", "/a%20b?c"):
            client.send(post(path, b"hello"))
            status, _, body = client.response()
            assert (status, body) == (200, b"hellomore" if path == "/stream" else b"hello")
        client.send(GET)
        assert client.response()[0] == 200
        client.send(GET.replace(b"GET", b"HEAD"))
        assert client.response(method="HEAD")[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_both_ways(mode: dict[str, Any], chunked: bool) -> None:
    """8 MiB up and down arrive unchanged, sent and read at the same time."""
    content = os.urandom(1 << 20) * 8
    digest = hashlib.sha256(content).hexdigest()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("X-Digest", hashlib.sha256(body).hexdigest())])
        if not chunked:
            return [body]
        return (body[at : at + 100000] for at in range(0, len(body), 100000))

    with serving(application, **mode) as served, served.client() as client:
        sender = threading.Thread(target=client.send, args=(post("/", content, chunked=chunked),))
        sender.start()
        _, fields, body = client.response()
        sender.join()
    assert fields["x-digest"] == digest
    assert hashlib.sha256(body).hexdigest() == digest


def test_idle_connections_are_closed(mode: dict[str, Any]) -> None:
    """channel_timeout closes a connection that waits for nothing, before and after a request; not a busy one."""

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/long":
            assert not threading.Event().wait(2)
        start_response("200 OK", [])
        return [b"hello"]

    with serving(application, channel_timeout=1, **mode) as served:
        with served.client() as fresh, served.client() as used:
            used.send(GET)
            assert used.response()[2] == b"hello"
            assert used.is_closed()
            assert fresh.is_closed()
        with served.client() as busy:
            busy.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
            assert busy.response()[2] == b"hello"
