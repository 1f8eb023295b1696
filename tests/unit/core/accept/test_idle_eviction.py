"""Which client is evicted when the table is full: the longest idle or unfinished one, found by few scans."""

import logging
import socket
import time

import pytest

from tests.support.rig import Rig, rig
from wiverno.core.accept.idle_eviction import LEAST, LOG_INTERVAL, RETRY, SHARE, IdleEvictor
from wiverno.core.http1.states import BODY, HEAD, SENDING
from wiverno.core.loop.handlers import BODY_AGE, HANDSHAKE_GRACE, HEAD_AGE, IDLE_AGE, LINGER_AGE
from wiverno.core.net.lingering_close import Lingering
from wiverno.core.net.proxy_protocol import PreambleReader
from wiverno.wsgi.gateway import KEEP

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def grown(made: Rig, seconds: float = IDLE_AGE) -> None:
    """Let the loop's clock go on."""
    made.loop.now = max(made.loop.now, time.monotonic()) + seconds + 0.01


def test_the_longest_idle_goes_first() -> None:
    with rig() as made:
        pairs = [made.connect() for _ in range(3)]
        made.run_until_idle()
        pairs[0][1].send(GET)  # idle for a shorter time than the others from now on
        made.until(lambda: pairs[0][0].since > pairs[2][0].since)
        room = IdleEvictor(made.loop)
        grown(made)
        for number in (1, 2, 0):
            assert room.evict_one("full")
            assert pairs[number][0] not in made.loop.connections
        assert not room.evict_one("full")


def test_who_does_not_go() -> None:
    """One that came just now, whose body comes, whose request runs, whose response is sent, or who has sent unread."""
    with rig() as made:
        room = IdleEvictor(made.loop)
        body, running, arrived, sending, _ = (made.connect(buffer=4096) for _ in range(5))
        body[1].send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n" + b"x" * 1000)
        made.holds = True
        running[1].send(GET)
        made.until(lambda: made.held)
        made.held[0][0].hand_off()
        made.run_until_idle()
        sending[0].write(b"x" * 1_000_000)
        sending[0].finish_response(KEEP)
        assert sending[0].state == SENDING
        assert not room.evict_one("full")
        arrived[1].send(GET)
        grown(made, BODY_AGE + 1000 / 100 - 1)  # what has come is enough for ten seconds at the slowest rate
        assert room.evict_one("full")  # the fifth
        assert not room.evict_one("full")
        assert len(made.loop.connections) == 4


UNFINISHED = {
    "head": (b"G", HEAD_AGE),
    "second head": (GET + b"G", HEAD_AGE),
    "body": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", BODY_AGE),
    "chunks": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9", BODY_AGE),
}


@pytest.mark.parametrize("sent", UNFINISHED)
def test_what_is_not_complete_after_a_moment_goes_oldest_first(sent: str) -> None:
    """With the status that its own deadline would have, as far as the client takes it at once."""
    data, age = UNFINISHED[sent]
    with rig() as made:
        pairs = []
        for _ in range(3):
            pairs.append(made.connect())
            pairs[-1][1].send(data)
            made.until(lambda: pairs[-1][0].state in (HEAD, BODY))
            made.run_until_idle()
        answered = [client.response()[0] for _, client in pairs if data.startswith(b"GET")]
        assert answered == [200] * len(answered)
        room = IdleEvictor(made.loop)
        first = pairs[0][0].eviction()
        assert first is not None
        assert first.safe_until == first.since + age
        made.loop.now = first.safe_until - 0.001
        assert not room.evict_one("full")
        grown(made, age)
        for number in range(3):
            assert room.evict_one("full")
            assert pairs[number][0] not in made.loop.connections
            assert pairs[number][1].response()[0] == 408
            assert pairs[number][1].is_closed()
        assert not room.evict_one("full")


