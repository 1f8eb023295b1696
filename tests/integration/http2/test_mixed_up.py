"""Many streams of several connections, a third of them reset on the way: each answer is its request's, byte by byte."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.h2_client import H2Client, h2_client
from tests.support.serving import MODES, Served, serving
from tests.support.waiting import wait_until

TLS = Path(__file__).resolve().parents[2] / "data" / "tls"
CONNECTIONS, ROUNDS, STREAMS = 4, 4, 20
SIZES = (0, 1, 100, 5_000, 16_384, 40_000, 150_000)


class Seeded:
    """Answers with bytes that its path determines, and expects a body that its path determines; counts bodies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.opened = self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        _, seed, size, kind = environ["PATH_INFO"].split("/")
        right = random.Random(f"up {seed}").randbytes(int(size)) if environ["REQUEST_METHOD"] == "POST" else b""
        if environ["wsgi.input"].read() != right or environ["HTTP_COOKIE"] != f"seed={seed}":
            start_response("400 Bad Request", [])
            return [b"the request is mixed up"]
        start_response("200 OK", [("X-Seed", seed)])
        return self.body(random.Random(seed).randbytes(int(size)), int(kind))

    def body(self, content: bytes, kind: int) -> Iterable[bytes]:
        """Return the content whole, or in pieces."""
        return [content] if kind == 0 else Pieces(self, content, 1 + len(content) // kind)

    def count(self, opened: int, closed: int) -> None:
        with self._lock:
            self.opened += opened
            self.closed += closed


class Pieces:
    """Content in pieces of some length."""

    def __init__(self, site: Seeded, content: bytes, length: int) -> None:
        self._site, self._content, self._length = site, content, length
        site.count(1, 0)

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), self._length):
            yield self._content[start : start + self._length]

    def close(self) -> None:
        self._site.count(0, 1)


def ask(client: H2Client, seed: str, size: int, kind: int, *, posts: bool) -> int:
    """Send a request that names its seed in path, cookie and body."""
    body = random.Random(f"up {seed}").randbytes(size) if posts else None
    path, headers = f"/{seed}/{size}/{kind}", [("cookie", f"seed={seed}")]
    return client.request(path, method="POST" if posts else "GET", headers=headers, body=body)


def one_client(served: Served, number: int) -> int:
    """Ask on one connection until all rounds are done; return how many answers were compared."""
    chance, compared = random.Random(number), 0
    with h2_client(served.address, secure=True, window=1 << 20) as client:
        for turn in range(ROUNDS):
            wanted: dict[int, tuple[str, int]] = {}
            for place in range(STREAMS):
                seed, size = f"{number}-{turn}-{place}", chance.choice(SIZES)
                stream = ask(client, seed, size, chance.choice((0, 0, 1, 7)), posts=chance.random() < 0.3)
                wanted[stream] = (seed, size)
                if chance.random() < 0.3:
                    victim = chance.choice(list(wanted))
                    if not client.answers[victim].is_complete:
                        client.reset(victim)
                        del wanted[victim]
            client.wait(*wanted)
            for stream, (seed, size) in wanted.items():
                answer = client.answers[stream]
                assert answer.status == "200", (seed, size, answer.status, bytes(answer.body[:60]), answer.reset)
                assert answer["x-seed"] == seed
                assert bytes(answer.body) == random.Random(seed).randbytes(size), (seed, size, len(answer.body))
                compared += 1
            assert not client.goaways
    return compared


@pytest.mark.parametrize("mode", MODES)
def test_no_answer_is_another_ones(mode: str) -> None:
    site = Seeded()
    certificate = {"certfile": str(TLS / "first.pem"), "keyfile": str(TLS / "first.key")}
    with serving(site, **MODES[mode], **certificate, http2=True) as served, ThreadPoolExecutor(CONNECTIONS) as pool:
        compared = list(pool.map(lambda number: one_client(served, number), range(CONNECTIONS)))
        assert min(compared) > ROUNDS * STREAMS // 3
        wait_until(lambda: site.closed == site.opened, what="every body to be closed")
