"""Responses of requests that were read together leave together; none is late, lost or sent twice."""

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.h2_client import h2_client
from tests.support.http2_rig import connect
from tests.support.rig import PairClient, Rig, rig
from tests.support.serving import serving as serve
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.http1.connection import Connection
from wiverno.core.http1.output import MOST_HELD
from wiverno.core.http1.states import CLOSED, IDLE, SENDING
from wiverno.core.http2.stream import Stream
from wiverno.core.threads import read_ahead
from wiverno.core.threads.exchange import NO_ENVIRON
from wiverno.core.threads.leader import LeaderFollowers
from wiverno.core.threads.read_ahead import receive, send_held
from wiverno.wsgi.outcomes import CLOSE, KEEP

Pair = tuple[Connection, PairClient]


def request(path: str) -> bytes:
    return f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def has_come(client: PairClient) -> bool:
    return bool(client.buffer or select.select([client.socket], [], [], 0)[0])


class Body:
    """One piece, and what happens when it is over."""

    def __init__(self, piece: bytes, at_end: Callable[[], object]) -> None:
        self._pieces = iter([piece])
        self._at_end = at_end

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """Do what was asked for."""
        self._at_end()


class Application:
    """Answers with the path; some paths block, before their response or after it."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.calls: list[str] = []
        self.look: Callable[[], object] = bool
        self.seen: list[object] = []
        self.length = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"][1:]
        self.calls.append(path)
        content = path.encode().ljust(self.length)
        if path == "blocking":
            assert self.go_on.wait(PATIENCE)
        if path.startswith("look"):
            self.seen.append(self.look())
        start_response("200 OK", [("Content-Length", str(len(content)))])
        if path == "blocking-after":
            return Body(content, lambda: self.go_on.wait(PATIENCE))
        return [content]


class Waiting:
    """Leaders that lead step by step, as the test asks them to."""

    def __init__(self, made: Rig) -> None:
        self.loop = made.loop
        self.recovery = LeaderFollowers(made.loop, 0, queue_size=0, queue_timeout=0.0).recovery
        made.loop.held = deque()

    def wait(self) -> bool:
        self.loop.wait(0.0)
        return bool(self.loop.ready)

    def call_all(self) -> None:
        """Call the application for what was read, without sending what is held back."""
        begun = self.loop.begun
        while begun:
            exchange = begun.popleft()
            environ, exchange.environ = exchange.environ, NO_ENVIRON
            outcome = exchange.gateway.respond(environ)
            if outcome != KEEP or exchange.needs_finish:
                exchange.finish_response(outcome)


def kept_alive(made: Rig, count: int, **more: Any) -> list[Pair]:
    """Connect clients whose first request has been answered: from then on nothing is left to do after a response."""
    pairs = []
    for _ in range(count):
        connection, client = made.connect(**more)
        connection.base["REMOTE_ADDR"] = "192.0.2.1"
        client.send(request("first"))
        made.run_until_idle()
        assert client.response()[0] == 200
        pairs.append((connection, client))
    return pairs


def ask(leaders: Waiting, pairs: list[Pair], *paths: str) -> None:
    """Have one request of each connection read."""
    for (_, client), path in zip(pairs, paths, strict=True):
        client.send(request(path))

    def are_read() -> bool:
        leaders.loop.ready.extend(leaders.loop.poller.wait(0.02))
        return len({fd for fd, _ in leaders.loop.ready}) == len(paths)

    wait_until(are_read, what="the events of all connections")
    assert receive(leaders, leaders.loop)
    assert len(leaders.loop.begun) == len(paths)


@contextmanager
def stepped(**settings: Any) -> Iterator[tuple[Application, Rig, Waiting]]:
    application = Application()
    with rig(application, **settings) as made:
        yield application, made, Waiting(made)


def held(made: Rig) -> list[Any]:
    assert made.loop.held is not None
    return list(made.loop.held)


def test_small_responses_leave_after_the_last_call() -> None:
    """The last one has no other to wait for."""
    with stepped() as (_, made, leaders):
        pairs = kept_alive(made, 3)
        ask(leaders, pairs, "a", "b", "c")
        leaders.call_all()
        assert held(made) == [connection for connection, _ in pairs[:2]]
        assert [has_come(client) for _, client in pairs] == [False, False, True]
        send_held(leaders.recovery, made.loop)
        assert [client.response()[2] for _, client in pairs] == [b"a", b"b", b"c"]
        assert [connection.state for connection, _ in pairs] == [IDLE, IDLE, IDLE]


def test_they_leave_before_anything_else_is_read() -> None:
    with stepped() as (_, made, leaders):
        pairs = kept_alive(made, 2)
        ask(leaders, pairs, "a", "b")
        leaders.call_all()
        assert held(made)
        assert not receive(leaders, made.loop)
        assert not held(made)
        assert pairs[0][1].response()[2] == b"a"


def test_a_large_response_is_not_held_back() -> None:
    with stepped() as (application, made, leaders):
        pairs = kept_alive(made, 2)
        application.length = MOST_HELD
        ask(leaders, pairs, "a", "b")
        leaders.call_all()
        assert not held(made)


def test_a_connection_that_is_not_kept_does_not_wait() -> None:
    """Its first response registers it, and `Connection: close` ends it."""
    with stepped() as (_, made, leaders):
        pairs = [*kept_alive(made, 1), made.connect(), *kept_alive(made, 1)]
        pairs[0][1].send(request("a").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        pairs[1][1].send(request("b"))
        pairs[2][1].send(request("c"))
        made.loop.ready.extend(
            (connection.fd, 1) for connection, _ in pairs if (connection.fd, 1) not in made.loop.ready
        )
        assert receive(leaders, made.loop)
        assert len(made.loop.begun) == 3
        leaders.call_all()
        assert not held(made)
        assert [client.response()[2] for _, client in pairs] == [b"a", b"b", b"c"]


def test_what_the_client_does_not_take_waits_for_it() -> None:
    """The connection is then as after any response that waits, and its next request is answered."""
    with stepped() as (application, made, leaders):
        pairs = [*kept_alive(made, 1, buffer=4096), *kept_alive(made, 1)]
        (connection, client), _ = pairs
        application.length = 15_000
        ask(leaders, pairs, "a", "b")
        leaders.call_all()
        send_held(leaders.recovery, made.loop)
        assert connection.state == SENDING
        found = threading.Thread(target=lambda: responses.append(client.response()[2].strip()))
        responses: list[bytes] = []
        found.start()
        made.until(lambda: connection.state == IDLE)
        found.join(PATIENCE)
        client.send(request("next"))
        application.length = 0
        made.until(lambda: "next" in application.calls)
        assert [*responses, client.response()[2]] == [b"a", b"next"]


def test_a_client_that_is_gone_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with stepped() as (_, made, leaders):
        pairs = kept_alive(made, 3)
        ask(leaders, pairs, "a", "b", "c")
        leaders.call_all()
        pairs[0][1].close()
        send_held(leaders.recovery, made.loop)
        assert pairs[0][0].state == CLOSED
        assert [client.response()[2] for _, client in pairs[1:]] == [b"b", b"c"]
    assert not caplog.records


def test_a_response_leaves_before_its_connection_ends(caplog: pytest.LogCaptureFixture) -> None:
    """An exception has interrupted the leader after it, or the server is forced to end."""
    with stepped() as (_, made, leaders):
        pairs = kept_alive(made, 3)
        ask(leaders, pairs, "a", "b", "c")
        leaders.call_all()
        pairs[0][0].finish_response(CLOSE)
        pairs[1][0].close()
        assert [client.response()[2] for _, client in pairs] == [b"a", b"b", b"c"]
        assert [client.is_closed() for _, client in pairs[:2]] == [True, True]
        send_held(leaders.recovery, made.loop)
        assert not held(made)
    assert not caplog.records


def test_an_error_costs_one_connection(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    with stepped() as (_, made, leaders):
        pairs = kept_alive(made, 4)
        ask(leaders, pairs, "a", "b", "c", "d")
        leaders.call_all()
        monkeypatch.setattr(pairs[1][0], "sock", None)
        send_held(leaders.recovery, made.loop)
        monkeypatch.undo()
        assert pairs[1][0] not in made.loop.connections
        assert [client.response()[2] for _, client in pairs if client is not pairs[1][1]] == [b"a", b"c", b"d"]
        assert not held(made)
    assert "internal error, connection closed" in caplog.text


def test_http2_connections_send_together() -> None:
    """Each keeps what its streams have put into its output until the last connection's request was called."""
    with stepped() as (_, made, leaders):
        pairs = [connect(made) for _ in range(3)]
        made.run_until_idle()
        streams = [client.request(f"/{name}") for (_, client), name in zip(pairs, "abc", strict=True)]
        made.loop.wait(0.0)
        assert receive(leaders, made.loop)
        assert len(made.loop.begun) == 3
        leaders.call_all()
        assert held(made) == [connection for connection, _ in pairs[:2]]
        send_held(leaders.recovery, made.loop)
        for (connection, client), stream, name in zip(pairs, streams, (b"a", b"b", b"c"), strict=True):
            assert client.answer(made, stream).body == name
            assert not connection.streams


