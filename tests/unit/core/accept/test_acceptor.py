"""Accepting over real listening sockets: bursts, the limit of connections, a full descriptor table."""

import errno
import logging
import os
import socket
import time
from typing import Any

import pytest

from tests.support.accepting import Accepting, accepting, has_answer
from tests.support.rig import POLLERS
from tests.support.sockets import LOOPBACK, RawClient
from wiverno.core.accept.acceptor import BURST, LOWERED
from wiverno.core.accept.idle_eviction import RETRY
from wiverno.core.http1.connection import Connection
from wiverno.core.loop.handlers import IDLE_AGE
from wiverno.core.net.listener_kinds import UnixListener

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_a_burst_is_bounded(poller: str) -> None:
    """Others have their turn after BURST clients; all are accepted in the end, and peers are named."""
    with accepting(poller) as (made, stack):
        made.connect(stack, BURST + 10)
        made.rig.turn(0.1)
        assert len(made.loop.connections) == BURST
        made.rig.until(lambda: len(made.loop.connections) == BURST + 10)
        connection = next(iter(made.loop.connections))
        assert isinstance(connection, Connection)
        assert connection.base["REMOTE_ADDR"] == connection.base["REMOTE_HOST"] == LOOPBACK
        assert connection.base["REMOTE_PORT"] == str(connection.sock.getpeername()[1])


def test_the_limit_silences_and_room_wakes(poller: str, caplog: pytest.LogCaptureFixture) -> None:
    """At connection_limit no client is accepted or closed; the next one enters when one leaves; both are logged."""
    with caplog.at_level(logging.INFO, "wiverno"), accepting(poller, limit=3, body_min_rate=0) as (made, stack):
        clients = made.connect(stack, 5)
        for client in clients:
            client.send(POST[:-1])
        made.rig.until(lambda: made.loop.limit_reached)
        made.rig.run_until_idle()
        assert len(made.loop.connections) == 3
        assert made.rig.turn() == 0  # the waiting clients do not make the loop turn
        clients[0].close()
        for client in clients[1:]:
            assert not has_answer(clients[4])
            client.send(POST[-1:])
            made.rig.until(lambda client=client: has_answer(client))  # type: ignore[misc]
            assert client.response()[0] == 200
            client.close()
        made.rig.until(lambda: not made.loop.connections)
        assert not made.loop.limit_reached
    reached = [record for record in caplog.records if "reached the connection limit" in record.message]
    assert reached
    assert "(connection_limit = 3)" in reached[0].message
    assert "dropped below the connection limit, listening again" in caplog.text


def is_open(client: RawClient) -> bool:
    """Whether the server has left a client's connection open, on which nothing was asked."""
    return not has_answer(client)


def test_at_the_limit_the_idle_make_way(poller: str, caplog: pytest.LogCaptureFixture) -> None:
    """The longest-idle connection is closed for the next client; requests in progress are not, nor young ones."""
    with accepting(poller, limit=4, body_min_rate=0) as (made, stack):
        used, fresh, begun = made.connect(stack, 3)
        used.send(GET)
        made.rig.until(lambda: has_answer(used))
        assert used.response()[0] == 200
        begun.send(POST[:-1])
        made.rig.run_until_idle()
        (late,) = made.connect(stack, 1)
        came = time.monotonic()
        made.rig.until(lambda: len(made.loop.connections) == 4)
        guests = made.connect(stack, 3)
        for guest in guests:
            guest.send(POST[:-1])
        made.rig.until(lambda: not is_open(late))  # the three that are idle have made way for three that ask
        assert time.monotonic() - came >= IDLE_AGE
        assert not is_open(used)
        assert not is_open(fresh)
        for asking in (begun, *guests):
            asking.send(POST[-1:])
            made.rig.until(lambda asking=asking: has_answer(asking))  # type: ignore[misc]
            assert asking.response()[0] == 200
    told = [record.message for record in caplog.records if "connections are closed to make room" in record.message]
    what = "idle and unfinished connections are closed to make room for new ones (1 so far)"
    assert told == [f"connection_limit = 4 is reached: {what}"]


def test_with_an_empty_accept_queue_nothing_is_evicted(poller: str) -> None:
    """The limit alone closes nothing, however long everybody is idle."""
    with accepting(poller, limit=3) as (made, stack):
        clients = made.connect(stack, 3)
        made.rig.until(lambda: len(made.loop.connections) == 3)
        end = time.monotonic() + 3 * IDLE_AGE
        while time.monotonic() < end:
            made.rig.turn(0.02)
        assert all(is_open(client) for client in clients)


class Failing:
    """A listening socket whose accept fails as the system's does."""

    def __init__(self, real: socket.socket, *errors: int) -> None:
        self.real = real
        self.errors = list(errors)
        self.calls = 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.calls += 1
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, errno.errorcode[number])
        return self.real.accept()


