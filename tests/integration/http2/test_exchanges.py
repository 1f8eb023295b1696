"""Exchanges over HTTP/2: what an application does over HTTP/1.1 means the same here, many at a time on one socket."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.http2.site import PIECE, Site
from tests.support.h2_client import H2Client, h2_client
from tests.support.serving import MODES, Served, serving
from tests.support.waiting import wait_until

TLS = Path(__file__).resolve().parents[2] / "data" / "tls"
SECURE = {"certfile": str(TLS / "first.pem"), "keyfile": str(TLS / "first.key"), "http2": True}
CLEAR = {"trusted_proxies": "127.0.0.1", "http2": True}


@pytest.fixture(scope="module", params=[(mode, kind) for mode in MODES for kind in ("tls", "clear")], ids="-".join)
def site(request: pytest.FixtureRequest) -> Iterator[tuple[Site, Served, bool, str]]:
    """Every way to serve: with threads and without, over TLS and by prior knowledge."""
    mode, kind = request.param
    application = Site()
    with serving(application, **MODES[mode], **(SECURE if kind == "tls" else CLEAR)) as served:
        yield application, served, kind == "tls", mode


@pytest.fixture
def client(site: tuple[Site, Served, bool, str]) -> Iterator[H2Client]:
    with h2_client(site[1].address, secure=site[2]) as connected:
        yield connected


def test_a_request_is_answered(client: H2Client) -> None:
    answer = client.fetch("/hello")
    assert (answer.status, answer["content-type"], bytes(answer.body)) == ("200", "text/plain", b"hello\n")
    assert answer["server"] == "waitress" or answer["server"]
    assert answer["date"].endswith("GMT")


def test_many_requests_of_one_connection_are_not_mixed_up(client: H2Client) -> None:
    streams = {client.request(f"/echo/{number}?n={number}"): number for number in range(60)}
    for stream, answer in zip(streams, client.wait(*streams), strict=True):
        assert answer.body.decode() == f"{streams[stream]}?n={streams[stream]}"


def test_the_environ_is_that_of_http_1(site: tuple[Site, Served, bool, str], client: H2Client) -> None:
    fields = [("x-one", "1"), ("cookie", "a=1"), ("cookie", "b=2"), ("accept", "text/html"), ("te", "trailers")]
    seen = json.loads(client.fetch("/environ/a%20b?q=1", headers=fields).body)
    assert seen["SERVER_PROTOCOL"] == "HTTP/2.0"  # CherryPy and others read both digits
    assert seen["PATH_INFO"] == "/environ/a b"
    assert seen["QUERY_STRING"] == "q=1"
    assert seen["REQUEST_METHOD"] == "GET"
    assert seen["HTTP_HOST"] == "localhost"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert seen["HTTP_X_ONE"] == "1"
    assert seen["wsgi.url_scheme"] == ("https" if site[2] else "http")
    assert seen["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize("size", [0, 1, 5_000, 70_000, 3_000_000])
def test_bodies_go_up(client: H2Client, size: int) -> None:
    body = (PIECE * (size // len(PIECE) + 1))[:size]
    answer = client.fetch("/upload", method="POST", body=body)
    count, length, digest = answer.body.decode().split()
    assert (int(count), int(length), digest) == (size, size, hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("kind", ["whole", "stream"])
@pytest.mark.parametrize("size", [1, 16_384, 70_000, 3_000_000])
def test_bodies_come_down(client: H2Client, kind: str, size: int) -> None:
    answer = client.fetch(f"/{kind}/{size}")
    assert bytes(answer.body) == (PIECE * (size // len(PIECE) + 1))[:size]


def test_a_file_comes_down(client: H2Client, tmp_path: Path) -> None:
    content = PIECE * 100
    (tmp_path / "file").write_bytes(content)
    answer = client.fetch(f"/file{tmp_path}/file")
    assert bytes(answer.body) == content
    assert answer["content-length"] == str(len(content))


def test_head_has_no_content(client: H2Client) -> None:
    answer = client.fetch("/hello", method="HEAD")
    assert (answer.status, answer["content-length"], bytes(answer.body)) == ("200", "6", b"")


@pytest.mark.parametrize("status", ["204", "205", "304", "404"])
def test_statuses(client: H2Client, status: str) -> None:
    """A 205 has no content whatever the application gives (RFC 9110 §15.3.6)."""
    answer = client.fetch(f"/status/{status}")
    assert answer.status == status
    assert bytes(answer.body) == (b"body" if status == "404" else b"")


def test_the_write_callable(client: H2Client) -> None:
    assert bytes(client.fetch("/write").body) == b"one two three"


def test_early_hints_come_first(client: H2Client) -> None:
    answer = client.fetch("/hints")
    assert dict(answer.informational[0])[":status"] == "103"
    assert dict(answer.informational[0])["link"] == "</style.css>; rel=preload"
    assert bytes(answer.body) == b"page"


def test_a_client_that_expects_100_gets_it(client: H2Client) -> None:
    stream = client.request("/upload", method="POST", headers=[("expect", "100-continue")], ends=False)
    while not client.answers[stream].informational:
        client.receive()
    client.send_body(stream, b"body")
    assert client.wait(stream)[0].body.startswith(b"4 ")


def test_an_error_before_the_head_is_a_500(client: H2Client) -> None:
    good, bad = client.request("/echo/good"), client.request("/fail")
    answers = client.wait(good, bad)
    assert [answer.status for answer in answers] == ["200", "500"]
    assert answers[0].body == b"good?"


def test_an_error_after_the_head_resets_its_stream_alone(client: H2Client) -> None:
    good, bad = client.request("/echo/good"), client.request("/fail_late")
    answers = client.wait(good, bad)
    assert answers[1].reset == 2  # INTERNAL_ERROR
    assert answers[0].body == b"good?"
    assert client.fetch("/hello").status == "200"


def test_a_reset_ends_its_exchange_alone(site: tuple[Site, Served, bool, str], client: H2Client) -> None:
    before = len(site[0].closed)
    stream = client.request("/endless")
    while not client.answers[stream].body:
        client.receive()
    client.reset(stream)
    wait_until(lambda: len(site[0].closed) == before + 1)
    assert client.fetch("/echo/still").body == b"still?"
    assert len(site[0].closed) == before + 1


def test_a_client_that_leaves_ends_its_exchanges(site: tuple[Site, Served, bool, str]) -> None:
    before = len(site[0].closed)
    with h2_client(site[1].address, secure=site[2]) as leaving:
        stream = leaving.request("/endless")
        while not leaving.answers[stream].body:
            leaving.receive()
    wait_until(lambda: len(site[0].closed) == before + 1)


def test_a_closed_window_holds_its_stream_alone(site: tuple[Site, Served, bool, str]) -> None:
    with h2_client(site[1].address, secure=site[2], acknowledges=False) as client:
        held = client.request("/stream/200000")
        while len(client.answers[held].body) < 65_535:
            client.receive()
        client.state.increment_flow_control_window(100_000)  # the connection's alone
        client.flush()
        assert client.fetch("/echo/other").body == b"other?"
        client.state.increment_flow_control_window(200_000, held)
        client.state.increment_flow_control_window(200_000)
        client.flush()
        answer = client.wait(held)[0]
        assert len(answer.body) == 200_000, (answer.reset, client.is_closed, client.failure, client.goaways)


@contextmanager
def served_with(**settings: Any) -> Iterator[tuple[Site, H2Client]]:
    application = Site()
    with serving(application, **{**CLEAR, **settings}) as served, h2_client(served.address) as client:
        yield application, client


def test_streams_run_at_the_same_time() -> None:
    with served_with(threads=8) as (_, client):
        answers = client.wait(*[client.request("/together") for _ in range(8)])
        assert [bytes(answer.body) for answer in answers] == [b"together"] * 8


def test_a_body_that_is_too_large_is_refused_and_the_connection_goes_on() -> None:
    with served_with(threads=4, max_request_body_size=10_000) as (site, client):
        answer = client.fetch("/upload", method="POST", body=bytes(50_000))
        assert answer.status == "413"
        announced = client.fetch("/upload", method="POST", headers=[("content-length", "20000")], body=bytes(20_000))
        assert announced.status == "413"
        assert client.fetch("/hello").status == "200"
        assert "upload" not in site.entered


def test_a_long_target_is_refused_as_in_http_1() -> None:
    with served_with(threads=4, max_request_line_size=100) as (site, client):
        assert client.fetch("/hello?" + "x" * 93).status == "200"
        assert client.fetch("/hello?" + "x" * 94).status == "414"
        assert client.fetch("/upload?" + "x" * 5000, method="POST", body=bytes(5000)).status == "414"
        assert client.fetch("/hello").status == "200"
        assert site.entered == ["hello", "hello"]


def test_the_queue_is_bounded() -> None:
    with served_with(threads=2, queue_size=2) as (site, client):
        first, second = client.request("/hold"), client.request("/hold")
        wait_until(lambda: site.entered.count("hold") == 2)
        others = [client.request("/hello") for _ in range(6)]
        while not any(client.answers[stream].is_complete for stream in others):
            client.receive()  # what the queue has no room for is refused while the thread is held
        site.released.set()
        answers = client.wait(first, second, *others)
        statuses = [answer.status for answer in answers]
        assert statuses[0] == "200"
        assert "503" in statuses
