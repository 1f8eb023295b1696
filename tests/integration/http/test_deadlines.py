"""Clients that are slow, silent or gone, against running servers: each costs little, for a bounded time.

The security cases 26 to 31 prove the same of single attacks (test_security_cases_abuse.py); here are the times, the
crowd, and what happens while every thread is busy.
"""

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.descriptors import descriptors, processor_time, resident
from tests.support.engine_child import engine_child, get
from tests.support.rig import POLLERS, hello
from tests.support.serving import MODES, serving
from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE, wait_until

BODY = b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
EARLY, LATE = 0.9, 4.0  # seconds: a deadline of one second is kept between these, on a busy machine too


@pytest.fixture(params=[("threads", "auto"), ("simple", "selectors")], ids="-".join)
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    mode, poller = request.param
    return {**MODES[mode], "poller": poller}


def drip(client: RawClient, pieces: Iterable[bytes], pause: float) -> float:
    """Send piece after piece until the server says something or hangs up; return the seconds it took."""
    started = time.monotonic()
    for piece in pieces:
        try:
            client.send(piece)
        except ConnectionError:
            break
        if select.select([client.socket], [], [], pause)[0]:
            break
    return time.monotonic() - started


def single_bytes() -> Iterator[bytes]:
    yield from (b"%c" % byte for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"x" * 1000)


