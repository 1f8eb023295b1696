"""Looks for mixed-up answers: many connections and streams, random resets, and every byte checked against its request.

Content is a function of a request's seed alone, at every position another one, so that a byte of another stream, of
another connection or of another place in the same answer shows.
"""

import contextlib
import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.h2_client import Answer, H2Client, h2_client

SIZES = (0, 1, 100, 5_000, 16_384, 20_000, 70_000, 200_000)


def content(seed: int, size: int) -> bytes:
    """Return so many bytes that no other seed has."""
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(size)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer `/KIND/SEED/SIZE` with that content and the digest of the request's body, at once or piece by piece."""
    _, kind, seed, size = environ["PATH_INFO"].split("/")
    body = environ["wsgi.input"].read()
    answer = content(int(seed), int(size))
    if kind == "slow":
        time.sleep(0.002)  # blocks: the request leaves the leading thread
    fields = [("X-Seed", seed), ("X-Body", hashlib.sha256(body).hexdigest())]
    start_response("200 OK", fields)
    if kind == "pieces":
        return (answer[at : at + 7_001] for at in range(0, len(answer), 7_001))
    return [answer]


@dataclass
class Findings:
    """What a run has seen."""

    checked: int = 0
    reset: int = 0
    wrong: list[str] = field(default_factory=list)


class Checker:
    """One connection that asks, resets at random and checks."""

    def __init__(self, client: H2Client, number: int, findings: Findings) -> None:
        self._client = client
        self._random = random.Random(number)
        self._findings = findings
        self._asked: dict[int, tuple[int, int, bytes]] = {}

    def ask(self) -> None:
        """Send a request with a random path and body."""
        chance = self._random
        seed, size = chance.getrandbits(48), chance.choice(SIZES)
        body = content(seed ^ 1, chance.choice((0, 0, 0, 10, 3_000, 30_000)))
        path = f"/{chance.choice(('whole', 'whole', 'pieces', 'slow'))}/{seed}/{size}"
        stream = self._client.state.get_next_available_stream_id()
        self._asked[stream] = (seed, size, body)
        # Short of the windows in any case, so that nothing is received here.
        room = self._client.state.remote_settings.initial_window_size // 2
        self._client.request(path, method="POST" if body else "GET", body=body[:room] or None)
        self._asked[stream] = (seed, size, body[:room])

    def reset_one(self) -> None:
        """Give up a stream, whatever has come of it."""
        stream = self._random.choice(list(self._asked))
        if not self._client.answers[stream].is_complete:
            with contextlib.suppress(Exception):  # it may have been closed meanwhile: h2 says so in many ways
                self._client.reset(stream)
                self._findings.reset += 1
        del self._asked[stream]

    def settle(self) -> None:
        """Check what is complete, and what has come of the rest."""
        for stream, (seed, size, body) in list(self._asked.items()):
            answer = self._client.answers[stream]
            problem = self._problem(answer, seed, size, body)
            if problem:
                self._findings.wrong.append(f"stream {stream}, seed {seed}, size {size}: {problem}")
            if answer.is_complete or answer.reset is not None or problem:
                self._findings.checked += 1
                del self._asked[stream], self._client.answers[stream]

    def _problem(self, answer: Answer, seed: int, size: int, body: bytes) -> str:
        if answer.reset is not None:
            return f"reset with {answer.reset}"
        if not answer.headers:
            return ""
        if answer.status != "200" or answer["x-seed"] != str(seed):
            return f"fields {answer.headers}"
        if answer["x-body"] != hashlib.sha256(body).hexdigest():
            return "the body that the application read is not the one that was sent"
        if answer.is_complete and bytes(answer.body) != content(seed, size):
            return f"{len(answer.body)} bytes of content, which are wrong"
        return ""

    def run(self, until: float, streams: int) -> None:
        """Ask and check until a moment of the monotonic clock."""
        opened = 0.0
        while time.monotonic() < until:
            while len(self._asked) < streams:
                self.ask()
            # Below the 33 resets a second that the server grants for long.
            if time.monotonic() - opened > 0.04:
                opened = time.monotonic()
                self.reset_one()
            self._client.receive()
            self.settle()
            if self._client.is_closed:
                self._findings.wrong.append(f"the connection was closed: {self._client.goaways}")
                return
        while self._asked and not self._client.is_closed:
            self._client.receive()
            self.settle()


@contextlib.contextmanager
def running(work: list[Callable[[], None]]) -> Iterator[None]:
    """Run each in a separate thread until all have finished."""
    threads = [threading.Thread(target=one, daemon=True) for one in work]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def look_for_mixing(address: Any, *, secure: bool, seconds: float, connections: int = 4, streams: int = 12) -> Findings:
    """Load a server that serves `application`, and return what was found."""
    findings = Findings()
    until = time.monotonic() + seconds

    def check(number: int) -> None:
        try:
            while time.monotonic() < until and not findings.wrong:
                turn_ends = min(until, time.monotonic() + 1.0)  # connections end and come, too
                with h2_client(address, secure=secure) as client:
                    Checker(client, number, findings).run(turn_ends, streams)
        except BaseException as error:
            findings.wrong.append(f"a client failed: {error!r}")
            raise

    with running([lambda number=number: check(number) for number in range(connections)]):  # type: ignore[misc]
        pass
    return findings
