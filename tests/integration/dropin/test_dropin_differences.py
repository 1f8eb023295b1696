"""The same bytes to waitress and wiverno: what must come to the same, and what the migration page says differs.

Both serve the same application. An exchange is reduced to what a client acts on: each response's status, its fields by
lower-case name without Date and Server, its body, and whether the connection stays.
"""

import io
import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import waitress.server

from tests.support.dropin import Messages, running
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE
from wiverno import create_server

PAGE = Path(__file__).resolve().parents[3] / "docs" / "migrating-from-waitress.md"
SETTINGS = {"max_request_body_size": 1000, "max_request_header_size": 4000, "ident": "both"}
Response = tuple[int, dict[str, str], bytes]


def raising() -> Iterator[bytes]:
    yield b"abc"
    raise ValueError("late")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by path."""
    path = environ["PATH_INFO"]
    if path == "/environ":
        start_response("200 OK", [])
        same = {key: value for key, value in environ.items() if isinstance(value, str | bool | tuple)}
        same["body"] = environ["wsgi.input"].read().decode()
        return [json.dumps(same, sort_keys=True).encode()]
    if path == "/raise":
        raise ValueError("boom")
    if path == "/write":
        write = start_response("200 OK", [("Content-Length", "6")])
        write(b"one")
        write(b"two")
        return []
    if path == "/replaced":
        start_response("200 OK", [("X-First", "1")])
        try:
            raise ValueError("x")
        except ValueError:
            start_response("500 Oops", [("X-Second", "2")], sys.exc_info())
        return [b"oops"]
    if path == "/file":
        start_response("200 OK", [])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(b"file content"))
        return wrapped
    status, headers, body = ANSWERS.get(path, ("200 OK", [("Content-Type", "text/plain")], lambda: [b"hello"]))
    start_response(status, headers)
    return body()


ANSWERS: dict[str, tuple[str, list[tuple[str, str]], Callable[[], Iterable[bytes]]]] = {
    "/late": ("200 OK", [("Content-Length", "10")], raising),
    "/over": ("200 OK", [("Content-Length", "3")], lambda: [b"abcdef"]),
    "/under": ("200 OK", [("Content-Length", "10")], lambda: [b"abc"]),
    "/204": ("204 No Content", [], list),
    "/304": ("304 Not Modified", [], list),
    "/stream": ("200 OK", [], lambda: iter([b"a", b"", b"b"])),
    "/empty": ("200 OK", [], list),
    "/list": ("200 OK", [], lambda: [b"a", b"b"]),
    "/hop": ("200 OK", [("Connection", "close")], lambda: [b"x"]),
    "/split": ("200 OK", [("X-A", "a\r\nb: c")], lambda: [b"x"]),
    "/server": ("200 OK", [("Server", "mine")], lambda: [b"x"]),
    "/cookies": ("200 OK", [("Set-Cookie", "a=1"), ("X-A", "b"), ("Set-Cookie", "c=2")], lambda: [b"x"]),
}


def ask_for(path: str, *fields: str, method: str = "GET", version: str = "1.1", body: str = "") -> bytes:
    """Return a request; POST gets its body's length unless the fields frame it."""
    lines = [f"{method} {path} HTTP/{version}", "Host: shop.test:99", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


SAME: dict[str, bytes] = {
    "page": ask_for("/"),
    "environ": ask_for("/environ?a=b%20c", "X-A: 1", "X-A: 2", "X_B: 3", "Content-Type: text/x", "Accept: a\tb"),
    "slashes and escapes": ask_for("//%65nviron"),
    "latin-1 field": ask_for("/environ", "X-A: \xe9"),
    "HTTP/1.0": ask_for("/", version="1.0"),
    "HTTP/1.0 keep-alive": ask_for("/", "Connection: keep-alive", version="1.0"),
    "HTTP/1.0 keep-alive without length": ask_for("/stream", "Connection: keep-alive", version="1.0"),
    "close": ask_for("/", "Connection: close"),
    "other methods": ask_for("/environ", method="PATCH"),
    "OPTIONS *": ask_for("*", method="OPTIONS"),
    "body": ask_for("/environ", "Content-Length: 3", method="POST", body="abc"),
    "chunked": ask_for("/environ", "Transfer-Encoding: chunked", method="POST", body="3\r\nabc\r\n0\r\n\r\n"),
    "chunk extension": ask_for(
        "/environ", "Transfer-Encoding: chunked", method="POST", body="3;a=b\r\nabc\r\n0\r\n\r\n"
    ),
    "trailer": ask_for("/environ", "Transfer-Encoding: chunked", method="POST", body="1\r\na\r\n0\r\nX-T: 1\r\n\r\n"),
    "continue": ask_for("/environ", "Content-Length: 3", "Expect: 100-continue", method="POST", body="abc"),
    "empty line first": b"\r\n" + ask_for("/"),
    "pipeline": ask_for("/") + ask_for("/environ") + ask_for("/", "Connection: close"),
    "upgrade": ask_for("/environ", "Connection: Upgrade", "Upgrade: websocket"),
    "forwarded by no proxy": ask_for("/environ", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"),
    "raise": ask_for("/raise"),
    "raise late": ask_for("/late"),
    "too much": ask_for("/over"),
    "too little": ask_for("/under"),
    "hop-by-hop": ask_for("/hop"),
    "response splitting": ask_for("/split"),
    "write": ask_for("/write"),
    "replaced head": ask_for("/replaced"),
    "file": ask_for("/file"),
    "cookies": ask_for("/cookies"),
}
"""What comes to the same."""

REFUSED: dict[str, bytes] = {
    "transfer coding": ask_for("/", "Transfer-Encoding: gzip", method="POST"),
    "method": ask_for("/", method="get"),
    "length": ask_for("/", "Content-Length: +3", method="POST", body="abc"),
    "two lengths": ask_for("/", "Content-Length: 3", "Content-Length: 3", method="POST", body="abc"),
    "space before the colon": ask_for("/", "X-A : 1"),
    "control character": ask_for("/", "X-A: \x01"),
    "no name": ask_for("/", ": 1"),
    "no colon": ask_for("/", "abc"),
    "space in the target": ask_for("/a b"),
    "chunk size": ask_for("/", "Transfer-Encoding: chunked", method="POST", body="zz\r\nabc\r\n0\r\n\r\n"),
    "chunk extension": ask_for("/", "Transfer-Encoding: chunked", method="POST", body="1;\r\na\r\n0\r\n\r\n"),
    "large body": ask_for("/", "Content-Length: 1000", method="POST"),
    "large head": ask_for("/", "X: " + "a" * 5000),
}
"""What both refuse with the same status, and close."""

# The page's first cell → (request, waitress's status and whether the connection stays, wiverno's).
DIFFERENT: dict[str, tuple[bytes, tuple[int, bool], tuple[int, bool]]] = {
    "Content-Length beside Transfer-Encoding": (
        ask_for("/", "Content-Length: 3", "Transfer-Encoding: chunked", method="POST", body="3\r\nabc\r\n0\r\n\r\n"),
        (200, True), (400, False),
    ),
    "Transfer-Encoding in HTTP/1.0": (
        ask_for("/", "Transfer-Encoding: chunked", method="POST", version="1.0"), (200, False), (400, False),
    ),
    "two Content-Type or two Host fields": (ask_for("/", "Host: other"), (200, True), (400, False)),
    "no Host in HTTP/1.1": (b"GET / HTTP/1.1\r\n\r\n", (200, True), (400, False)),
    "folded header lines": (ask_for("/", "X-A: 1\r\n 2"), (200, True), (400, False)),
    "versions other than 1.0 and 1.1, HTTP/0.9": (ask_for("/", version="2.0"), (200, False), (505, False)),
    "fragments in the target, CONNECT": (ask_for("/#a"), (200, True), (400, False)),
    "other expectations than 100-continue": (ask_for("/", "Expect: tea"), (200, True), (417, False)),
    "Connection lists": (ask_for("/", "Connection: foo, close"), (200, True), (200, False)),
    "keep-alive": (ask_for("/stream"), (200, False), (200, True)),
    "a list of several parts": (ask_for("/list"), (200, False), (200, True)),
    "an empty list as body": (ask_for("/empty"), (200, False), (200, True)),
}  # fmt: skip


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, tuple[str, int]]]:
    """Both servers, running."""
    theirs = waitress.server.create_server(application, host=LOOPBACK, port=0, **SETTINGS)
    thread = threading.Thread(target=theirs.run, daemon=True)
    thread.start()
    ours = create_server(application, None, host=LOOPBACK, port=0, **SETTINGS)  # type: ignore[arg-type]
    with running(ours), Messages("waitress"), Messages():
        yield {"waitress": (LOOPBACK, int(theirs.effective_port)), "wiverno": (LOOPBACK, ours.effective_port)}
    theirs.close()
    for channel in list(theirs._map.values()):
        channel.close()
    theirs.task_dispatcher.shutdown()
    thread.join(PATIENCE)