def body_of(count: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % count


def slow_head(client: RawClient) -> None:
    """A byte every now and then does not prolong header_timeout."""
    assert EARLY < drip(client, single_bytes(), 0.1) < LATE
    status, fields, _ = client.response()
    assert (status, fields["connection"]) == (408, "close")


def pausing_body(client: RawClient) -> None:
    """body_timeout bounds a pause."""
    client.send(body_of(100_000) + b"x" * 50_000)
    assert EARLY < drip(client, [b""], 20) < LATE
    assert client.response()[0] == 408


def dripping_body(client: RawClient) -> None:
    """Without a pause, but slower than body_min_rate."""
    client.send(body_of(100_000))
    assert EARLY < drip(client, [b"x"] * 1000, 0.1) < LATE
    assert client.response()[0] == 408


def steady_body(client: RawClient) -> None:
    """Twice body_timeout in all, without a pause and fast enough: it is taken."""
    client.send(body_of(1000))
    assert drip(client, [b"x" * 50] * 20, 0.1) > 1.8
    assert client.response()[2] == b"/ 1000"


def kept(client: RawClient) -> None:
    """channel_timeout ends a kept connection without a word."""
    client.send(get("/"))
    assert client.response()[0] == 200
    started = time.monotonic()
    assert client.rest() == b""
    assert EARLY < time.monotonic() - started < LATE


def mute(client: RawClient) -> None:
    """channel_timeout ends a connection on which nothing was ever said."""
    assert client.rest() == b""


def test_each_deadline_is_kept(settings: dict[str, Any]) -> None:
    """All kinds of slow clients at once, each with its own end."""
    limits = {"header_timeout": 1, "body_timeout": 1, "body_min_rate": 100, "channel_timeout": 1}
    behaviours = (slow_head, pausing_body, dripping_body, steady_body, kept, mute)
    with serving(hello, **limits, **settings) as served, ThreadPoolExecutor(len(behaviours)) as pool:

        def behave(behaviour: Callable[[RawClient], None]) -> None:
            with served.client() as client:
                behaviour(client)

        for done in [pool.submit(behave, behaviour) for behaviour in behaviours]:
            done.result()


def test_a_client_that_has_ended_its_side_gets_its_answer(settings: dict[str, Any]) -> None:
    """A half-closed connection is served, and then closed."""
    with serving(hello, **settings) as served, served.client() as client:
        client.send(get("/a"))
        client.end()
        assert client.response()[2] == b"/a 0"
        assert client.rest() == b""


def test_a_request_longer_than_all_timeouts(settings: dict[str, Any]) -> None:
    """A request may run as long as it likes, and what a client sent meanwhile on other connections is not late."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/long":
            assert not threading.Event().wait(1.6)
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    limits = {"channel_timeout": 1, "header_timeout": 1}
    with serving(application, **limits, **settings) as served, served.client() as long, served.client() as other:
        other.send(get("/first"))
        assert other.response()[0] == 200
        long.send(get("/long") + get("/next")[:9])
        assert not select.select([long.socket], [], [], 0.2)[0]
        other.send(get("/other"))
        assert other.response()[2] == b"/other"
        assert long.response()[2] == b"/long"
        long.send(get("/next")[9:])
        assert long.response()[2] == b"/next"


class Gate:
    """An application whose /hold waits for the test."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.held = threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        if environ["PATH_INFO"] == "/hold":
            self.held.release()
            assert self.open.wait(2 * PATIENCE)
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/large":
            return [b"x" * 6_000_000]
        return [str(len(body)).encode()]


@pytest.mark.parametrize("poller", POLLERS)
def test_while_all_threads_are_busy(poller: str) -> None:
    """Others are still accepted, read, sent to and timed out; requests wait their turn; too many are refused."""
    gate = Gate()
    limits = {"header_timeout": 1, "channel_timeout": 100, "queue_size": 2}
    with serving(gate, threads=2, poller=poller, **limits) as served, ExitStack() as stack:

        def connect() -> RawClient:
            return stack.enter_context(served.client())

        drained = connect()
        drained.send(get("/large"))
        drained.until(b"\r\n\r\n")
        holding = [connect(), connect()]
        for client in holding:
            client.send(get("/hold"))
            assert gate.held.acquire(timeout=PATIENCE)
        assert len(drained.exactly(6_000_000)) == 6_000_000  # sent to
        dribbling = connect()
        dribbling.send(b"GET / HT")
        assert dribbling.response()[0] == 408  # accepted and timed out
        uploading = connect()
        uploading.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
        for _ in range(30):
            uploading.send(b"x" * 100_000)  # read: it would block if the server did not receive
        waiting = connect()
        wait_until(lambda: served.server._engine.leaders.queued == 1)
        waiting.send(get("/"))
        wait_until(lambda: served.server._engine.leaders.queued == 2)
        refused = connect()
        refused.send(get("/"))
        status, fields, _ = refused.response()
        assert (status, fields["retry-after"]) == (503, "1")
        gate.open.set()
        assert uploading.response()[2] == b"3000000"
        for client in [*holding, waiting]:
            assert client.response()[2] == b"0"


def test_a_request_that_waits_too_long_for_a_thread() -> None:
    gate = Gate()
    with serving(gate, threads=2, queue_timeout=0.5) as served, ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(served.client())
            client.send(get("/hold"))
            assert gate.held.acquire(timeout=PATIENCE)
        with served.client() as client:
            client.send(get("/"))
            status, fields, _ = client.response()
            assert (status, fields["retry-after"]) == (503, "1")
        gate.open.set()


def test_the_limit_of_connections(caplog: pytest.LogCaptureFixture, settings: dict[str, Any]) -> None:
    """The next client waits in the backlog and is served when another one goes; the log says both."""
    with caplog.at_level(logging.INFO, "wiverno"), serving(hello, connection_limit=3, **settings) as served:
        with ExitStack() as stack:
            clients = [stack.enter_context(served.client()) for _ in range(5)]
            for client in clients:
                client.send(get("/"))
            answered: list[RawClient] = []
            for _ in clients:
                ready: list[RawClient] = []
                while not ready:
                    sockets = [client.socket for client in clients if client not in answered]
                    found = select.select(sockets, [], [], PATIENCE)[0]
                    assert found
                    ready = [client for client in clients if client.socket in found]
                for client in ready:
                    assert client.response()[0] == 200
                    client.close()
                answered += ready
                if len(answered) == 5:
                    break
        wait_until(lambda: not served.server._engine.loop.limit_reached)
    assert "no longer accepting new connections (connection_limit = 3)" in caplog.text
    assert "dropped below the connection limit, listening again" in caplog.text


def test_five_hundred_that_dribble() -> None:
    """They neither slow a normal client down nor hold memory, and are gone when their time is over.

    Of the normal client's times the first quarter counts, because other programs on a busy machine delay the rest.
    """
    with engine_child(threads=4, connection_limit=1000, header_timeout=2, backlog=1024) as server, ExitStack() as stack:
        server.ask("/hello")
        before = resident(server.pid)
        crowd = [stack.enter_context(server.client()) for _ in range(500)]
        started = time.monotonic()
        times = []
        with server.client() as normal:
            number = 0
            while time.monotonic() - started < 1.0:
                for client in crowd[number % 10 :: 10]:
                    client.send(b"G" if number < 10 else b"E")
                number += 1
                asked = time.monotonic()
                normal.send(get("/hello"))
                assert normal.response()[2] == b"hello"
                times.append(time.monotonic() - asked)
            growth = resident(server.pid) - before
        assert sorted(times)[len(times) // 4] < 0.05
        assert growth < 500 * 10_000
        for client in crowd:
            assert client.response()[0] in (400, 408)  # GGGG… and time out
            client.close()
        wait_until(lambda: descriptors(server.pid) < 50, what="the descriptors to be given back")


def test_a_full_descriptor_table() -> None:
    """Clients that can't be accepted wait without heating the processor, and are served when others have gone."""
    begun = BODY[:-1]
    with (
        engine_child(descriptors=40, threads=2, connection_limit=1000, body_min_rate=0) as server,
        ExitStack() as stack,
    ):
        server.ask("/hello")
        crowd = [stack.enter_context(server.client()) for _ in range(60)]
        for client in crowd:
            client.send(begun)  # any rate is accepted, none is evicted
        server.child.wait_for(r"accept\(\) threw an exception.* no longer accepting new connections")
        used = processor_time(server.pid)
        crowd[0].send(BODY[-1:])
        assert crowd[0].response()[2] == b"hello"
        crowd[0].send(begun)
        crowd[-1].send(BODY[-1:])
        assert not select.select([crowd[-1].socket], [], [], 0.7)[0]
        assert processor_time(server.pid) - used < 0.4e9
        for client in crowd[:-1]:
            client.close()
        assert crowd[-1].response()[2] == b"hello"


@pytest.mark.parametrize("settings", [{"descriptors": 40, "connection_limit": 1000}, {"connection_limit": 25}])
@pytest.mark.parametrize("threads", [1, 4])
def test_idle_connections_make_way(settings: dict[str, Any], threads: int) -> None:
    """With a table full of idle connections new clients are served, and so are those with a request in progress."""
    with engine_child(threads=threads, body_min_rate=0, **settings) as server, ExitStack() as stack:
        begun = stack.enter_context(server.client())
        begun.send(BODY[:-1])
        for _ in range(120):
            stack.enter_context(server.client())
        for _ in range(20):
            assert server.ask("/hello") == b"hello"
        begun.send(BODY[-1:])
        assert begun.response()[2] == b"hello"
        used = processor_time(server.pid)
        assert not select.select([begun.socket], [], [], 0.5)[0]
        assert processor_time(server.pid) - used < 0.2e9


@pytest.mark.parametrize("threads", [1, 4])
def test_readers_that_take_nothing(threads: int) -> None:
    """They are closed after channel_timeout, their responses closed, their files gone; no client waits for them."""
    limits = {"channel_timeout": 2, "outbuf_overflow": 65536, "outbuf_high_watermark": 1 << 20}
    with engine_child(threads=threads, **limits) as server, ExitStack() as stack:
        server.ask("/hello")
        before = descriptors(server.pid)
        for _ in range(4):
            client = stack.enter_context(server.client())
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(get("/stream/50000000"))
        started = time.monotonic()
        wait_until(lambda: descriptors(server.pid) >= before + 4)
        if threads == 1:
            assert server.ask("/hello") == b"hello"
            assert time.monotonic() - started < 1.5
        wait_until(lambda: server.ask("/closed") == b"4", 20, what="the responses to be closed")
        wait_until(lambda: descriptors(server.pid) <= before + 1, what="the descriptors to be given back")
