"""A server under real clients that do everything at once, watched from inside: who leads, who runs what, how often.

`run` serves for a moment, checks every response against its request, and then that nothing is left: no thread, no
descriptor, no claim, no request that was run twice or answered with another one's content.
"""

import hashlib
import http.client
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.descriptors import descriptors
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.server import create_server
from wiverno.core.threads.leader import LeaderFollowers

KINDS = ("quick", "quick", "quick", "sleep", "surprise", "cpu", "stream")
UNHURRIED = 30.0  # seconds in which any answer comes, on a busy machine and with a switch interval of a microsecond


class Violation(AssertionError):
    """An invariant of the lead protocol does not hold."""


class Watch:
    """Wraps the methods of LeaderFollowers, and counts the leaders."""

    def __init__(self, leaders: LeaderFollowers, violations: list[str]) -> None:
        self.events: Counter[str] = Counter()
        self._leaders: set[int] = set()
        self._lock = threading.Lock()
        self._violations = violations
        target: Any = leaders
        for name in ("_lead", "_take_claim", "_pass_lead", "return_lead"):
            setattr(target, name, self._wrapped(name, getattr(leaders, name)))
        target._dispatcher.lead = self._wrapped("_dispatch", target._dispatcher.lead)

    def _wrapped(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        watch = getattr(self, name)

        def wrapped(*args: Any, **kw: Any) -> Any:
            return watch(lambda: method(*args, **kw))

        return wrapped

    def _enter(self) -> None:
        with self._lock:
            self._leaders.add(threading.get_ident())
            if len(self._leaders) > 1:
                self._violations.append(f"{len(self._leaders)} threads lead")

    def _leave(self) -> None:
        with self._lock:
            self._leaders.discard(threading.get_ident())

    def _lead(self, call: Callable[[], Any]) -> None:
        self._enter()
        self.events["lead"] += 1
        try:
            call()
        finally:
            self._leave()

    def _dispatch(self, call: Callable[[], Any]) -> None:
        self.events["dispatch"] += 1
        self._lead(call)

    def _pass_lead(self, call: Callable[[], Any]) -> None:
        self.events["prediction"] += 1
        self._leave()
        call()

    def return_lead(self, call: Callable[[], Any]) -> bool:
        self._leave()
        has_given = bool(call())
        if not has_given:
            self._enter()
        return has_given

    def _take_claim(self, call: Callable[[], Any]) -> bool:
        is_taken = bool(call())
        if is_taken:
            self.events["stall"] += 1
            with self._lock:
                self._leaders.clear()  # the one that is blocked: its claim is gone
        return is_taken


class Application:
    """Answers every kind of request with its own id, and notes what runs when."""

    def __init__(self, violations: list[str], most_at_once: int = 0) -> None:
        self._most_at_once = most_at_once
        self.calls: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.streams: Counter[str] = Counter()
        self._violations = violations
        self._running: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        _, segment, name = environ["PATH_INFO"].split("/")
        kind = segment.partition(".")[0]
        self._begin(environ["REMOTE_PORT"], name)
        content = self._content(kind, name, environ)
        start_response("200 OK", [("X-Id", name)])
        if kind == "stream":
            with self._lock:
                self.streams[name] += 1
            return Stream(self, environ["REMOTE_PORT"], name, content)
        self._end(environ["REMOTE_PORT"])
        return [content]

    def _content(self, kind: str, name: str, environ: dict[str, Any]) -> bytes:
        body = environ["wsgi.input"].read()
        chance = random.Random(name)
        if kind in ("sleep", "surprise"):
            time.sleep(chance.uniform(0.0002, 0.005))  # the load: long enough to block, or not
        elif kind == "cpu":
            for _ in range(chance.randrange(1, 40)):
                hashlib.sha256(b"x" * 20_000).digest()
        return f"{kind} {name} {hashlib.sha256(body).hexdigest()}".encode()

    def _begin(self, port: str, name: str) -> None:
        with self._lock:
            self.calls[name] += 1
            if port in self._running:
                self._violations.append(f"connection {port} is run by two threads")
            self._running[port] = threading.get_ident()
            if self._most_at_once and len(self._running) > self._most_at_once:
                self._violations.append(f"{len(self._running)} requests of one client run")

    def _end(self, port: str) -> None:
        with self._lock:
            del self._running[port]

    def note_closed(self, port: str, name: str) -> None:
        with self._lock:
            self.closed[name] += 1
            self._running.pop(port, None)


class Stream:
    """A response in pieces, some of which keep one waiting."""

    def __init__(self, application: Application, port: str, name: str, content: bytes) -> None:
        self._application = application
        self._port = port
        self._name = name
        self._content = content
        self._is_done = False

    def __iter__(self) -> Iterator[bytes]:
        chance = random.Random(self._name)
        for position in range(0, len(self._content), 20):
            if chance.random() < 0.1:
                time.sleep(0.001)  # the load: an iterator that waits
            yield self._content[position : position + 20]
        self._application._end(self._port)  # before the client can know that the response is complete
        self._is_done = True

    def close(self) -> None:
        if self._is_done:
            with self._application._lock:
                self._application.closed[self._name] += 1
        else:
            self._application.note_closed(self._port, self._name)


class Clients:
    """Threads that ask until the time is over."""

    def __init__(self, address: tuple[str, int], seconds: float, seed: int) -> None:
        self.address = address
        self.end = time.monotonic() + seconds
        self.seed = seed
        self.answered: list[str] = []
        self.failures: list[str] = []
        self._lock = threading.Lock()

    def run(self, *, keeping: int, pipelining: int, leaving: int) -> None:
        roles = [self._keep] * keeping + [self._pipeline] * pipelining + [self._leave] * leaving
        threads = [threading.Thread(target=self._guarded, args=(role, n), daemon=True) for n, role in enumerate(roles)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.end - time.monotonic() + 2 * UNHURRIED)
            if thread.is_alive():
                self.failures.append("a client waits for ever")

    def _guarded(self, role: Callable[[random.Random, str], None], number: int) -> None:
        chance = random.Random(self.seed * 1000 + number)
        count = 0
        while time.monotonic() < self.end and not self.failures:
            count += 1
            try:
                role(chance, f"{role.__name__}-{number}-{count}")
            except Exception as error:  # told by the thread that waits for all of them
                self.failures.append(f"{role.__name__}: {type(error).__name__}: {error}")

    def _check(self, name: str, status: int, told: str | None, content: bytes, expected: bytes) -> None:
        if (status, told, content) != (200, name, expected):
            raise Violation(f"{name} was answered with {status} {told} {content!r}")
        with self._lock:
            self.answered.append(name)

    def _keep(self, chance: random.Random, name: str) -> None:
        """One connection, some requests one after the other, some with bodies."""
        connection = http.client.HTTPConnection(*self.address, timeout=UNHURRIED)
        for number in range(chance.randrange(1, 40)):
            kind, body, one = chance.choice(KINDS), _body(chance), f"{name}-{number}"
            connection.request("POST" if body else "GET", _path(kind, one), body or None)
            response = connection.getresponse()
            self._check(one, response.status, response.getheader("X-Id"), response.read(), _answer(kind, one, body))
            if time.monotonic() > self.end:
                break
        connection.close()

    def _pipeline(self, chance: random.Random, name: str) -> None:
        """Several requests at once, cut somewhere; answers in their order."""
        asked = [(chance.choice(KINDS), f"{name}-{number}", _body(chance)) for number in range(chance.randrange(1, 9))]
        data = b"".join(_request(*one) for one in asked)
        cut = chance.randrange(len(data))
        with RawClient(self.address, UNHURRIED) as client:
            client.send(data[:cut])
            if chance.random() < 0.5:
                time.sleep(0.0005)  # the client pauses in the middle
            client.send(data[cut:])
            for kind, one, body in asked:
                status, fields, content = client.response()
                self._check(one, status, fields.get("x-id"), content, _answer(kind, one, body))

    def _leave(self, chance: random.Random, name: str) -> None:
        """Hang up somewhere: in a request, while it runs, while the response comes, with FIN or RST."""
        data = _request(chance.choice(KINDS), name, _body(chance))
        with RawClient(self.address, UNHURRIED) as client:
            try:
                client.send(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.5 else data)
                if chance.random() < 0.5:
                    time.sleep(chance.uniform(0, 0.003))  # the client leaves at any moment
            except ConnectionError:
                pass
            if chance.random() < 0.5:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _path(kind: str, name: str) -> str:
    """Return a path by which the predictor knows a request's kin, or, for a surprise, none at all."""
    return f"/{kind}.{name}/{name}" if kind == "surprise" else f"/{kind}/{name}"


def _body(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((10, 3000, 100_000))) if chance.random() < 0.2 else b""


def _request(kind: str, name: str, body: bytes) -> bytes:
    head = f"{'POST' if body else 'GET'} {_path(kind, name)} HTTP/1.1\r\nHost: a\r\n"
    return (head + (f"Content-Length: {len(body)}\r\n" if body else "") + "\r\n").encode() + body


def _answer(kind: str, name: str, body: bytes) -> bytes:
    return f"{kind} {name} {hashlib.sha256(body).hexdigest()}".encode()


@contextmanager
def switch_interval(seconds: float | None) -> Iterator[None]:
    """Have threads change places as often as that."""
    before = sys.getswitchinterval()
    if seconds is not None:
        sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def run(
    *, threads: int, poller: str, seconds: float, interval: float | None = None, seed: int = 0, **more: Any
) -> Counter[str]:
    """Serve clients for some seconds, check everything, and return how often which thing happened to the lead.

    `more` are further settings.

    Raises:
        AssertionError: something was answered wrongly, run twice, led by two, or left behind.
    """
    violations: list[str] = []
    before = descriptors()
    application = Application(violations, more.get("max_requests_per_client", 0))
    settings: dict[str, Any] = {"threads": threads, "poller": poller, "log_socket_errors": False}
    settings = {**settings, "event_loops": 1, **more}
    server: Any = create_server(application, host=LOOPBACK, port=0, inbuf_overflow=50_000, **settings)
    watches = [Watch(reactor.leaders, violations) for reactor in server._engine.reactors]
    runner = threading.Thread(target=server.run, name="server under stress", daemon=True)
    with switch_interval(interval):
        runner.start()
        clients = Clients((server.effective_host, server.effective_port), seconds, seed)
        clients.run(keeping=6, pipelining=3, leaving=2)
        assert not clients.failures, clients.failures
        wait_until(lambda: not server._engine.connections, UNHURRIED, what="the connections to be closed")
        server.close()
        runner.join(UNHURRIED)
    assert not runner.is_alive(), "the server does not end"
    _nothing_is_left(server, application, clients, violations)
    wait_until(lambda: descriptors() <= before, PATIENCE, what="the descriptors to be given back")
    return sum((watch.events for watch in watches), Counter())


def _nothing_is_left(server: Any, application: Application, clients: Clients, violations: list[str]) -> None:
    assert not violations, violations
    for reactor in server._engine.reactors:
        assert not reactor.leaders._claim
        assert not reactor.leaders.queued
        assert not reactor.leaders._tasks.tasks.running
        assert not reactor.leaders.thread_pool.alive
    twice = [name for name, count in application.calls.items() if count != 1]
    assert not twice, twice
    assert len(set(clients.answered)) == len(clients.answered)
    assert set(clients.answered) <= set(application.calls)
    assert application.closed == application.streams
    assert len(clients.answered) > 20