def exchange(address: tuple[str, int], data: bytes) -> tuple[list[Response], bool]:
    """Send a request, and one more that closes; return the responses to the first, and whether the second got one."""
    responses: list[Response] = []
    with RawClient(address) as client:
        client.send(data)
        try:
            for _ in range(max(data.count(b"HTTP/1."), 1)):
                responses.append(_read(client))
                if responses[-1][0] == 100:
                    responses.append(_read(client))
            client.send(ask_for("/", "Connection: close"))
            return responses, _read(client)[0] == 200
        except (EOFError, ConnectionError):
            return responses, False


def _read(client: RawClient) -> Response:
    try:
        status, fields, body = client.response()
    except EOFError as error:
        if "bytes: b'" not in str(error):
            raise
        return 0, {}, b"cut off"
    kept = {name: value for name, value in fields.items() if name not in ("date", "server")}
    if b'"REMOTE_PORT"' in body:
        seen = json.loads(body)
        for name in ("REMOTE_PORT", "SERVER_PORT", "SERVER_NAME"):
            seen.pop(name)
        body = json.dumps(seen).encode()
        kept.pop("content-length")
    return status, kept, body


@pytest.mark.parametrize("name", SAME)
def test_the_same(addresses: dict[str, tuple[str, int]], name: str) -> None:
    """Both give the same responses and treat the connection alike."""
    assert exchange(addresses["wiverno"], SAME[name]) == exchange(addresses["waitress"], SAME[name])


@pytest.mark.parametrize("name", REFUSED)
def test_refused_alike(addresses: dict[str, tuple[str, int]], name: str) -> None:
    """Both refuse with the same status, as text that names the reason first, and close."""
    found = {server: exchange(address, REFUSED[name]) for server, address in addresses.items()}
    [(status, fields, body)], stays = found["wiverno"]
    assert (status, stays) == (found["waitress"][0][0][0], False)
    assert fields["content-type"] == found["waitress"][0][0][1]["content-type"]
    assert body.endswith(b"\r\n\r\n(generated by both)")


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_as_documented(addresses: dict[str, tuple[str, int]], name: str) -> None:
    """What the migration page says of both servers is true of both."""
    data, theirs, ours = DIFFERENT[name]
    for server, expected in (("waitress", theirs), ("wiverno", ours)):
        responses, stays = exchange(addresses[server], data)
        assert (responses[0][0], stays) == expected, server
    assert f"\n| {name} |" in PAGE.read_text(encoding="utf-8")
