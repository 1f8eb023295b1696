"""One HTTP/2 connection, led by the test: which thread may end what, what waits for what, and what is given back."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.support.http2_rig import LedClient, connect
from tests.support.rig import Rig, hello, rig
from wiverno.core.http2.connection import MAX_WAITING, Http2Connection
from wiverno.core.threads.recovery import Recovery
from wiverno.http2.errors import ErrorCode
from wiverno.wsgi.sink import ClientDisconnected

LARGE = 300_000


class Endless:
    """A body without an end; remembers that it was closed, and whether the request could still be read."""

    def __init__(self) -> None:
        self.closed: list[bytes] = []
        self._environ: dict[str, Any] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self._environ = environ
        start_response("200 OK", [])
        return self

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    def close(self) -> None:
        self.closed.append(self._environ["wsgi.input"].read())


def large(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [])
    return [b"x" * LARGE]


def hold_all(made: Rig, count: int) -> list[tuple[Any, dict[str, Any]]]:
    """Lead until so many requests are held."""
    made.holds = True
    made.until(lambda: len(made.held) == count)
    held, made.held[:] = list(made.held), []
    made.holds = False
    return held


def test_a_response_leaves_although_the_request_it_waited_for_was_reset() -> None:
    """Responses leave with those of requests that came with them; a reset may have taken the last one away."""
    with rig() as made:
        _, client = connect(made)
        made.holds = True
        first, second = client.request("/first"), client.request("/second")
        made.until(lambda: made.held)
        client.reset(second)
        exchange, environ = made.held.pop()
        connection: Any = exchange.client
        with connection.lock:
            connection._receive()
        exchange.finish_response(exchange.gateway.respond(environ))
        assert not client.answers[first].body
        assert client.answer(made, first).body == b"/first 0"
        assert not connection.streams


def test_a_connection_closed_by_another_thread_gives_no_exchange() -> None:
    with rig() as made:
        connection, client = connect(made)
        for _ in range(3):
            client.request("/")
        held = hold_all(made, 1)
        thread = threading.Thread(target=connection.close)
        thread.start()
        thread.join()
        assert connection.ready(0) is None
        exchange, environ = held[0]
        exchange.finish_response(exchange.gateway.respond(environ))
        assert not connection.streams


def test_an_error_response_on_a_reused_gateway_has_the_method_of_its_own_request() -> None:
    with rig(max_request_body_size=10) as made:
        _, client = connect(made)
        client.answer(made, client.request("/", method="HEAD"))
        refused = client.answer(made, client.request("/", method="POST", body=b"x" * 50))
        assert refused.status == "413"
        assert len(refused.body) == int(refused["content-length"]) > 0


@pytest.mark.parametrize("ends", ["client leaves", "engine closes"])
def test_a_suspended_iteration_is_closed_once_with_its_request(ends: str) -> None:
    application = Endless()
    with rig(application, threads=False) as made:
        made.loop.thread_pool = None
        connection, client = connect(made)
        client.request("/", method="POST", body=b"read me")
        made.until(lambda: any(stream.state == 3 for stream in connection.streams.values()))
        if ends == "client leaves":
            client.close()
            made.until(lambda: application.closed)
        else:
            connection.close()
        made.run_until_idle()
        assert application.closed == [b"read me"]
        assert not connection.streams


def test_an_exception_in_the_engine_resets_its_stream_alone() -> None:
    with rig() as made:
        connection, client = connect(made)
        bad, good = client.request("/bad"), client.request("/good")
        held = hold_all(made, 2)
        Recovery(made.loop, lambda: None).drop_exchange(held[0][0], RuntimeError("anything"))
        held[1][0].finish_response(held[1][0].gateway.respond(held[1][1]))
        assert client.answer(made, bad).reset == ErrorCode.INTERNAL_ERROR
        assert client.answer(made, good).body == b"/good 0"
        assert not connection.streams


def test_a_response_that_never_began_is_reset_with_an_error() -> None:
    """A signal handler's exception ends the call of the application; the client must not take that for an end."""
    with rig() as made:
        _, client = connect(made)
        stream = client.request("/")
        exchange, _ = hold_all(made, 1)[0]
        exchange.finish_response(1)
        assert client.answer(made, stream).reset == ErrorCode.INTERNAL_ERROR