def test_an_http2_response_leaves_before_its_connection_drains() -> None:
    with stepped() as (_, made, leaders):
        pairs = [connect(made) for _ in range(2)]
        made.run_until_idle()
        streams = [client.request(f"/{name}") for (_, client), name in zip(pairs, "ab", strict=True)]
        made.loop.wait(0.0)
        assert receive(leaders, made.loop)
        pairs[0][0].begin_drain()
        pairs[0][0].drain()
        leaders.call_all()
        assert pairs[0][1].answer(made, streams[0]).body == b"a"
        send_held(leaders.recovery, made.loop)


def test_a_child_process_sends_none_of_them() -> None:
    with stepped() as (_, made, leaders):
        pairs = kept_alive(made, 2)
        ask(leaders, pairs, "a", "b")
        leaders.call_all()
        made.loop.abandon()
        send_held(leaders.recovery, made.loop)
        assert not held(made)
        assert pairs[0][1].is_closed()


# ---------------------------------------------------------------- with threads


@contextmanager
def serving(threads: int, *paths: str) -> Iterator[tuple[Application, list[PairClient], Callable[[], None]]]:
    """Have a request of each client come before the first one is read, once the server is begun."""
    application = Application()
    with rig(application) as made:
        clients = [client for _, client in kept_alive(made, len(paths))]
        application.calls.clear()
        leaders = LeaderFollowers(made.loop, threads, queue_size=0, queue_timeout=0.0)
        thread = threading.Thread(target=leaders.run, daemon=True)
        for client, path in zip(clients, paths, strict=True):
            client.send(request(path))
        try:
            yield application, clients, thread.start
        finally:
            application.go_on.set()
            leaders.end()
            if thread.ident:
                thread.join(PATIENCE)
            assert leaders.join(time.monotonic() + PATIENCE) == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_call_that_blocks_holds_nothing_back(threads: int) -> None:
    """The next leader sends what is held back, or the monitor thread if no thread is free."""
    with serving(threads, "a", "b", "blocking", "c") as (application, clients, begin):
        begin()
        assert [client.response()[2] for client in clients[:2]] == [b"a", b"b"]
        application.go_on.set()
        assert [client.response()[2] for client in clients[2:]] == [b"blocking", b"c"]


