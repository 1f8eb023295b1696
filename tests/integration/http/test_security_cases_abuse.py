"""Security cases 25 to 41: abuse of connections, limits, deadlines, responses and proxies.

One named test a case, each against a thread pool and against a single thread; crashes and CPU time are watched from
outside, in a child process.
"""

import json
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.processes import ROOT, Child
from tests.support.serving import MODES, Recorder, Served, serving
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until
from wiverno.http.body import ChunkedDecoder
from wiverno.tables import has_gil

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
HELLO = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


@pytest.fixture(params=MODES)
def child(request: pytest.FixtureRequest) -> Iterator[Child]:
    threads = str(MODES[request.param]["threads"])
    with Child(["-m", "tests.support.slow_server", threads], cwd=ROOT) as process:
        process.address()
        yield process
        assert ask(process.address(), "/") == b"hello"  # it survived
        assert process.stop() == 0


def ask(address: tuple[str, int], path: str) -> bytes:
    with RawClient(address) as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        status, _, body = client.response()
        assert status == 200
        return body


def responses(client: RawClient) -> list[tuple[int, dict[str, str], bytes]]:
    """Read responses until the server closes."""
    found = []
    while True:
        try:
            found.append(client.response())
        except (EOFError, ConnectionError):
            assert not client.buffer, client.buffer
            return found


