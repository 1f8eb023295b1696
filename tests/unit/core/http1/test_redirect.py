"""A connection of the plain port: what it answers, in the leader, without an application."""

import select
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import PairClient, Rig, rig
from tests.support.waiting import PATIENCE
from wiverno.config.settings import Adjustments
from wiverno.core.accept.protocols import new_connection
from wiverno.core.context import redirect_context
from wiverno.core.http1.connection import Connection
from wiverno.core.http1.redirect import READ_TIMEOUT
from wiverno.core.http1.states import CLOSED, IDLE, RUNNING
from wiverno.core.net import challenges

TLS: dict[str, Any] = {"certfile": "x.pem", "redirect_listen": "127.0.0.1:0"}
PROXY: dict[str, Any] = {"trusted_proxy": "*", "trusted_proxy_headers": {"x-forwarded-host", "x-forwarded-proto"}}


def redirecting(made: Rig, **settings: Any) -> None:
    """Let the rig's connections be those of a plain port."""
    adjustments = Adjustments.from_keywords(**TLS, **settings)
    made.context = redirect_context(made.context, adjustments, ())
    made.holds = True  # nothing may ask for a thread


def connect(made: Rig, **more: Any) -> tuple[Connection, PairClient]:
    return made.connect(make=new_connection, **more)


