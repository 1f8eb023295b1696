"""What waitress's users rely on, over real sockets: environ, framing, lookahead, buffers, proxies, log messages."""

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dropin import GET, Messages, ask, hello, open_descriptors, running
from tests.support.processes import ROOT, Child
from tests.support.serving import Recorder, serving
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE, wait_until
from wiverno import create_server

Start = Callable[..., Any]
each_mode = pytest.mark.parametrize("threads", [1, 4], ids=["simple", "threads"])


def answering(headers: list[tuple[str, str]], body: Iterable[bytes], status: str = "200 OK") -> Any:
    """Return an application with this response."""

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response(status, headers)
        return body

    return application


def request(path: str = "/", *fields: str, method: str = "GET", body: bytes = b"") -> bytes:
    """Return an HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: shop.test", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


# ---------------------------------------------------------------- environ


def test_environ(capsys: pytest.CaptureFixture[str]) -> None:
    """The keys and types of waitress's environ, and what it does to names, repeats, slashes and escapes."""
    recorder = Recorder()
    with serving(recorder, ident="me") as served, served.client() as client:
        client.send(request("//a%20b/c?d=e%20f", "X-A: 1", "X-A: 2", "X_B: 3", "Content-Type: text/x"))
        client.response()
        port = str(served.address[1])
    environ = recorder.calls[0].environ
    expected = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/a b/c", "QUERY_STRING": "d=e%20f",
        "REQUEST_URI": "//a%20b/c?d=e%20f", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "me", "SERVER_PORT": port,
        "REMOTE_ADDR": LOOPBACK, "REMOTE_HOST": LOOPBACK, "HTTP_HOST": "shop.test", "HTTP_X_A": "1, 2",
        "CONTENT_TYPE": "text/x", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.input_terminated": True,
    }  # fmt: skip
    assert {key: environ.get(key) for key in expected} == expected
    assert environ["REMOTE_PORT"].isdigit()
    print("for the operator", file=environ["wsgi.errors"])
    assert "for the operator\n" in capsys.readouterr().err
    assert "HTTP_X_B" not in environ
    assert "HTTP_CONTENT_TYPE" not in environ
    for key in ("wsgi.file_wrapper", "waitress.client_disconnected", "wiverno.client_disconnected"):
        assert callable(environ[key])
    for name in ("read", "readline", "readlines", "__iter__"):
        assert hasattr(environ["wsgi.input"], name)


def test_a_chunked_body_is_decoded() -> None:
    """CONTENT_LENGTH is the decoded length, Transfer-Encoding is gone."""
    recorder = Recorder()
    with serving(recorder) as served:
        ask(served.address, request("/", "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n0\r\n\r\n")
    call = recorder.calls[0]
    assert (call.body, call.environ["CONTENT_LENGTH"]) == (b"abc", "3")
    assert "HTTP_TRANSFER_ENCODING" not in call.environ


def test_a_slow_upload_holds_no_thread() -> None:
    """More uploads in progress than threads, and another request is answered; none has entered the application."""
    recorder = Recorder()
    with serving(recorder, threads=2) as served:
        uploads = [served.client() for _ in range(4)]
        for upload in uploads:
            upload.send(request("/up", "Content-Length: 4", method="POST") + b"ab")
        assert ask(served.address)[0] == 200
        assert recorder.paths == ["/"]
        for upload in uploads:
            upload.send(b"cd")
            assert upload.response()[0] == 200
            upload.close()
    assert [call.body for call in recorder.calls[1:]] == [b"abcd"] * 4


@pytest.mark.parametrize(
    ("prefix", "path", "script_name", "path_info"),
    [
        ("/shop", "/shop/a", "/shop", "/a"),
        ("shop/", "/shop", "/shop", ""),
        ("/shop", "/shopping", "/shop", "/shopping"),
        ("/shop", "/other", "/shop", "/other"),
        ("", "/a", "", "/a"),
    ],
)
def test_url_prefix(prefix: str, path: str, script_name: str, path_info: str) -> None:
    """url_prefix is SCRIPT_NAME, and is taken off PATH_INFO where it stands as a whole segment."""
    recorder = Recorder()
    with serving(recorder, url_prefix=prefix) as served:
        ask(served.address, request(path))
    environ = recorder.calls[0].environ
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)