def reset(client: RawClient) -> None:
    """Close so that the peer gets RST instead of FIN."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def trickle(client: RawClient, pieces: Iterable[bytes], pause: float) -> bool:
    """Send a piece each `pause` seconds until the server says something or hangs up; tell whether it did."""
    for piece in pieces:
        try:
            client.send(piece)
        except ConnectionError:
            return True
        if select.select([client.socket], [], [], pause)[0]:
            return True
    return False


def test_case_25_error_at_the_end_of_a_receive(mode: dict[str, Any]) -> None:
    """With lookahead, an invalid request that fills a receive buffer exactly is answered once; nothing after it is."""
    size = 512
    start, end = b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"\r\nbad\r\n\r\n"
    request = start + b"x" * (size - len(start) - len(end)) + end
    assert len(request) == size
    recorder = Recorder()
    with serving(recorder, recv_bytes=size, **mode) as served:
        for pieces in ([request + SMUGGLED], [request, SMUGGLED], [HELLO + request + SMUGGLED]):
            with served.client() as client:
                for piece in pieces:
                    client.send(piece)
                statuses = [status for status, _, _ in responses(client)]
            assert statuses == ([200, 400] if pieces[0].startswith(HELLO) else [400])
    assert recorder.paths == ["/hello"]


def processor_time(pid: int) -> float:
    """Return the seconds of CPU that a process has used (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def test_case_26_resets_and_half_closes(child: Child) -> None:
    """100 connections that are reset at once and some half-closed ones leave no descriptor and cost no CPU."""
    address, pid = child.address(), child.process.pid
    ask(address, "/")
    before = descriptors(pid)
    for _ in range(100):
        reset(RawClient(address))
    silent = [RawClient(address) for _ in range(10)]
    for number, client in enumerate(silent):
        if number % 2:
            client.send(b"GET / HT")
        client.end()
    for client in silent:
        assert client.is_closed()
        client.close()
    wait_until(lambda: descriptors(pid) <= before, what="the descriptors to be given back")
    begin = processor_time(pid)
    assert not select.select([], [], [], 1.0)[0]
    assert processor_time(pid) - begin < 0.2


def test_case_27_client_leaves_during_the_response(child: Child) -> None:
    """A client that goes away in the middle of a response harms no other, and the response's close() is called."""
    address = child.address()
    for number in range(1, 5):
        client = RawClient(address)
        client.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        client.exactly(100000)
        if number % 2:
            reset(client)
        else:
            client.close()
        wait_until(lambda: int(ask(address, "/closed")) >= number, what="close() of the response")  # noqa: B023
    assert ask(address, "/closed") == b"4"


def test_case_29_dribbled_head(mode: dict[str, Any]) -> None:
    """A head that comes byte by byte gets a 408 when its time is over, however regularly the bytes come."""
    recorder = Recorder()
    with serving(recorder, header_timeout=1, channel_timeout=60, **mode) as served:
        with served.client() as client:
            begin = time.monotonic()
            client.send(b"GET / HTTP/1.1\r\n")
            assert trickle(client, [b"X"] * 100, 0.1)
            assert 0.8 < time.monotonic() - begin < 5
            ((status, fields, _),) = responses(client)
            assert (status, fields["connection"]) == (408, "close")
        with served.client() as client:  # another client is served meanwhile
            client.send(HELLO)
            assert client.response()[0] == 200
    assert recorder.paths == ["/hello"]


def resident(pid: int) -> int:
    """Return the kilobytes that a process has in memory (proc(5): VmRSS of status)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def test_case_29_a_crowd_of_dribbling_clients(child: Child) -> None:
    """500 clients that send a byte now and then neither slow a normal client nor hold memory."""
    address, pid = child.address(), child.process.pid
    ask(address, "/")
    before = resident(pid)
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(address)) for _ in range(500)]
        for number, client in enumerate(clients):
            client.send(CHUNKED + b"5;" if number % 3 == 0 else b"GET / HTTP/1.1\r\nX-Slow: ")
        times = []
        for number in range(500 * 4):
            clients[number % 500].send(b"x")
            if number % 100 == 0:
                begin = time.monotonic()
                assert ask(address, "/") == b"hello"
                times.append(time.monotonic() - begin)
        assert sorted(times)[len(times) // 4] < 0.1  # other programs on a busy machine delay the rest
        each = 16 if has_gil() else 32  # KiB: without the GIL each thread of the server has a heap of its own
        assert resident(pid) - before < 500 * each


def test_case_30_dribbled_body(mode: dict[str, Any]) -> None:
    """A body below the minimum rate gets a 408; a crowd of such clients holds no thread."""
    recorder = Recorder()
    with serving(recorder, body_timeout=2, body_min_rate=1000, channel_timeout=60, **mode) as served:
        clients = [served.client() for _ in range(20)]
        for client in clients:
            client.send(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        begin = time.monotonic()
        with served.client() as other:
            other.send(HELLO)
            assert other.response()[0] == 200
        assert time.monotonic() - begin < 2
        assert trickle(clients[0], [b"x"] * 100, 0.1)
        assert time.monotonic() - begin < 8
        for client in clients:
            ((status, fields, _),) = responses(client)
            assert (status, fields["connection"]) == (408, "close")
            client.close()
    assert recorder.paths == ["/hello"]


@pytest.mark.parametrize("streamed", [True, False])
def test_case_30_slow_reader(mode: dict[str, Any], streamed: bool) -> None:
    """Readers that take next to nothing are cut off, their responses closed, and others are served meanwhile."""
    closed: list[int] = []

    class Large:
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(800):
                yield b"x" * 65536

        def close(self) -> None:
            closed.append(1)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        if environ["PATH_INFO"] != "/large":
            return [b"hello"]
        return Large() if streamed else [b"x" * (800 * 65536)]

    count = 8  # twice as many as there are threads
    with (
        serving(application, channel_timeout=2, outbuf_high_watermark=1 << 20, **mode) as served,
        ExitStack() as stack,
    ):
        before = descriptors(os.getpid())
        clients = [stack.enter_context(served.client()) for _ in range(count)]
        for client in clients:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        for client in clients:
            client.until(b"\r\n\r\n")
        begin = time.monotonic()
        with served.client() as other:
            other.send(HELLO)
            assert other.response()[2] == b"hello"
        assert time.monotonic() - begin < 1.5
        # What is left are the clients' own ends.
        wait_until(lambda: descriptors(os.getpid()) <= before + count, 15, what="the slow readers to be cut off")
        wait_until(lambda: len(closed) == (count if streamed else 0))  # by threads that learn of it a moment later


def test_case_31_floods_of_head(mode: dict[str, Any]) -> None:
    """Too many fields and too large heads are a 431, an endless request line a 414, long before their end."""
    recorder = Recorder()
    with serving(recorder, **mode) as served:
        for data, expected in (
            (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(10000)) + b"\r\n", 431),
            (b"GET /" + b"x" * (1 << 20), 414),
            (b"X" * (1 << 20), 414),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (1 << 20), 431),
            (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100000, 431),
        ):
            with served.client() as client:
                try:
                    client.send(data)
                except ConnectionError:
                    pass
                assert [status for status, _, _ in responses(client)] == [expected], data[:40]
    with serving(recorder, max_request_header_size=32768, **mode) as served, served.client() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = time.process_time()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        try:
            for _ in range(40000):
                client.send(b"x")
        except ConnectionError:
            pass
        assert [status for status, _, _ in responses(client)] == [431]
        assert time.process_time() - begin < 10  # both sides of 32768 segments
    assert not recorder.calls


@pytest.mark.parametrize("endless", [b"1" * 16 + b";", b"0" * 20, b"1;a=", b"0\r\nX: ", b"0\r\nX: y\r\n"])
def test_case_32_endless_chunk_lines(mode: dict[str, Any], endless: bytes) -> None:
    """A chunk line or trailers without an end are refused within 8 KiB."""
    recorder = Recorder()
    filler = b"X: y\r\n" * 1500 if endless.endswith(b"\n") else b"a" * 9000
    with serving(recorder, **mode) as served, served.client() as client:
        client.send(CHUNKED + endless)
        client.send(filler)
        ((status, fields, _),) = responses(client)
        assert status in (400, 431)
        assert fields["connection"] == "close"
    assert not recorder.calls


def deleted_files() -> int:
    """Count the descriptors of this process that belong to temporary files without a name."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            count += "(deleted)" in str(link.readlink())
        except FileNotFoundError:
            continue
    return count


def test_case_33_many_small_chunks(mode: dict[str, Any]) -> None:
    """One-byte chunks take linear time; past the limit they, or a size, are a 413, and the temporary file is gone."""
    times = []
    for count in (20000, 200000):
        data = b"1\r\nx\r\n" * count + b"0\r\n\r\n"
        begin = time.thread_time()
        decoder = ChunkedDecoder()
        received = sum(len(piece) for at in range(0, len(data), 65536) for piece in decoder.feed(data[at : at + 65536]))
        times.append(time.thread_time() - begin)
        assert decoder.is_done
        assert received == count
    assert times[1] < 10 * times[0] * 3

    recorder = Recorder()
    limits = {"max_request_body_size": 100000, "inbuf_overflow": 1000}
    before = deleted_files()
    with serving(recorder, **limits, **mode) as served:
        with served.client() as client:
            client.send(CHUNKED + b"1\r\nx\r\n" * 99999 + b"0\r\n\r\n")
            assert json.loads(client.response()[2])["length"] == 99999
        with served.client() as client:
            try:
                client.send(CHUNKED + b"1\r\nx\r\n" * 200000)
            except ConnectionError:
                pass
            ((status, fields, _),) = responses(client)
            assert (status, fields["connection"]) == (413, "close")
        with served.client() as client:  # the size alone is enough: body_timeout is a minute away
            client.send(CHUNKED + b"1\r\nx\r\nFFFFFFFFFFFFFFFF\r\n")
            assert client.response()[0] == 413
        wait_until(lambda: deleted_files() == before, what="the temporary files to be gone")
    assert len(recorder.calls) == 1


def test_case_34_a_thousand_pipelined_requests(mode: dict[str, Any]) -> None:
    """1000 requests in one segment are answered in order."""
    recorder = Recorder()
    with serving(recorder, **mode) as served, served.client() as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(1000)))
        for number in range(1000):
            status, _, body = client.response()
            assert (status, json.loads(body)["environ"]["PATH_INFO"]) == (200, f"/{number}")
    assert recorder.paths == [f"/{number}" for number in range(1000)]


