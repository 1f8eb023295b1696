"""Who makes way when the table is full: the longest idle, found without looking at everybody each time."""

import logging
import socket
import time

import pytest

from tests.support.rig import Rig, rig
from wiverno.core.preamble import PreambleReader
from wiverno.core.room import AGE, GREETING_AGE, LEAST, LOG_INTERVAL, RETRY, SHARE, Room

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def grown(made: Rig, seconds: float = AGE) -> None:
    """Let the loop's clock go on."""
    made.loop.now = max(made.loop.now, time.monotonic()) + seconds + 0.01


def test_the_longest_idle_goes_first() -> None:
    with rig() as made:
        pairs = [made.connect() for _ in range(3)]
        made.settle()
        pairs[0][1].send(GET)  # idle for a shorter time than the others from now on
        made.until(lambda: pairs[0][0].since > pairs[2][0].since)
        room = Room(made.loop)
        grown(made)
        for number in (1, 2, 0):
            assert room.make("full")
            assert pairs[number][0] not in made.loop.connections
        assert not room.make("full")


def test_who_does_not_go() -> None:
    """Somebody who came just now, who has begun a head or a body, whose request runs or has arrived unread."""
    with rig() as made:
        room = Room(made.loop)
        head, body, running, arrived, _ = (made.connect() for _ in range(5))
        head[1].send(GET[:10])
        body[1].send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
        made.holds = True
        running[1].send(GET)
        made.until(lambda: made.held)
        made.held[0][0].detach()
        made.settle()
        assert not room.make("full")
        arrived[1].send(GET)
        grown(made)
        assert room.make("full")  # the fifth
        assert not room.make("full")
        assert len(made.loop.connections) == 4


def test_a_preamble_that_does_not_come_holds_no_place() -> None:
    """Nor does a handshake: both have a longer time than a request, for they take several journeys."""
    with rig() as made:
        ours, theirs = socket.socketpair()
        reader = PreambleReader(ours, made.loop, 30, lambda *_: None)
        made.loop.connections.add(reader)
        made.loop.handlers[reader.fd] = reader
        room = Room(made.loop)
        grown(made)
        assert not room.make("full")
        grown(made, GREETING_AGE)
        assert room.make("full")
        assert not made.loop.connections
        theirs.close()


def test_looks_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look serves many clients, and one in vain is not repeated before somebody can have come of age."""
    with rig() as made:
        count = 2 * LEAST * SHARE
        for _ in range(count):
            made.connect()
        made.settle()
        room = Room(made.loop)
        looks: list[float] = []
        look = room._look

        def counted() -> None:
            looks.append(made.loop.now)
            look()

        monkeypatch.setattr(room, "_look", counted)
        assert not room.make("full")
        assert not room.make("full")
        assert len(looks) == 1
        assert made.loop.now < room.next_look <= made.loop.now + RETRY
        grown(made)
        for _ in range(2 * LEAST):
            assert room.make("full")
        assert len(looks) == 2
        assert room.make("full")
        assert len(looks) == 3


def test_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Once a minute, and how many."""
    with caplog.at_level(logging.WARNING, "wiverno"), rig() as made:
        for _ in range(4):
            made.connect()
        made.settle()
        room = Room(made.loop)
        grown(made)
        assert room.make("full")
        assert room.make("full")
        grown(made, LOG_INTERVAL)
        assert room.make("full")
    assert [record.message for record in caplog.records] == [
        "full: idle connections are closed to make room for new ones (1 so far)",
        "full: idle connections are closed to make room for new ones (3 so far)",
    ]
