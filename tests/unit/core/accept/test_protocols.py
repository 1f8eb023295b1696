"""Which protocol a client speaks: prior knowledge of HTTP/2, HTTP/1.1, and what servers need for it."""

import sys
from typing import Any

import pytest

from tests.support.accepting import accepting, has_answer
from tests.support.rig import service_for
from tests.support.sockets import LOOPBACK
from wiverno.config.settings import Adjustments
from wiverno.core.accept.protocols import PREFACE, connection_class, load_protocols
from wiverno.core.context import redirect_context
from wiverno.core.http1.connection import Connection
from wiverno.core.http1.followed import FollowedConnection
from wiverno.core.http1.host_check import FollowedHostCheckedConnection, HostCheckedConnection
from wiverno.core.http1.redirect import FollowedRedirectConnection, RedirectConnection
from wiverno.core.http2.connection import Http2Connection

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
HTTP2: dict[str, Any] = {"http2": True, "trusted_proxies": LOOPBACK}


@pytest.mark.parametrize("cut", [0, 1, 3, len(PREFACE) - 1])
def test_prior_knowledge_is_recognised_however_it_arrives(cut: int) -> None:
    """The whole preface makes an HTTP/2 connection, which answers with its settings."""
    with accepting(**HTTP2) as (made, stack):
        (client,) = made.connect(stack, 1)
        client.send(PREFACE[:cut])
        made.rig.until(lambda: bool(made.loop.connections))
        made.rig.run_until_idle()
        client.send(PREFACE[cut:] + SETTINGS)
        made.rig.until(lambda: has_answer(client))
        (connection,) = made.loop.connections
        assert isinstance(connection, Http2Connection)
        assert client.exactly(9)[3:4] == b"\4"


@pytest.mark.parametrize("cut", [1, 2, len(GET) - 1, len(GET)])
@pytest.mark.parametrize("request_text", [GET, GET.replace(b"GET", b"PRI")])
def test_other_beginnings_are_http1(cut: int, request_text: bytes) -> None:
    """Also where the method begins as the preface does; nothing that was read is lost."""
    with accepting(**HTTP2) as (made, stack):
        (client,) = made.connect(stack, 1)
        client.send(request_text[:cut])
        made.rig.until(lambda: bool(made.loop.connections))
        made.rig.run_until_idle()
        client.send(request_text[cut:])
        made.rig.until(lambda: has_answer(client))
        assert client.response()[0] == 200


@pytest.mark.parametrize("begun", [b"", b"PRI * HT"])
def test_a_client_that_leaves_before_it_is_known(begun: bytes) -> None:
    with accepting(**HTTP2) as (made, stack):
        (client,) = made.connect(stack, 1)
        client.send(begun)
        made.rig.until(lambda: bool(made.loop.connections))
        client.close()
        made.rig.until(lambda: not made.loop.connections)


def test_strangers_have_no_prior_knowledge() -> None:
    """Only trusted proxies may begin with the preface: for others it is a malformed request."""
    with accepting(http2=True) as (made, stack):
        (client,) = made.connect(stack, 1)
        client.send(PREFACE)
        made.rig.until(lambda: has_answer(client))
        assert client.response()[0] == 505


TLS: dict[str, Any] = {"certfile": "x.pem", "redirect_listen": "127.0.0.1:0"}


@pytest.mark.parametrize(
    ("settings", "plain", "followed"),
    [
        ({}, Connection, FollowedConnection),
        ({"allowed_hosts": "shop"}, HostCheckedConnection, FollowedHostCheckedConnection),
        (TLS, RedirectConnection, FollowedRedirectConnection),
    ],
    ids=["usual", "allowed_hosts", "redirect_listen"],
)
def test_classes_of_http1_connections(
    settings: dict[str, Any], plain: type[Connection], followed: type[Connection]
) -> None:
    """The settings choose it; those that the debug log follows have another class."""
    if settings is TLS:
        context = redirect_context(service_for(), Adjustments.from_keywords(**TLS), ())
    else:
        context = service_for(**settings)
    assert connection_class(context, is_followed=False) is plain
    assert connection_class(context, is_followed=True) is followed


def test_what_the_first_client_needs_is_imported_before() -> None:
    """A process that has given up its rights may not be able to read it."""
    load_protocols(
        Adjustments.from_keywords(
            certfile="x.pem", http2=True, user="nobody", allowed_hosts="shop", redirect_listen="127.0.0.1:0"
        )
    )
    names = ("core.net.tls", "core.http2.connection", "core.http1.host_check", "core.http1.redirect")
    assert {f"wiverno.{name}" for name in names} <= set(sys.modules)
