"""Requests are read before the application is called for those that came earlier; nothing else is different."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.http2_rig import connect
from tests.support.rig import PairClient, Rig, rig
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.loop.poller import READ, WRITE
from wiverno.core.threads.exchange import NO_ENVIRON
from wiverno.core.threads.leader import LeaderFollowers
from wiverno.core.threads.read_ahead import MOST, receive


def request(path: str) -> bytes:
    return f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


class Application:
    """Notes which requests it gets, and how many have been read besides; holds /held until it is told to go on."""

    def __init__(self) -> None:
        self.loop: Any = None
        self.seen: list[tuple[str, int]] = []
        self.is_held = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"][1:]
        self.seen.append((path, len(self.loop.begun)))
        if path == "held":
            self.is_held.set()
            assert self.go_on.wait(PATIENCE)
        start_response("200 OK", [])
        return [path.encode()]


class Started:
    """A loop with clients that have sent something, and the threads that will serve them."""

    def __init__(self, made: Rig, application: Application, threads: int) -> None:
        self.rig = made
        self.application = application
        application.loop = made.loop
        self.leaders = LeaderFollowers(made.loop, threads, queue_size=0, queue_timeout=0.0)
        self.thread = threading.Thread(target=self.leaders.run, daemon=True)

    def send(self, *requests: bytes) -> list[PairClient]:
        """Connect a client for each request, whose bytes have come when the leader begins."""
        clients = []
        for data in requests:
            connection, client = self.rig.connect()
            connection.base["REMOTE_ADDR"] = "192.0.2.1"
            client.send(data)
            clients.append(client)
        return clients


@contextmanager
def started(threads: int, **settings: Any) -> Iterator[Started]:
    application = Application()
    with rig(application, **settings) as made:
        one = Started(made, application, threads)
        try:
            yield one
        finally:
            application.go_on.set()
            one.leaders.end()
            if one.thread.ident:
                one.thread.join(PATIENCE)
            assert one.leaders.join(time.monotonic() + PATIENCE) == 0


def peer(made: Rig, protocol: str, **more: Any) -> tuple[Any, Callable[[str], object]]:
    """Connect by either protocol; return the connection, and what sends a request for a path."""
    if protocol == "HTTP/2":
        connection, client = connect(made, **more)
        return connection, lambda path: client.request(f"/{path}", body=b"x" * 100)
    plain, other = made.connect(**more)
    return plain, lambda path: other.send(request(path))


def bodies(clients: Iterable[PairClient]) -> list[bytes]:
    return [client.response()[2] for client in clients]


@pytest.mark.parametrize("threads", [0, 2])
def test_requests_are_called_in_the_order_in_which_they_came(threads: int) -> None:
    """At most MOST have been read when the application is called for the first of them."""
    paths = [str(number) for number in range(MOST + 3)]
    with started(threads) as one:
        clients = one.send(*map(request, paths))
        one.thread.start()
        assert bodies(clients) == [path.encode() for path in paths]
        assert [path for path, _ in one.application.seen] == paths
        waiting = [count for _, count in one.application.seen]
        assert waiting == [*reversed(range(MOST)), 2, 1, 0]


def test_a_connection_is_asked_for_one_request_at_a_time() -> None:
    """Its second request comes after those of others, and is not read over the first one."""
    with started(2, recv_bytes=len(request("a"))) as one:
        clients = one.send(request("a") + request("b"), request("c"))
        one.rig.loop.ready.append(one.rig.loop.ready[0])  # as if there were another event for it
        one.thread.start()
        assert bodies(clients) == [b"a", b"c"]
        assert clients[0].response()[2] == b"b"
        assert [path for path, _ in one.application.seen] == ["a", "c", "b"]


def test_what_was_read_goes_on_without_the_blocked_leader() -> None:
    """The next leader calls the application for the requests that wait."""
    with started(2) as one:
        clients = one.send(request("held"), request("a"), request("b"))
        one.thread.start()
        assert one.application.is_held.wait(PATIENCE)
        assert bodies(clients[1:]) == [b"a", b"b"]
        one.application.go_on.set()
        assert bodies(clients[:1]) == [b"held"]


def test_what_was_read_is_queued_while_no_thread_is_free() -> None:
    """The monitor thread leads then; both are answered when the thread is free."""
    with started(1) as one:
        clients = one.send(request("held"), request("a"), request("b"))
        one.thread.start()
        assert one.application.is_held.wait(PATIENCE)
        wait_until(lambda: one.leaders.queued == 2, what="the requests to be queued")
        assert not one.rig.loop.begun
        one.application.go_on.set()
        assert bodies(clients) == [b"held", b"a", b"b"]


class Other:
    """A handler of another kind, as a listening socket is."""

    fd = -5

    def __init__(self, made: Rig) -> None:
        self._loop = made.loop
        self.begun: list[int] = []

    def ready(self, events: int) -> None:
        self.begun.append(len(self._loop.begun))


class Waiting:
    """Leaders that are never asked to wait, or end."""

    def __init__(self, made: Rig) -> None:
        self.recovery = LeaderFollowers(made.loop, 0, queue_size=0, queue_timeout=0.0).recovery

    def wait(self) -> bool:
        return False


def test_nothing_else_happens_while_requests_wait() -> None:
    """An event of another handler could close connections that look idle."""
    with rig() as made:
        other: Any = Other(made)
        first, client = made.connect()
        made.loop.handlers[other.fd] = other
        made.loop.ready.append((other.fd, 1))
        second, another = made.connect()
        for one in (client, another):
            one.send(request("x"))
        assert receive(Waiting(made), made.loop)
        assert (list(made.loop.begun), other.begun) == ([first], [])
        made.loop.begun.clear()
        assert receive(Waiting(made), made.loop)
        assert (list(made.loop.begun), other.begun) == ([second], [0])
        made.loop.begun.clear()
        assert not receive(Waiting(made), made.loop)


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("size", [9_999, 10_000])
def test_the_memory_of_a_large_body_is_for_the_next_one(size: int, position: int) -> None:
    """Nothing is read behind it, so that bodies do not lie in memory side by side."""
    upload = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    with rig() as made:
        connections = []
        for number in range(3):
            connection, client = made.connect(received=upload if number == position else b"")
            if number != position:
                client.send(request("x"))
            connections.append(connection)
        assert receive(Waiting(made), made.loop)
        assert list(made.loop.begun) == connections[: 3 if size < 10_000 else position + 1]


def test_one_request_of_each_http2_connection_is_read() -> None:
    """The second stream of a connection is for later, and the first responses leave."""
    with rig() as made:
        pairs = [connect(made) for _ in range(2)]
        streams = [[client.request(path) for path in ("/a", "/b")] for _, client in pairs]
        made.loop.wait(0.0)
        assert receive(Waiting(made), made.loop)
        assert [exchange.client for exchange in made.loop.begun] == [connection for connection, _ in pairs]
        for exchange in made.loop.begun:
            exchange.finish_response(exchange.gateway.respond(exchange.environ))
        made.loop.begun.clear()
        for (_, client), (first, second) in zip(pairs, streams, strict=True):
            assert client.answer(made, first).body == b"/a 0"
            assert client.answer(made, second).body == b"/b 0"


def fail(size: int) -> bytes:
    raise ZeroDivisionError("meant")


def test_an_error_costs_one_connection(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others that were read, before it and after it, are served."""
    with rig() as made:
        connections = [made.connect()[0] for _ in range(3)]
        for client in made.clients:
            client.send(request("x"))
        broken = connections[1]
        monkeypatch.setattr(broken, "_recv", fail)
        assert receive(Waiting(made), made.loop)
        assert list(made.loop.begun) == [connections[0], connections[2]]
        assert broken not in made.loop.connections
        assert "internal error, connection closed" in caplog.text