@pytest.mark.parametrize("length", [0, 15_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_call_that_blocks_after_its_response_does_not_hold_it_back(threads: int, length: int) -> None:
    """PEP 3333, "Buffering and Streaming": a block is sent even if the application does something else then."""
    with serving(threads, "blocking-after", "b") as (application, clients, begin):
        application.length = length
        begin()
        assert clients[0].response()[2].strip() == b"blocking-after"
        clients[0].send(request("again"))
        application.go_on.set()
        assert [client.response()[2].strip() for client in clients] == [b"again", b"b"]


@pytest.mark.parametrize(("threads", "longest"), [(2, 0.0), (0, 60.0)])
def test_each_response_leaves_at_once(threads: int, longest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time for which one may wait; and with one thread, since no other could send while a call blocks."""
    monkeypatch.setattr(read_ahead, "LONGEST_HOLD", longest)
    with serving(threads, "look0", "look1", "look2") as (application, clients, begin):
        application.look = lambda: all(has_come(clients[int(path[-1])]) for path in application.calls[:-1])
        begin()
        wait_until(lambda: len(application.seen) == 3, what="the calls")  # they look at what the clients have not read
        assert application.seen == [True, True, True]
        assert [client.response()[2] for client in clients] == [b"look0", b"look1", b"look2"]


def test_pipelined_requests_are_answered_in_order() -> None:
    with serving(2, *"abcdefgh") as (_, clients, begin):
        for client in clients:
            client.send(request("2") + request("3"))
        begin()
        for client, path in zip(clients, "abcdefgh", strict=True):
            assert [client.response()[2] for _ in range(3)] == [path.encode(), b"2", b"3"]


def test_an_http2_response_ends_after_its_exchange_was_handed_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call may end between two steps of the monitor thread: it has taken the claim, but not handed off yet."""
    order: list[str] = []
    has_finished = threading.Event()
    hand_off, finish = Stream.hand_off_locked, Stream.finish_response

    def hand_off_late(stream: Stream) -> None:
        application.go_on.set()  # the call ends now
        has_finished.wait(0.2)  # it must not; the time in which it could is bounded
        order.append("handed off")
        hand_off(stream)

    def finish_response(stream: Stream, outcome: int) -> None:
        order.append("finished")
        has_finished.set()
        finish(stream, outcome)

    monkeypatch.setattr(Stream, "hand_off_locked", hand_off_late)
    monkeypatch.setattr(Stream, "finish_response", finish_response)
    application = Application()
    with (
        serve(application, threads=2, http2=True, trusted_proxies="127.0.0.1") as served,
        h2_client(served.address) as client,
    ):
        assert bytes(client.fetch("/blocking").body).strip() == b"blocking"
    assert order == ["handed off", "finished"]
