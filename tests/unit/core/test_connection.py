"""One connection over a real socket: its phases, what it waits for, and who may close it."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.rig import POLLERS, Rig, rig
from wiverno.core.outgoing import BODY, HEAD, IDLE

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def finish_elsewhere(made: Rig) -> None:
    """Run a held request as a thread does that does not lead."""
    connection, environ = made.held.pop()
    connection.settle(connection.gateway.respond(environ))


@pytest.mark.parametrize("rest", [GET, POST])
@pytest.mark.parametrize("cut", [5, -1, -6])
def test_a_request_that_came_in_part_during_another_is_served(poller: str, rest: bytes, cut: int) -> None:
    """After a request that ran elsewhere, the connection reads on where the pipelined bytes broke off."""
    with rig(poller=poller) as made:
        connection, client = made.connect()
        made.holds = True
        client.send(GET + rest[:cut])
        made.until(lambda: made.held)
        connection.detach()
        finish_elsewhere(made)
        made.holds = False
        assert client.response()[0] == 200
        made.settle()
        assert connection.phase in (HEAD, BODY)
        client.send(rest[cut:])
        made.until(lambda: connection.phase == IDLE)
        assert client.response()[0] == 200


def test_a_request_in_part_after_output_that_waited_costs_no_turns(poller: str) -> None:
    """A connection that was armed for writing is armed for reading when a head is still incomplete."""
    big = b"x" * 300_000

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [big]

    with rig(application, poller=poller) as made:
        connection, client = made.connect(buffer=4096)
        client.send(GET + GET[:5])
        made.until(lambda: connection.pending is not None)
        while len(client.buffer) < len(big):
            client.socket.settimeout(0)
            try:
                client.buffer += client.socket.recv(65536)
            except BlockingIOError:
                made.turn(0.01)
        made.until(lambda: connection.phase == HEAD)
        made.turn()
        assert made.turn() == 0
        client.send(GET[5:])
        made.until(lambda: connection.pending is not None or connection.phase == IDLE)