def test_case_35_expectations(mode: dict[str, Any]) -> None:
    """100 only when the body is wanted and the client knows it; 417 for what is not known."""
    recorder = Recorder()
    with serving(recorder, max_request_body_size=1000, **mode) as served:

        def first_line(version: str, expect: str, length: int, body: bytes = b"") -> bytes:
            with served.client() as client:
                head = f"POST / HTTP/{version}\r\nHost: a\r\nExpect: {expect}\r\nContent-Length: {length}\r\n\r\n"
                client.send(head.encode() + body)
                return client.until(b"\r\n")

        assert first_line("1.1", "100-continue", 5) == b"HTTP/1.1 100 Continue\r\n"
        assert first_line("1.1", "100-continue", 0) == b"HTTP/1.1 200 OK\r\n"
        assert first_line("1.1", "100-continue", 1000).startswith(b"HTTP/1.1 413 ")
        assert first_line("1.1", "foo", 5).startswith(b"HTTP/1.1 417 ")
        assert first_line("1.0", "100-continue", 2, b"hi") == b"HTTP/1.0 200 OK\r\n"
        with served.client() as client:  # the body follows the 100, and the connection stays
            for _ in range(2):
                client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
                assert client.response()[0] == 100
                client.send(b"hi")
                assert json.loads(client.response()[2])["length"] == 2
    assert [call.body for call in recorder.calls] == [b"", b"hi", b"hi", b"hi"]