def test_url_scheme_and_server_name() -> None:
    """url_scheme is wsgi.url_scheme; server_name is SERVER_NAME where the socket names no host."""
    recorder = Recorder()
    server = create_server(recorder, host="0.0.0.0", port=0, url_scheme="https", server_name="shop.test")
    with running(server):
        ask((LOOPBACK, server.effective_port))
    environ = recorder.calls[0].environ
    assert (environ["wsgi.url_scheme"], environ["SERVER_NAME"]) == ("https", "shop.test")


# ---------------------------------------------------------------- framing and errors


@each_mode
def test_expect_continue(threads: int) -> None:
    """100 Continue comes after the head, also if the body is already there, and after the earlier responses."""
    expecting = request("/", "Content-Length: 3", "Expect: 100-continue", method="POST")
    with serving(Recorder(), threads=threads) as served, served.client() as client:
        client.send(expecting)
        assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"abc")
        assert json.loads(client.response()[2])["length"] == 3
        client.send(GET + expecting + b"abc")
        assert [client.response()[0] for _ in range(3)] == [200, 100, 200]


@each_mode
def test_pipelined_requests_in_order(threads: int) -> None:
    """Several requests in one segment are answered one after the other."""

    def application(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        if environ["PATH_INFO"] == "/0":
            time.sleep(0.01)  # blocks: the request leaves the leading thread
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    with serving(application, threads=threads) as served, served.client() as client:
        client.send(b"".join(request(f"/{number}") for number in range(20)))
        assert [client.response()[2] for _ in range(20)] == [b"/%d" % number for number in range(20)]


def test_http_1_0() -> None:
    """HTTP/1.0 closes; with Connection: keep-alive and a length it stays; the status line says HTTP/1.0."""
    old = b"GET / HTTP/1.0\r\n%s\r\n"
    with serving(hello) as served:
        with served.client() as client:
            client.send(old % b"")
            assert client.rest().startswith(b"HTTP/1.0 200 OK\r\n")
        with served.client() as client:
            for _ in range(2):
                client.send(old % b"Connection: keep-alive\r\n")
                status, fields, body = client.response()
                assert (status, fields["connection"].lower(), body) == (200, "keep-alive", b"hello")
    with serving(answering([], iter([b"a", b"b"]))) as served, served.client() as client:
        client.send(old % b"Connection: keep-alive\r\n")
        assert client.rest().endswith(b"\r\n\r\nab")
    with serving(hello, max_request_body_size=10) as served, served.client() as client:
        client.send(old % b"Content-Length: 100\r\n")
        assert client.rest().startswith(b"HTTP/1.0 413 ")


@pytest.mark.parametrize(
    ("settings", "data", "status", "detail"),
    [
        (
            {"max_request_body_size": 10},
            request("/", "Content-Length: 10", method="POST"),
            413,
            "exceeds max_body of 10",
        ),
        ({"max_request_header_size": 100}, request("/", "X: " + "y" * 100), 431, "exceeds max_header of 100"),
        ({}, request("/", "Transfer-Encoding: gzip", method="POST"), 501, "transfer coding not implemented"),
        ({}, request("/", method="get"), 400, "invalid method"),
        ({}, b"GET / \r\n\r\n", 400, "invalid request line"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_own_errors(settings: dict[str, Any], data: bytes, status: int, detail: str) -> None:
    """The server's own errors: reason, detail and name as text, exact framing, Connection: close."""
    with serving(hello, ident="me", **settings) as served, served.client() as client:
        client.send(data)
        found, fields, body = client.response()
        assert client.is_closed()
    assert (found, fields["connection"], fields["server"]) == (status, "close", "me")
    assert fields["content-type"].startswith("text/plain")
    reason, _, rest = body.decode().partition("\r\n\r\n")
    assert reason[:3].isalpha()
    assert rest == f"{detail}\r\n\r\n(generated by me)"


@pytest.mark.parametrize("expose", [False, True])
def test_expose_tracebacks(expose: bool) -> None:
    """A 500 says nothing of the program unless expose_tracebacks is on; the log always does."""

    def application(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        raise ValueError("the secret")

    with Messages() as messages, serving(application, expose_tracebacks=expose) as served:
        status, fields, body = ask(served.address)
    assert (status, fields["connection"]) == (500, "close")
    assert (b"the secret" in body) is expose
    assert (b"Traceback" in body) is expose
    assert ("wiverno", "ERROR", "Exception while serving / | ValueError('the secret')") in messages.found


@pytest.mark.parametrize("ident", ["", None])
def test_no_ident(ident: Any) -> None:
    """An empty ident removes the Server header; an application's own stays."""
    with serving(hello, ident=ident) as served:
        assert "server" not in ask(served.address)[1]
    with serving(answering([("Server", "mine")], [b""])) as served:
        assert ask(served.address)[1]["server"] == "mine"


# ---------------------------------------------------------------- clients that go away


@each_mode
@pytest.mark.parametrize("key", ["waitress.client_disconnected", "wiverno.client_disconnected"])
def test_client_disconnected(threads: int, key: str) -> None:
    """A request learns that its client has gone, and one whose client waits does not."""
    answers: list[bool] = []
    entered = threading.Event()

    def application(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        has_gone = environ[key]
        answers.append(has_gone())
        entered.set()
        if environ["PATH_INFO"] == "/wait":
            wait_until(has_gone)
        answers.append(has_gone())
        return list(hello(environ, start_response))

    with serving(application, threads=threads) as served:
        assert ask(served.address)[0] == 200
        assert answers == [False, False]
        entered.clear()
        with served.client() as client:
            client.send(request("/wait"))
            assert entered.wait(PATIENCE)
        wait_until(lambda: len(answers) == 4)
    assert answers[2:] == [False, True]


@each_mode
def test_disconnected_while_streaming(threads: int) -> None:
    """A client that goes while its response is sent: one INFO line, and the iterator's close() is called."""
    closed = threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 65536

        def close(self) -> None:
            closed.set()

    settings: dict[str, Any] = {"threads": threads, "outbuf_high_watermark": 1 << 20, "outbuf_overflow": 1 << 18}
    with Messages() as messages, serving(answering([], Endless()), **settings) as served:
        with served.client() as client:
            client.send(request("/stream"))
            client.exactly(200_000)
        assert closed.wait(PATIENCE)
        if threads > 1:
            wait_until(lambda: messages.has("Client disconnected while serving /stream"))


# ---------------------------------------------------------------- buffers


def temporary_files() -> list[str]:
    """Return this process's open temporary files of the server."""
    return [target for target in open_descriptors().values() if "wiverno-" in target or "(deleted)" in target]


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc to look at")


@needs_proc
@each_mode
def test_inbuf_overflow(threads: int) -> None:
    """A body past inbuf_overflow is in a temporary file while the request runs, and the file is gone after it."""
    seen: list[list[str]] = []

    def application(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        seen.append(temporary_files())
        start_response("200 OK", [])
        return [str(len(environ["wsgi.input"].read())).encode()]

    before = temporary_files()
    with serving(application, threads=threads, inbuf_overflow=10_000) as served, served.client() as client:
        for size in (10_000, 300_000):
            client.send(request("/", method="POST", body=b"x" * size))
            assert client.response()[2] == str(size).encode()
        assert len(seen[0]) == len(before)
        assert len(seen[1]) == len(before) + 1
        wait_until(lambda: temporary_files() == before)
        client.send(request("/", "Content-Length: 300000", method="POST") + b"x" * 100_000)
        wait_until(lambda: len(temporary_files()) == len(before) + 1)
        client.close()
        wait_until(lambda: temporary_files() == before, what="the file of an upload that was broken off to go")


@needs_proc
@pytest.mark.parametrize("ending", ["read", "hang up"])
def test_outbuf_overflow(ending: str) -> None:
    """Output past outbuf_overflow is in a temporary file until the client has taken it or gone."""
    size = 12_000_000
    before = temporary_files()
    pieces = [b"x" * 100_000] * (size // 100_000)
    with serving(answering([("Content-Length", str(size))], iter(pieces)), outbuf_overflow=10_000) as served:
        with served.client() as client:
            client.send(GET)
            wait_until(lambda: len(temporary_files()) > len(before), what="a temporary file")
            if ending == "read":
                assert len(client.response()[2]) == size
        wait_until(lambda: temporary_files() == before, what="the temporary file to go")


def test_outbuf_high_watermark() -> None:
    """A thread that produces faster than its client reads waits at the watermark, and goes on when there is room."""
    produced = 0

    def body() -> Iterator[bytes]:
        nonlocal produced
        for _ in range(400):
            produced += 1
            yield b"x" * 65536

    with serving(answering([], body()), outbuf_high_watermark=1_000_000, outbuf_overflow=100_000) as served:
        with served.client() as client:
            client.send(GET)
            client.exactly(1000)
            held = wait_until(lambda: produced if _stands_still(lambda: produced) else 0)
            assert held < 400
            while produced < 400:
                client.exactly(100_000)


def _stands_still(value: Callable[[], int]) -> bool:
    """Whether a counter has the same value over many looks."""
    first, looks = value(), 0
    while looks < 200 and value() == first:
        looks += 1
        time.sleep(0.001)  # 200 looks
    return looks == 200


# ---------------------------------------------------------------- trusted proxies


PROXIED = ("X-Forwarded-For: 192.0.2.9, 198.51.100.7", "X-Forwarded-Host: www.example.org", "X-Forwarded-Proto: https")
ALL = "x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port x-forwarded-by"


@pytest.mark.parametrize(
    ("settings", "fields", "expected"),
    [
        (
            {"trusted_proxy": LOOPBACK, "trusted_proxy_headers": ALL}, PROXIED,
            {
                "REMOTE_ADDR": "198.51.100.7", "wsgi.url_scheme": "https", "SERVER_NAME": "www.example.org",
                "SERVER_PORT": "443", "HTTP_HOST": "www.example.org",
            },
        ),
        (
            {"trusted_proxy": "*", "trusted_proxy_headers": ALL, "trusted_proxy_count": 2}, PROXIED,
            {"REMOTE_ADDR": "192.0.2.9", "REMOTE_HOST": "192.0.2.9"},
        ),
        (
            {"trusted_proxy": "*", "trusted_proxy_headers": "x-forwarded-for"}, PROXIED,
            {"REMOTE_ADDR": "198.51.100.7", "wsgi.url_scheme": "http", "HTTP_X_FORWARDED_PROTO": None},
        ),
        (
            {"trusted_proxy": "*", "trusted_proxy_headers": "x-forwarded-for x-forwarded-host x-forwarded-port"},
            ("X-Forwarded-For: [2001:db8::1]:4711", "X-Forwarded-Host: a.test:8443", "X-Forwarded-Port: 444"),
            {"REMOTE_ADDR": "2001:db8::1", "REMOTE_PORT": "4711", "SERVER_PORT": "8443"},
        ),
        (
            {"trusted_proxy": "*", "trusted_proxy_headers": "forwarded"},
            ('Forwarded: for="[2001:db8::1]";proto=https;host=www.example.org',),
            {"REMOTE_ADDR": "2001:db8::1", "wsgi.url_scheme": "https", "HTTP_HOST": "www.example.org"},
        ),
        (
            {"trusted_proxy": "192.0.2.1", "trusted_proxy_headers": ALL}, PROXIED,
            {"REMOTE_ADDR": LOOPBACK, "HTTP_X_FORWARDED_FOR": None, "HTTP_HOST": "shop.test"},
        ),
        ({}, PROXIED, {"REMOTE_ADDR": LOOPBACK, "HTTP_X_FORWARDED_FOR": None}),
        (
            {"clear_untrusted_proxy_headers": False}, PROXIED,
            {"REMOTE_ADDR": LOOPBACK, "HTTP_X_FORWARDED_FOR": "192.0.2.9, 198.51.100.7"},
        ),
    ],
    ids=["all", "two hops", "some", "port", "forwarded", "other peer", "no peer", "not cleared"],
)  # fmt: skip
def test_trusted_proxy(settings: dict[str, Any], fields: tuple[str, ...], expected: dict[str, Any]) -> None:
    """Who is believed, what about, and what becomes of the rest."""
    recorder = Recorder()
    with serving(recorder, **settings) as served:
        assert ask(served.address, request("/", *fields))[0] == 200
    environ = recorder.calls[0].environ
    assert {key: environ.get(key) for key in expected} == expected


def test_trusted_unix_peer(tmp_path: Path) -> None:
    """trusted_proxy = localhost is the peer of a Unix socket."""
    recorder = Recorder()
    settings: dict[str, Any] = {"trusted_proxy": "localhost", "trusted_proxy_headers": "x-forwarded-for"}
    with running(create_server(recorder, unix_socket=str(tmp_path / "s"), **settings)):
        ask(str(tmp_path / "s"), request("/", *PROXIED))
    assert recorder.calls[0].environ["REMOTE_ADDR"] == "198.51.100.7"


REMOVED = (
    "Removed untrusted headers (X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto). "
    "Wiverno recommends these be removed upstream."
)


def test_messages_about_proxies() -> None:
    """A malformed header of a trusted proxy is a 400 and a warning; removed headers are named, unknown tokens too."""
    with Messages() as messages:
        with serving(hello, trusted_proxy="*", trusted_proxy_headers="x-forwarded-proto") as served:
            status, _, body = ask(served.address, request("/", "X-Forwarded-Proto: gopher"))
            assert status == 400
            assert b'Header "X-Forwarded-Proto" malformed.' in body
        with serving(hello, log_untrusted_proxy_headers=True) as served:
            assert ask(served.address, request("/", *PROXIED))[0] == 200
        with serving(hello, trusted_proxy="*", trusted_proxy_headers="forwarded") as served:
            assert ask(served.address, request("/", "Forwarded: for=192.0.2.9;secret=1"))[0] == 200
    warnings = [text for name, level, text in messages.found if (name, level) == ("wiverno", "WARNING")]
    assert warnings == [
        f'Malformed proxy header "X-Forwarded-Proto" from "{LOOPBACK}": unsupported proto value value: gopher',
        REMOVED,
        "Unknown Forwarded token: secret",
    ]


# ---------------------------------------------------------------- messages, by name


IGNORED = (
    "application-written content was ignored due to HTTP response that may not contain a message-body: (204 No Content)"
)


@pytest.mark.parametrize(
    ("application", "message"),
    [
        (
            answering([("Content-Length", "2")], [b"abcd"]),
            "application-written content exceeded the number of bytes specified by Content-Length header (2)",
        ),
        (
            answering([("Content-Length", "10")], [b"abcd"]),
            "application returned too few bytes (4) for specified Content-Length (10) via app_iter",
        ),
        (
            answering([], [b"abcd"], "204 No Content"),
            IGNORED,
        ),
    ],
    ids=["too much", "too little", "no content"],
)
def test_messages_about_content(application: Any, message: str) -> None:
    """What an application sends against its own head is a WARNING of logger wiverno."""
    with Messages() as messages, serving(application) as served, served.client() as client:
        client.send(GET)
        client.until(b"\r\n\r\n")
        wait_until(lambda: messages.found)
    name, level, text = messages.found[0]
    assert (name, level) == ("wiverno", "WARNING")
    assert text.startswith(message)


def test_message_serving_on() -> None:
    """print_listen says where, at INFO, once a listener; IPv6 addresses stand in brackets."""
    with Messages() as messages, create_server(hello, listen=f"{LOOPBACK}:0 [::1]:0") as server:
        server.print_listen("Serving on http://{}:{}")
        server.log_info("and more")
    (_, one), (_, two) = server.effective_listen
    assert messages.found == [
        ("wiverno", "INFO", f"Serving on http://{LOOPBACK}:{one}"),
        ("wiverno", "INFO", f"Serving on http://[::1]:{two}"),
        ("wiverno", "INFO", "and more"),
    ]


def test_messages_about_the_connection_limit() -> None:
    """The limit is reached and left: one WARNING, one INFO; clients in the accept queue are served."""
    with Messages() as messages, serving(hello, connection_limit=2, body_min_rate=0) as served:
        first, second, third = (served.client() for _ in range(3))
        for client in (first, second):
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")  # an idle one would be evicted
        third.send(GET)
        wait_until(lambda: messages.has("total open connections reached the connection limit, no longer accepting"))
        first.close()
        assert third.response()[0] == 200
        second.close()
        third.close()
    levels = [level for _, level, text in messages.found if "connection limit" in text]
    assert levels[:2] == ["WARNING", "INFO"]
    assert messages.has("total open connections dropped below the connection limit, listening again")


def test_message_about_the_queue() -> None:
    """Requests that wait for a thread are a WARNING of logger wiverno.queue, not one each, with advice in it."""
    go = threading.Event()

    def application(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        go.wait(PATIENCE)
        return list(hello(environ, start_response))

    with Messages() as messages, serving(application, threads=2) as served:
        clients = [served.client() for _ in range(6)]
        for client in clients:
            client.send(GET)
        wait_until(lambda: messages.found)
        go.set()
        for client in clients:
            assert client.response()[0] == 200
            client.close()
    [(_, level, text)] = [found for found in messages.found if found[0] == "wiverno.queue"]
    assert level == "WARNING"
    assert text.startswith("Task queue depth is ")
    assert "raise threads or shorten requests" in text


def test_messages_at_a_forced_end() -> None:
    """Threads that do not return, and requests that no thread will run, are counted in the log."""
    go = threading.Event()

    def application(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        go.wait(PATIENCE)
        return list(hello(environ, start_response))

    with Messages() as messages:
        server = create_server(application, host=LOOPBACK, port=0, threads=2, event_loops=1)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        clients = [RawClient((LOOPBACK, server.effective_port)) for _ in range(4)]
        for client in clients:
            client.send(GET)
        wait_until(lambda: messages.has("Task queue depth is"))
        wait_until(lambda: len(server.active_channels) == 4)
        server.task_dispatcher.shutdown(timeout=0.1)
        thread.join(PATIENCE)
        go.set()
        for client in clients:
            client.close()
    texts = [text for name, level, text in messages.found if (name, level) == ("wiverno", "WARNING")]
    assert any(text == "2 thread(s) still running" for text in texts), texts
    assert any(text.startswith("Canceling ") and text.endswith(" pending task(s)") for text in texts), texts


FEW_DESCRIPTORS = """
import logging, os, resource
from tests.support.dropin import hello
from wiverno import serve
used = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (used + 12, used + 12))
serve(hello, listen="127.0.0.1:0")
"""


@needs_proc
def test_message_about_accept() -> None:
    """Descriptors used up: a WARNING, no spinning, and service again when there are some."""
    with Child(["-c", FEW_DESCRIPTORS], cwd=ROOT) as child:
        address = child.address()
        clients = [RawClient(address) for _ in range(20)]
        child.wait_for("WARNING:wiverno:server accept[(][)] threw an exception: .*Too many open files")
        for client in clients[:-1]:
            client.close()
        clients[-1].send(GET)
        assert clients[-1].response()[2] == b"hello"
        clients[-1].close()
        assert child.output.count("threw an exception") < 10


def test_file_wrapper() -> None:
    """wsgi.file_wrapper: the length comes from a seekable file, capped by the application's; the file is closed."""
    files: list[io.BytesIO] = []

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        files.append(io.BytesIO(b"0123456789"))
        headers = [("Content-Length", environ["QUERY_STRING"])] if environ["QUERY_STRING"] else []
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](files[-1])

    with serving(application) as served, served.client() as client:
        for query, length in (("", 10), ("4", 4)):
            client.send(request(f"/?{query}"))
            _, fields, body = client.response()
            assert (fields["content-length"], body) == (str(length), b"0123456789"[:length])
        wait_until(lambda: all(file.closed for file in files))


def test_nodelay() -> None:
    """Accepted connections have TCP_NODELAY, as waitress's socket_options set it."""
    with running(create_server(hello, host=LOOPBACK, port=0)) as server:
        with RawClient((LOOPBACK, server.effective_port)) as client:
            client.send(GET)
            client.response()
            [connection] = server.active_channels.values()
            assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
