"""The end of a connection whose client may still be sending: the answer arrives, and nothing stays open for long."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.rig import POLLERS, PairClient
from tests.support.waiting import PATIENCE
from wiverno.core.loop.event_loop import Loop
from wiverno.core.net.lingering_close import LINGER_BYTES, LINGER_TIME, Lingering


@pytest.fixture(params=POLLERS)
def loop(request: pytest.FixtureRequest) -> Iterator[Loop]:
    made = Loop(POLLERS[request.param]())
    yield made
    for handler in list(made.handlers.values()):
        handler.close()  # type: ignore[attr-defined]
    made.poller.close()


@pytest.fixture
def client() -> Iterator[PairClient]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    made = PairClient(theirs)
    made.ours = ours  # type: ignore[attr-defined]
    with made, ours:
        yield made


def begin(loop: Loop, client: PairClient) -> Lingering:
    sock: socket.socket = client.ours  # type: ignore[attr-defined]
    return Lingering(sock, loop, is_registered=False)


def turn(loop: Loop) -> None:
    loop.wake_at = time.monotonic() + 0.01
    loop.wait()
    while loop.ready:
        fd, events = loop.ready.popleft()
        if fd in loop.handlers:
            loop.handlers[fd].ready(events)


def until_closed(loop: Loop) -> None:
    end = time.monotonic() + PATIENCE
    while loop.connections:
        assert time.monotonic() < end
        turn(loop)


def test_the_client_sees_the_end_and_may_go_on_sending(loop: Loop, client: PairClient) -> None:
    """The sending side is closed at once; what still comes is thrown away until the client closes too."""
    begin(loop, client)
    assert client.rest() == b""
    for _ in range(3):
        client.send(b"x" * 1000)
        turn(loop)
    assert loop.connections
    client.close()
    until_closed(loop)
    assert not loop.handlers


def test_a_client_that_never_stops_is_cut_off(loop: Loop, client: PairClient) -> None:
    begin(loop, client)
    client.socket.settimeout(0)
    sent = 0
    while loop.connections:
        try:
            sent += client.socket.send(b"x" * 65536)
        except BlockingIOError:
            pass
        except ConnectionError:
            break
        turn(loop)
        assert sent < 4 * LINGER_BYTES
    until_closed(loop)


def test_a_client_that_stays_silent_is_cut_off(loop: Loop, client: PairClient) -> None:
    lingering = begin(loop, client)
    assert lingering.deadline() <= time.monotonic() + LINGER_TIME
    lingering.expire()
    assert client.is_closed()
    assert not loop.connections
    assert not loop.handlers


def test_draining_does_not_wait_for_it(loop: Loop, client: PairClient) -> None:
    begin(loop, client).drain()
    assert not loop.connections


def test_a_client_that_has_gone_is_left_to_the_caller(loop: Loop) -> None:
    """There is no client to linger for."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as never_connected:
        assert listener.getsockname()
        with pytest.raises(OSError):
            Lingering(never_connected, loop, is_registered=False)
    assert not loop.handlers


def test_another_thread_than_the_leader_may_begin(loop: Loop, client: PairClient) -> None:
    """Its time counts from now however long the leader has been waiting, and the leader is told."""
    loop.now = time.monotonic() - 1000
    thread = threading.Thread(target=begin, args=(loop, client))
    thread.start()
    started = time.monotonic()
    loop.wait()
    thread.join()
    assert time.monotonic() - started < PATIENCE
    assert [handler.deadline() > time.monotonic() for handler in loop.handlers.values()] == [True]
    assert loop.deadlines.soonest <= time.monotonic() + LINGER_TIME + 1