@pytest.mark.parametrize("optimised", [True, False])
@pytest.mark.parametrize("threads", ["1", "4"])
def test_case_36_response_splitting(optimised: bool, threads: str) -> None:
    """A header or status with control bytes, or a name that is no token, is a 500 that leaks nothing, also under -O."""
    headers = ("A=b\r\nSet-Cookie: c=d", "A=b\nc", "A=b\rc", "A=b\x00c", "A=\x1b[31m", "A=\x7f", "A\r\nB=c", "A B=c",
               "A:=c", "=c", "\xc4=c", "A\x00=c")  # fmt: skip
    queries = ["header?" + quote(header, safe="=", encoding="latin-1") for header in headers]
    queries += ["status?" + quote(status) for status in ("200 OK\r\nX: y", "200 O\nK", "200 \x00", "OK", "200OK", "")]
    arguments = [*(["-O"] if optimised else []), "-m", "tests.support.slow_server", threads]
    with Child(arguments, cwd=ROOT) as process:
        for query in queries:
            with RawClient(process.address()) as client:
                client.send(f"GET /{query} HTTP/1.1\r\nHost: a\r\n\r\n".encode() + HELLO)
                data = client.rest()
            head, _, body = data.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\n"), query
            assert b"c=d" not in data
            assert b"secret" not in data
            assert b"Traceback" not in data
            assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
        assert ask(process.address(), "/") == b"hello"
        assert process.stop() == 0


Framing = tuple[str, str, list[tuple[str, str]], list[bytes], tuple[int, ...], bytes]

FRAMINGS: list[Framing] = [
    ("GET", "200 OK", [("Transfer-Encoding", "chunked")], [b"x"], (500,), b""),
    ("GET", "200 OK", [("Transfer-Encoding", "identity")], [b"x"], (500,), b""),
    ("GET", "200 OK", [("Connection", "keep-alive")], [b"x"], (500,), b""),
    ("GET", "200 OK", [("Keep-Alive", "timeout=5")], [b"x"], (500,), b""),
    ("GET", "200 OK", [("Content-Length", "1"), ("Content-Length", "2")], [b"xy"], (500,), b""),
    ("GET", "200 OK", [("Content-Length", "1, 1")], [b"x"], (500,), b""),
    ("GET", "200 OK", [("Content-Length", "2")], [b"hello"], (200,), b"he"),
    ("GET", "200 OK", [("Content-Length", "2")], [b"h", b"el", b"lo"], (200,), b"he"),
    ("GET", "200 OK", [("Content-Length", "0")], [b"hello"], (200,), b""),
    ("GET", "204 No Content", [], [b"hello"], (204,), b""),
    ("GET", "204 No Content", [("Content-Length", "5")], [b"hello"], (204,), b""),
    ("GET", "205 Reset Content", [], [b"hello"], (205,), b""),
    ("GET", "205 Reset Content", [("Content-Length", "5")], [b"h", b"ello"], (205,), b""),
    ("HEAD", "205 Reset Content", [("Content-Length", "5")], [b"hello"], (205,), b""),
    ("GET", "304 Not Modified", [], [b"hello"], (304,), b""),
    ("GET", "304 Not Modified", [("Content-Length", "5")], [b"h", b"ello"], (304,), b""),
    ("HEAD", "200 OK", [], [b"hello"], (200,), b""),
    ("HEAD", "200 OK", [], [b"he", b"llo"], (200,), b""),
    ("HEAD", "200 OK", [("Content-Length", "5")], [b"hello"], (200,), b""),
    ("HEAD", "200 OK", [("Content-Length", "5")], [], (200,), b""),
]


