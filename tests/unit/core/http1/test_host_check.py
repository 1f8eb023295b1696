"""A connection whose server answers for some hosts."""

from typing import Any

import pytest

from tests.support.rig import rig
from wiverno.core.accept.protocols import new_connection
from wiverno.core.http1.host_check import HostCheckedConnection

SOME: dict[str, Any] = {
    "allowed_hosts": ["a", "*.b"],
    "trusted_proxy": "*",
    "trusted_proxy_headers": {"x-forwarded-host"},
}

SERVED = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x.b:8000\r\n\r\n",
    "GET http://a/ HTTP/1.1\r\nHost: evil\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-Host: a\r\n\r\n",
]

REFUSED = [
    ("GET / HTTP/1.1\r\nHost: evil\r\n\r\n", 421),
    ("GET / HTTP/1.1\r\nHost: b\r\n\r\n", 421),
    ("GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n", 421),
    ("OPTIONS * HTTP/1.1\r\nHost: evil\r\n\r\n", 421),
    ("POST / HTTP/1.1\r\nHost: evil\r\nContent-Length: 2\r\n\r\nhi", 421),
    ("POST / HTTP/1.1\r\nHost: evil\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n", 421),
    ("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: evil\r\n\r\n", 421),
    ("GET / HTTP/1.0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
]


@pytest.mark.parametrize("is_followed", [False, True])
@pytest.mark.parametrize("request_text", SERVED)
def test_served(request_text: str, is_followed: bool) -> None:
    """A request for an allowed host reaches the application, and the connection is kept."""
    with rig(**SOME) as made:
        _, client = made.connect(make=new_connection, trusted=True, is_followed=is_followed)
        for _ in range(2):
            client.send(request_text.encode())
            made.run_until_idle()
            assert client.response()[0] == 200


@pytest.mark.parametrize("is_followed", [False, True])
@pytest.mark.parametrize(("request_text", "status"), REFUSED)
def test_refused(request_text: str, status: int, is_followed: bool) -> None:
    """Another one is answered by the server, without the body, and the connection closes."""
    with rig(**SOME) as made:
        made.holds = True
        _, client = made.connect(make=new_connection, trusted=True, is_followed=is_followed)
        client.send(request_text.encode())
        made.run_until_idle()
        got, headers, body = client.response()
        assert (got, headers["connection"]) == (status, "close")
        assert b"evil" not in body
        assert not made.held


def test_an_untrusted_proxy_says_nothing() -> None:
    """What an untrusted peer says of the host is removed, so that Host decides."""
    with rig(**{**SOME, "trusted_proxy": "192.0.2.1"}) as made:
        _, client = made.connect(make=new_connection)
        client.send(b"GET / HTTP/1.1\r\nHost: evil\r\nX-Forwarded-Host: a\r\n\r\n")
        made.run_until_idle()
        assert client.response()[0] == 421


def test_costs_nothing_where_it_is_off() -> None:
    """Without allowed_hosts connections are of the class that does not ask."""
    with rig() as made:
        connection, _ = made.connect(make=new_connection)
        assert not isinstance(connection, HostCheckedConnection)
