"""The PROXY protocol in front of a connection: from trusted balancers, in any pieces, and from no other peer."""

from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.accepting import Accepting, accepting
from tests.support.rig import POLLERS
from wiverno.core.http1.connection import Connection
from wiverno.core.net.proxy_protocol import PreambleReader

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.7 192.0.2.9 4711 80\r\n"
SETTINGS: dict[str, Any] = {"proxy_protocol": True, "trusted_proxies": ["127.0.0.0/8"]}


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def only(made: Accepting) -> Connection:
    made.rig.until(lambda: any(type(item) is Connection for item in made.loop.connections))
    (connection,) = made.loop.connections
    assert isinstance(connection, Connection)
    return connection


def deliver(made: Accepting, stack: ExitStack, *pieces: bytes) -> bytes:
    (client,) = made.connect(stack, 1)
    for piece in pieces:
        client.send(piece)
        made.rig.run_until_idle()
        made.rig.turn(0.02)
    connection = only(made)
    made.rig.until(lambda: made.rig.turn() == 0)
    assert connection.base["REMOTE_ADDR"] == "192.0.2.7"
    assert connection.base["REMOTE_PORT"] == "4711"
    return client.response()[2]


@pytest.mark.parametrize("pieces", [(V1 + GET,), (V1, GET), (V1[:9], V1[9:] + GET), (V1 + GET[:5], GET[5:])])
def test_the_client_is_whom_the_balancer_names(poller: str, pieces: tuple[bytes, ...]) -> None:
    """However preamble and request are split, the request is served for the named client."""
    with accepting(poller, **SETTINGS) as (made, stack):
        assert deliver(made, stack, *pieces) == b"/ 0"


@pytest.mark.parametrize("data", [GET, b"PROXY nonsense\r\n", b"\r\n\r\n\x00\r\nQUIT\nxxxxx"])
def test_what_is_no_preamble_is_hung_up_on(poller: str, data: bytes) -> None:
    with accepting(poller, **SETTINGS) as (made, stack):
        (client,) = made.connect(stack, 1)
        client.send(data)
        made.rig.until(lambda: made.loop.deadlines.soonest < 1e12)
        made.rig.until(lambda: not made.loop.connections)
        assert client.is_closed()


def test_a_peer_that_is_not_trusted_gets_no_further(poller: str) -> None:
    with accepting(poller, proxy_protocol=True, trusted_proxies=["192.0.2.0/24"]) as (made, stack):
        (client,) = made.connect(stack, 1)
        made.rig.turn(0.1)
        assert client.is_closed()
        assert not made.loop.connections


@pytest.mark.parametrize("how", ["expire", "drain", "hang up"])
def test_a_preamble_that_does_not_come(poller: str, how: str) -> None:
    """header_timeout holds for it; it does not delay draining."""
    with accepting(poller, header_timeout=30, **SETTINGS) as (made, stack):
        (client,) = made.connect(stack, 1)
        client.send(V1[:5])
        made.rig.until(lambda: made.loop.connections)
        made.rig.run_until_idle()
        (reader,) = made.loop.connections
        assert isinstance(reader, PreambleReader)
        if how == "expire":
            made.rig.later(28)
            assert made.loop.connections
            made.rig.later(32)
        elif how == "drain":
            reader.drain()
        else:
            client.close()
            made.rig.until(lambda: not made.loop.connections)
        assert not made.loop.connections
        assert made.loop.handlers.keys() == {made.acceptor.fd}