@pytest.mark.parametrize("streamed", [True, False])
def test_case_37_framing_by_the_application(mode: dict[str, Any], streamed: bool) -> None:
    """Whatever an application says about framing, the next request on the connection gets its own answer or none."""
    current: list[Framing] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/hello":
            start_response("200 OK", [])
            return [b"hello"]
        _, status, headers, pieces, _, _ = current[0]
        start_response(status, headers)
        return iter(pieces) if streamed else pieces

    with serving(application, **mode) as served:
        for framing in FRAMINGS:
            method, _, _, _, statuses, expected = framing
            current[:] = [framing]
            with served.client() as client:
                client.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode() + HELLO)
                status, fields, body = client.response(method=method)
                assert status in statuses, framing
                assert "transfer-encoding" not in fields or "content-length" not in fields
                if status == 204:
                    assert not {"content-length", "transfer-encoding"} & set(fields)
                if status != 500:
                    assert body == expected, framing
                rest = responses(client) if fields.get("connection") == "close" else [client.response()]
                assert [(status, body) for status, _, body in rest] in ([], [(200, b"hello")]), framing


@pytest.mark.parametrize("streamed", [True, False])
def test_case_37_too_little_content(mode: dict[str, Any], streamed: bool) -> None:
    """A response shorter than its Content-Length ends the connection: no client can take the next one for its rest."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "100")])
        return iter([b"short"]) if streamed else [b"short"]

    with serving(application, **mode) as served, served.client() as client:
        client.send(HELLO + HELLO)
        assert client.rest().partition(b"\r\n\r\n")[2] == b"short"


PROXY_FIELDS = (
    b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n"
    b"X-Forwarded-Port: 1\r\nX-Forwarded-By: evil\r\nForwarded: for=6.6.6.6;host=evil.example;proto=https\r\n"
)


def seen_by_application(served: Served, fields: bytes) -> tuple[int, dict[str, Any]]:
    """Send a request with these fields; return the status and the environ's texts."""
    with served.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
        status, _, body = client.response()
        return status, json.loads(body)["environ"] if status == 200 else {}


@pytest.mark.parametrize(
    "trust", [{}, {"trusted_proxy": "10.1.2.3", "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto"}]
)
def test_case_38_spoofed_proxy_fields(mode: dict[str, Any], trust: dict[str, str]) -> None:
    """From a peer that is no trusted proxy all proxy fields disappear, and REMOTE_ADDR is the peer's."""
    with serving(Recorder(), **trust, **mode) as served:
        status, seen = seen_by_application(served, PROXY_FIELDS)
        assert status == 200
        assert not [key for key in seen if "FORWARDED" in key]
        assert (seen["REMOTE_ADDR"], seen["HTTP_HOST"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "a", "http")
        assert "6.6.6.6" not in seen.values()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"X-Forwarded-Proto: javascript\r\n", 400),
        (b'X-Forwarded-For: "unbalanced\r\n', 400),
        (b"X-Forwarded-Port: x\r\n", 400),
        (b"X-Forwarded-Host: a b\r\n", 400),
        (b"X-Forwarded-For: , ,1.2.3.4,\r\n", "1.2.3.4"),
        (b"X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"),  # fewer entries than trusted hops
        (b"X-Forwarded-For: 9.9.9.9, 1.2.3.4, 5.6.7.8\r\n", "1.2.3.4"),
        (b"X-Forwarded-For:\r\n", "127.0.0.1"),
    ],
)
def test_case_39_malformed_fields_of_a_trusted_proxy(
    mode: dict[str, Any], fields: bytes, expected: int | str, caplog: pytest.LogCaptureFixture
) -> None:
    """What a trusted proxy says is a 400 if malformed and defined otherwise, never a traceback."""
    names = "x-forwarded-for x-forwarded-proto x-forwarded-port x-forwarded-host"
    trust = {"trusted_proxy": "127.0.0.1", "trusted_proxy_count": 2, "trusted_proxy_headers": names}
    with serving(Recorder(), **trust, **mode) as served:
        status, seen = seen_by_application(served, fields)
        assert (status if status != 200 else seen["REMOTE_ADDR"]) == expected
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("value", "expected"), [(b"for", 400), (b'for="1.2.3.4', 400), (b"proto=x", 400), (b"for=1.2.3.4", "1.2.3.4")]
)
def test_case_39_malformed_forwarded(mode: dict[str, Any], value: bytes, expected: int | str) -> None:
    """The same for Forwarded."""
    with serving(Recorder(), trusted_proxy="*", trusted_proxy_headers="forwarded", **mode) as served:
        status, seen = seen_by_application(served, b"Forwarded: " + value + b"\r\n")
        assert (status if status != 200 else seen["REMOTE_ADDR"]) == expected