def receive_soon(made: Rig) -> None:
    """Read a request ahead, as soon as it has come: a socket pair is TCP on Windows."""

    def is_read() -> bool:
        made.loop.wait(0.0)
        return receive(Waiting(made), made.loop)

    wait_until(is_read, what="the request")


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2"])
def test_a_request_whose_connection_was_closed_is_not_called(
    protocol: str, threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A forced stop closes connections while the leader is in the application; nothing of the request is kept."""
    with started(threads) as one:
        connection, ask = peer(one.rig, protocol)
        ask("closed")
        receive_soon(one.rig)
        (exchange,) = one.rig.loop.begun
        connection.close()
        assert exchange.environ is NO_ENVIRON
        assert getattr(exchange, "body", None) is None
        (other,) = one.send(request("a"))
        one.thread.start()
        assert bodies([other]) == [b"a"]
        assert [path for path, _ in one.application.seen] == ["a"]
    assert "internal error" not in caplog.text


def test_a_request_whose_connection_was_closed_is_not_queued(caplog: pytest.LogCaptureFixture) -> None:
    """While no thread is free the monitor thread finds it."""
    with started(1) as one:
        (first,) = one.send(request("held"))
        connection, ask = peer(one.rig, "HTTP/1.1")
        ask("closed")
        assert receive(Waiting(one.rig), one.rig.loop)
        assert len(one.rig.loop.begun) == 2
        connection.close()
        (other,) = one.send(request("a"))
        one.thread.start()
        assert one.application.is_held.wait(PATIENCE)
        wait_until(lambda: one.leaders.queued == 1, what="the request after it to be queued")
        one.application.go_on.set()
        assert bodies([first, other]) == [b"held", b"a"]
        assert [path for path, _ in one.application.seen] == ["held", "a"]
    assert "internal error" not in caplog.text


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2"])
def test_in_one_thread_no_response_is_continued_before_a_request_that_came_earlier(protocol: str) -> None:
    """To continue it is the application's code, which may take long."""
    produced: list[int] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [])
        for number in range(200):
            produced.append(number)
            yield b"x" * 65536

    with rig(application, threads=False, outbuf_overflow=100_000) as made:
        earlier, ask = peer(made, protocol)
        slow, begin = peer(made, protocol, buffer=4096)
        made.loop.thread_pool = None
        begin("slow")
        made.until(slow.has_waiting_output)
        made.run_until_idle()
        ask("earlier")
        before = len(produced)
        assert before < 200
        made.loop.wait(0.0)
        made.loop.ready.clear()
        made.loop.ready.extend([(earlier.fd, READ), (slow.fd, READ | WRITE)])
        assert receive(Waiting(made), made.loop)
        assert [exchange.client for exchange in made.loop.begun] == [earlier]
        assert list(made.loop.ready) == [(slow.fd, READ | WRITE)]
        assert len(produced) == before


def test_a_child_process_has_none_of_them() -> None:
    """After a fork the requests are the parent's."""
    with rig() as made:
        _, client = made.connect()
        client.send(request("x"))
        assert receive(Waiting(made), made.loop)
        made.loop.abandon()
        assert not made.loop.begun