def replace(made: Accepting, *errors: int) -> Failing:
    failing = Failing(made.socket, *errors)
    made.acceptor._listener.socket = failing  # type: ignore[assignment]
    return failing


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.EHOSTUNREACH])
def test_errors_of_one_client_pass(number: int) -> None:
    """accept(2): a client that was gone before it was accepted concerns no other."""
    with accepting() as (made, stack):
        made.connect(stack, 1)
        failing = replace(made, number, number)
        made.rig.until(lambda: made.loop.connections)
        assert failing.calls >= 3


@pytest.mark.parametrize(("poller", "number"), [("selectors", errno.EMFILE), (tuple(POLLERS)[-1], errno.ENOMEM)])
def test_a_shortage_makes_it_pause(poller: str, number: int, caplog: pytest.LogCaptureFixture) -> None:
    """A client that can't be accepted does not make the loop turn; it is tried again, and the log says why."""
    with accepting(poller) as (made, stack):
        made.connect(stack, 1)
        failing = replace(made, number)
        made.rig.until(lambda: failing.calls)
        assert made.rig.turn() == 0
        assert made.rig.turn() == 0
        assert failing.calls == 1
        assert f"{errno.errorcode[number]}; trying again in {RETRY} s" in caplog.text
        started = time.monotonic()
        made.rig.until(lambda: made.loop.connections)
        assert time.monotonic() - started < 3


def test_a_full_descriptor_table_lowers_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    """Idle connections are evicted, some descriptors are left to the application, and later the limit is restored."""
    with accepting(limit=1000, body_min_rate=0) as (made, stack):
        clients = made.connect(stack, 32)
        made.rig.until(lambda: len(made.loop.connections) == 32)
        ripe = time.monotonic() + IDLE_AGE
        made.rig.until(lambda: time.monotonic() > ripe)
        replace(made, errno.EMFILE)
        (guest,) = made.connect(stack, 1)
        guest.send(GET)
        made.rig.until(lambda: has_answer(guest))
        assert guest.response()[0] == 200
        assert len(made.loop.connections) == 28  # an eighth less than the table held
        assert sum(not is_open(client) for client in clients) == 5
        assert "EMFILE; 32 connections are open: idle and unfinished connections are closed to make room" in caplog.text
        asking = made.connect(stack, 27)
        for client in asking:
            client.send(POST[:-1])
        made.rig.until(lambda: sum(map(is_open, clients)) == 0)
        made.connect(stack, 10)
        ripe = time.monotonic() + 2 * IDLE_AGE
        made.rig.until(lambda: time.monotonic() > ripe)
        assert len(made.loop.connections) == 28
        monotonic = time.monotonic
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("wiverno.core.loop.event_loop.time.monotonic", lambda: monotonic() + LOWERED)
            made.rig.until(lambda: len(made.loop.connections) > 28, 2 * LOWERED)


def test_a_pause_that_ends_at_the_limit_stays_silent(poller: str) -> None:
    """The end of a pause does not arm what the limit of connections has silenced meanwhile."""
    with accepting(poller, limit=1) as (made, stack):
        made.connect(stack, 3)
        made.rig.until(lambda: made.loop.limit_reached)
        made.acceptor.expire()
        made.rig.run_until_idle()
        assert made.rig.turn() == 0
        assert made.rig.turn() == 0


def test_a_unix_peer_is_localhost(poller: str, tmp_path: Any) -> None:
    """As waitress has it: REMOTE_ADDR localhost, REMOTE_PORT None."""
    with accepting(poller) as (made, stack):
        path = str(tmp_path / "socket")
        listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listening.bind(path)
        listening.listen()
        listening.setblocking(False)
        made.acceptor._listener = UnixListener(listening, path, 0)
        stack.enter_context(RawClient(path))
        assert made.acceptor.accept()
        connection = next(iter(made.loop.connections))
        assert isinstance(connection, Connection)
        assert (connection.base["REMOTE_ADDR"], connection.base["REMOTE_PORT"]) == ("localhost", "None")


def test_a_client_may_be_given_to_another_event_loop() -> None:
    """The other one admits it in its next turn; its number is no longer this one's."""
    with accepting() as (made, stack), accepting() as (other, _):
        made.acceptor.place = lambda: other.acceptor
        made.acceptor.others, other.acceptor.others = (other.acceptor,), (made.acceptor,)
        (client,) = made.connect(stack, 1)
        client.send(GET)
        made.rig.run_until_idle()
        assert not made.loop.connections
        other.rig.until(lambda: has_answer(client))
        assert client.response()[0] == 200
        assert (made.acceptor.load, other.acceptor.load) == (0, 1)


def test_a_number_that_another_loops_client_has_is_released(caplog: pytest.LogCaptureFixture) -> None:
    """A connection whose socket something else has closed does not keep the number that a new client gets."""
    with accepting() as (made, stack):
        made.connect(stack, 1)
        made.rig.until(lambda: bool(made.loop.connections))
        made.rig.run_until_idle()
        (stale,) = made.loop.connections
        made.acceptor.release_number(made.acceptor.fd)  # a listener is no connection
        number = stale.fd
        made.acceptor.release_number(number)
        made.rig.until(lambda: not made.loop.connections)
        os.close(number)  # the connection has not: the number stands for the new client
        assert f"descriptor {number} was closed by something else in this process" in caplog.text