ANSWERS = [
    ("GET /a?b HTTP/1.1\r\nHost: shop\r\n\r\n", "https://shop/a?b"),
    ("GET /a%20b HTTP/1.1\r\nHost: shop:80\r\n\r\n", "https://shop/a%20b"),
    ("GET http://shop/a HTTP/1.1\r\nHost: evil\r\n\r\n", "https://shop/a"),
    ("OPTIONS * HTTP/1.1\r\nHost: shop\r\n\r\n", "https://shop"),
    ("DELETE /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "https://[::1]/a"),
    ("GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: shop\r\n\r\n", "https://shop/.well-known/acme-challenge/x"),
]


@pytest.mark.parametrize("is_followed", [False, True])
@pytest.mark.parametrize(("request_text", "location"), ANSWERS)
def test_redirects(request_text: str, location: str, is_followed: bool) -> None:
    """Each request is answered 308, and the connection is kept; HSTS is not for plain ports (RFC 6797 §7.2)."""
    with rig() as made:
        redirecting(made)
        connection, client = connect(made, is_followed=is_followed)
        for _ in range(2):
            client.send(request_text.encode())
            made.run_until_idle()
            status, fields, body = client.response()
            assert (status, fields["location"]) == (308, location)
            assert body == b"This page is at the same address with https.\n"
            assert "strict-transport-security" not in fields
            assert "connection" not in fields
        assert connection.state == IDLE


def test_head_and_pipelining() -> None:
    """HEAD has no content; requests that come together are answered in order."""
    with rig() as made:
        redirecting(made)
        _, client = connect(made)
        client.send(
            b"HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        made.run_until_idle()
        assert client.response(method="HEAD")[1]["location"] == "https://a/1"
        assert [client.response()[1]["location"] for _ in range(2)] == ["https://a/2", "https://a/3"]


@pytest.mark.parametrize(
    "rest",
    [
        "Content-Length: 5\r\n\r\nhello",
        "Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
)
def test_bodies_are_not_received(rest: str) -> None:
    """A request with a body is answered at once, and the connection closes without a reset."""
    with rig() as made:
        redirecting(made)
        connection, client = connect(made)
        client.send(f"POST /form HTTP/1.1\r\nHost: a\r\n{rest}".encode())
        made.run_until_idle()
        status, fields, _ = client.response()
        assert (status, fields["location"], fields["connection"]) == (308, "https://a/form", "close")
        assert connection.state == CLOSED


REFUSED = [
    ("GET / HTTP/1.0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n", 421),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
]


@pytest.mark.parametrize(("request_text", "status"), REFUSED)
def test_refused(request_text: str, status: int) -> None:
    """What is refused on other ports is refused here, and what has no address to be redirected to."""
    with rig(**PROXY) as made:
        redirecting(made)
        _, client = connect(made, trusted=True)
        client.send(request_text.encode())
        made.run_until_idle()
        got, fields, _ = client.response()
        assert (got, fields.get("location"), fields["connection"]) == (status, None, "close")


def test_proxies_and_default_name() -> None:
    """A trusted proxy says which host the client asked for; server_name stands for a missing one."""
    with rig(**PROXY) as made:
        redirecting(made, server_name="www.shop", redirect_port=8443)
        _, client = connect(made, trusted=True)
        client.send(b"GET /a HTTP/1.1\r\nHost: inner\r\nX-Forwarded-Host: shop:80\r\nX-Forwarded-Proto: http\r\n\r\n")
        made.run_until_idle()
        assert client.response()[1]["location"] == "https://shop:8443/a"
        client.send(b"GET /b HTTP/1.0\r\n\r\n")
        made.run_until_idle()
        assert client.response()[1]["location"] == "https://www.shop:8443/b"


def test_allowed_hosts(tmp_path: Path) -> None:
    """Only allowed hosts are redirected to, and only for them challenges are answered."""
    with rig(allowed_hosts="a") as made:
        redirecting(made, acme_webroot=str(tmp_path))
        for request_text, status in (
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 308),
            ("GET / HTTP/1.1\r\nHost: evil\r\n\r\n", 421),
            ("GET /.well-known/acme-challenge/t HTTP/1.1\r\nHost: evil\r\n\r\n", 421),
            ("GET / HTTP/1.0\r\n\r\n", 400),
        ):
            _, client = connect(made)
            client.send(request_text.encode())
            made.run_until_idle()
            assert client.response()[0] == status


def challenge(name: str, method: str = "GET") -> bytes:
    return f"{method} /.well-known/acme-challenge/{name} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


@pytest.fixture
def webroot(tmp_path: Path) -> Path:
    folder = tmp_path / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "token-1_").write_bytes(b"token-1_.key")
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path


def test_challenges(webroot: Path) -> None:
    """A challenge's file is served, everything else below its path is not there; the connection is kept."""
    with rig() as made:
        redirecting(made, acme_webroot=str(webroot))
        _, client = connect(made)
        for name, method, status, content in (
            ("token-1_", "GET", 200, b"token-1_.key"),
            ("token-1_", "HEAD", 200, b""),
            ("token-1%5F?x=y", "GET", 200, b"token-1_.key"),
            ("missing", "GET", 404, b"There is no such challenge.\n"),
            ("../../secret", "GET", 404, b"There is no such challenge.\n"),
            ("..%2f..%2fsecret", "GET", 404, b"There is no such challenge.\n"),
            ("", "GET", 404, b"There is no such challenge.\n"),
            ("token-1_", "PUT", 405, b"A challenge is read with GET.\n"),
        ):
            client.send(challenge(name, method))
            made.until(lambda: select.select([client.socket], [], [], 0)[0])
            got, fields, body = client.response(method=method)
            assert (got, body) == (status, content), name
            assert fields.get("allow") == ("GET, HEAD" if status == 405 else None)
        client.send(b"GET /.well-known/other HTTP/1.1\r\nHost: a\r\n\r\n")
        made.run_until_idle()
        assert client.response()[0] == 308


def test_a_disk_that_does_not_answer(webroot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader goes on; the client is told after a few seconds, and a late content changes nothing."""
    answers = threading.Event()
    monkeypatch.setattr(challenges, "read_challenge", lambda *_: answers.wait(PATIENCE) and b"late")
    with rig() as made:
        redirecting(made, acme_webroot=str(webroot))
        connection, client = connect(made)
        client.send(challenge("t"))
        made.until(lambda: connection.state == RUNNING)
        _, other = connect(made)
        other.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        made.run_until_idle()
        assert other.response()[0] == 308
        made.later(READ_TIMEOUT - 1)
        assert connection.state == RUNNING
        made.later(READ_TIMEOUT + 1)
        status, fields, _ = client.response()
        assert (status, fields["retry-after"]) == (503, "1")
        assert connection.state == CLOSED
        answers.set()
        made.until(lambda: all(thread.name != "wiverno-challenges" for thread in threading.enumerate()))
        made.run_until_idle()


def test_too_many_challenges(webroot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no more can wait, the answer is 503 at once."""
    monkeypatch.setattr(challenges, "MAX_WAITING", 0)
    with rig() as made:
        redirecting(made, acme_webroot=str(webroot))
        _, client = connect(made)
        client.send(challenge("token-1_"))
        made.run_until_idle()
        assert client.response()[0] == 503


def test_silence_expires() -> None:
    """A client without a request is closed as on other ports."""
    with rig() as made:
        redirecting(made)
        connection, client = connect(made)
        made.run_until_idle()
        made.later(1000)
        assert connection.state == CLOSED
        assert client.is_closed()


def test_context_has_the_rest_in_common() -> None:
    """The plain port has the limits of the others, and neither TLS nor HTTP/2 nor a prefix."""
    with rig(max_request_header_size=999, http2=True, url_prefix="/shop") as made:
        before = made.context
        redirecting(made)
        assert replace(
            made.context, application=before.application, redirects=None, url_prefix="/shop",
            http2_connections=before.http2_connections,
        ) == before  # fmt: skip