@pytest.mark.parametrize(
    "fields",
    [
        b"X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n",
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n",
        b"X-Forwarded-Proto: http\r\nX-Forwarded-Ssl: on\r\n",
        b"X-Forwarded-Ssl: off\r\nX-Forwarded-Proto: https\r\n",
    ],
)
def test_case_40_conflicting_schemes(mode: dict[str, Any], fields: bytes) -> None:
    """Two fields about the scheme are a 400."""
    with serving(Recorder(), trusted_proxy="*", trusted_proxy_headers="x-forwarded-proto", **mode) as served:
        assert seen_by_application(served, fields)[0] == 400


V2 = b"\r\n\r\n\0\r\nQUIT\n"
ENDS = bytes([192, 0, 2, 7, 198, 51, 100, 2]) + struct.pack("!HH", 5678, 443)


@pytest.mark.parametrize(
    ("preamble", "expected"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.2 5678 443\r\n", ("192.0.2.7", "5678")),
        (b"PROXY TCP6 2001:db8::7 ::1 5678 443\r\n", ("2001:db8::7", "5678")),
        (V2 + b"\x21\x11\x00\x0c" + ENDS, ("192.0.2.7", "5678")),
        (b"PROXY UNKNOWN\r\n", None),
        (V2 + b"\x20\x00\x00\x00", None),
        (V2 + b"\x21\x11\x00\x0b" + ENDS, 400),
        (V2 + b"\x21\x11\xff\xff" + ENDS, 400),
        (b"PROXY TCP4 192.0.2.7 198.51.100.2 5678 443 x\r\n", 400),
        (b"PROXY UNKNOWN " + b"x" * 200, 400),
        (b"", 400),
    ],
)
def test_case_41_proxy_protocol(mode: dict[str, Any], preamble: bytes, expected: tuple[str, str] | int | None) -> None:
    """A preamble from an allowed peer names the client; LOCAL and UNKNOWN keep the peer; anything else is refused."""
    recorder = Recorder()
    with serving(recorder, proxy_protocol=True, trusted_proxies="127.0.0.0/8", **mode) as served:
        for step in (len(preamble) + len(HELLO), 1):
            data = preamble + HELLO + HELLO
            with served.client() as client:
                own = str(client.socket.getsockname()[1])
                try:
                    for at in range(0, len(data), step):
                        client.send(data[at : at + step])
                except ConnectionError:
                    pass
                if expected == 400:
                    assert [status for status, _, _ in responses(client)] in ([400], [])
                    assert not recorder.calls
                    continue
                for _ in range(2):
                    seen = json.loads(client.response()[2])["environ"]
                    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == (expected or ("127.0.0.1", own))


def test_case_41_proxy_protocol_from_another_peer(mode: dict[str, Any]) -> None:
    """A preamble from an address that is not allowed closes the connection; nothing is served."""
    recorder = Recorder()
    with serving(recorder, proxy_protocol=True, trusted_proxies="10.0.0.0/8", **mode) as served:
        with served.client() as client:
            client.send(b"PROXY TCP4 192.0.2.7 198.51.100.2 5678 443\r\n" + HELLO)
            assert [status for status, _, _ in responses(client)] in ([], [400], [403])
    assert not recorder.calls