def test_a_fork_leaves_no_lock_behind() -> None:
    """Another thread may have held the connection's lock at the fork; the copy's application must not wait for it."""
    with rig() as made:
        connection, client = connect(made)
        client.request("/")
        exchange, _ = hold_all(made, 1)[0]
        release, is_held = threading.Event(), threading.Event()

        def hold(lock: Any) -> None:
            with lock:
                is_held.set()
                release.wait(20)

        holder = threading.Thread(target=hold, args=(connection.lock,))
        holder.start()
        is_held.wait(20)
        made.loop.abandon()
        with pytest.raises(ClientDisconnected):
            exchange.write(b"x", True)
        release.set()
        holder.join()


def test_deadlines_may_be_asked_for_while_threads_end_streams() -> None:
    with rig() as made:
        connection, client = connect(made)
        for _ in range(90):
            client.request("/")
        held = hold_all(made, 90)
        failures: list[BaseException] = []
        is_over = threading.Event()

        def ask() -> None:
            while not is_over.is_set():
                try:
                    connection.deadline()
                except BaseException as error:
                    failures.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        for exchange, environ in held:
            exchange.finish_response(exchange.gateway.respond(environ))
        is_over.set()
        asking.join()
        assert not failures


def end_of(connection: Http2Connection, client: LedClient, made: Rig) -> list[tuple[int, int]]:
    """Lead until the server has closed the connection; return the GOAWAY frames."""

    def is_over() -> bool:
        client.receive()
        return client.is_closed

    made.until(is_over)
    assert connection.is_closed
    return client.goaways


def test_a_connection_that_comes_while_draining_is_told_twice_and_served() -> None:
    """Its TLS handshake was not complete when draining began, so that nothing has told it."""
    with rig() as made:
        connection, client = connect(made)
        made.loop.keep_alive = False
        connection.drain(before=time.monotonic())
        stream = client.request("/late")
        assert client.answer(made, stream).body == b"/late 0"
        connection.drain(before=time.monotonic() + 1)
        assert end_of(connection, client, made) == [(0, 2**31 - 1), (0, stream)]


def test_a_frame_that_never_ends_is_given_up_beside_a_stream_that_runs() -> None:
    with rig(header_timeout=5, channel_timeout=1000) as made:
        connection, client = connect(made)
        client.request("/")
        hold_all(made, 1)
        client.sock.sendall(b"\0\x40\0\1\4\0\0\0\3part of a field block")
        made.until(lambda: connection.protocol.is_mid_frame)
        made.later(4)
        assert not connection.is_closed
        made.later(5 + 16384 / made.context.min_rate + 2)
        assert connection.is_closed


def test_frames_that_follow_each_other_in_parts_are_no_slow_frame() -> None:
    """Every read of an upload may end inside a frame; each of them has its own time."""
    with rig(header_timeout=5, channel_timeout=1000, body_timeout=1000) as made:
        connection, client = connect(made)
        stream = client.request("/", method="POST", ends=False)
        frame = b"\0\0\4\0\0" + stream.to_bytes(4, "big") + b"data"
        client.sock.sendall(frame[:6])
        for _ in range(5):
            made.until(lambda: connection.protocol.is_mid_frame)
            made.loop.now += 4
            client.sock.sendall(frame[6:] + frame[:6])
            received = connection.streams[stream].body
            assert received is not None
            before = received.received
            made.until(lambda count=before, body=received: body.received > count)  # type: ignore[misc]
        assert not connection.is_closed


def test_a_client_that_reads_nothing_keeps_its_place_and_loses_it_in_the_end() -> None:
    with rig(large, channel_timeout=20) as made:
        connection, client = connect(made, buffer=4096, window=2 * LARGE)
        client.state.increment_flow_control_window(2 * LARGE)
        client.request("/")
        client.flush()
        made.until(lambda: connection.stalled_since is not None)
        made.until(lambda: not connection.streams)
        assert connection.eviction() is None
        made.later(10)
        assert not connection.is_closed
        client.state.ping(b"awake...")
        client.flush()
        made.run_until_idle()  # who only sends does not read either
        made.later(22)
        assert connection.is_closed


