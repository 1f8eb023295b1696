"""One connection over a real socket: its states, what it waits for, and who may close it."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.rig import POLLERS, Rig, rig
from wiverno.core.http1.states import BODY, CLOSED, HEAD, IDLE

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def finish_elsewhere(made: Rig) -> None:
    """Run a held request as a thread does that does not lead."""
    connection, environ = made.held.pop()
    connection.finish_response(connection.gateway.respond(environ))


@pytest.mark.parametrize("rest", [GET, POST])
@pytest.mark.parametrize("cut", [5, -1, -6])
def test_a_request_that_came_in_part_during_another_is_served(poller: str, rest: bytes, cut: int) -> None:
    """After a request that ran elsewhere, the connection reads on where the pipelined bytes broke off."""
    with rig(poller=poller) as made:
        connection, client = made.connect()
        made.holds = True
        client.send(GET + rest[:cut])
        made.until(lambda: made.held)
        connection.hand_off()
        finish_elsewhere(made)
        made.holds = False
        assert client.response()[0] == 200
        made.run_until_idle()
        assert connection.state in (HEAD, BODY)
        client.send(rest[cut:])
        made.until(lambda: connection.state == IDLE)
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
        made.until(lambda: connection.state == HEAD)
        made.turn()
        assert made.turn() == 0
        client.send(GET[5:])
        made.until(lambda: connection.pending is not None or connection.state == IDLE)


class Meddling:
    """A lock that does something the moment it has been given back for the first time."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._lock = threading.Lock()
        self._action: Callable[[], object] | None = action

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        action, self._action = self._action, None
        if action is not None:
            action()


@pytest.mark.parametrize("meddle", ["deadline", "drain"])
def test_only_the_thread_that_runs_a_request_closes_its_connection(meddle: str) -> None:
    """Neither a deadline nor a drain that comes while a thread finishes touches the connection."""
    with rig() as made:
        made.holds = True
        connection, client = made.connect()
        client.send(GET)
        made.until(lambda: made.held)
        connection.hand_off()
        connection.since -= 1000
        actions = {"deadline": lambda: made.later(500), "drain": connection.drain}
        made.loop.arming = Meddling(actions[meddle])  # type: ignore[assignment]
        finish_elsewhere(made)
        assert connection.state == IDLE
        made.holds = False
        assert client.response()[0] == 200
        client.send(GET)
        made.run_until_idle()
        assert client.response()[0] == 200


def test_a_thread_that_finishes_after_the_end_leaves_everything_alone() -> None:
    """A response that ends after the server was forced to is not followed by any change of the poller."""
    with rig() as made:
        made.holds = True
        connection, client = made.connect()
        client.send(GET)
        made.until(lambda: made.held)
        connection.hand_off()
        outcome = connection.gateway.respond(made.held.pop()[1])
        connection.close()
        made.loop.poller.close()
        connection.finish_response(outcome)
        assert connection.state == CLOSED
        connection.close()


def test_idle_time_counts_from_the_end_of_a_response() -> None:
    """A request that took longer than channel_timeout leaves a connection that may idle as long as any other."""
    with rig(channel_timeout=100) as made:
        made.holds = True
        connection, client = made.connect()
        client.send(GET)
        made.until(lambda: made.held)
        connection.hand_off()
        connection.since -= 1000
        finish_elsewhere(made)
        assert connection.deadline() > time.monotonic() + 98
        made.later(102)
        assert connection.state == CLOSED


def test_a_head_in_part_has_its_time_after_the_request_before() -> None:
    """header_timeout of a pipelined head counts from when it could be read at all, and is kept."""
    with rig(header_timeout=30, channel_timeout=1000) as made:
        made.holds = True
        connection, client = made.connect()
        client.send(GET + GET[:10])
        made.until(lambda: made.held)
        connection.hand_off()
        connection.since -= 500
        connection._started -= 500
        finish_elsewhere(made)
        made.run_until_idle()
        assert client.response()[0] == 200
        made.later(28)
        assert connection.state == HEAD
        made.later(32)
        assert connection.state == CLOSED
        assert client.response()[0] == 408