def test_the_idle_go_before_the_unfinished() -> None:
    """Closing an idle connection costs its client nothing."""
    with rig() as made:
        unfinished, idle = made.connect(), made.connect()
        unfinished[1].send(b"G")
        made.run_until_idle()
        idle[1].send(GET)
        made.until(lambda: idle[0].since > unfinished[0].since)
        room = IdleEvictor(made.loop)
        grown(made, 1)
        assert room.evict_one("full")
        assert idle[0] not in made.loop.connections
        assert unfinished[0] in made.loop.connections


def test_a_request_that_waits_for_the_leader_does_not_go() -> None:
    """It is complete, though nothing of it is in the socket any more."""
    with rig() as made:
        connection, client = made.connect()
        made.holds = True
        client.send(GET + GET)
        made.until(lambda: made.held)
        connection.hand_off()
        connection.finish_response(KEEP)
        assert connection.state == HEAD
        room = IdleEvictor(made.loop)
        grown(made, 1)
        assert not room.evict_one("full")


def test_any_rate_keeps_every_body() -> None:
    """body_min_rate = 0 says that no body is too slow."""
    with rig(body_min_rate=0) as made:
        connection, client = made.connect()
        client.send(UNFINISHED["body"][0])
        made.until(lambda: connection.state == BODY)
        grown(made, 100)
        assert not IdleEvictor(made.loop).evict_one("full")


def test_one_that_lingers_goes_once_its_answer_is_out() -> None:
    """Clients that send nonsense hold no place for the time that is theirs below the limit."""
    with rig() as made:
        _, client = made.connect()
        client.send(b"nonsense\r\n\r\n")
        made.until(lambda: any(isinstance(item, Lingering) for item in made.loop.connections))
        room = IdleEvictor(made.loop)
        assert not room.evict_one("full")
        grown(made, LINGER_AGE)
        assert room.evict_one("full")
        assert not made.loop.connections
        assert client.response()[0] == 400


def test_a_preamble_that_does_not_come_holds_no_place() -> None:
    """Nor does a handshake: both have a longer time than a request, for they take several journeys."""
    with rig() as made:
        ours, theirs = socket.socketpair()
        reader = PreambleReader(ours, made.loop, 30, lambda *_: None)
        made.loop.connections.add(reader)
        made.loop.handlers[reader.fd] = reader
        room = IdleEvictor(made.loop)
        grown(made)
        assert not room.evict_one("full")
        grown(made, HANDSHAKE_GRACE)
        assert room.evict_one("full")
        assert not made.loop.connections
        theirs.close()


def test_looks_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """One scan serves many clients, and an empty one is not repeated before a connection can be old enough."""
    with rig() as made:
        count = 2 * LEAST * SHARE
        connections = [made.connect()[0] for _ in range(count)]
        made.run_until_idle()
        made.loop.now = connections[0].since  # on a busy machine the first of them are old enough already
        room = IdleEvictor(made.loop)
        looks: list[float] = []
        look = room._scan

        def counted() -> None:
            looks.append(made.loop.now)
            look()

        monkeypatch.setattr(room, "_scan", counted)
        assert not room.evict_one("full")
        assert not room.evict_one("full")
        assert len(looks) == 1
        assert made.loop.now < room.next_scan <= made.loop.now + RETRY
        grown(made)
        for _ in range(2 * LEAST):
            assert room.evict_one("full")
        assert len(looks) == 2
        assert room.evict_one("full")
        assert len(looks) == 3


def test_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Once a minute, and how many."""
    with caplog.at_level(logging.WARNING, "wiverno"), rig() as made:
        for _ in range(4):
            made.connect()
        made.run_until_idle()
        room = IdleEvictor(made.loop)
        grown(made)
        assert room.evict_one("full")
        assert room.evict_one("full")
        grown(made, LOG_INTERVAL)
        assert room.evict_one("full")
    assert [record.message for record in caplog.records] == [
        "full: idle and unfinished connections are closed to make room for new ones (1 so far)",
        "full: idle and unfinished connections are closed to make room for new ones (3 so far)",
    ]