def test_a_client_that_reads_nothing_gets_no_further_request_begun() -> None:
    """A hundred streams with a window of nothing hold few contents; with windows all of them are served."""
    calls: list[str] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        calls.append(environ["PATH_INFO"])
        return large(environ, start_response)

    with rig(application, channel_timeout=20) as made:
        connection, client = connect(made, window=0)
        streams = [client.request("/") for _ in range(50)]
        made.until(lambda: len(calls) >= MAX_WAITING)
        made.run_until_idle()
        assert len(calls) == MAX_WAITING
        client.state.increment_flow_control_window(50 * LARGE)
        for stream in streams[1:]:
            client.state.increment_flow_control_window(LARGE, stream)
        client.flush()
        for stream in streams[1:]:
            assert bytes(client.answer(made, stream).body) == b"x" * LARGE
        assert list(connection.streams) == streams[:1]


def received(client: LedClient, stream: int) -> bool:
    """Receive what has come; tell whether the response of a stream has begun."""
    client.receive()
    return bool(client.answers[stream].headers)


def test_requests_are_begun_when_those_that_waited_are_given_up() -> None:
    with rig(large, channel_timeout=20) as made:
        _, client = connect(made, window=0)
        streams = [client.request("/") for _ in range(MAX_WAITING + 1)]
        made.until(lambda: received(client, streams[-2]))
        assert not client.answers[streams[-1]].headers
        made.later(22)
        made.until(lambda: received(client, streams[-1]))
        assert client.answers[streams[0]].reset == ErrorCode.CANCEL


def test_one_thread_sends_a_response_before_a_slow_request() -> None:
    """Where one thread does everything, a response does not wait for a request that takes long."""
    slow: list[float] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(0.02)  # the slow request that is tried
        slow.append(time.monotonic())
        return hello(environ, start_response)

    with rig(application, threads=False) as made:
        made.loop.thread_pool = None
        connection, client = connect(made)
        streams = [client.request("/") for _ in range(3)]
        made.until(lambda: len(slow) == 1)
        client.receive()
        assert client.answers[streams[0]].is_complete
        assert not client.answers[streams[2]].is_complete
        client.answer(made, streams[2])
        assert not connection.complete


def test_allowed_hosts() -> None:
    """A stream for a host that is not allowed is refused before its body comes; the connection serves others."""
    more: dict[str, Any] = {"allowed_hosts": "localhost *.shop.example", "trusted_proxy_headers": {"x-forwarded-host"}}
    with rig(**more, trusted_proxy="192.0.2.1") as made:
        _, client = connect(made)
        assert client.answer(made, client.request("/")).status == "200"
        for authority, status in (("evil.example", "421"), ("www.shop.example:443", "200"), ("shop.example", "421")):
            client.authority = authority
            answer = client.answer(made, client.request("/"))
            assert answer.status == status, authority
            assert b"evil" not in answer.body
        client.authority = "evil.example"
        made.holds = True
        refused = client.request("/", "POST", [("content-length", "5")], ends=False)
        assert client.answer(made, refused).status == "421"
        forwarded = client.request("/", headers=[("x-forwarded-host", "localhost")])
        assert client.answer(made, forwarded).status == "421", "the peer is not trusted"
        assert not made.held


def test_bodies_share_the_budget_of_memory_with_those_of_http1() -> None:
    """What a stream's body holds beyond inbuf_overflow is of the process's budget, and is given back with a reset."""
    with rig(inbuf_overflow=1000, max_body_memory=8 * 40_000) as made:
        budget = made.context.body_memory
        connection, client = connect(made)
        stream = client.request("/", "POST", [("content-length", "30000")], ends=False)
        client.send_body(stream, b"x" * 15_000, ends=False)
        made.until(lambda: bool(budget.used))
        assert budget.used <= 40_000
        client.send_body(stream, b"x" * 15_000)
        assert client.answer(made, stream).body == b"/ 30000"
        made.until(lambda: not budget.used)
        other = client.request("/", "POST", [("content-length", "30000")], ends=False)
        client.send_body(other, b"x" * 15_000, ends=False)
        made.until(lambda: bool(budget.used))
        client.reset(other)
        made.until(lambda: not connection.streams)
        assert not budget.used
